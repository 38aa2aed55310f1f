//! People at work while something breaks: one for each copy in each cluster. They create, park,
//! wake and delete, the two of a resource without regard for each other.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::checker::Seen;
use crate::diary::{Delete, Diary, Stay, What};
use crate::lab::aso::FINALIZER;
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::verdict::{Outcome, Refusal};
use crate::random::Random;
use crate::trial::Trial;

/// Longer than a request without answer may still be under way: the API servers' request
/// timeout, and some.
const SURELY_OVER: Duration = Duration::from_secs(6);
/// How long somebody who created a parked copy waits for it to show in the claim.
const REGISTERED: Duration = Duration::from_secs(15);

/// A resource that both clusters have something to do with.
#[derive(Clone)]
pub struct Resource {
    /// Its ARM ID.
    pub id: String,
    /// A copy of it, live, that nobody has stored yet.
    pub copy: Object,
}

/// So many resources of a test: resource groups, and every third a storage account in a group
/// that is not in Kubernetes. Every other has ASO's finalizer.
pub fn resources(trial: &Trial, number: usize) -> Vec<Resource> {
    (0..number)
        .map(|at| {
            let name = format!("{}-{at}", trial.name);
            let (copy, id) = if at % 3 == 2 {
                let group = trial.resource_group_id("elsewhere");
                let id = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
                (Object::of("StorageAccount", &name).owner_arm_id(&group), id)
            } else {
                let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
                (Object::of("ResourceGroup", &name), id)
            };
            let finalizers = if at % 2 == 1 {
                json!([FINALIZER])
            } else {
                json!([])
            };
            let copy = copy
                .azure_name(&name)
                .with("/metadata/finalizers", finalizers);
            Resource { id, copy }
        })
        .collect()
}

/// Everybody works until told to stop. What they did, in all.
pub async fn work(
    trial: &Trial,
    resources: &[Resource],
    seed: u64,
    stop: &CancellationToken,
) -> Diary {
    let mut people = Vec::new();
    for resource in resources {
        for (cluster, kubectl) in [("a", &trial.a.person), ("b", &trial.b.person)] {
            let seed = seed + 1_000 * people.len() as u64;
            people.push(Person::new(trial, resource, cluster, kubectl, seed).work(stop));
        }
    }
    let mut all = Diary::default();
    for diary in join_all(people).await {
        all.add(diary);
    }
    all
}

/// What a copy is, as the person who looks after it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Parked,
    Manage,
    Detach,
    /// Deleted, and held by the finalizer.
    Terminating,
}

/// What a person does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Create,
    CreateParked,
    Park,
    Wake,
    Detach,
    Delete,
    LetGo,
}

/// What came of it.
enum End {
    Done,
    /// It was not done, and never will be.
    Not,
    /// Nobody knows; it may yet be done.
    Unknown,
}

struct Person<'t> {
    trial: &'t Trial,
    resource: &'t Resource,
    cluster: &'static str,
    kubectl: &'t Kubectl,
    random: Random,
    state: State,
    live: Option<Instant>,
    stored: Option<(What, Instant)>,
    diary: Diary,
}

impl<'t> Person<'t> {
    fn new(
        trial: &'t Trial,
        resource: &'t Resource,
        cluster: &'static str,
        kubectl: &'t Kubectl,
        seed: u64,
    ) -> Self {
        Self {
            trial,
            resource,
            cluster,
            kubectl,
            random: Random::new(seed),
            state: State::Absent,
            live: None,
            stored: None,
            diary: Diary::default(),
        }
    }

    async fn work(mut self, stop: &CancellationToken) -> Diary {
        while !stop.is_cancelled() {
            let deed = self.choose();
            self.perform(deed).await;
            let rest = self.random.millis(50, 500);
            // Whoever is told to stop needs no rest.
            let _ = timeout(rest, stop.cancelled()).await;
        }
        if self.state == State::Terminating {
            self.perform(Deed::LetGo).await;
        }
        let now = Instant::now();
        self.no_longer_live(now);
        self.no_longer_stored(now);
        self.diary
    }

    fn choose(&mut self) -> Deed {
        let deeds: &[Deed] = match self.state {
            State::Absent => &[Deed::Create, Deed::Create, Deed::Create, Deed::CreateParked],
            State::Parked => &[Deed::Wake, Deed::Delete, Deed::Delete],
            State::Manage => &[Deed::Park, Deed::Delete, Deed::Delete, Deed::Detach],
            State::Detach => &[Deed::Park, Deed::Delete],
            State::Terminating => &[Deed::LetGo],
        };
        self.random.one_of(deeds)
    }

    async fn perform(&mut self, deed: Deed) {
        let sent = Instant::now();
        let outcome = self.ask(deed).await;
        match self.end_of(deed, outcome) {
            End::Not => {}
            End::Done => {
                self.diary.admitted += 1;
                self.done(deed, sent).await;
            }
            End::Unknown => {
                self.no_longer_live(sent);
                self.no_longer_stored(sent);
                sleep(SURELY_OVER).await;
                self.look().await;
            }
        }
    }

    async fn ask(&self, deed: Deed) -> Outcome {
        let copy = &self.resource.copy;
        match deed {
            Deed::Create => self.kubectl.create(copy).await,
            Deed::CreateParked => self.kubectl.create(&copy.clone().policy("skip")).await,
            Deed::Park => self.kubectl.set_policy(copy, "skip").await,
            Deed::Wake => self.kubectl.clear_policy(copy).await,
            Deed::Detach => self.kubectl.set_policy(copy, "detach-on-delete").await,
            Deed::Delete => self.kubectl.delete(copy).await,
            Deed::LetGo => {
                let none = json!({"metadata": {"finalizers": null}});
                self.kubectl.patch(copy, none).await
            }
        }
    }

