//! The observer: keeps the registry true to what its cluster's API server has stored.
//!
//! Any number of replicas may observe one cluster: every write is a
//! compare-and-set, and each says only what a read in the right order showed.

mod bringing_in;
mod compare;
mod looking;
mod outages;
mod policies;
mod reporting;
mod retries;
#[cfg(test)]
mod tests;
mod unwritten;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::arm::Identity;
use crate::claim::{HistoryEntry, MemberName, RequestUid};
use crate::object::ObjectKey;
use crate::registry::{ClaimScope, CopyFilter, Registry, RegistryError};

pub use bringing_in::CopiesOfShard;
use outages::Outages;
use reporting::ReportedState;
pub use reporting::Reporting;
use retries::RetryDelays;
use unwritten::UnwrittenEntries;

use super::claim_index::ClaimIndex;
use super::deadlines::DeadlineTracker;
use super::lists_due::ListsDue;
use super::pace;
use super::protections::DirtyNamespaces;
use super::queue::KeyQueue;
use super::{Cluster, ClusterError, FollowUp};

/// How many objects are looked at together.
const WORKERS: usize = 16;
/// How often requests under way are looked for that another replica admitted, and how much less
/// often for each member.
const SWEEP: Duration = Duration::from_secs(15);
const SWEEP_EACH: Duration = Duration::from_millis(100);
const LONGEST_SWEEP: Duration = Duration::from_mins(1);
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
    queue: KeyQueue,
    claim_index: ClaimIndex,
    deadlines: DeadlineTracker,
    retries: RetryDelays,
    outages: Outages,
    /// What differed at the first comparison and was not looked at since; `None`
    /// before that.
    backlog: Mutex<Option<HashSet<ObjectKey>>>,
    /// When each change of a namespace's policy was first seen under way.
    changes: Mutex<HashMap<RequestUid, Instant>>,
    /// What people overrode while the registry was away.
    unwritten: UnwrittenEntries,
    limit: Duration,
    show: Reporting,
    reported: ReportedState,
    /// Takes the namespaces in which something changed, where anybody wants to know.
    dirty: Option<Arc<DirtyNamespaces>>,
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

/// What a watch tells of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchedChange {
    /// It was stored, and was not there before. Nothing on it parks it, so that what its claim
    /// says since its admission counts for it as much as what it would say after a look.
    CreatedLive,
    /// What identity, policy or deletion are made of changed otherwise.
    Relevant,
    /// Something else changed.
    Irrelevant,
}

/// How much longer a replica waits with an object that it did not admit: by then whoever did has
/// brought its claim up to date.
const OTHERS: Duration = Duration::from_secs(1);

impl FollowUp for Observer {
    fn expect(
        &self,
        object: &ObjectKey,
        identity: &Identity,
        request: &RequestUid,
        deadline: Timestamp,
    ) {
        self.queue.note_request();
        self.follow_up(object, identity, request, deadline);
    }

    fn claims_of(&self, object: &ObjectKey) -> Option<Vec<Identity>> {
        // Before the first comparison claims may be there that nobody here has seen.
        let known = self.backlog.lock().is_some();
        known.then(|| self.claim_index.identities(object))
    }

