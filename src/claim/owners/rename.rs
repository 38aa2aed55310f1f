//! The way of a request that gives what has an object as its owner another name.

use std::sync::Arc;

use crate::arm::Identity;
use crate::claim::acquire::Acquire;
use crate::claim::attempt::{Attempt, Intent, RegistryAnswer, RegistryCall};
use crate::claim::names::CopyRef;
use crate::claim::record::InFlight;
use crate::object::{ObjectFacts, ObjectKey};

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
        let (from, to) = moves.iter().cloned().unzip();
        Self {
            owner: ask.copy.clone(),
            moves,
            attempt: Attempt::new(Intent::Rename(ask, to), from),
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
