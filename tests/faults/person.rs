//! Somebody who looks after one copy of a resource, without regard for whoever looks after the
//! other.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::diary::Diary;
use crate::known::Known;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::POLICY;
use crate::lab::verdict::{Outcome, Refusal};
use crate::random::Random;
use crate::traffic::Resource;
use crate::trial::Trial;

/// Longer than a request without answer may still be under way: the API servers' request
/// timeout, and some.
const SURELY_OVER: Duration = Duration::from_secs(6);

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

/// What somebody does all day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Whatever can be done.
    Everything,
    /// Nothing but to create and to delete.
    CreateAndDelete,
}

/// Somebody who looks after one copy.
pub struct Person<'t> {
    trial: &'t Trial,
    cluster: &'static str,
    kubectl: &'t Kubectl,
    habit: Habit,
    random: Random,
    state: State,
    known: Known,
    diary: Diary,
}

impl<'t> Person<'t> {
    /// Who looks after the copy of a resource in a cluster.
    pub fn new(
        trial: &'t Trial,
        resource: &'t Resource,
        cluster: &'static str,
        kubectl: &'t Kubectl,
        habit: Habit,
        seed: u64,
    ) -> Self {
        Self {
            trial,
            cluster,
            kubectl,
            habit,
            random: Random::new(seed),
            state: State::Absent,
            known: Known::new(resource.clone(), cluster, trial.name),
            diary: Diary::default(),
        }
    }

    /// Works until told to stop.
    pub async fn work(mut self, stop: &CancellationToken) -> Diary {
        self.look().await;
        while !stop.is_cancelled() {
            let deed = self.choose();
            self.perform(deed).await;
            let rest = match self.habit {
                Habit::Everything => self.random.millis(50, 500),
                Habit::CreateAndDelete => self.random.millis(20, 200),
            };
            // Whoever is told to stop needs no rest.
            let _ = timeout(rest, stop.cancelled()).await;
        }
        if self.state == State::Terminating {
            self.perform(Deed::LetGo).await;
        }
        self.known.gone(Instant::now(), &mut self.diary);
        self.diary
    }

    fn choose(&mut self) -> Deed {
        let deeds: &[Deed] = match self.state {
            State::Absent if self.habit == Habit::CreateAndDelete => &[Deed::Create],
            State::Manage if self.habit == Habit::CreateAndDelete => &[Deed::Delete],
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
            End::Done => self.done(deed, sent).await,
            End::Unknown => {
                self.known.gone(sent, &mut self.diary);
                sleep(SURELY_OVER).await;
                self.look().await;
            }
        }
    }

    async fn ask(&self, deed: Deed) -> Outcome {
        let copy = &self.known.resource.copy;
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
        let by_the_guard = refusal.message.contains("denied the request") || refusal.is_by_policy();
        let not_asked = refusal.message.contains("failed calling webhook");
        let needs_no_leave = match deed {
            Deed::Create | Deed::Wake => false,
            // The guard must be there: it looks at what a delete takes along.
            Deed::Delete => self.state != State::Manage && by_the_guard && refusal.code == 403,
            Deed::Detach => by_the_guard && refusal.code == 403,
            Deed::Park | Deed::CreateParked | Deed::LetGo => by_the_guard || not_asked,
        };
        if needs_no_leave {
            let (cluster, copy) = (self.cluster, &self.known.resource.copy);
            let blocked = format!("{deed:?} of {copy} in {cluster}: {refusal}");
            self.diary.blocked.push(blocked);
        }
        if by_the_guard || not_asked {
            End::Not
        } else {
            End::Unknown
        }
    }

    async fn done(&mut self, deed: Deed, sent: Instant) {
        let (known, diary) = (&mut self.known, &mut self.diary);
        match deed {
            Deed::Create | Deed::Wake => {
                self.state = State::Manage;
                known.is_live();
            }
            Deed::CreateParked => {
                self.state = State::Parked;
                known.is_young(self.trial, diary).await;
            }
            Deed::Park => {
                self.state = State::Parked;
                known.no_longer_live(sent, diary);
            }
            Deed::Detach => self.state = State::Detach,
            Deed::Delete => {
                if self.state == State::Manage {
                    known.is_deleted(sent, diary);
                }
                let finalizers = known.resource.copy.0["metadata"]["finalizers"].as_array();
                if finalizers.is_some_and(|list| !list.is_empty()) {
                    self.state = State::Terminating;
                } else {
                    self.state = State::Absent;
                    known.gone(sent, diary);
                }
            }
            Deed::LetGo => {
                self.state = State::Absent;
                known.gone(sent, diary);
            }
        }
    }

    /// Looks what there is, as after a request without answer.
    async fn look(&mut self) {
        let object = loop {
            match self.kubectl.get(&self.known.resource.copy).await {
                Ok(answer) => break answer.object,
                Err(Refusal { code: 404, .. }) => {
                    self.state = State::Absent;
                    return;
                }
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        };
        let terminating = !object.text("/metadata/deletionTimestamp").is_empty();
        self.state = match object.annotation(POLICY) {
            _ if terminating => State::Terminating,
            Some("skip") => State::Parked,
            Some("detach-on-delete") => State::Detach,
            _ => State::Manage,
        };
        if matches!(self.state, State::Manage | State::Detach) {
            self.known.is_live();
        } else if self.state == State::Parked {
            self.known.is_young(self.trial, &mut self.diary).await;
        }
    }
}
