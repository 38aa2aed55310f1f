//! A fleet moves from one registry to another one: the calls that
//! [`claim::next_step`](crate::claim::next_step) asks for.
//!
//! Each step can be cut off anywhere and done again, by anybody: what is next stands in the two
//! registries' epochs alone.

use futures::{TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use crate::claim::{
    EpochMember, EpochRecord, HistoryEntry, MAX_HISTORY, MemberName, MigrationError, MigrationStep,
    Record, TransferName, cancelled, next_step,
};

use super::{
    ClaimScope, MemberStanding, PutOutcome, RecordVersion, Registry, RegistryError, Versioned, edit,
};

/// For how long every replica that wrote a member's record must have said that it has the new
/// registry: longer than any takes between two of its heartbeats.
pub const READY: SignedDuration = SignedDuration::from_secs(40);
/// How many claims are written at once.
const AT_ONCE: usize = 16;

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MovedBy {
    /// The new registry comes after the old one now.
    Prepared,
    /// The old one cannot be closed yet, for these reasons.
    Unready(Vec<Unready>),
    /// All members are ready for the old one to be closed.
    Ready,
    /// The old one is closing.
    Closing,
    /// All members are awaited in the new one.
    AllAwaited,
    /// These have not brought their copies into the new one yet.
    Awaiting(Vec<MemberName>),
    /// The old one is not closed for good before these are over.
    InTransfer(Vec<TransferName>),
    /// The old one is closed for good.
    Closed,
    /// The new one judges alone.
    Opened,
    /// The fleet has moved.
    Done,
    /// Somebody else changed one of them meanwhile: nothing was done.
    Outrun,
}

/// Why the old registry cannot be closed yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// A member has no record.
    #[error("{0} has no record: it was never heard from")]
    NoRecord(MemberName),
    /// A member is silent.
    #[error("{0} was not heard from since {1}, by its own clock")]
    Silent(MemberName, Timestamp),
    /// A member does not have the new one.
    #[error("{0}: its guard does not have the new registry (--next-registry)")]
    WithoutNext(MemberName),
    /// A member has not had it for long.
    #[error(
        "{0}: its guard has the new registry since {1}, by its own clock; some replica may not have \
         it yet: try again in {wait} s",
        wait = READY.as_secs()
    )]
    TooLate(MemberName, Timestamp),
    /// A member is fenced.
    #[error("{0} is fenced: see its failover through first, or take the fence off")]
    Fenced(MemberName),
    /// A member's record cannot be read.
    #[error("the record of {0} cannot be read: {1}")]
    Unreadable(String, String),
    /// A transfer is not over.
    #[error("transfer {0} is not over: finish it first, or undo it")]
    InTransfer(TransferName),
    /// The old one does not know all copies itself.
    #[error("{0} has not brought its copies into the old registry")]
    Awaited(MemberName),
}

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// A registry did not do its part. What was done stays, and the step can be taken again.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// This fleet cannot move between these two.
    #[error(transparent)]
    Unfit(#[from] MigrationError),
    /// Registries with shards are not moved.
    #[error("a registry with shards cannot be moved, nor be moved to")]
    Sharded,
}

/// Takes the next step, if there is one to take. `closes`: whether the old registry may begin to
/// close; `now`: the time.
///
/// # Errors
/// One of them did not answer, or this fleet cannot move between the two.
pub async fn step(
    (old, new): (&dyn Registry, &dyn Registry),
    closes: bool,
    now: Timestamp,
) -> Result<MovedBy, MoveError> {
    if old.shards().is_some() || new.shards().is_some() {
        return Err(MoveError::Sharded);
    }
    // The old one is read first: what is read of the new one then counts if the old one is still
    // the same when it is written.
    let (old_record, old_version) = split(old.epoch().await?);
    let (new_record, new_version) = split(new.epoch().await?);
    let put_old = async |record| put(old, record, old_version.as_ref()).await;
    let put_new = async |record| put(new, record, new_version.as_ref()).await;
    let (stored, did) = match next_step(old_record.as_ref(), new_record.as_ref())? {
        MigrationStep::Prepare(record) => (put_new(record).await?, MovedBy::Prepared),
        MigrationStep::Close(record) => {
            let next = new_record.unwrap_or_default();
            let unready = unready(old, &record, &next.epoch.id, now).await?;
            if !unready.is_empty() {
                return Ok(MovedBy::Unready(unready));
            }
            if !closes {
                return Ok(MovedBy::Ready);
            }
            (put_old(record).await?, MovedBy::Closing)
        }
        MigrationStep::Await(record) => (put_new(record).await?, MovedBy::AllAwaited),
        MigrationStep::Wait(awaited) => return Ok(MovedBy::Awaiting(awaited)),
        MigrationStep::Finish(record) => {
            let open = open_transfers(old).await?;
            if !open.is_empty() {
                return Ok(MovedBy::InTransfer(open));
            }
            let fenced = fenced(old).await?;
            if !fenced.is_empty() {
                return Ok(MovedBy::Unready(fenced));
            }
            copy_histories(old, new).await?;
            (put_old(record).await?, MovedBy::Closed)
        }
        MigrationStep::Open(record) => (put_new(record).await?, MovedBy::Opened),
        MigrationStep::Done => return Ok(MovedBy::Done),
    };
    Ok(if stored { did } else { MovedBy::Outrun })
}

