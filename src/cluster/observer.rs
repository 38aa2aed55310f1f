//! The observer: keeps the registry true to what its cluster's API server has stored.
//!
//! Any number of replicas may observe one cluster: every write is a
//! compare-and-set, and each says only what a read in the right order showed.

mod compare;
mod showing;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::arm::Identity;
use crate::claim::{
    self, ClaimState, CopyRef, Held, MemberName, Observation, Observed, Record, RequestUid,
    Sighting,
};
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::{Holding, Put, Registry, RegistryError, Scope};

pub use showing::Show;
use showing::Shown;

use super::ledger::Ledger;
use super::queue::Queue;
use super::resolve::{self, Resolved, Trust};
use super::stopwatch::Stopwatch;
use super::{Cluster, ClusterError, FollowUp};

/// How many objects are looked at together.
const WORKERS: usize = 16;
/// How often requests under way are looked for that another replica admitted.
const SWEEP: Duration = Duration::from_secs(15);
/// How long to wait before an object is looked at again after something failed.
const RETRY: Duration = Duration::from_millis(250);
/// How long a worker waits at most after one failure upon another.
const RETRY_MAX: Duration = Duration::from_secs(4);
/// A deadline is over when the clock has passed it, not when it has reached it.
const PAST: Duration = Duration::from_millis(20);

/// Settles, releases, adopts and registers the copies of one member.
pub struct Observer {
    member: MemberName,
    registry: Arc<dyn Registry>,
    cluster: Arc<dyn Cluster>,
    queue: Queue,
    ledger: Ledger,
    stopwatch: Stopwatch,
    /// What differed at the first comparison and was not looked at since; `None`
    /// before that.
    backlog: Mutex<Option<HashSet<ObjectKey>>>,
    show: Show,
    shown: Shown,
}

/// Why an object could not be looked at; it is looked at again.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The cluster's API server did not.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// What a step on one claim of one object came to.
struct Step {
    /// What the object stands for now.
    stands_for: Vec<Identity>,
    /// Whether the object has a copy in the claim.
    held: bool,
    /// What the claim says now.
    state: ClaimState,
    /// The requests under way, with their deadlines as written.
    under_way: Vec<(RequestUid, Timestamp)>,
    /// When to look again.
    recheck: Option<Instant>,
}

impl FollowUp for Observer {
    fn expect(
        &self,
        object: &ObjectKey,
        identity: &Identity,
        request: &RequestUid,
        deadline: Timestamp,
    ) {
        self.ledger.expect(object, identity);
        let over = self.stopwatch.note(object, request, deadline);
        self.queue.add_at(object.clone(), over + PAST);
    }

    fn claims_of(&self, object: &ObjectKey) -> Option<Vec<Identity>> {
        // Before the first comparison claims may be there that nobody here has seen.
        let known = self.backlog().is_some();
        known.then(|| self.ledger.identities(object))
    }
}

impl Observer {
    /// An observer of one member's cluster, where an admitted request is under way for
    /// no longer than `limit`.
    pub fn new(
        member: MemberName,
        registry: Arc<dyn Registry>,
        cluster: Arc<dyn Cluster>,
        limit: Duration,
    ) -> Self {
        Self {
            member,
            registry,
            cluster,
            queue: Queue::default(),
            ledger: Ledger::default(),
            stopwatch: Stopwatch::new(limit),
            backlog: Mutex::default(),
            show: Show::default(),
            shown: Shown::default(),
        }
    }

    /// The same observer, which shows what it finds.
    #[must_use]
    pub fn showing(self, show: Show) -> Self {
        Self { show, ..self }
    }

    /// Is told by the watches that an object changed, was added or is gone.
    /// `relevant`: in what identity, policy and deletion are made of.
    pub fn changed(&self, key: &ObjectKey, uid: &str, relevant: bool) {
        if relevant {
            self.ledger.saw(key, uid);
        }
        if relevant || self.ledger.is_expecting(key) {
            self.queue.add(key.clone());
        }
    }

    /// Is told that what an object stands for may have changed, by its owner, its
    /// namespace or its credential.
    pub fn reconsider(&self, key: ObjectKey) {
        self.queue.add(key);
    }

    /// Whether everything was compared with the registry once, and what differed
    /// then was brought up to date.
    pub fn has_caught_up(&self) -> bool {
        self.backlog().as_ref().is_some_and(HashSet::is_empty)
    }

    /// Whether nothing waits to be looked at now, and nothing is being looked at.
    pub fn is_idle(&self) -> bool {
        self.queue.is_idle()
    }

