//! What the observer makes of a read: settle, release, adopt, register.

use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::Identity;
use crate::policy::Policy;

use super::names::CopyRef;
use super::record::{InFlight, MemberCopy, Proof, Record, StoredCopy};

/// One look at one copy, by the observer of the copy's own cluster.
///
/// The order of the reads is what makes it true: the record was read first, at
/// `judged_at`, or [was this one](super::Look) then; then `object` was read from the
/// API server's store by a quorum read; then the outcome is written on condition that
/// the record has not changed. An activation that comes in between changes the record, and the
/// write fails.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// The copy looked at.
    pub copy: &'a CopyRef,
    /// When the record was read. The deadlines in it are times by the same clock, and
    /// those that had passed by then are over.
    pub judged_at: Timestamp,
    /// The object; `None` where it is gone.
    pub object: Option<ObservedObject>,
    /// Uids that were seen stored under this name at some time, the object's own
    /// not needed: a CREATE that was seen stored cannot be stored again.
    pub seen_uids: &'a [Arc<str>],
}

/// An object, as read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObservedObject {
    /// Its uid.
    pub uid: Arc<str>,
    /// Its resourceVersion.
    pub resource_version: Arc<str>,
    /// Whether it has a deletion timestamp.
    pub terminating: bool,
    /// Whether ASO has an operation under way for it in Azure.
    pub busy: bool,
    /// What it is to the record's identity; `None` where it is a copy of another one.
    pub held: Option<ObservedHold>,
}

/// An object that is a copy of the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObservedHold {
    /// Its effective policy.
    pub policy: Policy,
    /// Whether the identity rests on an owner that is not there.
    pub assumed: bool,
}

/// What came of an observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The record as it should be now.
    pub record: Record,
    /// Whether that differs from what the registry holds.
    pub changed: bool,
    /// When to look again: the next deadline of a request under way.
    pub recheck: Option<Timestamp>,
}

/// Brings the copy's entry in line with what was read.
///
/// Requests that the read shows to be over are settled. The copy counts as
/// stored the way it was read, so it stops being live when the object is parked
/// or gone **and** nothing is under way; a live object without a claim is adopted,
/// and shows as a conflict where another copy is live.
pub fn observe(record: Option<&Record>, identity: &Identity, seen: &Observation<'_>) -> Observed {
    let mut next = record.map_or_else(|| Record::new(identity.clone()), Record::clone);
    let stored = seen.object.as_ref().and_then(ObservedObject::stored);
    if stored.is_some() || next.copies.contains_key(seen.copy) {
        let copy = next.entry(seen.copy, seen.judged_at, "");
        let was_held = copy.is_live();
        settle(copy, seen);
        let was_live = copy.stored_live();
        copy.stored = stored;
        if was_live && !copy.is_live() || !was_held && copy.is_live() {
            // Nobody asked for it here: parking passes no webhook.
            copy.since = seen.judged_at;
            copy.by = "".into();
        }
        if let Some(held) = seen.object.as_ref().and_then(|object| object.held) {
            copy.assumed = held.assumed;
        }
        if !was_held && copy.is_live() {
            next.mark_newcomer(seen.copy);
        }
    }
    if next
        .copies
        .get(seen.copy)
        .is_some_and(MemberCopy::is_vacant)
    {
        next.copies.remove(seen.copy);
    }
    next.clear_newcomer(seen.copy);
    let recheck = next
        .copies
        .get(seen.copy)
        .and_then(MemberCopy::next_deadline);
    let changed = match record {
        Some(record) => *record != next,
        None => !next.is_empty(),
    };
    Observed {
        record: next,
        changed,
        recheck,
    }
}

/// Ends the requests that the observation shows to be over. Nothing else ends
/// them: a CREATE that the API server still holds can land after a copy of its name was
/// parked and deleted.
fn settle(copy: &mut MemberCopy, seen: &Observation<'_>) {
    for list in copy.in_flight_lists() {
        list.retain(|request| !is_over(request, seen));
    }
}

fn is_over(request: &InFlight, seen: &Observation<'_>) -> bool {
    let proven = match &request.proof {
        Proof::Uid(uid) => {
            seen.seen_uids.contains(uid) || seen.object.as_ref().is_some_and(|o| o.uid == *uid)
        }
        Proof::ResourceVersion(version) => seen
            .object
            .as_ref()
            .is_none_or(|o| o.resource_version != *version),
        Proof::Owner => {
            let held = seen.object.as_ref().and_then(|object| object.held);
            held.is_some_and(|held| !held.assumed)
        }
        Proof::Deadline => false,
    };
    proven || seen.judged_at > request.deadline
}

impl ObservedObject {
    fn stored(&self) -> Option<StoredCopy> {
        self.held.map(|held| StoredCopy {
            uid: self.uid.clone(),
            policy: held.policy,
            terminating: self.terminating,
            busy: self.busy,
        })
    }
}

#[cfg(test)]
mod tests;
