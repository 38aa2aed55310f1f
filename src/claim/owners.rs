//! Names that copies have from their owners, and the order of the steps that keep an owner's
//! change from renaming a copy unseen.
//!
//! Two requests can make a live copy of something that neither of them claimed: one by which
//! a copy goes live, as its owner is known, and one that creates the owner under another name
//! in Azure, or gives it another one. So each **writes, then looks**: the first acquires, then
//! looks for changes of what contains it, then reads its owners from the store ([`GoLive`]);
//! the second says in the claim of what its children are taken to be in that it will rename
//! them, then looks for claims inside, then reads the objects that hold them ([`Rename`]).
//! Whichever writes last sees the other.

use std::sync::Arc;

use crate::arm::{Identity, Resolution};
use crate::object::{ObjectFacts, ObjectKey};

use super::acquire::Acquire;
use super::attempt::{Attempt, Intent, RegistryAnswer, RegistryCall};
use super::names::CopyRef;
use super::record::InFlight;
use super::refusal::Refusal;

/// How often a copy that goes live waits for a change of its owner to be over.
const MAX_WAITS: u32 = 10;

/// The way of a copy to being live: acquires what it stands for, looks above, then reads its
/// owners. Where these say by now that it stands for something else, it begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GoLive<V> {
    aim: Intent,
    by_force: bool,
    identities: Vec<Identity>,
    attempt: Attempt<V>,
    stage: GoLiveStage,
    waits: u32,
    refusal: Option<Refusal>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum GoLiveStage {
    Claims,
    Owners,
    Wait,
    Done(Option<CopyRef>),
}

/// A call that a [`GoLive`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoLiveCall<'a, V> {
    /// A call on a claim.
    Claims(RegistryCall<'a, V>),
    /// Read the copy's owners from the API server's store, and work out what it stands for.
    Owners,
    /// Wait a moment.
    Wait,
}

/// What came of a [`GoLiveCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoLiveAnswer<V> {
    /// Of a call on a claim.
    Claims(RegistryAnswer<V>),
    /// The owners, each as it is stored, and what the copy stands for by them; `None` where
    /// that cannot be worked out just now: then it is what it was.
    Owners(Vec<StoredOwner>, Option<Resolution>),
    /// The moment is over.
    Waited,
}

/// An owner, and the object in the API server's store if it is there.
pub type StoredOwner = (ObjectKey, Option<Arc<ObjectFacts>>);

impl<V: Clone> GoLive<V> {
    /// `aim` acquires; `identities` is what the copy stands for as far as is known. By force:
    /// a refusal does not end it, so that everything that may be stored is claimed.
    pub fn new(aim: Intent, identities: Vec<Identity>, by_force: bool) -> Self {
        Self {
            attempt: attempt(&aim, &identities, by_force),
            aim,
            by_force,
            identities,
            stage: GoLiveStage::Claims,
            waits: 0,
            refusal: None,
        }
    }