    /// No call panics while it holds the lock, so a poisoned one is as good.
    fn backlog(&self) -> MutexGuard<'_, Option<HashSet<ObjectKey>>> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until told to stop.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..WORKERS {
            let (observer, shutdown) = (self.clone(), shutdown.clone());
            tasks.spawn(async move { observer.work(&shutdown).await });
        }
        let (observer, stop) = (self.clone(), shutdown.clone());
        tasks.spawn(async move { observer.keep_comparing(&stop).await });
        let (observer, stop) = (self.clone(), shutdown.clone());
        tasks.spawn(async move { observer.share_out(&stop).await });
        let (observer, stop) = (self.clone(), shutdown.clone());
        tasks.spawn(async move { observer.keep_showing(&stop).await });
        let (observer, stop) = (self, shutdown);
        tasks.spawn(async move { observer.keep_sweeping(&stop).await });
        tasks.join_all().await;
    }

    async fn work(&self, shutdown: &CancellationToken) {
        let mut pause = RETRY;
        while let Some(key) = shutdown.run_until_cancelled(self.queue.next()).await {
            match self.look(&key).await {
                Ok(()) => {
                    pause = RETRY;
                    if let Some(backlog) = self.backlog().as_mut() {
                        backlog.remove(&key);
                        if backlog.is_empty() {
                            // It may have been long.
                            *backlog = HashSet::new();
                        }
                    }
                }
                Err(error) => {
                    self.show.metrics.failures.inc();
                    // An outage fails every object: it is told once, and asked after
                    // ever less often.
                    if pause == RETRY {
                        warn!(object = %key, %error, "could not bring the registry up to date; trying again");
                    }
                    self.queue.add_at(key.clone(), Instant::now() + RETRY);
                    shutdown
                        .run_until_cancelled(tokio::time::sleep(pause))
                        .await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
            self.queue.done(&key);
        }
    }

    async fn keep_sweeping(&self, shutdown: &CancellationToken) {
        loop {
            if shutdown
                .run_until_cancelled(tokio::time::sleep(SWEEP))
                .await
                .is_none()
            {
                return;
            }
            if let Err(error) = self.sweep().await {
                warn!(%error, "could not look for requests under way");
            }
        }
    }

    /// Takes up requests under way that this replica did not admit itself, or
    /// forgot: whoever admitted them may be gone.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn sweep(&self) -> Result<(), RegistryError> {
        let scope = Scope::Of(self.member.clone(), Holding::InFlight);
        for known in self.registry.claims(&scope).await?.records {
            for (copy, held) in &known.record.copies {
                if copy.member != self.member {
                    continue;
                }
                for one in held.in_flight() {
                    let identity = &known.record.identity;
                    self.expect(&copy.object, identity, &one.request, one.deadline);
                }
            }
        }
        Ok(())
    }

    /// Brings every claim that an object has, had or should have up to date.
    ///
    /// # Errors
    /// The registry or the API server did not answer.
    pub async fn look(&self, key: &ObjectKey) -> Result<(), ObserveError> {
        let mut todo = self.ledger.identities(key);
        if todo.is_empty() {
            todo = self.adopt(key).await?;
        }
        let began = Instant::now();
        let mut done: Vec<Identity> = Vec::new();
        let mut under_way = Vec::new();
        let mut recheck: Option<Instant> = None;
        while let Some(identity) = todo.pop() {
            let step = self.step(key, &identity).await?;
            if step.held {
                self.ledger.enter(key, &identity);
                self.ledger.set_state(key, &identity, step.state);
            } else {
                self.ledger.strike(key, &identity);
            }
            under_way.extend(step.under_way);
            recheck = recheck.into_iter().chain(step.recheck).min();
            done.push(identity);
            for identity in step.stands_for {
                if !done.contains(&identity) && !todo.contains(&identity) {
                    todo.push(identity);
                }
            }
        }
        self.stopwatch.keep_only(key, &under_way, began);
        self.ledger.set_expecting(key, recheck.is_some());
        self.ledger.close(key);
        if let Some(at) = recheck {
            self.queue.add_at(key.clone(), at);
        }
        Ok(())
    }

    /// Makes claims for an object that has none, from what is known of it, and gives
    /// those that somebody else has a record of, to be looked at in full.
    ///
    /// What is known may be out of date. That is safe where there is no record yet:
    /// an activation would have made one, and this write would fail.
    async fn adopt(&self, key: &ObjectKey) -> Result<Vec<Identity>, ObserveError> {
        let Some(object) = self.cluster.object(key, Trust::Known).await? else {
            self.show_gone(key);
            return Ok(Vec::new());
        };
        let resolved = resolve::resolve(&*self.cluster, &object, Trust::Known).await?;
        self.show_resolution(&object, &resolved);
        let copy = self.copy(key);
        let mut taken = Vec::new();
        for identity in stands_for(&resolved) {
            let seen = observation(
                &copy,
                Timestamp::now(),
                Some((&object, &resolved)),
                &identity,
                None,
            );
            let Observed {
                record, changed, ..
            } = claim::observe(None, &identity, &seen);
            if changed && self.registry.put_claim(&record, None).await? != Put::Conflict {
                debug!(%identity, %copy, "registered");
                self.ledger.enter(key, &identity);
                self.ledger.set_state(key, &identity, record.state());
            } else {
                taken.push(identity);
            }
        }
        Ok(taken)
    }

    /// One claim of one object: read the record, then the object, then write on
    /// condition that the record is the same.
    ///
    /// In between, deadlines are judged by this process's own clock: the claim core
    /// sees them as the stopwatch shows them, and they are stored as they were written.
    async fn step(&self, key: &ObjectKey, identity: &Identity) -> Result<Step, ObserveError> {
        let copy = self.copy(key);
        loop {
            let known = self.registry.claim(identity).await?;
            let (judged_at, this_moment) = (Timestamp::now(), Instant::now());
            let (mut record, version) = known.map(|known| (known.record, known.version)).unzip();
            let shown = record
                .as_mut()
                .and_then(|record| record.copies.get_mut(&copy))
                .map(|held| self.stopwatch.show(key, held, judged_at));
            let object = self.cluster.object(key, Trust::Store).await?;
            let resolved = match &object {
                Some(object) => {
                    let held = record
                        .as_ref()
                        .is_some_and(|record| record.copies.contains_key(&copy));
                    Some(self.resolve_now(object, held.then_some(identity)).await?)
                }
                None => None,
            };
            let uids = self.ledger.uids(key);
            let pair = object.as_deref().zip(resolved.as_ref());
            match pair {
                Some((object, resolved)) => self.show_resolution(object, resolved),
                None => self.show_gone(key),
            }
            let mut seen = observation(&copy, judged_at, pair, identity, record.as_ref());
            seen.seen_uids = &uids;
            let Observed {
                record: mut next,
                changed,
                recheck,
            } = claim::observe(record.as_ref(), identity, &seen);
            let mut under_way = Vec::new();
            if let Some(held) = next.copies.get_mut(&copy) {
                if let Some(written) = shown {
                    written.restore(held);
                }
                let requests = held.in_flight();
                under_way.extend(requests.map(|one| (one.request.clone(), one.deadline)));
            }
            if changed && self.registry.put_claim(&next, version.as_ref()).await? == Put::Conflict {
                continue;
            }
            if changed {
                debug!(%identity, %copy, state = next.state().as_str(), "brought up to date");
            }
            let (before, now) = (record.as_ref().map(Record::state), next.state());
            if before != Some(now) && [before, Some(now)].contains(&Some(ClaimState::Conflict)) {
                self.shown.news.notify_one();
            }
            return Ok(Step {
                state: now,
                stands_for: resolved.as_ref().map_or_else(Vec::new, stands_for),
                held: next.copies.contains_key(&copy),
                under_way,
                recheck: recheck.map(|at| this_moment + span(judged_at, at) + PAST),
            });
        }
    }

    /// What an object is that was just read. `held`: an identity whose record has it as
    /// a copy.
    ///
    /// A copy is released on nothing less than what the store says, so what would release
    /// this one is read from there too: a policy that parks it from outside, and owners and
    /// a credential that make it another resource than it was.
    async fn resolve_now(
        &self,
        object: &ObjectFacts,
        held: Option<&Identity>,
    ) -> Result<Resolved, ClusterError> {
        let cluster = &*self.cluster;
        let mut resolved = resolve::resolve(cluster, object, Trust::KnownUnlessParked).await?;
        let leaves = |held| resolved.identity.is_ok() && !stands_for(&resolved).contains(held);
        if held.is_some_and(leaves) {
            resolved.identity = resolve::identity(cluster, object, Trust::Store).await?;
        }
        Ok(resolved)
    }

    fn copy(&self, key: &ObjectKey) -> CopyRef {
        CopyRef {
            member: self.member.clone(),
            object: key.clone(),
        }
    }
}

