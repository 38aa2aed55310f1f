//! How many claims there are, counted in the background: a registry has no such number, and a
//! page cannot wait for a million claims to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::claim::{ClaimState, MemberName, Record};
use crate::registry::{ClaimScope, ReadOnlyRegistry, RegistryError, UnreadableRecord};

/// How many orphans are kept to be shown; the rest is counted.
pub(super) const ORPHANS: usize = 200;
/// How many records that cannot be read are kept to be shown; the rest is counted.
const UNREADABLE: usize = 20;
/// The least time between two counts.
const REST: Duration = Duration::from_secs(15);
/// A count rests so many times as long as it took.
const RESTS: u32 = 4;

/// What a count found.
#[derive(Clone, Debug, Default)]
pub(super) struct ClaimCounts {
    /// All claims.
    pub(super) claims: usize,
    /// Those in each state that there are any of.
    states: Vec<(ClaimState, usize)>,
    /// What each member holds, whether it is registered or not.
    pub(super) members: BTreeMap<MemberName, HeldCopies>,
    /// The first of the claims that nobody reconciles.
    pub(super) orphans: Vec<Record>,
    /// How many of those there are.
    pub(super) orphaned: usize,
    /// The first of the records that cannot be read.
    pub(super) unreadable: Vec<UnreadableRecord>,
    /// How many of those there are.
    pub(super) not_read: usize,
}

/// What a member holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeldCopies {
    /// Live copies.
    pub(super) live: usize,
    /// Parked copies.
    pub(super) parked: usize,
}

/// What is known of the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct CountStatus {
    /// The last count that came to its end, and when.
    pub(super) last: Option<(Timestamp, Arc<ClaimCounts>)>,
    /// How many claims the count under way has seen.
    pub(super) seen: Option<usize>,
    /// Why the last count came to no end.
    pub(super) trouble: Option<String>,
}

/// Counts when somebody looks.
pub(super) struct ClaimCounter {
    registry: ReadOnlyRegistry,
    wanted: Notify,
    tally: Mutex<CountStatus>,
}

impl ClaimCounts {
    /// How many claims are in a state.
    pub(super) fn of(&self, state: ClaimState) -> usize {
        let found = self.states.iter().find(|(known, _)| *known == state);
        found.map_or(0, |(_, count)| *count)
    }

    fn cannot_read(&mut self, records: Vec<UnreadableRecord>) {
        self.not_read += records.len();
        let room = UNREADABLE.saturating_sub(self.unreadable.len());
        self.unreadable.extend(records.into_iter().take(room));
    }

    fn add(&mut self, record: Record, members: &BTreeSet<MemberName>) {
        let state = record.state();
        self.claims += 1;
        match self.states.iter_mut().find(|(known, _)| *known == state) {
            Some((_, count)) => *count += 1,
            None => self.states.push((state, 1)),
        }
        for (copy, held) in &record.copies {
            let of_member = self.members.entry(copy.member.clone()).or_default();
            if held.is_live() {
                of_member.live += 1;
            } else {
                of_member.parked += 1;
            }
        }
        if is_orphan(&record, members) {
            self.orphaned += 1;
            if self.orphans.len() < ORPHANS {
                self.orphans.push(record);
            }
        }
    }
}

/// Whether nobody reconciles a resource that somebody means to: all its copies are parked, or
/// those that are live belong to clusters that are no members (any more). What an open transfer
/// moves is none: there, that is how it is meant.
fn is_orphan(record: &Record, members: &BTreeSet<MemberName>) -> bool {
    let nobody = !record
        .live()
        .any(|(copy, _)| members.contains(&copy.member));
    !record.copies.is_empty() && nobody && record.reserved.is_none()
}

impl ClaimCounter {
    pub(super) fn new(registry: ReadOnlyRegistry) -> Self {
        Self {
            registry,
            wanted: Notify::new(),
            tally: Mutex::default(),
        }
    }

    /// What is known, and a wish to know it better.
    pub(super) fn look(&self) -> CountStatus {
        self.wanted.notify_one();
        self.tally.lock().clone()
    }

    /// Counts whenever somebody looked, and rests in between. Never returns.
    pub(super) async fn run(&self) {
        loop {
            self.wanted.notified().await;
            let began = Instant::now();
            self.count().await;
            sleep(REST.max(began.elapsed() * RESTS)).await;
        }
    }

    /// Counts once.
    pub(super) async fn count(&self) {
        let counted = self.sweep().await;
        let mut tally = self.tally.lock();
        tally.seen = None;
        match counted {
            Ok(count) => {
                tally.last = Some((Timestamp::now(), Arc::new(count)));
                tally.trouble = None;
            }
            Err(error) => tally.trouble = Some(error.to_string()),
        }
    }

    async fn sweep(&self) -> Result<ClaimCounts, RegistryError> {
        let listed = self.registry.members().await?;
        let members = listed.names();
        let mut count = ClaimCounts::default();
        count.cannot_read(listed.unreadable);
        count.cannot_read(self.registry.transfers().await?.unreadable);
        let mut at = None;
        loop {
            let began = Instant::now();
            let part = self
                .registry
                .claims_page(&ClaimScope::All, at.as_ref())
                .await?;
            for known in part.claims {
                count.add(known.record, &members);
            }
            count.cannot_read(part.unreadable);
            self.tally.lock().seen = Some(count.claims);
            let Some(next) = part.next else {
                return Ok(count);
            };
            at = Some(next);
            // Guards come before people who look.
            sleep(began.elapsed()).await;
        }
    }
}
