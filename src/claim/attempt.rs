//! The order of an admission's steps, without the calls themselves.
//!
//! The order is part of the protocol: a claim is written before the look that
//! must see what others wrote. So it stands here, where a model checker can drive
//! it, and the webhook only makes the calls that it asks for.

use crate::arm::Identity;

use super::acquire::{Acquire, acquire_below, acquire_by_force, is_free, withdraw};
use super::announced::Announced;
use super::arrive::{announce_rename, arrive};
use super::delete::{Delete, dependents, mark_by_force, may_delete};
use super::history_entry::HistoryEntry;
use super::names::{CopyRef, RequestUid};
use super::record::Record;
use super::refusal::Refusal;

/// What a request would do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
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
    /// Give what has the copy as its owner another name: said in the claims of what contains
    /// it until then, each with what they are in afterwards, and never refused. Then what is
    /// inside is looked for.
    Rename(Acquire, Vec<Identity>),
    /// Write into the history what was done although it was refused.
    Remember(HistoryEntry),
}

/// One request's way through the registry: which call comes next, and in the end
/// whether it is refused. `V` is the registry's version of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt<V> {
    aim: Intent,
    identities: Vec<Identity>,
    /// Whether the request is let through whatever it comes to.
    by_force: bool,
    /// Which identity is dealt with.
    at: usize,
    stage: AttemptStage<V>,
    refusal: Option<Refusal>,
    spent: Option<HistoryEntry>,
    renaming: Vec<Announced>,
    below: Vec<Record>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum AttemptStage<V> {
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
pub enum RegistryCall<'a, V> {
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

/// What came of a [`RegistryCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistryAnswer<V> {
    /// The claim, and its version.
    Claim(Option<(Record, V)>),
    /// The record was stored.
    Stored,
    /// The registry holds another version; nothing was changed.
    Conflict,
    /// The claims that there are.
    Claims(Vec<Record>),
}

impl Intent {
    /// The copy that it is about.
    pub fn copy(&self) -> &CopyRef {
        match self {
            Self::Create(ask)
            | Self::Arrive(ask)
            | Self::Activate(ask)
            | Self::Wake(ask, _)
            | Self::Rename(ask, _) => &ask.copy,
            Self::Delete(delete) => &delete.copy,
            Self::TakeBack(copy, _) => copy,
            Self::Remember(entry) => &entry.copy,
        }
    }
}

impl<V: Clone> Attempt<V> {
    /// An attempt on everything that the object stands for, the resource that ASO
    /// writes to first.
    pub fn new(aim: Intent, identities: Vec<Identity>) -> Self {
        let mut attempt = Self {
            aim,
            identities,
            by_force: false,
            at: 0,
            stage: AttemptStage::Read,
            refusal: None,
            spent: None,
            renaming: Vec::new(),
            below: Vec::new(),
        };
        attempt.begin(0);
        attempt
    }

    /// The same for a request that is let through whatever comes of it: a refusal does
    /// not end it, so that everything that may be stored is claimed. Its outcome is
    /// the refusal that came first.
    #[must_use]
    pub fn by_force(mut self) -> Self {
        self.by_force = true;
        self
    }

