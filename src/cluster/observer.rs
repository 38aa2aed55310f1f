//! The observer: keeps the registry true to what its cluster's API server has stored.
//!
//! Any number of replicas may observe one cluster: every write is a
//! compare-and-set, and each says only what a read in the right order showed.

mod compare;
mod policies;
mod retries;
mod showing;
#[cfg(test)]
mod tests;
mod unwritten;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::arm::Identity;
use crate::claim::{
    ClaimState, Copy, CopyRef, Entry, Look, LookAnswer, LookCall, Looked, MemberName, Record,
    RequestUid, ResolvesTo, Sighting,
};
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::{Holding, Put, RecordVersion, Registry, RegistryError, Scope};

use retries::Retries;
pub use showing::Show;
use showing::Shown;
use unwritten::Unwritten;

use super::ledger::Ledger;
use super::queue::Queue;
use super::resolve::{self, Resolved, Trust};
use super::stopwatch::{Stopwatch, Written};
use super::{Cluster, ClusterError, FollowUp};

/// How many objects are looked at together.
const WORKERS: usize = 16;
/// How often requests under way are looked for that another replica admitted.
const SWEEP: Duration = Duration::from_secs(15);
/// How long a worker waits after the registry did not answer.
const RETRY: Duration = Duration::from_millis(250);
/// The same at most, where it did not answer time after time.
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
    retries: Retries,
    /// What differed at the first comparison and was not looked at since; `None`
    /// before that.
    backlog: Mutex<Option<HashSet<ObjectKey>>>,
    /// When each change of a namespace's policy was first seen under way.
    changes: Mutex<HashMap<RequestUid, Instant>>,
    /// What people overrode while the registry was away.
    unwritten: Unwritten,
    limit: Duration,
    show: Show,
    shown: Shown,
}

/// Why an object could not be looked at; it is looked at again.
///
/// The error belongs to the object, and keeps no other from being looked at, unless it is an
/// outage of the registry.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The cluster's API server did not.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

impl ObserveError {
    /// Whether no object can be looked at.
    fn is_outage(&self) -> bool {
        matches!(self, Self::Registry(RegistryError::Unavailable { .. }))
    }
}

/// A look at one claim of one object of this cluster.
type OneLook = Look<RecordVersion, Arc<ObjectFacts>>;

