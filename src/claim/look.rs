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
use super::observe::{Held, Observation, Observed, Sighting, observe};
use super::record::{ClaimState, Record};

/// One look at one claim of one object: which call comes next, and in the end what the claim
/// says. `V` is the registry's version of a record, `O` an object as it is read.
///
/// 1. The record is read, and the deadlines in it are judged.
/// 2. Which uids were seen stored is asked **before** the object is read: one that is seen
///    later may be of an object that was not there yet when it was read.
/// 3. The object is read from the API server's store by a quorum read.
/// 4. What it stands for is worked out from what is known; where that would release the copy,
///    from the store.
/// 5. The outcome is written on condition that the record is the one that was read first.
///    Where it is not, the look begins again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look<V, O> {
    copy: CopyRef,
    identity: Identity,
    stage: Stage<V, O>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage<V, O> {
    /// Reads the claim.
    Claim,
    /// Asks for the uids that were seen.
    Uids(Known<V>),
    /// Reads the object.
    Object(Known<V>, Vec<Arc<str>>),
    /// Works out what the object stands for.
    Resolve(Known<V>, Vec<Arc<str>>, Sighting, O, Freshness),
    /// Writes the claim as it should be.
    Put(Option<V>, Looked),
    Done(Looked),
}

/// The claim as it was read, and when its deadlines were judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Known<V> {
    record: Option<Record>,
    version: Option<V>,
    judged_at: Timestamp,
}

/// A call that a look asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookCall<'a, V, O> {
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
    /// The uids that were seen.
    Uids(Vec<Arc<str>>),
    /// The object, if it is there.
    Object(Option<(Sighting, O)>),
    /// What it resolves to.
    Resolved(ResolvesTo),
    /// The record was stored.
    Stored,
    /// The registry holds another version; nothing was changed.
    Conflict,
}

/// What an object resolves to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResolvesTo {
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
            stage: Stage::Claim,
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
        object: Sighting,
        resolved: ResolvesTo,
        now: Timestamp,
    ) -> Self {
        let mut look = Self::new(copy, identity);
        let known = Known {
            record: None,
            version: None,
            judged_at: now,
        };
        let object = look.seen(&known, object, &resolved);
        let stands_for = resolved.identities;
        look.stage = look.conclude(known, &[], Some(object), stands_for);
        look
    }

    /// The call to make.
    pub fn call(&self) -> LookCall<'_, V, O> {
        match &self.stage {
            Stage::Claim => LookCall::Claim(&self.identity),
            Stage::Uids(_) => LookCall::Uids,
            Stage::Object(..) => LookCall::Object,
            Stage::Resolve(.., object, trust) => LookCall::Resolve(object, *trust),
            Stage::Put(version, looked) => LookCall::Put(&looked.record, version.as_ref()),
            Stage::Done(looked) => LookCall::Done(looked),
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: LookAnswer<V, O>) {
        let stage = std::mem::replace(&mut self.stage, Stage::Claim);
        self.stage = match (stage, answer) {
            (Stage::Claim, LookAnswer::Claim(known, judged_at)) => {
                let (record, version) = known.unzip();
                Stage::Uids(Known {
                    record,
                    version,
                    judged_at,
                })
            }
            (Stage::Uids(known), LookAnswer::Uids(uids)) => Stage::Object(known, uids),
            (Stage::Object(known, uids), LookAnswer::Object(Some((sighting, object)))) => {
                Stage::Resolve(known, uids, sighting, object, Freshness::Known)
            }
            (Stage::Object(known, uids), LookAnswer::Object(None)) => {
                self.conclude(known, &uids, None, Vec::new())
            }
            (
                Stage::Resolve(known, uids, sighting, object, Freshness::Known),
                LookAnswer::Resolved(resolved),
            ) if self.is_doubtful(&known, &resolved) => {
                Stage::Resolve(known, uids, sighting, object, Freshness::Store)
            }
            (Stage::Resolve(known, uids, sighting, ..), LookAnswer::Resolved(resolved)) => {
                let seen = self.seen(&known, sighting, &resolved);
                let stands_for = resolved.identities;
                self.conclude(known, &uids, Some(seen), stands_for)
            }
            (Stage::Put(_, looked), LookAnswer::Stored) => Stage::Done(looked),
            (Stage::Put(..), LookAnswer::Conflict) => Stage::Claim,
            (stage, _) => stage,
        };
    }

    /// Whether the copy would be released on what is only remembered: a policy that parks it
    /// from outside, or owners and a credential that make it another resource than it was.
    fn is_doubtful(&self, known: &Known<V>, resolved: &ResolvesTo) -> bool {
        let is_parked_from_outside = !resolved.policy.is_live() && !resolved.is_own_policy;
        let leaves = resolved.is_complete && !resolved.identities.contains(&self.identity);
        is_parked_from_outside || leaves && known.is_held(&self.copy)
    }

    /// The object as the claim takes it.
    fn seen(&self, known: &Known<V>, object: Sighting, resolved: &ResolvesTo) -> Sighting {
        let held = known.copy(&self.copy);
        let assumed = if resolved.identities.contains(&self.identity) {
            Some(resolved.assumed)
        } else {
            held.filter(|_| !resolved.is_complete)
                .map(|held| held.assumed)
        };
        let policy = resolved.policy;
        Sighting {
            busy: object.busy && !policy.is_live(),
            held: assumed.map(|assumed| Held { policy, assumed }),
            ..object
        }
    }

    fn conclude(
        &self,
        known: Known<V>,
        seen_uids: &[Arc<str>],
        object: Option<Sighting>,
        stands_for: Vec<Identity>,
    ) -> Stage<V, O> {
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
            Stage::Put(known.version, looked)
        } else {
            Stage::Done(looked)
        }
    }
}

impl<V> Known<V> {
    fn copy(&self, copy: &CopyRef) -> Option<&super::Copy> {
        self.record.as_ref()?.copies.get(copy)
    }

    fn is_held(&self, copy: &CopyRef) -> bool {
        self.copy(copy).is_some()
    }
}

impl From<&ResolvedObject> for ResolvesTo {
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

impl From<&ObjectFacts> for Sighting {
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
