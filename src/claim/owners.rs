//! Names that copies have from their owners, and the order of the steps that keep an owner's
//! change from renaming a copy unseen.
//!
//! Two requests can make a live copy of something that neither of them claimed: one by which
//! a copy goes live, as its owner is known, and one that creates the owner under another name
//! in Azure, or gives it another one. So each **writes, then looks**: the first acquires, then
//! looks for changes of what contains it, then reads its owners from the store ([`GoLive`]);
//! the second says in the claim of what its children are taken to be in how it will rename
//! them, then looks for claims inside, then reads the objects that hold them ([`Rename`]).
//! Whichever writes last sees the other.

mod rename;

use std::sync::Arc;

use crate::arm::{Identity, Resolution};
use crate::object::{ObjectFacts, ObjectKey};

use super::acquire::Acquire;
use super::announced::Announced;
use super::attempt::{Attempt, Intent, RegistryAnswer, RegistryCall};
use super::delete::Delete;
use super::names::CopyRef;
use super::record::{InFlight, Proof};
use super::refusal::Refusal;

pub use rename::{Rename, RenameAnswer, RenameCall, Renamed};

/// How often a copy that goes live waits for a change of its owner to be over.
const MAX_WAITS: u32 = 10;
/// How many names a copy acquires at most besides the one that it has.
const MAX_NAMES: usize = 8;

/// The way of a copy to being live: acquires what it stands for, looks above, then reads its
/// owners. Where these say by now that it stands for something else, it acquires that; and so
/// it does with what a change of theirs that may yet be stored would make of it. It waits only
/// where it may not have that name, or none is said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GoLive<V> {
    aim: Intent,
    by_force: bool,
    /// What it stands for, as far as is known.
    identities: Vec<Identity>,
    /// What it has acquired besides.
    besides: Vec<Identity>,
    /// The requests on owners that were found on the way.
    announced: Vec<Announced>,
    /// The owner for whose change the attempt under way is.
    for_change_of: Option<CopyRef>,
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
            besides: Vec::new(),
            announced: Vec::new(),
            for_change_of: None,
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
                self.attempt = attempt(&self.aim, &self.identities, self.by_force);
                self.attempt.look_above_again();
                let own = &self.identities;
                let is_elsewhere = |one: &Announced| !own.iter().any(|own| own.is_below(&one.from));
                self.announced.retain(is_elsewhere);
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
        self.announced.iter().map(|one| &one.owner.object)
    }

    fn claimed(&mut self) {
        for one in self.attempt.renaming() {
            if !self.announced.contains(one) {
                self.announced.push(one.clone());
            }
        }
        self.stage = match (self.for_change_of.take(), self.attempt.outcome()) {
            // It may not have the name that it would get.
            (Some(owner), Err(_)) if !self.by_force => {
                self.besides.pop();
                self.wait_for(owner)
            }
            (None, Err(refusal)) => {
                self.refusal.get_or_insert(refusal);
                if self.by_force {
                    GoLiveStage::Owners
                } else {
                    GoLiveStage::Done(None)
                }
            }
            _ => GoLiveStage::Owners,
        };
    }

    fn wait_for(&self, owner: CopyRef) -> GoLiveStage {
        if self.waits < MAX_WAITS {
            GoLiveStage::Wait
        } else {
            GoLiveStage::Done(Some(owner))
        }
    }

    /// The owners were read after the claims: a change of one that is over by now shows in it.
    fn judge(&mut self, owners: &[StoredOwner], stands_for: Option<Resolution>) {
        if let Some(now) = stands_for
            && now.identities().any(|one| !self.identities.contains(one))
        {
            // What was acquired for nothing is released once the copy is seen.
            self.besides.append(&mut self.identities);
            self.identities = now.identities().cloned().collect();
            if let Intent::Create(ask) | Intent::Activate(ask) | Intent::Wake(ask, _) =
                &mut self.aim
            {
                ask.assumed = now.assumed;
            }
            self.attempt = attempt(&self.aim, &self.identities, self.by_force);
            self.stage = GoLiveStage::Claims;
            return;
        }
        let may_change = |one: &&Announced| {
            let mut above = owners.iter().filter(|(key, _)| *key == one.owner.object);
            above.any(|(_, stored)| one.request.may_land(stored.as_deref()))
        };
        let changing: Vec<_> = self.announced.iter().filter(may_change).cloned().collect();
        let missing = changing.into_iter().find_map(|one| {
            let Some(then) = self.then(&one) else {
                return Some((one, None));
            };
            let new = then.into_iter().find(|then| !self.has(then))?;
            Some((one, Some(new)))
        });
        self.stage = match missing {
            None => GoLiveStage::Done(None),
            Some((one, Some(new))) if self.besides.len() < MAX_NAMES => {
                let aim = until_owner_is_seen(&self.aim, &one.request);
                self.attempt = attempt(&aim, std::slice::from_ref(&new), self.by_force);
                self.besides.push(new);
                self.for_change_of = Some(one.owner);
                GoLiveStage::Claims
            }
            Some((one, _)) => self.wait_for(one.owner),
        };
    }

    fn has(&self, identity: &Identity) -> bool {
        self.identities.contains(identity) || self.besides.contains(identity)
    }

    /// What the copy would stand for after a change of an owner; none where that is not said.
    fn then(&self, one: &Announced) -> Option<Vec<Identity>> {
        let to = one.request.to.as_ref()?;
        let known = self.identities.iter().chain(&self.besides);
        let then = known.filter_map(|known| known.moved(&one.from, to));
        Some(then.collect())
    }
}

/// The same for a name that a request on an owner would give: the copy may be stored, and seen
/// under another name, long before that.
fn until_owner_is_seen(aim: &Intent, request: &InFlight) -> Intent {
    let lasting = |ask: &Acquire| {
        let ask = Acquire {
            deadline: ask.deadline.max(request.deadline),
            ..ask.clone()
        };
        ask.until_owner_is_seen()
    };
    match aim {
        Intent::Create(ask) | Intent::Activate(ask) => Intent::Activate(lasting(ask)),
        Intent::Wake(ask, delete) => {
            let delete = Delete {
                proof: Proof::Owner,
                deadline: delete.deadline.max(request.deadline),
                ..delete.clone()
            };
            Intent::Wake(lasting(ask), delete)
        }
        other => other.clone(),
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

#[cfg(test)]
mod tests;
