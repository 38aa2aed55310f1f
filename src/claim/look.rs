//! The order of an observer's reads and writes, without the calls themselves.
//!
//! The order is part of the protocol, as that of an [`Attempt`](super::Attempt) is: what a
//! copy is released on must have been read in turn. So it stands here, where a model checker
//! can drive it, and the observer only makes the calls that it asks for.

use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::{Identity, Resolution};
use crate::object::ObjectFacts;
use crate::policy::{Policy, PolicySource};
use crate::resolve::{Freshness, ResolvedObject};

use super::names::CopyRef;
use super::observe::{Observation, Observed, ObservedHold, ObservedObject, observe};
use super::record::{ClaimState, Record};

/// One look at one claim of one object: which call comes next, and in the end what the claim
/// says. `V` is the registry's version of a record, `O` an object as it is read.
///
/// 1. The record is read, or begun from as this replica wrote it last; and the deadlines in it
///    are judged.
/// 2. Which uids were seen stored is asked **before** the object is read: one that is seen
///    later may be of an object that was not there yet when it was read.
/// 3. The object is read from the API server's store by a quorum read.
/// 4. What it stands for is worked out from what is known; where that would release the copy,
///    from the store.
/// 5. The outcome is written on condition that the record is the one that was read first.
///    Where it is not, the look begins again.
///
/// **What this replica wrote need not be read.** A version is of one write for ever, so a write
/// on condition of a version that is stored proves that the registry held this one record from
/// when it was written until then. It held it when the look began, too, which is before the
/// uids are asked for and the object is read: a read at that moment would have answered the
/// same. So all that rests on the order holds as it does for a record that was read, releases
/// and deadlines included: these are judged when the look begins. But only the write proves it.
/// Where another record is there, or nothing would be written, the claim is read after all, and
/// so is the object after it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look<V, O> {
    copy: CopyRef,
    identity: Identity,
    stage: LookStage<V, O>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum LookStage<V, O> {
    /// Takes the claim as this replica wrote it, or reads it.
    Begin,
    /// Reads the claim.
    Claim,
    /// Asks for the uids that were seen.
    Uids(ReadClaim<V>),
    /// Reads the object.
    Object(ReadClaim<V>, Vec<Arc<str>>),
    /// Works out what the object stands for.
    Resolve(ReadClaim<V>, Vec<Arc<str>>, ObservedObject, O, Freshness),
    /// Writes the claim as it should be.
    Put(Option<V>, Looked),
    Done(Looked),
}

/// The claim as it was read, and when its deadlines were judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ReadClaim<V> {
    record: Option<Record>,
    version: Option<V>,
    judged_at: Timestamp,
    /// Whether it was not read, but is as this replica wrote it last.
    is_as_written: bool,
}

