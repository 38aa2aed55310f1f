//! The order of an admission's steps, without the calls themselves.
//!
//! The order is part of the protocol: a claim is written before the look that
//! must see what others wrote, and what was written for a request that is refused
//! is taken back. So it stands here, where a model checker can drive it, and the
//! webhook only makes the calls that it asks for.

use crate::arm::Identity;

use super::acquire::{Acquire, acquire, acquire_below, withdraw};
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
    /// Make a stored copy live, or live under another identity.
    Activate(Acquire),
    /// Make the delete of a terminating copy destructive: both an acquire and a delete.
    Wake(Acquire, Delete),
    /// Delete the resource.
    Delete(Delete),
}

/// What an attempt leaves in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trace {
    /// Nothing: a dry run finds out what the verdict would be.
    None,
    /// What it wrote, if it is not refused: the API server stores only that.
    IfAllowed,
    /// What it wrote, refused or not: in audit mode the API server stores both.
    Always,
}

/// One request's way through the registry: which call comes next, and in the end
/// whether it is refused. `V` is the registry's version of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt<V> {
    aim: Aim,
    identities: Vec<Identity>,
    trace: Trace,
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
    /// Looks for what stands in the way elsewhere.
    Look,
    /// Reads the claim again, to take back what was written.
    TakeBack,
    /// Writes the claim without it.
    PutBack(Record, V),
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
    /// writes to first.
    pub fn new(aim: Aim, identities: Vec<Identity>, trace: Trace) -> Self {
        let mut attempt = Self {
            aim,
            identities,
            trace,
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
            Stage::Read | Stage::TakeBack => Call::Claim(identity),
            Stage::Put(record, version) => Call::Put(record, version.as_ref()),
            Stage::PutBack(record, version) => Call::Put(record, Some(version)),
            Stage::Look => match &self.aim {
                Aim::Create(_) | Aim::Activate(_) => Call::Claims(self.ancestors()),
                Aim::Wake(..) | Aim::Delete(_) => Call::Below(identity),
            },
            Stage::Done => return None,
        })
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: Answer<V>) {
        match (&self.stage, answer) {
            (Stage::Read, Answer::Claim(known)) => self.propose(known),
            (Stage::Put(..), Answer::Stored) => self.written(),
            (Stage::Put(..), Answer::Conflict) => self.stage = Stage::Read,
            (Stage::Look, Answer::Claims(claims)) => self.looked(&claims),
            (Stage::TakeBack, Answer::Claim(known)) => self.take_back(known),
            (Stage::PutBack(..), Answer::Stored) => self.taken_back(),
            (Stage::PutBack(..), Answer::Conflict) => self.stage = Stage::TakeBack,
            _ => {}
        }
    }

    /// Why the request is refused, as soon as that is known. There may be calls to
    /// make after that, which take back what was written: what they fail to take
    /// back ends at its deadline.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    fn begin(&mut self, at: usize) {
        self.at = at;
        let is_new = matches!(self.aim, Aim::Create(_)) && self.trace != Trace::None;
        if at >= self.identities.len() {
            self.stage = Stage::Done;
        } else if is_new {
            self.propose(None);
        } else {
            self.stage = Stage::Read;
        }
    }

    fn propose(&mut self, known: Option<(Record, V)>) {
        let Some(identity) = self.identities.get(self.at) else {
            return;
        };
        let (record, version) = known.unzip();
        let record = record.as_ref();
        let next = match &self.aim {
            Aim::Create(ask) | Aim::Activate(ask) => acquire(record, identity, ask),
            Aim::Wake(ask, delete) => mark_deleting(record, identity, delete)
                .and_then(|marked| acquire(Some(&marked), identity, ask)),
            Aim::Delete(ask) => mark_deleting(record, identity, ask),
        };
        match next {
            Err(refusal) => self.refuse(refusal),
            Ok(_) if self.trace == Trace::None => self.written(),
            Ok(record) => self.stage = Stage::Put(record, version),
        }
    }

    fn written(&mut self) {
        let acquires = matches!(self.aim, Aim::Create(_) | Aim::Activate(_));
        if acquires && self.at + 1 < self.identities.len() {
            self.begin(self.at + 1);
        } else if acquires && self.ancestors().is_empty() {
            self.stage = Stage::Done;
        } else {
            self.stage = Stage::Look;
        }
    }

    fn looked(&mut self, claims: &[Record]) {
        let outcome = match &self.aim {
            Aim::Create(_) | Aim::Activate(_) => acquire_below(&self.identities[0], claims),
            Aim::Wake(_, ask) | Aim::Delete(ask) => {
                dependents(&self.identities[self.at], &ask.copy, claims)
            }
        };
        match (outcome, &self.aim) {
            (Err(refusal), _) => self.refuse(refusal),
            (Ok(()), Aim::Create(_) | Aim::Activate(_)) => self.stage = Stage::Done,
            (Ok(()), Aim::Wake(..) | Aim::Delete(_)) => self.begin(self.at + 1),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.refusal = Some(self.foreign(refusal));
        self.at = 0;
        self.stage = match self.trace {
            Trace::IfAllowed => Stage::TakeBack,
            Trace::None | Trace::Always => Stage::Done,
        };
    }

    fn take_back(&mut self, known: Option<(Record, V)>) {
        let (copy, request) = self.asked();
        let left = known.and_then(|(record, version)| {
            let left = withdraw(&record, copy, request)?;
            Some(Stage::PutBack(left, version))
        });
        match left {
            Some(put) => self.stage = put,
            None => self.taken_back(),
        }
    }

    fn taken_back(&mut self) {
        self.at += 1;
        self.stage = if self.at < self.identities.len() {
            Stage::TakeBack
        } else {
            Stage::Done
        };
    }

    fn asked(&self) -> (&CopyRef, &RequestUid) {
        match &self.aim {
            Aim::Create(ask) | Aim::Activate(ask) | Aim::Wake(ask, _) => (&ask.copy, &ask.request),
            Aim::Delete(ask) => (&ask.copy, &ask.request),
        }
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