/// Gives the move up, as long as the old registry is not closed for good: it judges alone again.
/// Gives whether there was anything to give up.
///
/// # Errors
/// It did not answer, or is closed for good.
pub async fn cancel(old: &dyn Registry) -> Result<bool, MoveError> {
    loop {
        let (record, version) = split(old.epoch().await?);
        let Some(next) = record.as_ref().map(cancelled).transpose()?.flatten() else {
            return Ok(false);
        };
        if put(old, next, version.as_ref()).await? {
            return Ok(true);
        }
    }
}

fn split(known: Option<Versioned<EpochRecord>>) -> (Option<EpochRecord>, Option<RecordVersion>) {
    known.map(|known| (known.record, known.version)).unzip()
}

async fn put(
    registry: &dyn Registry,
    record: EpochRecord,
    version: Option<&RecordVersion>,
) -> Result<bool, RegistryError> {
    let outcome = registry.put_epoch(&record, version).await?;
    Ok(outcome != PutOutcome::Conflict)
}

/// Why a registry cannot be closed to the one with this `id`.
async fn unready(
    old: &dyn Registry,
    record: &EpochRecord,
    next: &str,
    now: Timestamp,
) -> Result<Vec<Unready>, RegistryError> {
    let mut unready: Vec<Unready> = record.awaited().cloned().map(Unready::Awaited).collect();
    let transfers = open_transfers(old).await?;
    unready.extend(transfers.into_iter().map(Unready::InTransfer));
    let listed = old.members().await?;
    let unreadable = listed.unreadable.into_iter();
    unready.extend(unreadable.map(|one| Unready::Unreadable(one.name, one.why)));
    for (name, state) in &record.members {
        if *state == EpochMember::Forgotten {
            continue;
        }
        let mut records = listed.records.iter().map(|known| &known.record);
        let why = match records.find(|member| member.name == *name) {
            None => Some(Unready::NoRecord(name.clone())),
            Some(member) if member.fence.is_some() => Some(Unready::Fenced(name.clone())),
            Some(member) if member.standing(now) == MemberStanding::Silent => {
                Some(Unready::Silent(name.clone(), member.heard))
            }
            Some(member) => match member.next.as_ref().filter(|known| *known.id == *next) {
                None => Some(Unready::WithoutNext(name.clone())),
                Some(known) if member.heard.duration_since(known.since) < READY => {
                    Some(Unready::TooLate(name.clone(), known.since))
                }
                Some(_) => None,
            },
        };
        unready.extend(why);
    }
    Ok(unready)
}

/// The members that were fenced while the registry began to close: whoever fences one asks whether it
/// does after the fence was written.
async fn fenced(registry: &dyn Registry) -> Result<Vec<Unready>, RegistryError> {
    let listed = registry.members().await?.records.into_iter();
    let fenced = listed.filter(|known| known.record.fence.is_some());
    Ok(fenced
        .map(|known| Unready::Fenced(known.record.name))
        .collect())
}

async fn open_transfers(registry: &dyn Registry) -> Result<Vec<TransferName>, RegistryError> {
    let listed = registry.transfers().await?.whole()?;
    let open = listed.into_iter().filter(|known| known.record.reserves());
    Ok(open.map(|known| known.record.name).collect())
}

/// What people did against the protocol's word is known in the new registry, too: a reason that
/// was used before lets no delete through there. What is written while the old one is closing is in
/// both.
async fn copy_histories(old: &dyn Registry, new: &dyn Registry) -> Result<(), RegistryError> {
    let mut at = None;
    loop {
        let page = old.claims_page(&ClaimScope::All, at.as_ref()).await?;
        let claims = page.claims.into_iter().map(|known| known.record);
        let with_history = claims.filter(|claim| !claim.history.is_empty());
        stream::iter(with_history.map(Ok))
            .try_for_each_concurrent(AT_ONCE, |claim| copy_history(new, claim))
            .await?;
        match page.next {
            Some(next) => at = Some(next),
            None => return Ok(()),
        }
    }
}

async fn copy_history(new: &dyn Registry, claim: Record) -> Result<(), RegistryError> {
    edit::claim(new, &claim.identity, |known| {
        let empty = Record::new(claim.identity.clone());
        let known = known.unwrap_or(&empty);
        let mut next = known.clone();
        let missing = claim
            .history
            .iter()
            .filter(|one| !known.history.contains(one));
        next.history.extend(missing.cloned());
        next.history.sort_by_key(|entry: &HistoryEntry| entry.at);
        let beyond = next.history.len().saturating_sub(MAX_HISTORY);
        next.history.drain(..beyond);
        (next != *known).then_some(next)
    })
    .await
}