    /// The call to make; `None` at the end.
    pub fn call(&self) -> Option<GoLiveCall<'_, V>> {
        match self.stage {
            GoLiveStage::Claims => self.attempt.call().map(GoLiveCall::Claims),
            GoLiveStage::Owners => Some(GoLiveCall::Owners),
            GoLiveStage::Wait => Some(GoLiveCall::Wait),
            GoLiveStage::Done(_) => None,
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: GoLiveAnswer<V>) {
        match (&self.stage, answer) {
            (GoLiveStage::Claims, GoLiveAnswer::Claims(answer)) => {
                self.attempt.answer(answer);
                if self.attempt.call().is_none() {
                    self.claimed();
                }
            }
            (GoLiveStage::Owners, GoLiveAnswer::Owners(owners, stands_for)) => {
                self.judge(&owners, stands_for);
            }
            (GoLiveStage::Wait, GoLiveAnswer::Waited) => {
                self.waits += 1;
                self.stage = GoLiveStage::Claims;
                self.attempt.look_above_again();
                if self.attempt.call().is_none() {
                    self.claimed();
                }
            }
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

    /// The owner that may yet be stored under another name, at the end: nobody can tell what
    /// the copy will stand for.
    pub fn unsettled_owner(&self) -> Option<&CopyRef> {
        match &self.stage {
            GoLiveStage::Done(owner) => owner.as_ref(),
            _ => None,
        }
    }

    /// The objects of which a request is under way that gives what is below them another name.
    pub fn announcing(&self) -> impl Iterator<Item = &ObjectKey> {
        self.attempt
            .renaming()
            .iter()
            .map(|(owner, _)| &owner.object)
    }

    fn claimed(&mut self) {
        if let Err(refusal) = self.attempt.outcome() {
            self.refusal.get_or_insert(refusal);
        }
        self.stage = if self.refusal.is_some() && !self.by_force {
            GoLiveStage::Done(None)
        } else {
            GoLiveStage::Owners
        };
    }

    /// The owners were read after the claims: a change of one that is over by now shows in it.
    fn judge(&mut self, owners: &[StoredOwner], stands_for: Option<Resolution>) {
        let may_change = |(owner, request): &&(CopyRef, InFlight)| {
            let mut above = owners.iter().filter(|(key, _)| *key == owner.object);
            above.any(|(_, stored)| request.may_land(stored.as_deref()))
        };
        let changing = self.attempt.renaming().iter().find(may_change);
        if let Some((owner, _)) = changing {
            self.stage = if self.waits < MAX_WAITS {
                GoLiveStage::Wait
            } else {
                GoLiveStage::Done(Some(owner.clone()))
            };
            return;
        }
        self.stage = GoLiveStage::Done(None);
        let Some(now) = stands_for else { return };
        if now.identities().any(|one| !self.identities.contains(one)) {
            // What was acquired for nothing is released once the copy is seen.
            self.identities = now.identities().cloned().collect();
            if let Intent::Create(ask) | Intent::Activate(ask) | Intent::Wake(ask, _) =
                &mut self.aim
            {
                ask.assumed = now.assumed;
            }
            self.attempt = attempt(&self.aim, &self.identities, self.by_force);
            self.stage = GoLiveStage::Claims;
        }
    }
}

fn attempt<V: Clone>(aim: &Intent, identities: &[Identity], by_force: bool) -> Attempt<V> {
    let attempt = Attempt::new(aim.clone(), identities.to_vec());
    if by_force {
        attempt.by_force()
    } else {
        attempt
    }
}

/// The way of a request that gives what has an object as its owner another name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rename<V> {
    owner: CopyRef,
    /// What the children are taken to be in until then, and what they are in afterwards.
    moves: Vec<(Identity, Identity)>,
    attempt: Attempt<V>,
    /// The copies inside that are live or may become so, each with what a request under way
    /// would make it.
    inside: Vec<(CopyRef, Vec<(Identity, InFlight)>)>,
    renamed: Option<Vec<Renamed>>,
}

/// A call that a [`Rename`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenameCall<'a, V> {
    /// A call on a claim.
    Claims(RegistryCall<'a, V>),
    /// Read these objects from the API server's store.
    Objects(Vec<&'a ObjectKey>),
}

/// What came of a [`RenameCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenameAnswer<V> {
    /// Of a call on a claim.
    Claims(RegistryAnswer<V>),
    /// The objects, in the order asked for.
    Objects(Vec<Option<Arc<ObjectFacts>>>),
}

/// A copy that is live, or may become so, and that may get another name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Renamed {
    /// The copy.
    pub copy: CopyRef,
    /// The object, where it is stored: what it stands for afterwards is to be worked out.
    pub object: Option<Arc<ObjectFacts>>,
    /// What it stands for afterwards where requests on it that are under way are stored.
    pub under_way: Vec<Identity>,
}

impl<V: Clone> Rename<V> {
    /// `ask` is the request on the owner. `moves`: what its children are taken to be in until
    /// it is stored, and what they are in afterwards; by the credentials that they may have.
    pub fn new(ask: Acquire, moves: Vec<(Identity, Identity)>) -> Self {
        let from = moves.iter().map(|(from, _)| from.clone()).collect();
        Self {
            owner: ask.copy.clone(),
            moves,
            attempt: Attempt::new(Intent::Rename(ask), from),
            inside: Vec::new(),
            renamed: None,
        }
    }

    /// The call to make; `None` at the end.
    pub fn call(&self) -> Option<RenameCall<'_, V>> {
        if let Some(call) = self.attempt.call() {
            return Some(RenameCall::Claims(call));
        }
        let objects = self.inside.iter().map(|(copy, _)| &copy.object);
        (self.renamed.is_none() && !self.inside.is_empty())
            .then(|| RenameCall::Objects(objects.collect()))
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: RenameAnswer<V>) {
        match answer {
            RenameAnswer::Claims(answer) if self.attempt.call().is_some() => {
                self.attempt.answer(answer);
                if self.attempt.call().is_none() {
                    self.look_inside();
                }
            }
            RenameAnswer::Objects(objects) if self.attempt.call().is_none() => {
                let inside = self.inside.iter().zip(objects);
                let renamed = inside.map(|((copy, requests), object)| Renamed {
                    copy: copy.clone(),
                    under_way: requests
                        .iter()
                        .filter(|(_, request)| request.may_land(object.as_deref()))
                        .map(|(then, _)| then.clone())
                        .collect(),
                    object,
                });
                self.renamed = Some(renamed.collect());
            }
            _ => {}
        }
    }

    /// The copies that may get another name, once there is no call to make.
    pub fn into_renamed(self) -> Vec<Renamed> {
        self.renamed.unwrap_or_default()
    }

    fn look_inside(&mut self) {
        for claim in self.attempt.below() {
            let then = |(from, to)| claim.identity.moved(from, to);
            let then = self
                .moves
                .iter()
                .map(|(from, to)| (from, to))
                .find_map(then);
            for (copy, held) in &claim.copies {
                if !copy.shares_namespace(&self.owner) || *copy == self.owner || !held.is_live() {
                    continue;
                }
                let requests = held.acquiring.iter().cloned();
                let requests = then.iter().cloned().cycle().zip(requests);
                match self.inside.iter_mut().find(|(known, _)| known == copy) {
                    Some((_, known)) => known.extend(requests),
                    None => self.inside.push((copy.clone(), requests.collect())),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
