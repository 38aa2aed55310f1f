//! What a replica knows of its registry's epoch, and what it does where that is another one: the
//! calls that [`claim::Enrolment`](crate::claim::Enrolment) asks for.
//!
//! Any number of replicas of a member may be at it: each write is a compare-and-set, and bringing
//! the same copies in twice changes nothing.

mod confirming;
mod copies;
mod error;
mod memory;
mod reading;
mod shard;
mod shared_read;
mod standing;
mod state;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::claim::{
    Enrolment, EnrolmentAnswer, EnrolmentCall, Epoch, EpochRecord, KnownEpoch, MemberName, Memory,
    Remembered, ShardNote,
};
use crate::registry::{PutOutcome, RecordVersion, Registry, RegistryError};

use super::metrics::ObserverMetrics;
use super::pace;

use reading::{EpochRead, writes_of};
use shared_read::SharedRead;
use state::EpochState;

pub use copies::CopiesOfCluster;
pub use error::EnrolmentError;
pub use memory::{EpochMemory, ProcessMemory, read, written};

/// How often the registry is looked at while nothing is the matter: as often as this, and less
/// often the more members there are, for all of them read the same record. An admission looks itself.
const POLL: Duration = Duration::from_secs(3);
const POLL_EACH: Duration = Duration::from_millis(30);
/// The same while somebody is awaited.
const REBUILDING_POLL: Duration = Duration::from_secs(1);
const REBUILDING_POLL_EACH: Duration = Duration::from_millis(10);
/// The same at most.
const LONGEST_POLL: Duration = Duration::from_mins(1);
/// A deadline is over when the clock has passed it, not when it has reached it.
const PAST: Duration = Duration::from_millis(20);
/// By how many writes what is kept may be behind.
const KEPT_WRITES: u32 = 40;

/// Whether this replica's registry is the one that its member has brought its copies into.
pub struct RegistryEpoch {
    member: MemberName,
    registry: Arc<dyn Registry>,
    memory: Arc<dyn EpochMemory>,
    /// How long an admitted request may be under way.
    limit: Duration,
    shard: Option<ShardNote>,
    /// Whether it is one of the two registries of a move: those are made by people.
    is_moving: bool,
    /// Whether this member is one of the registry's: until then it only reads.
    takes_part: AtomicBool,
    metrics: ObserverMetrics,
    state: Mutex<EpochState>,
    news: Notify,
    /// For all admissions that ask at a time.
    reads: SharedRead<Result<EpochRead, RegistryError>>,
}

impl RegistryEpoch {
    /// Nothing is known yet. `limit`: how long an admitted request may be under way.
    pub fn new(
        member: MemberName,
        registry: Arc<dyn Registry>,
        memory: Arc<dyn EpochMemory>,
        limit: Duration,
    ) -> Self {
        Self {
            member,
            registry,
            memory,
            limit,
            shard: None,
            is_moving: false,
            takes_part: AtomicBool::new(true),
            metrics: ObserverMetrics::default(),
            state: Mutex::default(),
            news: Notify::new(),
            reads: SharedRead::default(),
        }
    }

    /// The same of a registry that is this shard; `None`: that is none.
    #[must_use]
    pub fn of_shard(self, shard: Option<ShardNote>) -> Self {
        Self { shard, ..self }
    }

    /// The same of one of the two registries of a move, which is not made anew where it is gone.
    #[must_use]
    pub fn of_move(self) -> Self {
        Self {
            is_moving: true,
            ..self
        }
    }

    /// The same, which only reads until it is to [take part](Self::take_part).
    #[must_use]
    pub fn only_reading(self) -> Self {
        Self {
            takes_part: AtomicBool::new(false),
            ..self
        }
    }

    /// From now on this member is one of the registry's.
    pub fn take_part(&self) {
        self.takes_part.store(true, Ordering::Relaxed);
    }