    fn remember(&self, entry: HistoryEntry) {
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
            queue: KeyQueue::default(),
            claim_index: ClaimIndex::default(),
            deadlines: DeadlineTracker::new(limit),
            retries: RetryDelays::default(),
            outages: Outages::default(),
            backlog: Mutex::default(),
            changes: Mutex::default(),
            unwritten: UnwrittenEntries::default(),
            limit,
            show: Reporting::default(),
            reported: ReportedState::default(),
            dirty: None,
        }
    }

    /// The same observer, which says in which namespaces something changed.
    #[must_use]
    pub fn reporting_changes_to(self, dirty: Option<Arc<DirtyNamespaces>>) -> Self {
        Self { dirty, ..self }
    }

    fn mark_dirty(&self, key: &ObjectKey) {
        if let Some(dirty) = &self.dirty {
            dirty.add(&key.namespace);
        }
    }

    /// The same observer, which shows what it finds.
    #[must_use]
    pub fn reporting(self, show: Reporting) -> Self {
        Self { show, ..self }
    }

    /// Is told by the watches that an object changed, was added or is gone.
    ///
    /// What was created live is looked at when no requests come: its claim counts it as live
    /// since its admission, so nobody waits for the look.
    pub fn changed(&self, key: &ObjectKey, uid: &Arc<str>, change: WatchedChange) {
        if change != WatchedChange::Irrelevant {
            self.claim_index.saw(key, uid);
            self.mark_dirty(key);
        }
        let is_expecting = self.claim_index.is_expecting(key);
        match change {
            WatchedChange::CreatedLive => {
                let wait = if is_expecting { Duration::ZERO } else { OTHERS };
                let from = Instant::now() + wait;
                self.queue.add_when_quiet(key.clone(), from);
            }
            WatchedChange::Relevant => self.queue.add(key.clone()),
            WatchedChange::Irrelevant if is_expecting && !self.queue.is_until_quiet(key) => {
                self.queue.add(key.clone());
            }
            WatchedChange::Irrelevant => {}
        }
    }

    /// Looks at an object when it changes, and when the request is over, whatever came of it.
    fn follow_up(
        &self,
        object: &ObjectKey,
        identity: &Identity,
        request: &RequestUid,
        deadline: Timestamp,
    ) {
        self.claim_index.expect(object, identity);
        let over = self.deadlines.note(object, request, deadline);
        self.queue.add_at(object.clone(), over + PAST);
    }

    /// Is told that what an object stands for may have changed, by its owner, its
    /// namespace or its credential.
    pub fn reconsider(&self, key: ObjectKey) {
        self.mark_dirty(&key);
        self.queue.add(key);
    }

    /// Whether everything was compared with the registry once, and what differed
    /// then was brought up to date.
    pub fn has_caught_up(&self) -> bool {
        self.backlog.lock().as_ref().is_some_and(HashSet::is_empty)
    }

    /// Whether nothing waits to be looked at now, and nothing is being looked at.
    pub fn is_idle(&self) -> bool {
        self.queue.is_idle()
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
            if let Some(until) = self.waits_for_a_shard(&key) {
                self.queue.add_at(key.clone(), until);
                self.queue.done(&key);
                continue;
            }
            match self.look_noting(&key).await {
                Ok(()) => {
                    pause = RETRY;
                    self.mark_dirty(&key);
                    self.retries.succeeded(&key);
                    self.caught_up_with(&key);
                }
                Err(error) if error.is_outage() && self.registry.shards().is_none() => {
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
        if let Some(backlog) = self.backlog.lock().as_mut() {
            backlog.remove(key);
            if backlog.is_empty() {
                // It may have been long.
                *backlog = HashSet::new();
            }
        }
    }

    async fn keep_sweeping(&self, shutdown: &CancellationToken) {
        let mut lists = ListsDue::default();
        loop {
            let members = self.known_members();
            let pause = pace::period(SWEEP, SWEEP_EACH, LONGEST_SWEEP, members);
            let pause = tokio::time::sleep(pace::spread(pause));
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
            if lists.are_due(&*self.registry, &self.member).await
                && let Err(error) = self.sweep().await
            {
                warn!(%error, "could not look for requests under way");
                lists.failed();
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
        let scope = ClaimScope::Of(self.member.clone(), CopyFilter::InFlight);
        for known in self.registry.claims(&scope).await?.records {
            for (copy, held) in &known.record.copies {
                if copy.member != self.member {
                    continue;
                }
                for one in held.in_flight() {
                    let identity = &known.record.identity;
                    self.follow_up(&copy.object, identity, &one.request, one.deadline);
                }
            }
        }
        Ok(())
    }
}
