//! Somebody who looks after a namespace and the copies in it, which take their policy from it:
//! creates, parks, wakes and deletes it, without regard for whoever has the same resources in the
//! other cluster.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::diary::Diary;
use crate::known::Known;
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::timeline::about;
use crate::lab::verdict::{Outcome, Refusal};
use crate::random::Random;
use crate::traffic::Resource;
use crate::trial::{DEADLINE, Trial};

/// Longer than a request without answer may still be under way.
const SURELY_OVER: Duration = Duration::from_secs(6);

/// Until then a change of the namespace that nobody answered is over: a replica that begins
/// anew counts from its own beginning.
const OVER: Duration = DEADLINE.saturating_mul(2);

/// What the namespace is, as its tenant knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Parking,
    Managing,
    Terminating,
}

/// What a tenant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// Creates the namespace, with or without the policy that parks.
    Found { parking: bool },
    /// Creates a copy, by its number.
    Create(usize),
    /// Deletes one.
    Delete(usize),
    /// Gives the namespace the policy that parks.
    Park,
    /// Takes it away.
    Wake,
    /// Deletes the namespace, with all that is in it.
    Leave,
    /// Looks whether it is gone.
    Look,
}

/// Somebody who looks after a namespace.
pub struct Tenant<'t> {
    trial: &'t Trial,
    cluster: &'static str,
    kubectl: &'t Kubectl,
    namespace: Object,
    random: Random,
    state: State,
    /// Until when a change that wakes may be stored although nobody said that it was admitted.
    may_wake_until: Option<Instant>,
    copies: Vec<(Known, bool)>,
    diary: Diary,
}

/// So many resource groups that a namespace of this name has, in either cluster.
pub fn resources(namespace: &str, number: usize) -> Vec<Resource> {
    (0..number)
        .map(|at| {
            let name = format!("{namespace}-{at}");
            let copy = Object::of("ResourceGroup", &name).azure_name(&name);
            Resource {
                id: format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}"),
                copy: copy.in_namespace(namespace),
            }
        })
        .collect()
}

impl<'t> Tenant<'t> {
    /// Who looks after a namespace of a cluster, and these resources in it.
    pub fn new(
        trial: &'t Trial,
        (cluster, kubectl): (&'static str, &'t Kubectl),
        namespace: &str,
        resources: &[Resource],
        seed: u64,
    ) -> Self {
        let known = |resource: &Resource| Known::new(resource.clone(), cluster, namespace);
        Self {
            trial,
            cluster,
            kubectl,
            namespace: Object::namespace(namespace),
            random: Random::new(seed),
            state: State::Absent,
            // Whoever looked after it before may have asked for one, too.
            may_wake_until: Some(Instant::now() + OVER),
            copies: resources.iter().map(|one| (known(one), false)).collect(),
            diary: Diary::default(),
        }
    }

    /// Works until told to stop.
    pub async fn work(mut self, stop: &CancellationToken) -> Diary {
        self.look().await;
        while !stop.is_cancelled() {
            let deed = self.choose();
            self.perform(deed).await;
            // Whoever is told to stop needs no rest.
            let _ = timeout(self.random.millis(100, 600), stop.cancelled()).await;
        }
        self.nothing_is_certain(Instant::now());
        self.diary
    }

    fn choose(&mut self) -> Deed {
        let number = self.copies.len() as u64;
        let at = usize::try_from(self.random.below(number)).unwrap_or(0);
        let is_stored = self.copies[at].1;
        let one = if is_stored {
            Deed::Delete(at)
        } else {
            Deed::Create(at)
        };
        let is_empty = self.copies.iter().all(|(_, stored)| !stored);
        match self.state {
            State::Absent => Deed::Found {
                parking: self.random.percent(50),
            },
            State::Terminating => Deed::Look,
            _ if is_empty => one,
            State::Parking => self
                .random
                .one_of(&[one, one, Deed::Wake, Deed::Wake, Deed::Leave]),
            State::Managing => self
                .random
                .one_of(&[one, one, Deed::Park, Deed::Park, Deed::Leave]),
        }
    }

    async fn perform(&mut self, deed: Deed) {
        if matches!(deed, Deed::Park | Deed::Wake | Deed::Leave) && !self.is_guarded().await {
            return;
        }
        let sent = Instant::now();
        let Some(outcome) = self.ask(deed).await else {
            return self.look().await;
        };
        self.note(deed, outcome.as_ref().err());
        let Err(refusal) = outcome else {
            return self.done(deed, sent).await;
        };
        let by_the_guard = refusal.message.contains("denied the request");
        let refused = by_the_guard && refusal.code == 403;
        if deed == Deed::Wake && !refused {
            self.may_wake_until = Some(Instant::now() + OVER);
        }
        let may_wake = self
            .may_wake_until
            .is_some_and(|until| Instant::now() < until);
        let is_safe = match deed {
            Deed::Park => true,
            // What is parked by its namespace alone is live as soon as that is.
            Deed::Create(_) | Deed::Delete(_) | Deed::Leave => {
                self.state == State::Parking && !may_wake
            }
            _ => false,
        };
        if is_safe && refused {
            let (cluster, namespace) = (self.cluster, &self.namespace);
            let blocked = format!("{deed:?} of {namespace} in {cluster}: {refusal}");
            self.diary.blocked.push(blocked);
        }
        if !by_the_guard && !refusal.message.contains("failed calling webhook") {
            self.nothing_is_certain(sent);
            sleep(SURELY_OVER).await;
            self.look().await;
        }
    }

