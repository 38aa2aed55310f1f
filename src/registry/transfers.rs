//! The steps of a transfer's life, on any registry.
//!
//! Each can be cut off anywhere and done again, by anybody: the record is written first
//! where something begins and last where it ends, and every claim is changed by
//! compare-and-set. **Who reserves writes first and looks after**: a delete that was
//! admitted before shows its mark then, and one that comes later sees the reservation.

mod claims;
mod error;

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{CopyRef, MemberName, Record, TransferName};
use crate::transfer::{
    Transfer, TransferAction, TransferCounts, TransferHistoryEntry, TransferPhase,
    TransferProgress, progress,
};

use super::{
    ClaimScope, CopyFilter, PutOutcome, Registry, RegistryError, UnreadableRecord, Versioned, edit,
};

pub use error::TransferError;

use claims::{being_deleted, give_free, reserve_in, reserved, reserved_alike};

/// What opening a transfer came to.
#[derive(Clone, Debug)]
pub struct OpenedTransfer {
    /// The transfer as it is now.
    pub transfer: Transfer,
    /// How far its resources are.
    pub progress: TransferProgress,
    /// What another transfer has reserved; it is not covered by this one.
    pub taken: Vec<(Identity, TransferName)>,
    /// What is being deleted by a request that was admitted before, or is inside of what
    /// is: this is too late for it.
    pub deleting: Vec<Identity>,
    /// Claims that may be meant and cannot be read: they are not reserved. Nobody deletes
    /// their resources meanwhile, for nothing is decided on such a claim.
    pub unreadable: Vec<UnreadableRecord>,
}

/// Writes a transfer that was not there yet, or says again that one was started: it may
/// have been cut off, or is to take in what came later.
///
/// # Errors
/// [`TransferError::Differs`], or [`TransferError::Over`].
pub async fn start(
    registry: &dyn Registry,
    wanted: &Transfer,
    entry: &TransferHistoryEntry,
) -> Result<Transfer, TransferError> {
    loop {
        let known = registry.transfer(&wanted.name).await?;
        let (mut next, version) = match known {
            None => {
                // What one of that name has left, somebody may be about to give free: then it
                // is not there to be given free any more once this one reserves it.
                give_free(registry, &wanted.name).await?;
                (wanted.clone(), None)
            }
            Some(known) => (continued(known.record, wanted)?, Some(known.version)),
        };
        next.remember(entry.clone());
        if let PutOutcome::Stored(stored) = registry.put_transfer(&next, version.as_ref()).await? {
            let Err(moving) = not_moving(registry).await else {
                return Ok(next);
            };
            if let (None, Some(stored)) = (version, stored) {
                registry.remove_transfer(&next.name, &stored).await?;
            }
            return Err(moving);
        }
    }
}

/// That the fleet does not leave the registry, and has not left it. Whoever closes it looks for
/// transfers after it is marked, and this is asked after the transfer was written: one of the two
/// sees the other.
async fn not_moving(registry: &dyn Registry) -> Result<(), TransferError> {
    let epoch = registry.epoch().await?.map(|known| known.record);
    match epoch.and_then(|epoch| epoch.migration) {
        None => Ok(()),
        Some(_) => Err(TransferError::Moving {
            flags: registry.flags().to_owned(),
        }),
    }
}

/// The transfer that is there, if it is the one that is wanted.
fn continued(known: Transfer, wanted: &Transfer) -> Result<Transfer, TransferError> {
    let same =
        (&known.from, &known.to, &known.selection) == (&wanted.from, &wanted.to, &wanted.selection);
    if !same || known.turned {
        return Err(TransferError::Differs {
            name: known.name.clone(),
            selection: known.selection.words(),
            from: known.from.to_string(),
            to: known.to.to_string(),
            state: known.state(),
        });
    }
    if !known.reserves() {
        return Err(over(&known));
    }
    Ok(Transfer {
        phase: TransferPhase::Opening,
        ..known
    })
}

