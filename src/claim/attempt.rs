//! The order of an admission's steps, without the calls themselves.
//!
//! The order is part of the protocol: a claim is written before the look that
//! must see what others wrote. So it stands here, where a model checker can drive
//! it, and the webhook only makes the calls that it asks for.

use crate::arm::Identity;

use super::acquire::{Acquire, acquire, acquire_below, withdraw};
use super::arrive::arrive;
use super::delete::{Delete, dependents, mark_deleting};
use super::names::{CopyRef, RequestUid};
use super::record::Record;
use super::refusal::Refusal;

/// What a request would do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Aim {
    /// Create a live copy. A new resource has no record, so one is written without
    /// looking for it first: that saves a read.
    Create(Acquire),
    /// Create a parked copy: registered, and never refused.
    Arrive(Acquire),
    /// Make a stored copy live, or live under another identity.
    Activate(Acquire),
    /// Make the delete of a terminating copy destructive: both an acquire and a delete.
    Wake(Acquire, Delete),
    /// Delete the resource.
    Delete(Delete),
    /// Take back what one call wrote for a copy: it is refused after all, and the
    /// API server will not store what a webhook refused.
    TakeBack(CopyRef, RequestUid),
}

/// One request's way through the registry: which call comes next, and in the end
/// whether it is refused. `V` is the registry's version of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt<V> {
    aim: Aim,
    identities: Vec<Identity>,
    /// Whether to write nothing, and only find out what the verdict would be.
    dry_run: bool,
    /// Which identity is dealt with.
    at: usize,
    stage: Stage<V>,
    refusal: Option<Refusal>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage<V> {
    /// Reads the claim.
    Read,
    /// Writes the claim as it should be.
    Put(Record, Option<V>),
    /// Looks for what others hold inside the resource.
    LookBelow,
    /// Looks whether what the resource is inside of is being deleted.
    LookAbove,
    Done,
}

/// A call on the registry that an attempt asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call<'a, V> {
    /// Read a claim.
    Claim(&'a Identity),
    /// Store a record, on condition that the registry still holds this version of
    /// it; `None`: that it holds no record.
    Put(&'a Record, Option<&'a V>),
    /// Read these claims, all after this call.
    Claims(Vec<Identity>),
    /// List the claims below an identity.
    Below(&'a Identity),
}

/// What came of a [`Call`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<V> {
    /// The claim, and its version.
    Claim(Option<(Record, V)>),
    /// The record was stored.
    Stored,
    /// The registry holds another version; nothing was changed.
    Conflict,
    /// The claims that there are.
    Claims(Vec<Record>),
}

impl<V: Clone> Attempt<V> {
    /// An attempt on everything that the object stands for, the resource that ASO
    /// writes to first. A dry run writes nothing and comes to the same verdict.
    pub fn new(aim: Aim, identities: Vec<Identity>, dry_run: bool) -> Self {
        let mut attempt = Self {
            aim,
            identities,
            dry_run,
            at: 0,
            stage: Stage::Read,
            refusal: None,
        };
        attempt.begin(0);
        attempt
    }