    /// Puts what was done to the namespace into the order of events.
    fn note(&self, deed: Deed, refusal: Option<&Refusal>) {
        let namespace = about("namespaces", self.namespace.name());
        let answer = refusal.map_or_else(|| "done".to_owned(), ToString::to_string);
        let first = answer.lines().next().unwrap_or_default();
        let text = format!("{deed:?} in {}: {first}", self.cluster);
        self.trial.timeline.note(&namespace, text);
    }

    /// Whether the guard is asked about the namespace: it has taken notice of what is in it.
    async fn is_guarded(&self) -> bool {
        let stored = self.kubectl.get(&self.namespace).await;
        stored.is_ok_and(|stored| {
            stored.object.text("/metadata/labels/asoguard.io~1guarded") == "true"
        })
    }

    /// The answer; none to a look, which asks for nothing.
    async fn ask(&self, deed: Deed) -> Option<Outcome> {
        let (kubectl, namespace) = (self.kubectl, &self.namespace);
        let copy = |at: usize| &self.copies[at].0.resource.copy;
        Some(match deed {
            Deed::Found { parking: true } => {
                kubectl.create(&namespace.clone().policy("skip")).await
            }
            Deed::Found { parking: false } => kubectl.create(namespace).await,
            Deed::Create(at) => kubectl.create(copy(at)).await,
            Deed::Delete(at) => kubectl.delete(copy(at)).await,
            Deed::Park => kubectl.set_policy(namespace, "skip").await,
            Deed::Wake => kubectl.clear_policy(namespace).await,
            Deed::Leave => kubectl.delete(namespace).await,
            Deed::Look => return None,
        })
    }

    async fn done(&mut self, deed: Deed, sent: Instant) {
        let (trial, diary) = (self.trial, &mut self.diary);
        let managing = self.state == State::Managing;
        match deed {
            Deed::Found { parking: true } => self.state = State::Parking,
            Deed::Found { parking: false } => self.state = State::Managing,
            Deed::Create(at) => {
                let (known, stored) = &mut self.copies[at];
                *stored = true;
                if managing {
                    known.is_live();
                } else {
                    known.is_young(trial, diary).await;
                }
            }
            Deed::Delete(at) => {
                let (known, stored) = &mut self.copies[at];
                *stored = false;
                if managing {
                    known.is_deleted(sent, diary);
                }
                known.gone(sent, diary);
            }
            Deed::Park => {
                self.state = State::Parking;
                for (known, _) in &mut self.copies {
                    known.no_longer_live(sent, diary);
                }
            }
            Deed::Wake => {
                self.state = State::Managing;
                for (known, _) in self.copies.iter_mut().filter(|(_, stored)| *stored) {
                    known.is_live();
                }
            }
            Deed::Leave => {
                for (known, _) in self.copies.iter().filter(|(_, stored)| *stored && managing) {
                    known.is_deleted(sent, diary);
                }
                self.state = State::Terminating;
                self.nothing_is_certain(sent);
            }
            Deed::Look => {}
        }
    }

    fn nothing_is_certain(&mut self, since: Instant) {
        for (known, _) in &mut self.copies {
            known.gone(since, &mut self.diary);
        }
    }

    /// Looks what there is.
    async fn look(&mut self) {
        let Some(namespace) = found(self.kubectl, &self.namespace).await else {
            self.state = State::Absent;
            self.copies
                .iter_mut()
                .for_each(|(_, stored)| *stored = false);
            return;
        };
        self.state = match namespace.annotation(POLICY) {
            _ if namespace.text("/status/phase") == "Terminating" => State::Terminating,
            Some("skip") => State::Parking,
            _ => State::Managing,
        };
        for (known, stored) in &mut self.copies {
            let object = found(self.kubectl, &known.resource.copy).await;
            let deleted = object
                .as_ref()
                .map(|o| o.text("/metadata/deletionTimestamp"));
            *stored = deleted == Some("");
            match self.state {
                State::Managing if *stored => known.is_live(),
                State::Parking if *stored => known.is_young(self.trial, &mut self.diary).await,
                _ => {}
            }
        }
    }
}

/// The object as it is stored, if it is.
async fn found(kubectl: &Kubectl, object: &Object) -> Option<Object> {
    loop {
        match kubectl.get(object).await {
            Ok(answer) => return Some(answer.object),
            Err(Refusal { code: 404, .. }) => return None,
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}