/// Turns a transfer round: from now on its resources may go live at its source only.
///
/// # Errors
/// [`TransferError::Missing`], or [`TransferError::Over`].
pub async fn turn(
    registry: &dyn Registry,
    name: &TransferName,
    entry: &TransferHistoryEntry,
) -> Result<OpenedTransfer, TransferError> {
    change(registry, name, |known| {
        if !known.reserves() {
            return Err(over(known));
        }
        let mut next = known.turn();
        next.remember(entry.clone());
        Ok(next)
    })
    .await?;
    open(registry, name, &|_| true).await
}

/// Reserves the claims of a transfer that was started or turned round, and says that it
/// is open once all of them are.
///
/// That is written on condition that the record is the one that was read before the claims
/// were: one that was deleted and declared again meanwhile may have had them given free.
///
/// `chosen`: which copies at its source are meant, where a claim cannot tell.
///
/// # Errors
/// [`TransferError::Missing`], or [`TransferError::Over`]: it was ended meanwhile.
pub async fn open(
    registry: &dyn Registry,
    name: &TransferName,
    chosen: &(dyn Fn(&CopyRef) -> bool + Sync),
) -> Result<OpenedTransfer, TransferError> {
    let mut known = existing(registry, name).await?;
    loop {
        let transfer = known.record;
        if !transfer.reserves() {
            return overtaken(registry, &transfer).await;
        }
        let (mut taken, mut unreadable) = (Vec::new(), Vec::new());
        if !transfer.turned {
            let scope = ClaimScope::Of(transfer.from.member.clone(), CopyFilter::AnyCopy);
            let wanted = |claim: &Record| {
                let copies = &mut claim.copies.keys();
                copies.any(|copy| transfer.takes(&claim.identity, copy) && chosen(copy))
            };
            taken = reserve_in(registry, &scope, &transfer, wanted, &mut unreadable).await?;
        }
        // Read after the last reservation was written.
        let listed = reserved_alike(registry, &transfer).await?;
        if transfer.turned {
            unreadable = listed.unreadable;
        }
        let claims = listed.records;
        let deleting = being_deleted(registry, &claims).await?;
        let claims = claims.iter().map(|known| &known.record);
        let progress = progress(&transfer.reservation(), claims);
        let opened = Transfer {
            phase: TransferPhase::Open,
            covered: progress.tally.total(),
            status: Some(TransferCounts {
                at: Timestamp::now(),
                tally: progress.tally,
            }),
            ..transfer.clone()
        };
        let put = registry.put_transfer(&opened, Some(&known.version)).await?;
        if put != PutOutcome::Conflict {
            return Ok(OpenedTransfer {
                transfer: opened,
                progress,
                taken,
                deleting,
                unreadable,
            });
        }
        known = existing(registry, name).await?;
        if !is_declared_alike(&known.record, &transfer) {
            return overtaken(registry, &known.record).await;
        }
    }
}

/// The end of opening a transfer that is declared otherwise by now, or over: whoever turned it
/// round or ended it may have been done before the last claim was reserved here.
async fn overtaken(
    registry: &dyn Registry,
    transfer: &Transfer,
) -> Result<OpenedTransfer, TransferError> {
    if transfer.reserves() {
        reserved_alike(registry, transfer).await?;
    } else {
        give_free(registry, &transfer.name).await?;
    }
    Err(over(transfer))
}

/// Ends a transfer: gives its claims free, and keeps its record to be looked at. Where
/// the record is gone, the claims are given free all the same.
///
/// # Errors
/// The registry did not answer.
pub async fn close(
    registry: &dyn Registry,
    name: &TransferName,
    entry: Option<&TransferHistoryEntry>,
) -> Result<(), TransferError> {
    let closing = change(registry, name, |known| {
        let mut next = known.clone();
        if known.reserves() {
            next.phase = TransferPhase::Closing;
            entry
                .cloned()
                .into_iter()
                .for_each(|one| next.remember(one));
        }
        Ok(next)
    })
    .await;
    if !matches!(closing, Err(TransferError::Missing { .. })) {
        closing?;
    }
    give_free(registry, name).await?;
    let finished = change(registry, name, |known| {
        let mut next = known.clone();
        if known.phase == TransferPhase::Closing {
            next.phase = TransferPhase::Finished;
        }
        Ok(next)
    })
    .await;
    match finished {
        Err(TransferError::Missing { .. }) => Ok(()),
        finished => finished,
    }
}