    /// The call to make; `None` at the end.
    pub fn call(&self) -> Option<Call<'_, V>> {
        let identity = self.identities.get(self.at)?;
        Some(match &self.stage {
            Stage::Read => Call::Claim(identity),
            Stage::Put(record, version) => Call::Put(record, version.as_ref()),
            Stage::LookBelow => Call::Below(identity),
            Stage::LookAbove => Call::Claims(self.ancestors()),
            Stage::Done => return None,
        })
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: Answer<V>) {
        match (&self.stage, answer) {
            (Stage::Read, Answer::Claim(known)) => self.propose(known),
            (Stage::Put(..), Answer::Stored) => self.written(),
            (Stage::Put(..), Answer::Conflict) => self.stage = Stage::Read,
            (Stage::LookBelow, Answer::Claims(claims)) => self.looked_below(&claims),
            (Stage::LookAbove, Answer::Claims(claims)) => self.looked_above(&claims),
            _ => {}
        }
    }

    /// What it came to, once there is no call to make.
    ///
    /// # Errors
    /// Why the request is refused.
    pub fn outcome(self) -> Result<(), Refusal> {
        self.refusal.map_or(Ok(()), Err)
    }

    fn begin(&mut self, at: usize) {
        self.at = at;
        let is_new = matches!(self.aim, Aim::Create(_)) && !self.dry_run;
        if at >= self.identities.len() {
            self.stage = Stage::Done;
        } else if is_new {
            self.propose(None);
        } else {
            self.stage = Stage::Read;
        }
    }

    fn propose(&mut self, known: Option<(Record, V)>) {
        let identity = &self.identities[self.at];
        let (record, version) = known.unzip();
        let record = record.as_ref();
        let next = match &self.aim {
            Aim::Create(ask) | Aim::Activate(ask) => acquire(record, identity, ask).map(Some),
            Aim::Arrive(ask) => Ok(Some(arrive(record, identity, ask))),
            Aim::Wake(ask, delete) => mark_deleting(record, identity, delete)
                .and_then(|marked| acquire(Some(&marked), identity, ask))
                .map(Some),
            Aim::Delete(ask) => mark_deleting(record, identity, ask).map(Some),
            Aim::TakeBack(copy, request) => {
                Ok(record.and_then(|record| withdraw(record, copy, request)))
            }
        };
        match next {
            Err(refusal) => self.refuse(refusal),
            Ok(Some(record)) if !self.dry_run => self.stage = Stage::Put(record, version),
            Ok(_) => self.written(),
        }
    }

    /// The claim is as it should be.
    fn written(&mut self) {
        match &self.aim {
            Aim::Wake(..) | Aim::Delete(_) => self.stage = Stage::LookBelow,
            Aim::Create(_) | Aim::Arrive(_) | Aim::Activate(_) | Aim::TakeBack(..) => {
                self.finish_identity();
            }
        }
    }

    fn looked_below(&mut self, claims: &[Record]) {
        let outcome = match &self.aim {
            Aim::Wake(_, ask) | Aim::Delete(ask) => {
                dependents(&self.identities[self.at], &ask.copy, claims)
            }
            Aim::Create(_) | Aim::Arrive(_) | Aim::Activate(_) | Aim::TakeBack(..) => Ok(()),
        };
        match outcome {
            Err(refusal) => self.refuse(refusal),
            Ok(()) => self.finish_identity(),
        }
    }

    fn finish_identity(&mut self) {
        let last = self.at + 1 == self.identities.len();
        let acquires = matches!(self.aim, Aim::Create(_) | Aim::Activate(_) | Aim::Wake(..));
        if last && acquires && !self.ancestors().is_empty() {
            self.stage = Stage::LookAbove;
        } else {
            self.begin(self.at + 1);
        }
    }

    fn looked_above(&mut self, claims: &[Record]) {
        match acquire_below(&self.identities[0], claims) {
            Err(refusal) => self.refuse(refusal),
            Ok(()) => self.stage = Stage::Done,
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(self.foreign(refusal));
        self.stage = Stage::Done;
    }

    /// What contains the resource. A subscription has no claim: ASO cannot delete one.
    fn ancestors(&self) -> Vec<Identity> {
        let mut above = self.identities[0].ancestors();
        above.retain(|ancestor| !ancestor.is_subscription());
        above
    }

    /// A resource that the object names besides its own is somebody else's: say that.
    fn foreign(&self, refusal: Refusal) -> Refusal {
        match (refusal, &self.identities[..]) {
            (
                Refusal::LiveElsewhere {
                    identity, holder, ..
                },
                [computed, ..],
            ) if *computed != identity => Refusal::ForeignResourceId {
                named: identity,
                computed: computed.clone(),
                holder,
            },
            (refusal, _) => refusal,
        }
    }
}

#[cfg(test)]
mod tests;
