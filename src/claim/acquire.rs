//! Going live: what an admission writes before it says yes.

use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::Identity;

use super::names::{CopyRef, RequestUid};
use super::record::{InFlight, Proof, Record, add_in_flight};
use super::refusal::{Holder, Refusal};

/// A request that would make a copy live: a CREATE, or an UPDATE that changes
/// policy or identity.
#[derive(Clone, Debug)]
pub struct Acquire {
    /// The copy that would be live.
    pub copy: CopyRef,
    /// The webhook's call.
    pub request: RequestUid,
    /// What will show that the request is over.
    pub proof: Proof,
    /// When the API server has given up on the request at the latest: later than
    /// its own request timeout.
    pub deadline: Timestamp,
    /// Now, by this cluster's clock.
    pub at: Timestamp,
    /// The user who asks.
    pub by: Arc<str>,
    /// Whether the identity rests on an owner that is not there yet.
    pub assumed: bool,
}

/// Makes the copy live in the record, unless another copy is live or may become so.
///
/// `record` is what the registry holds for `identity`, `None` where it holds
/// nothing. A call that finds its own acquire there already (its response was
/// lost) gets the same record again.
///
/// # Errors
/// [`Refusal::LiveElsewhere`] naming the other copy.
pub fn acquire(
    record: Option<&Record>,
    identity: &Identity,
    ask: &Acquire,
) -> Result<Record, Refusal> {
    let mut next = record.map_or_else(|| Record::new(identity.clone()), Record::clone);
    if let Some((other, held)) = next.others(&ask.copy).find(|(_, copy)| copy.is_live()) {
        return Err(Refusal::LiveElsewhere {
            identity: next.identity.clone(),
            holder: Holder::of(other, held),
            assumed: ask.assumed || held.assumed,
        });
    }
    let copy = next.entry(&ask.copy, ask.at, &ask.by);
    if !copy.is_live() {
        copy.since = ask.at;
        copy.by = ask.by.clone();
        copy.assumed = ask.assumed;
    }
    let request = InFlight {
        request: ask.request.clone(),
        proof: ask.proof.clone(),
        deadline: ask.deadline,
    };
    add_in_flight(&mut copy.acquiring, request);
    Ok(next)
}

/// Whether a resource may be acquired below these ancestors: not while one of
/// them is being deleted, for Azure deletes what is inside with it.
///
/// To be asked **after** the acquire is written: a delete writes its mark first
/// and looks for children after, so one of the two always sees the other.
///
/// # Errors
/// [`Refusal::AncestorDeleting`] naming the nearest such ancestor.
pub fn acquire_below<'a>(
    identity: &Identity,
    ancestors: impl IntoIterator<Item = &'a Record>,
) -> Result<(), Refusal> {
    for ancestor in ancestors {
        if let Some((other, held)) = ancestor.being_deleted() {
            return Err(Refusal::AncestorDeleting {
                identity: identity.clone(),
                ancestor: ancestor.identity.clone(),
                holder: Holder::of(other, held),
            });
        }
    }
    Ok(())
}

/// Takes back what one call wrote, because the call is refused after all: the
/// API server will not store what a webhook refused. `None` where there is
/// nothing to take back.
pub fn withdraw(record: &Record, copy: &CopyRef, request: &RequestUid) -> Option<Record> {
    let mut next = record.clone();
    let held = next.copies.get_mut(copy)?;
    let before = held.acquiring.len() + held.deleting.len();
    held.acquiring.retain(|one| one.request != *request);
    held.deleting.retain(|one| one.request != *request);
    if held.acquiring.len() + held.deleting.len() == before {
        return None;
    }
    if held.is_vacant() {
        next.copies.remove(copy);
    }
    Some(next)
}