    fn end_of(&mut self, deed: Deed, outcome: Outcome) -> End {
        let Err(refusal) = outcome else {
            return End::Done;
        };
        let by_the_guard = refusal.message.contains("denied the request");
        let not_asked = refusal.message.contains("failed calling webhook");
        let needs_no_leave = match deed {
            Deed::Create | Deed::Wake => false,
            // The guard must be there: it looks at what a delete takes along.
            Deed::Delete => self.state != State::Manage && by_the_guard && refusal.code == 403,
            Deed::Detach => by_the_guard && refusal.code == 403,
            Deed::Park | Deed::CreateParked | Deed::LetGo => by_the_guard || not_asked,
        };
        if needs_no_leave {
            let (cluster, copy) = (self.cluster, &self.resource.copy);
            let blocked = format!("{deed:?} of {copy} in {cluster}: {refusal}");
            self.diary.blocked.push(blocked);
        }
        if by_the_guard && refusal.code == 403 {
            self.diary.refused += 1;
            return End::Not;
        }
        self.diary.unknown += 1;
        if by_the_guard || not_asked {
            End::Not
        } else {
            End::Unknown
        }
    }

    async fn done(&mut self, deed: Deed, sent: Instant) {
        let now = Instant::now();
        match deed {
            Deed::Create | Deed::Wake => {
                self.state = State::Manage;
                self.live = Some(now);
                if deed == Deed::Create {
                    self.stored = Some((What::Stored, now));
                }
            }
            Deed::CreateParked => {
                self.state = State::Parked;
                self.is_young(now).await;
            }
            Deed::Park => {
                self.state = State::Parked;
                self.no_longer_live(sent);
            }
            Deed::Detach => self.state = State::Detach,
            Deed::Delete => {
                if self.state == State::Manage {
                    self.diary.deletes.push(Delete {
                        resource: self.resource.id.clone(),
                        cluster: self.cluster,
                        sent,
                        answered: now,
                    });
                }
                let finalizers = self.resource.copy.0["metadata"]["finalizers"].as_array();
                if finalizers.is_some_and(|list| !list.is_empty()) {
                    self.state = State::Terminating;
                } else {
                    self.gone(sent);
                }
            }
            Deed::LetGo => self.gone(sent),
        }
    }

    /// A copy that was created parked is known to the guards when the claim shows it.
    async fn is_young(&mut self, since: Instant) {
        self.stored = Some((What::Young, since));
        let copy = &self.resource.copy;
        let name = format!("{}/{}/{copy}", self.cluster, self.trial.name);
        while since.elapsed() < REGISTERED {
            let seen = self.trial.hub_claim(&self.resource.id).await;
            if seen.is_some_and(|claim| claim.0["status"].to_string().contains(&name)) {
                self.no_longer_stored(Instant::now());
                self.stored = Some((What::Stored, Instant::now()));
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Looks what became of a request without answer.
    async fn look(&mut self) {
        let object = loop {
            match self.kubectl.get(&self.resource.copy).await {
                Ok(answer) => break answer.object,
                Err(Refusal { code: 404, .. }) => {
                    self.state = State::Absent;
                    return;
                }
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        };
        let now = Instant::now();
        let terminating = !object.text("/metadata/deletionTimestamp").is_empty();
        self.state = match object.annotation(POLICY) {
            _ if terminating => State::Terminating,
            Some("skip") => State::Parked,
            Some("detach-on-delete") => State::Detach,
            _ => State::Manage,
        };
        if matches!(self.state, State::Manage | State::Detach) {
            self.live = Some(now);
            self.stored = Some((What::Stored, now));
        } else if self.state == State::Parked {
            self.is_young(now).await;
        }
    }

    fn gone(&mut self, sent: Instant) {
        self.state = State::Absent;
        self.no_longer_live(sent);
        self.no_longer_stored(sent);
    }

    fn no_longer_live(&mut self, until: Instant) {
        if let Some(from) = self.live.take() {
            self.stay(What::Live, from, until);
        }
    }

    fn no_longer_stored(&mut self, until: Instant) {
        if let Some((what, from)) = self.stored.take() {
            self.stay(what, from, until);
        }
    }

    fn stay(&mut self, what: What, from: Instant, until: Instant) {
        self.diary.stays.push(Stay {
            resource: self.resource.id.clone(),
            cluster: self.cluster,
            what,
            from,
            until,
        });
    }
}

/// Resources that are live nowhere and that nobody may have: a line each. Asked by dry run,
/// when everything has settled.
pub async fn stuck(trial: &Trial, resources: &[Resource], seen: &Seen) -> Vec<String> {
    let mut stuck = Vec::new();
    for resource in resources {
        let holder = seen
            .claim(&resource.id)
            .map_or("", |claim| claim.text("/status/holder"));
        if !holder.is_empty() {
            continue;
        }
        for side in [&trial.a, &trial.b] {
            let person = side.person.dry_run();
            let outcome = match person.get(&resource.copy).await {
                Ok(_) => person.clear_policy(&resource.copy).await,
                Err(_) => person.create(&resource.copy).await,
            };
            if let Err(refusal) = outcome {
                stuck.push(format!("{} in {}: {refusal}", resource.copy, side.name()));
            }
        }
    }
    stuck
}