/// Every identity an object stands for: a copy of each.
fn stands_for(resolved: &Resolved) -> Vec<Identity> {
    let known = resolved.identity.as_ref();
    known.map_or_else(
        |_| Vec::new(),
        |resolution| resolution.identities().cloned().collect(),
    )
}

/// What an object that was read is to one identity.
fn observation<'a>(
    copy: &'a CopyRef,
    judged_at: Timestamp,
    object: Option<(&ObjectFacts, &Resolved)>,
    identity: &Identity,
    known: Option<&Record>,
) -> Observation<'a> {
    let object = object.map(|(object, resolved)| {
        let policy = resolved.policy.policy;
        let held = match &resolved.identity {
            Ok(resolution) if resolution.identities().any(|one| one == identity) => Some(Held {
                policy,
                assumed: resolution.assumed,
            }),
            Ok(resolution) if resolution.witness.is_none() => None,
            // It cannot be worked out just now, and was a copy when it could: it still is.
            _ => known
                .and_then(|known| known.copies.get(copy))
                .map(|held| Held {
                    policy,
                    assumed: held.assumed,
                }),
        };
        Sighting {
            uid: (&*object.uid).into(),
            resource_version: (&*object.resource_version).into(),
            terminating: object.terminating,
            busy: object.annotations.busy && !policy.is_live(),
            held,
        }
    });
    Observation {
        copy,
        judged_at,
        object,
        seen_uids: &[],
    }
}

/// How long it is from one time to a later one.
fn span(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