    /// The same, which shows how far it is.
    #[must_use]
    pub fn reporting(self, metrics: ObserverMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Has the registry looked at now.
    pub fn look_now(&self) {
        self.news.notify_one();
    }

    /// Looks at the registry, and goes as far as there is nothing to wait for or to bring in.
    ///
    /// # Errors
    /// The registry or the cluster did not answer.
    pub async fn look(&self) -> Result<(), EnrolmentError> {
        self.go_on(None).await
    }

    /// The same, and has these copies brought in where it is time to.
    ///
    /// # Errors
    /// As of [`look`](Self::look).
    pub async fn enrol(&self, copies: &dyn CopiesOfCluster) -> Result<(), EnrolmentError> {
        self.go_on(Some(copies)).await
    }

    /// Looks at the registry again and again, and has these copies brought in wherever
    /// that is to be done, until told to stop.
    pub async fn run(&self, copies: &dyn CopiesOfCluster, shutdown: &CancellationToken) {
        let mut failing = false;
        loop {
            let Some(outcome) = shutdown.run_until_cancelled(self.enrol(copies)).await else {
                return;
            };
            if let (Err(error), false) = (&outcome, failing) {
                warn!(%error, "cannot tell whether the registry is the one that it was; trying again");
            }
            failing = outcome.is_err();
            let poll = self.poll();
            let next = async {
                tokio::select! {
                    () = tokio::time::sleep(poll) => {}
                    () = self.news.notified() => {}
                }
            };
            if shutdown.run_until_cancelled(next).await.is_none() {
                return;
            }
        }
    }

    /// How long to wait until the registry is looked at again.
    fn poll(&self) -> Duration {
        let state = self.state.lock();
        let (least, each) = match &state.known {
            Some(_) => (POLL, POLL_EACH),
            None => (REBUILDING_POLL, REBUILDING_POLL_EACH),
        };
        pace::spread(pace::period(least, each, LONGEST_POLL, state.members))
    }

    async fn go_on(&self, copies: Option<&dyn CopiesOfCluster>) -> Result<(), EnrolmentError> {
        let mut way: Enrolment<RecordVersion> = Enrolment::new(self.member.clone());
        loop {
            let answer = match way.call() {
                EnrolmentCall::Recall => EnrolmentAnswer::Recalled(self.recall().await?),
                EnrolmentCall::Read => match self.read().await? {
                    EnrolmentAnswer::Read(seen, _) if self.is_left_alone(seen.is_none()) => {
                        self.not_whole(false);
                        return Ok(());
                    }
                    answer => answer,
                },
                EnrolmentCall::Members => EnrolmentAnswer::Members(self.members().await?),
                EnrolmentCall::Put(record, version) => {
                    self.not_whole(self.is_enrolling());
                    let record = shard::noted(record, version.is_none(), self.shard.as_ref());
                    match self.registry.put_epoch(&record, version).await? {
                        PutOutcome::Stored(_) => EnrolmentAnswer::Stored,
                        PutOutcome::Conflict => EnrolmentAnswer::Conflict,
                    }
                }
                EnrolmentCall::WaitOut(epoch) => {
                    self.not_whole(true);
                    if !self.is_over(epoch) || copies.is_none() {
                        return Ok(());
                    }
                    EnrolmentAnswer::WaitedOut
                }
                EnrolmentCall::BringIn => {
                    let Some(copies) = copies else {
                        return Ok(());
                    };
                    let objects = copies.bring_in().await?;
                    info!(
                        objects,
                        "brought all copies of this cluster into the registry"
                    );
                    EnrolmentAnswer::BroughtIn
                }
                EnrolmentCall::Remember(remembered) => {
                    self.remember(remembered).await;
                    EnrolmentAnswer::Remembered
                }
                EnrolmentCall::Done(known) => {
                    self.done(known).await;
                    return Ok(());
                }
            };
            way.answer(answer);
        }
    }

    /// Whether nothing is written in the registry, which has no record yet, or has one.
    fn is_left_alone(&self, is_new: bool) -> bool {
        is_new && self.is_moving || !self.takes_part.load(Ordering::Relaxed)
    }

    async fn read(&self) -> Result<EnrolmentAnswer<RecordVersion>, EnrolmentError> {
        let seen = self.registry.epoch().await?;
        let writes = writes_of(&*self.registry, &self.member).await?;
        let record = seen.as_ref().map(|seen| &seen.record);
        shard::check(self.shard.as_ref(), record, &*self.registry)?;
        self.saw(record);
        let seen = seen.map(|seen| (seen.record, seen.version));
        Ok(EnrolmentAnswer::Read(seen, writes))
    }

    /// Takes note of what was read.
    fn saw(&self, record: Option<&EpochRecord>) {
        let state = &mut *self.state.lock();
        let awaited: Vec<MemberName> = record
            .into_iter()
            .flat_map(EpochRecord::awaited)
            .cloned()
            .collect();
        let is_marked = record.is_some_and(|record| record.migration.is_some());
        if awaited != state.awaited && !awaited.is_empty() && !is_marked {
            let names: Vec<&str> = awaited.iter().map(MemberName::as_str).collect();
            warn!(
                awaited = names.join(","),
                "the registry does not know all copies: until these members have brought theirs in, what rests on claims is refused"
            );
        }
        state.awaited = awaited;
        state.record = record.cloned().map(Arc::new);
        state.members = record.map_or(0, |record| record.members.len());
        self.metrics.set_awaited(state.awaited.len());
        let epoch = record
            .map(|record| record.epoch.clone())
            .unwrap_or_default();
        if state.seen.as_ref().is_none_or(|(seen, _)| *seen != epoch) {
            state.seen = Some((epoch, Instant::now()));
            state.writes = 0;
        }
    }

    /// Those whose records name an epoch.
    async fn members(&self) -> Result<BTreeSet<MemberName>, EnrolmentError> {
        let listed = self.registry.members().await?;
        let naming = listed.records.into_iter().map(|known| known.record);
        let naming = naming.filter(|record| !record.epoch.is_empty());
        Ok(naming.map(|record| record.name).collect())
    }

    /// Nothing may be judged by it from now on.
    fn not_whole(&self, enrolling: bool) {
        let state = &mut *self.state.lock();
        if state.known.take().is_some()
            && let Some((_, since)) = &mut state.seen
        {
            // What was admitted until now is to be waited for.
            *since = Instant::now();
        }
        state.enrolling = enrolling;
        self.metrics.set_rebuilding(true);
    }

    /// Whether all is over that was admitted before this epoch was seen.
    fn is_over(&self, epoch: &Epoch) -> bool {
        let state = self.state.lock();
        let seen = state.seen.as_ref().filter(|(seen, _)| seen == epoch);
        seen.is_some_and(|(_, since)| since.elapsed() > self.limit + PAST)
    }

    async fn remember(&self, remembered: &Remembered) {
        let kept = self.memory.remember(remembered).await;
        let state = &mut *self.state.lock();
        state.memory = Some(Memory::Known(remembered.clone()));
        match kept {
            Ok(()) => {
                state.kept_writes = remembered.writes;
                state.warned = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut state.warned, true) {
                    warn!(%error, "cannot keep which registry this is: after a restart, one that was emptied meanwhile looks like a new one");
                }
            }
        }
    }

    async fn done(&self, known: Option<&KnownEpoch>) {
        let Some(known) = known else {
            return self.not_whole(false);
        };
        let behind = {
            let state = &mut *self.state.lock();
            let writes = known.writes.max(state.writes);
            let next = Arc::new(KnownEpoch {
                writes,
                ..known.clone()
            });
            if state.known.is_none() {
                info!(epoch = %known.epoch.id, round = known.epoch.round, "the registry knows all copies");
            }
            state.enrolling = false;
            // The same one is left as it is: an admission may hold it.
            if state
                .known
                .as_ref()
                .is_none_or(|now| now.epoch != next.epoch)
            {
                state.known = Some(next);
            }
            self.metrics.set_rebuilding(false);
            match &state.memory {
                Some(Memory::Known(kept))
                    if writes >= state.kept_writes.saturating_add(KEPT_WRITES) =>
                {
                    Some(Remembered {
                        writes,
                        ..kept.clone()
                    })
                }
                _ => None,
            }
        };
        if let Some(behind) = behind {
            self.remember(&behind).await;
        }
    }
}