/// What a look at one claim of one object came to.
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

    fn remember(&self, entry: Entry) {
        self.queue.add(entry.copy.object.clone());
        self.unwritten.add(entry);
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
            retries: Retries::default(),
            backlog: Mutex::default(),
            changes: Mutex::default(),
            unwritten: Unwritten::default(),
            limit,
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
                    self.retries.succeeded(&key);
                    self.caught_up_with(&key);
                }
                Err(error) if error.is_outage() => {
                    self.show.metrics.failures.inc();
                    // It fails every object: it is told once, and asked after ever less often.
                    if pause == RETRY {
                        warn!(object = %key, %error, "could not bring the registry up to date; trying again");
                    }
                    self.queue.add_at(key.clone(), Instant::now() + RETRY);
                    let rest = tokio::time::sleep(pause);
                    shutdown.run_until_cancelled(rest).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
                Err(error) => {
                    self.show.metrics.failures.inc();
                    let (wait, is_first) = self.retries.failed(&key);
                    if is_first {
                        warn!(object = %key, %error, "could not bring what the registry says of an object up to date; trying again, with the others unhindered");
                    }
                    self.queue.add_at(key.clone(), Instant::now() + wait);
                    self.caught_up_with(&key);
                }
            }
            self.queue.done(&key);
        }
    }

    /// An object was looked at, as far as that depends on others than itself.
    fn caught_up_with(&self, key: &ObjectKey) {
        if let Some(backlog) = self.backlog().as_mut() {
            backlog.remove(key);
            if backlog.is_empty() {
                // It may have been long.
                *backlog = HashSet::new();
            }
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
            if let Err(error) = self.settle_policy_changes().await {
                warn!(%error, "could not look for changes of namespaces' policies");
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
    /// The registry or the API server did not do its part for one of them; the others are
    /// up to date.
    pub async fn look(&self, key: &ObjectKey) -> Result<(), ObserveError> {
        let identities = self.ledger.identities(key).into_iter();
        let mut todo: Vec<_> = identities
            .map(|identity| (identity.clone(), Look::new(self.copy(key), identity)))
            .collect();
        if todo.is_empty() {
            todo = self.adopt(key).await?;
        }
        let began = Instant::now();
        let mut done: Vec<Identity> = Vec::new();
        let mut under_way = Vec::new();
        let mut recheck: Option<Instant> = None;
        let mut failed = None;
        while let Some((identity, look)) = todo.pop() {
            done.push(identity.clone());
            let step = match self.carry_out(key, look).await {
                Ok(step) => step,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            if step.held {
                self.ledger.enter(key, &identity);
                self.ledger.set_state(key, &identity, step.state);
            } else {
                self.ledger.strike(key, &identity);
            }
            under_way.extend(step.under_way);
            recheck = recheck.into_iter().chain(step.recheck).min();
            for other in step.stands_for {
                if !done.contains(&other) && todo.iter().all(|(known, _)| *known != other) {
                    todo.push((other.clone(), Look::new(self.copy(key), other)));
                }
            }
        }
        if let Some(at) = recheck {
            self.queue.add_at(key.clone(), at);
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.catch_up_on_overrides(key, &self.ledger.identities(key))
            .await?;
        self.stopwatch.keep_only(key, &under_way, began);
        self.ledger.set_expecting(key, recheck.is_some());
        self.ledger.close(key);
        Ok(())
    }

    /// The looks that make claims for an object that has none.
    async fn adopt(&self, key: &ObjectKey) -> Result<Vec<(Identity, OneLook)>, ObserveError> {
        let Some(object) = self.cluster.object(key, Trust::Known).await? else {
            self.show_gone(key);
            return Ok(Vec::new());
        };
        let resolved = self.resolve(&object, Trust::Known).await?;
        self.show_resolution(key, &object.uid, &resolved);
        let (resolved, now) = (ResolvesTo::from(&resolved), Timestamp::now());
        let identities = resolved.identities.clone().into_iter();
        let looks = identities.map(|identity| {
            let (copy, sighting, resolved) =
                (self.copy(key), Sighting::from(&*object), resolved.clone());
            let look = Look::adopting(copy, identity.clone(), sighting, resolved, now);
            (identity, look)
        });
        Ok(looks.collect())
    }

    /// Makes the calls of a look at one claim of one object.
    ///
    /// Deadlines are judged by this process's own clock: the look sees them as the stopwatch
    /// shows them, and they are stored as they were written.
    async fn carry_out(&self, key: &ObjectKey, mut look: OneLook) -> Result<Step, ObserveError> {
        let copy = self.copy(key);
        let (mut written, mut resolved) = (None, None);
        let looked = loop {
            let answer = match look.call() {
                LookCall::Claim(identity) => {
                    let mut known = self.registry.claim(identity).await?;
                    let now = Timestamp::now();
                    let record = known.as_mut().map(|known| &mut known.record);
                    let held = record.and_then(|record| record.copies.get_mut(&copy));
                    written = held.map(|held| self.stopwatch.show(key, held, now));
                    LookAnswer::Claim(known.map(|known| (known.record, known.version)), now)
                }
                LookCall::Uids => LookAnswer::Uids(self.ledger.uids(key)),
                LookCall::Object => {
                    let object = self.cluster.object(key, Trust::Store).await?;
                    if object.is_none() {
                        self.show_gone(key);
                    }
                    LookAnswer::Object(object.map(|object| (Sighting::from(&*object), object)))
                }
                LookCall::Resolve(object, trust) => {
                    let now = self.resolve(object, trust).await?;
                    let answer = LookAnswer::Resolved(ResolvesTo::from(&now));
                    resolved = Some((object.uid.clone(), now));
                    answer
                }
                LookCall::Put(record, version) => {
                    let record = as_written(record, &copy, written.as_ref());
                    match self.registry.put_claim(&record, version).await? {
                        Put::Conflict => LookAnswer::Conflict,
                        Put::Stored(_) => LookAnswer::Stored,
                    }
                }
                LookCall::Done(looked) => break looked.clone(),
            };
            look.answer(answer);
        };
        if let Some((uid, resolved)) = resolved {
            self.show_resolution(key, &uid, &resolved);
        }
        Ok(self.step(&copy, looked, written.as_ref()))
    }

    /// What a look came to, for all that is known of the object.
    fn step(&self, copy: &CopyRef, looked: Looked, written: Option<&Written>) -> Step {
        let record = as_written(&looked.record, copy, written);
        let (before, now) = (looked.before, record.state());
        if looked.changed {
            let identity = &record.identity;
            debug!(%identity, %copy, state = now.as_str(), "brought up to date");
        }
        if before != Some(now) && [before, Some(now)].contains(&Some(ClaimState::Conflict)) {
            self.shown.news.notify_one();
        }
        let held = record.copies.get(copy);
        let under_way = held.into_iter().flat_map(Copy::in_flight);
        Step {
            held: held.is_some(),
            state: now,
            under_way: under_way
                .map(|one| (one.request.clone(), one.deadline))
                .collect(),
            recheck: looked
                .recheck
                .zip(written)
                .map(|(at, written)| written.moment(at) + PAST),
            stands_for: looked.stands_for,
        }
    }

    /// What an object resolves to, by what is known or by what is stored.
    async fn resolve(&self, object: &ObjectFacts, trust: Trust) -> Result<Resolved, ClusterError> {
        let resolved = resolve::resolve(&*self.cluster, object, trust).await;
        if let Err(error) = &resolved {
            self.show_unresolved(&object.key, &object.uid, &error.to_string());
        }
        resolved
    }

    fn copy(&self, key: &ObjectKey) -> CopyRef {
        CopyRef {
            member: self.member.clone(),
            object: key.clone(),
        }
    }
}

/// A record with the deadlines of a copy as they were written.
fn as_written(record: &Record, copy: &CopyRef, written: Option<&Written>) -> Record {
    let mut record = record.clone();
    if let (Some(written), Some(held)) = (written, record.copies.get_mut(copy)) {
        written.restore(held);
    }
    record
}