    /// The call to make; `None` at the end.
    pub fn call(&self) -> Option<RegistryCall<'_, V>> {
        let identity = self.identities.get(self.at)?;
        Some(match &self.stage {
            AttemptStage::Read => RegistryCall::Claim(identity),
            AttemptStage::Put(record, version) => RegistryCall::Put(record, version.as_ref()),
            AttemptStage::LookBelow => RegistryCall::Below(identity),
            AttemptStage::LookAbove => RegistryCall::Claims(self.ancestors()),
            AttemptStage::Done => return None,
        })
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: RegistryAnswer<V>) {
        match (&self.stage, answer) {
            (AttemptStage::Read, RegistryAnswer::Claim(known)) => self.propose(known),
            (AttemptStage::Put(..), RegistryAnswer::Stored) => self.written(),
            (AttemptStage::Put(..), RegistryAnswer::Conflict) => self.stage = AttemptStage::Read,
            (AttemptStage::LookBelow, RegistryAnswer::Claims(claims)) => self.looked_below(claims),
            (AttemptStage::LookAbove, RegistryAnswer::Claims(claims)) => self.looked_above(&claims),
            _ => {}
        }
    }

    /// What it came to, once there is no call to make.
    ///
    /// # Errors
    /// Why the request is refused.
    pub fn outcome(&self) -> Result<(), Refusal> {
        self.refusal.clone().map_or(Ok(()), Err)
    }

    /// The entry that had spent what was to be [remembered](Intent::Remember), if so.
    pub fn spent(&self) -> Option<&HistoryEntry> {
        self.spent.as_ref()
    }

    /// Of a copy that goes live, at the end: the requests by others of its namespace, which
    /// contain it, that give what is inside them another name.
    pub(super) fn renaming(&self) -> &[Announced] {
        &self.renaming
    }

    /// Of a [rename](Intent::Rename), at the end: the claims of what is inside.
    pub(super) fn below(&self) -> &[Record] {
        &self.below
    }

    /// Looks anew at what contains the resource.
    pub(super) fn look_above_again(&mut self) {
        self.at = self.identities.len().saturating_sub(1);
        self.look_above();
    }

    fn begin(&mut self, at: usize) {
        self.at = at;
        if at >= self.identities.len() {
            self.stage = AttemptStage::Done;
        } else if matches!(self.aim, Intent::Create(_)) {
            self.propose(None);
        } else {
            self.stage = AttemptStage::Read;
        }
    }

    fn propose(&mut self, known: Option<(Record, V)>) {
        let identity = &self.identities[self.at];
        let (record, version) = known.unzip();
        let record = record.as_ref();
        let refused = match &self.aim {
            Intent::Create(ask) | Intent::Activate(ask) => is_free(record, ask),
            Intent::Wake(ask, delete) => {
                may_delete(record, identity, delete).and_then(|()| is_free(record, ask))
            }
            Intent::Delete(ask) => may_delete(record, identity, ask),
            Intent::Arrive(_) | Intent::TakeBack(..) | Intent::Rename(..) | Intent::Remember(_) => {
                Ok(())
            }
        };
        let next = match &self.aim {
            // What is there already needs no write.
            Intent::Create(ask) | Intent::Activate(ask) => {
                let next = acquire_by_force(record, identity, ask);
                (record != Some(&next)).then_some(next)
            }
            Intent::Arrive(ask) => Some(arrive(record, identity, ask)),
            Intent::Rename(ask, to) => {
                Some(announce_rename(record, identity, ask, to.get(self.at)))
            }
            Intent::Wake(ask, delete) => {
                let marked = mark_by_force(record, identity, delete);
                Some(acquire_by_force(Some(&marked), identity, ask))
            }
            Intent::Delete(ask) => Some(mark_by_force(record, identity, ask)),
            Intent::TakeBack(copy, request) => {
                record.and_then(|record| withdraw(record, copy, request))
            }
            Intent::Remember(entry) => {
                let new = Record::new(identity.clone());
                match record.unwrap_or(&new).with_entry(entry) {
                    Ok(next) => (record != Some(&next)).then_some(next),
                    Err(spent) => {
                        self.spent = Some(spent);
                        self.stage = AttemptStage::Done;
                        return;
                    }
                }
            }
        };
        if let Err(refusal) = refused
            && self.is_over(refusal)
        {
            return;
        }
        match next {
            Some(record) => self.stage = AttemptStage::Put(record, version),
            None => self.written(),
        }
    }

    /// The claim is as it should be.
    fn written(&mut self) {
        match &self.aim {
            Intent::Wake(..) | Intent::Delete(_) | Intent::Rename(..) => {
                self.stage = AttemptStage::LookBelow;
            }
            Intent::Create(_)
            | Intent::Arrive(_)
            | Intent::Activate(_)
            | Intent::TakeBack(..)
            | Intent::Remember(_) => {
                self.finish_identity();
            }
        }
    }

    fn looked_below(&mut self, claims: Vec<Record>) {
        let outcome = match &self.aim {
            Intent::Wake(_, ask) | Intent::Delete(ask) => {
                dependents(&self.identities[self.at], &ask.copy, &claims)
            }
            Intent::Rename(..) => {
                self.below.extend(claims);
                Ok(())
            }
            Intent::Create(_)
            | Intent::Arrive(_)
            | Intent::Activate(_)
            | Intent::TakeBack(..)
            | Intent::Remember(_) => Ok(()),
        };
        if let Err(refusal) = outcome
            && self.is_over(refusal)
        {
            return;
        }
        self.finish_identity();
    }

    fn finish_identity(&mut self) {
        let last = self.at + 1 == self.identities.len();
        if last && self.acquires().is_some() {
            self.look_above();
        } else {
            self.begin(self.at + 1);
        }
    }

    fn look_above(&mut self) {
        if self.ancestors().is_empty() {
            self.begin(self.at + 1);
        } else {
            self.stage = AttemptStage::LookAbove;
        }
    }

    /// What it acquires, where it does.
    pub(super) fn acquires(&self) -> Option<&Acquire> {
        match &self.aim {
            Intent::Create(ask) | Intent::Activate(ask) | Intent::Wake(ask, _) => Some(ask),
            _ => None,
        }
    }

    fn looked_above(&mut self, claims: &[Record]) {
        self.stage = AttemptStage::Done;
        if let Some(ask) = self.acquires() {
            self.renaming = Announced::to(ask, claims);
        }
        let inside = |claim: &Record| {
            self.identities
                .iter()
                .find(|one| one.is_below(&claim.identity))
        };
        let refused = claims
            .iter()
            .find_map(|claim| acquire_below(inside(claim)?, [claim]).err());
        if let Some(refusal) = refused {
            self.is_over(refusal);
        }
    }

    /// Takes a refusal, and says whether the attempt ends with it.
    fn is_over(&mut self, refusal: Refusal) -> bool {
        if self.refusal.is_none() {
            self.refusal = Some(self.foreign(refusal));
        }
        if !self.by_force {
            self.stage = AttemptStage::Done;
        }
        !self.by_force
    }

    /// What contains the resources. A subscription has no claim: ASO cannot delete one.
    fn ancestors(&self) -> Vec<Identity> {
        let mut above: Vec<Identity> = Vec::new();
        for ancestor in self.identities.iter().flat_map(Identity::ancestors) {
            if !ancestor.is_subscription() && !above.contains(&ancestor) {
                above.push(ancestor);
            }
        }
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