/// How far a transfer is, by its claims as they are now. Of one that is over, what was
/// last written down is all there is.
///
/// # Errors
/// The registry did not answer.
pub async fn look(
    registry: &dyn Registry,
    transfer: &Transfer,
) -> Result<TransferProgress, RegistryError> {
    let claims = reserved(registry, &transfer.name).await?.records;
    let claims = claims.iter().map(|known| &known.record);
    Ok(progress(&transfer.reservation(), claims))
}

/// Writes down how far a transfer is, where that is news. Gives how far it is.
///
/// # Errors
/// The registry did not answer.
pub async fn note(
    registry: &dyn Registry,
    known: &Versioned<Transfer>,
) -> Result<TransferProgress, RegistryError> {
    let progress = look(registry, &known.record).await?;
    let noted = known.record.status.as_ref();
    if noted.is_none_or(|noted| noted.tally != progress.tally) {
        let mut next = known.record.clone();
        next.status = Some(TransferCounts {
            at: Timestamp::now(),
            tally: progress.tally,
        });
        // Somebody else was there: what they wrote is newer, and there is a next time.
        registry.put_transfer(&next, Some(&known.version)).await?;
    }
    Ok(progress)
}

/// Gives claims free that are reserved for a transfer which is over or gone. Only those
/// of transfers from or to `member`. Gives how many there were.
///
/// # Errors
/// The registry did not answer.
pub async fn tidy(registry: &dyn Registry, member: &MemberName) -> Result<usize, RegistryError> {
    let claims = registry.claims(&ClaimScope::Reserved(None)).await?.records;
    let ours = claims.iter().filter_map(|known| {
        let held = known.record.reserved.as_ref()?;
        let ours = held.from.member == *member || held.to.member == *member;
        ours.then(|| held.transfer.clone())
    });
    let names: BTreeSet<TransferName> = ours.collect();
    let mut freed = 0;
    for name in names {
        match give_free(registry, &name).await {
            // Whether it is over, nobody can tell; the others are another matter.
            Err(RegistryError::Corrupt(_)) => {}
            outcome => freed += outcome?,
        }
    }
    Ok(freed)
}

/// An entry of the history, made now.
pub fn entry(
    action: TransferAction,
    by: &str,
    why: Option<crate::claim::Justification>,
) -> TransferHistoryEntry {
    TransferHistoryEntry {
        at: Timestamp::now(),
        by: by.into(),
        action,
        why,
        unfinished: 0,
    }
}

fn over(transfer: &Transfer) -> TransferError {
    TransferError::Over {
        name: transfer.name.clone(),
        state: transfer.state(),
    }
}

/// Whether two are one transfer, as far as what they reserve goes.
fn is_declared_alike(one: &Transfer, other: &Transfer) -> bool {
    one.reservation() == other.reservation() && one.selection == other.selection
}

async fn existing(
    registry: &dyn Registry,
    name: &TransferName,
) -> Result<Versioned<Transfer>, TransferError> {
    let known = registry.transfer(name).await?;
    known.ok_or_else(|| TransferError::missing(name, registry))
}

/// Changes the record of a transfer that is there.
async fn change(
    registry: &dyn Registry,
    name: &TransferName,
    next: impl Fn(&Transfer) -> Result<Transfer, TransferError>,
) -> Result<(), TransferError> {
    edit::transfer(registry, name, |known| {
        let known = known.ok_or_else(|| TransferError::missing(name, registry))?;
        next(known).map(Some)
    })
    .await
}

#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;