/// A call that a look asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookCall<'a, V, O> {
    /// Say how this replica wrote the claim last, if that is remembered, or read the claim; and
    /// then the clock by which its deadlines are judged.
    Begin(&'a Identity),
    /// Read the claim, and then the clock by which its deadlines are judged.
    Claim(&'a Identity),
    /// Say which uids were seen stored under the object's name until now.
    Uids,
    /// Read the object from the API server's store, by a quorum read.
    Object,
    /// Work out what this object, which was just read, resolves to: from what is known, or
    /// from the store alone.
    Resolve(&'a O, Freshness),
    /// Store a record, on condition that the registry still holds this version of it;
    /// `None`: that it holds no record.
    Put(&'a Record, Option<&'a V>),
    /// Make no more calls: this is what it came to.
    Done(&'a Looked),
}

/// What came of a [`LookCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookAnswer<V, O> {
    /// The claim and its version, and the time then: the deadlines in it are times by the
    /// same clock, and those that have passed are over.
    Claim(Option<(Record, V)>, Timestamp),
    /// The same of a claim that was not read: as this replica wrote it last.
    Written(Record, V, Timestamp),
    /// The uids that were seen.
    Uids(Vec<Arc<str>>),
    /// The object, if it is there.
    Object(Option<(ObservedObject, O)>),
    /// What it resolves to.
    Resolved(ObservedResolution),
    /// The record was stored.
    Stored,
    /// The registry holds another version; nothing was changed.
    Conflict,
}

/// What an object resolves to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObservedResolution {
    /// Its identities.
    pub identities: Vec<Identity>,
    /// Whether these are all. Else they cannot be worked out just now: what it was a copy of
    /// when they could, it still is.
    pub is_complete: bool,
    /// Whether they rest on an owner that is not there.
    pub assumed: bool,
    /// Its effective policy.
    pub policy: Policy,
    /// Whether the policy stands on the object itself, so that reading it was enough.
    pub is_own_policy: bool,
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Looked {
    /// What the claim says now.
    pub record: Record,
    /// What it said before, in one word; `None` where there was no record.
    pub before: Option<ClaimState>,
    /// Whether it was changed.
    pub changed: bool,
    /// The identities that the object stands for.
    pub stands_for: Vec<Identity>,
    /// When to look again: the next deadline of a request under way.
    pub recheck: Option<Timestamp>,
}

impl<V: Clone, O> Look<V, O> {
    /// A look at a copy, by the observer of the copy's own cluster.
    pub fn new(copy: CopyRef, identity: Identity) -> Self {
        Self {
            copy,
            identity,
            stage: LookStage::Begin,
        }
    }

    /// A look that begins with a claim for an object that no claim is known of, made from what
    /// is remembered at `now`.
    ///
    /// What is remembered may be out of date. That is safe where there is no record yet: an
    /// activation would have made one, and this write would fail, and the look begin anew.
    pub fn adopting(
        copy: CopyRef,
        identity: Identity,
        object: ObservedObject,
        resolved: ObservedResolution,
        now: Timestamp,
    ) -> Self {
        let mut look = Self::new(copy, identity);
        let known = ReadClaim {
            record: None,
            version: None,
            judged_at: now,
            is_as_written: false,
        };
        let object = look.seen(&known, object, &resolved);
        let stands_for = resolved.identities;
        look.stage = look.conclude(known, &[], Some(object), stands_for);
        look
    }

    /// The call to make.
    pub fn call(&self) -> LookCall<'_, V, O> {
        match &self.stage {
            LookStage::Begin => LookCall::Begin(&self.identity),
            LookStage::Claim => LookCall::Claim(&self.identity),
            LookStage::Uids(_) => LookCall::Uids,
            LookStage::Object(..) => LookCall::Object,
            LookStage::Resolve(.., object, trust) => LookCall::Resolve(object, *trust),
            LookStage::Put(version, looked) => LookCall::Put(&looked.record, version.as_ref()),
            LookStage::Done(looked) => LookCall::Done(looked),
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: LookAnswer<V, O>) {
        let stage = std::mem::replace(&mut self.stage, LookStage::Claim);
        self.stage = match (stage, answer) {
            (LookStage::Begin | LookStage::Claim, LookAnswer::Claim(known, judged_at)) => {
                LookStage::Uids(ReadClaim::new(known, judged_at, false))
            }
            (LookStage::Begin, LookAnswer::Written(record, version, judged_at)) => {
                LookStage::Uids(ReadClaim::new(Some((record, version)), judged_at, true))
            }
            (LookStage::Uids(known), LookAnswer::Uids(uids)) => LookStage::Object(known, uids),
            (LookStage::Object(known, uids), LookAnswer::Object(Some((observed, object)))) => {
                LookStage::Resolve(known, uids, observed, object, Freshness::Known)
            }
            (LookStage::Object(known, uids), LookAnswer::Object(None)) => {
                self.conclude(known, &uids, None, Vec::new())
            }
            (
                LookStage::Resolve(known, uids, observed, object, Freshness::Known),
                LookAnswer::Resolved(resolved),
            ) if self.is_doubtful(&known, &resolved) => {
                LookStage::Resolve(known, uids, observed, object, Freshness::Store)
            }
            (LookStage::Resolve(known, uids, observed, ..), LookAnswer::Resolved(resolved)) => {
                let seen = self.seen(&known, observed, &resolved);
                let stands_for = resolved.identities;
                self.conclude(known, &uids, Some(seen), stands_for)
            }
            (LookStage::Put(_, looked), LookAnswer::Stored) => LookStage::Done(looked),
            (LookStage::Put(..), LookAnswer::Conflict) => LookStage::Claim,
            (stage, _) => stage,
        };
    }

    /// Whether the copy would be released on what is only remembered: a policy that parks it
    /// from outside, or owners and a credential that make it another resource than it was.
    fn is_doubtful(&self, known: &ReadClaim<V>, resolved: &ObservedResolution) -> bool {
        let is_parked_from_outside = !resolved.policy.is_live() && !resolved.is_own_policy;
        let leaves = resolved.is_complete && !resolved.identities.contains(&self.identity);
        is_parked_from_outside || leaves && known.is_held(&self.copy)
    }

    /// The object as the claim takes it.
    fn seen(
        &self,
        known: &ReadClaim<V>,
        object: ObservedObject,
        resolved: &ObservedResolution,
    ) -> ObservedObject {
        let held = known.copy(&self.copy);
        let assumed = if resolved.identities.contains(&self.identity) {
            Some(resolved.assumed)
        } else {
            held.filter(|held| !resolved.is_complete && held.was_one())
                .map(|held| held.assumed)
        };
        let policy = resolved.policy;
        ObservedObject {
            busy: object.busy && !policy.is_live(),
            held: assumed.map(|assumed| ObservedHold { policy, assumed }),
            ..object
        }
    }

    fn conclude(
        &self,
        known: ReadClaim<V>,
        seen_uids: &[Arc<str>],
        object: Option<ObservedObject>,
        stands_for: Vec<Identity>,
    ) -> LookStage<V, O> {
        let seen = Observation {
            copy: &self.copy,
            judged_at: known.judged_at,
            object,
            seen_uids,
        };
        let before = known.record.as_ref();
        let Observed {
            record,
            changed,
            recheck,
        } = observe(before, &self.identity, &seen);
        let looked = Looked {
            before: before.map(Record::state),
            record,
            changed,
            stands_for,
            recheck,
        };
        if changed {
            LookStage::Put(known.version, looked)
        } else if known.is_as_written {
            LookStage::Claim
        } else {
            LookStage::Done(looked)
        }
    }
}

impl<V> ReadClaim<V> {
    fn new(known: Option<(Record, V)>, judged_at: Timestamp, is_as_written: bool) -> Self {
        let (record, version) = known.unzip();
        Self {
            record,
            version,
            judged_at,
            is_as_written,
        }
    }

    fn copy(&self, copy: &CopyRef) -> Option<&super::MemberCopy> {
        self.record.as_ref()?.copies.get(copy)
    }

    fn is_held(&self, copy: &CopyRef) -> bool {
        self.copy(copy).is_some()
    }
}

impl From<&ResolvedObject> for ObservedResolution {
    fn from(resolved: &ResolvedObject) -> Self {
        let known = resolved.identity.as_ref().ok();
        let identities = known.into_iter().flat_map(Resolution::identities);
        Self {
            identities: identities.cloned().collect(),
            is_complete: known.is_some_and(|known| known.witness.is_none()),
            assumed: known.is_some_and(|known| known.assumed),
            policy: resolved.policy.policy,
            is_own_policy: resolved.policy.source == PolicySource::Object,
        }
    }
}

impl From<&ObjectFacts> for ObservedObject {
    /// An object as it was read; what it is to a claim is still to be worked out.
    fn from(object: &ObjectFacts) -> Self {
        Self {
            uid: (&*object.uid).into(),
            resource_version: (&*object.resource_version).into(),
            terminating: object.terminating,
            busy: object.annotations.busy,
            held: None,
        }
    }
}

#[cfg(test)]
mod tests;
