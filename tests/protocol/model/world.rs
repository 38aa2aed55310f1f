//! The state of the model: what the API servers and the registry have stored, and
//! what is under way.

use aso_guard::claim::{Attempt, Record};
use aso_guard::policy::Policy;

use super::places::{ALL, MEMBERS, Place, RESOURCES};
use super::rules::Rules;
use super::sealed::Sealed;

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Each cluster's clock.
    pub clocks: [u8; MEMBERS],
    /// What each API server has stored, by place.
    pub objects: [Option<Object>; ALL.len()],
    /// The resourceVersion that was given last, by place.
    pub versions: [u8; ALL.len()],
    /// The uids that were ever stored, by place, as far as anything still waits for
    /// them: a bit each.
    pub seen_uids: [u32; ALL.len()],
    /// The registry, by resource. A record's version is not part of the state: what
    /// refers to another one than the current is dealt with when that changes.
    pub claims: [Option<Sealed<Record>>; RESOURCES],
    /// Requests between their asking and their end, in order of number.
    pub requests: Vec<Request>,
    /// What the observers' replicas are at, in some order: replicas are alike.
    pub looks: Vec<Sealed<Look>>,
    /// What may still happen.
    pub left: Budget,
    /// How many numbers were given to requests and objects, by place.
    pub numbers: [u8; ALL.len()],
    /// Whether a delete was stored that took what somebody depends on.
    pub harmed: bool,
}

/// How many numbers a place has.
const NUMBERS: usize = 10;

/// An object in an API server's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub uid: u8,
    pub version: u8,
    pub policy: Policy,
    pub terminating: bool,
}

/// How often what may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Requests that need the guard's yes: live creates, activations, destructive deletes.
    pub asks: u8,
    /// Requests that it lets through at once: parking, parked creates, safe deletes,
    /// and writes that matter to nobody.
    pub acts: u8,
    /// Ticks of a cluster's clock.
    pub ticks: u8,
    /// Lost responses, and guards that die over a request.
    pub faults: u8,
    /// Claims made from a cache, however old.
    pub adoptions: u8,
}

/// A request that needs the guard's yes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub number: u8,
    pub place: Place,
    pub kind: Kind,
    /// The resourceVersion it was computed on.
    pub on: u8,
    /// The API server gives it up when its clock has passed this.
    pub deadline: u8,
    pub phase: Phase,
    /// What the look that comes last in the protocol would have seen at the start:
    /// only where that rule is taken out.
    pub peeked: Option<Sealed<Vec<Record>>>,
    /// The objects, by uid, that were there and registered when the resource was
    /// marked as being deleted.
    pub registered: [Option<u8>; ALL.len()],
}

/// What a request would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Create,
    Activate,
    Wake,
    Delete,
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The guard works on its verdict.
    Judged(Sealed<Attempt<()>>),
    /// The guard refuses it, and takes back what it wrote.
    Refused(Sealed<Attempt<()>>),
    /// The API server has the guard's yes.
    Admitted,
}

/// One replica's look at one copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    pub place: Place,
    pub step: LookStep,
}

/// How far a look is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LookStep {
    /// The record was read, with deadlines judged at that time.
    Record {
        judged: u8,
        known: Option<Sealed<Record>>,
    },
    /// The object was read first: only where that rule is taken out.
    Object(Option<Object>),
    /// Both were read, and deadlines are not judged yet: only where that rule is
    /// taken out.
    Both {
        known: Option<Sealed<Record>>,
        object: Option<Object>,
    },
    /// The outcome is to be written. `creates`: where there was no record.
    Put { next: Sealed<Record>, creates: bool },
}

impl World {
    /// Nothing anywhere.
    pub fn empty(left: Budget) -> Self {
        Self {
            clocks: [0; MEMBERS],
            objects: [None; ALL.len()],
            versions: [0; ALL.len()],
            seen_uids: [0; ALL.len()],
            claims: [const { None }; RESOURCES],
            requests: Vec::new(),
            looks: Vec::new(),
            left,
            numbers: [0; ALL.len()],
            harmed: false,
        }
    }

    /// The same with a live copy here, which its observer knows.
    pub fn with_live(mut self, place: Place) -> Self {
        let uid = self.number(place);
        self.store(place, Object::new(uid, Policy::Manage));
        self.settled(&Rules::ALL)
    }

    pub fn object(&self, place: Place) -> Option<Object> {
        self.objects[place as usize]
    }

    pub fn claim(&self, place: Place) -> Option<&Sealed<Record>> {
        self.claims[place.resource()].as_ref()
    }

    pub fn clock(&self, place: Place) -> u8 {
        self.clocks[place.member()]
    }

    /// A number that nothing has yet; each place has its own, so that what happens in
    /// one cluster first or in the other first makes no two states.
    pub fn number(&mut self, place: Place) -> u8 {
        let at = place as usize;
        self.numbers[at] += 1;
        u8::try_from(at * NUMBERS).unwrap_or(u8::MAX) + self.numbers[at]
    }

    /// Stores an object, at a new resourceVersion.
    pub fn store(&mut self, place: Place, object: Object) {
        let at = place as usize;
        self.versions[at] += 1;
        self.seen_uids[at] |= 1 << object.uid;
        self.objects[at] = Some(Object {
            version: self.versions[at],
            ..object
        });
    }

    /// Changes the object that is stored, if there is one.
    pub fn change(&mut self, place: Place, change: impl FnOnce(&mut Object)) {
        if let Some(mut object) = self.object(place) {
            change(&mut object);
            self.store(place, object);
        }
    }
}

impl Object {
    pub fn new(uid: u8, policy: Policy) -> Self {
        Self {
            uid,
            version: 0,
            policy,
            terminating: false,
        }
    }

    pub fn is_live(&self) -> bool {
        self.policy.is_live()
    }

    /// Whether the resource is being deleted through it.
    pub fn deletes(&self) -> bool {
        self.terminating && self.policy.deletes()
    }
}
