//! The state of the model: what the API servers and the registry have stored, and
//! what is under way.

use aso_guard::claim::{KnownEpoch, Look as Machine, Record};
use aso_guard::policy::Policy;

use super::checked::Protocol;
use super::course::Course;
use super::coverage::{Coverage, Noted};
use super::fencing::Fencing;
use super::losses::Epochs;
use super::namespace::{Namespace, Peeked};
use super::places::{ALL, MEMBERS, PLACES, Place, RESOURCES};
use super::rules::Rules;
use super::sealed::Sealed;
use super::steps::Step;
use super::transfers::Transfers;
use super::written::{Writer, WrittenClaims};

/// Everything there is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// Each cluster's clock.
    pub clocks: [u16; MEMBERS],
    /// What each API server has stored, by place.
    pub objects: [Option<Object>; PLACES],
    /// The resourceVersion that was given last, by place.
    pub versions: [u16; PLACES],
    /// The uids that were ever stored, by place, as far as anything still waits for
    /// them: a bit for each number of the place.
    pub seen_uids: [u64; PLACES],
    /// The registry, by resource. A record's version is not part of the state: what
    /// refers to another one than the current is dealt with when that changes.
    pub claims: [Option<Sealed<Record>>; RESOURCES],
    /// The namespace that copies inherit their policy from, if any do.
    pub namespace: Option<Namespace>,
    /// What there is of the registry's epoch, where claims may be lost.
    pub epochs: Option<Sealed<Epochs>>,
    /// What there is of transfers, where there are any.
    pub transfers: Option<Transfers>,
    /// Whether a cluster was declared lost.
    pub fencing: Fencing,
    /// Requests between their asking and their end, in order of number.
    pub requests: Vec<Request>,
    /// What the observers' replicas are at, in some order: replicas are alike.
    pub looks: Vec<Sealed<Look>>,
    /// What replicas remember of the claims that they wrote, while looks may begin from that.
    pub written: WrittenClaims,
    /// What may still happen.
    pub left: Budget,
    /// How many numbers were given to requests and objects, by place.
    pub numbers: [u16; PLACES],
    /// Whether a delete was stored that took what somebody depends on.
    pub harmed: bool,
    /// Whether a claim was acquired while another copy was live, or about to be.
    pub doubled: bool,
    /// What the last step came across.
    pub noted: Noted,
}

/// How many numbers a place has.
const NUMBERS: u16 = 64;

/// An object in an API server's store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub uid: u16,
    pub version: u16,
    /// Its effective policy.
    pub policy: Policy,
    /// Whether that is its namespace's.
    pub inherits: bool,
    pub terminating: bool,
    /// Whether ASO has something under way for it in Azure.
    pub busy: bool,
    /// Whether it has to count for others: not where the guard could not register it,
    /// and no observer has seen it.
    pub counts: bool,
    /// How it came to be live.
    pub word: Word,
    /// How it came to be deleted.
    pub end: Word,
}

/// How something stands to the guard's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    /// The guard had nothing against it.
    Kept,
    /// It was let through against a refusal: in audit mode, or overridden.
    Forced,
    /// It was let through, and the guard had no verdict: it may not be claimed.
    Unheard,
}

/// How often what may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Requests that need the guard's yes: live creates, activations, destructive deletes.
    pub asks: u16,
    /// Requests that it lets through at once: parking, parked creates, safe deletes,
    /// and writes that matter to nobody.
    pub acts: u16,
    /// Ticks of a cluster's clock.
    pub ticks: u16,
    /// Lost responses, and guards that die over a request.
    pub faults: u16,
    /// Claims made from a cache, however old.
    pub adoptions: u16,
    /// Requests like the asks, but let through whatever they come to.
    pub forced: u16,
    /// Steps of a transfer's life that are begun, and deletes of its record.
    pub moves: u16,
    /// Operations in Azure that ASO begins.
    pub operations: u16,
    /// How often a cluster is fenced, or its fence taken off.
    pub fences: u16,
    /// How often the registry loses what it knew.
    pub losses: u16,
    /// Looks that begin from what their replicas wrote.
    pub recalls: u16,
}

impl Budget {
    /// More than any story needs.
    pub const PLENTY: Self = Self {
        asks: 1000,
        acts: 1000,
        ticks: 1000,
        faults: 1000,
        adoptions: 1000,
        forced: 0,
        moves: 1000,
        operations: 0,
        fences: 0,
        losses: 1000,
        recalls: 1000,
    };
}

/// A request that needs the guard's yes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    pub number: u16,
    pub place: Place,
    pub kind: Kind,
    /// The resourceVersion it was computed on.
    pub on: u16,
    /// The API server gives it up when its clock has passed this.
    pub deadline: u16,
    pub phase: Phase,
    /// What the look that comes last in the protocol would have seen at the start:
    /// only where that rule is taken out.
    pub peeked: Option<Sealed<Peeked>>,
    /// Of a delete: the objects, by uid, that counted when the resource was marked as
    /// being deleted. A bit for each number of a place.
    pub counted: [u64; PLACES],
    /// Whether all went well, so that it has to count for others: not where a parked
    /// create, or what is let through by force, had no verdict.
    pub counts: bool,
    /// Whether it is let through whatever it comes to.
    pub by_force: bool,
    /// Whether its object says nothing of its own policy.
    pub inherits: bool,
    /// Whether what it writes lasts to its deadline.
    pub lasts: bool,
    pub word: Word,
    /// What was known of the registry's epoch when it came, and whether a verdict would have stood
    /// then.
    pub known: Option<Sealed<KnownEpoch>>,
    pub stood: bool,
}

/// What a request would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Create,
    /// A create of a parked copy, which is never refused.
    Arrive,
    Activate,
    Wake,
    Delete,
    /// A create of a copy that says nothing of its own, in a namespace that is believed parked.
    Inherit,
    /// The same for a copy's own `skip` that is taken off.
    Bare,
    /// The delete of a copy that its namespace is believed to park.
    Spare,
    /// The namespace's `skip` is taken off.
    Unpark,
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The guard works on its verdict.
    Judged(Sealed<Course>),
    /// The guard refuses it, and takes back what it wrote.
    Refused(Sealed<Course>),
    /// Claims have nothing against it, and the registry's epoch is still to be asked for.
    Confirming(Sealed<Course>),
    /// The API server has the guard's yes.
    Admitted,
}

/// One replica's look at one copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Look {
    pub place: Place,
    pub resource: usize,
    pub machine: Machine<(), Object>,
    /// The replica from whose last write it begins, if that is remembered.
    pub recalls: Option<Writer>,
    /// Whether it did.
    pub is_recalled: bool,
    /// Whether another one has written since what it began from.
    pub is_outdated: bool,
    /// Whether it read a record; else its write can be stored where there is none.
    pub rests_on_record: bool,
    /// The record that it read, until that makes no difference any more.
    pub read: Option<Sealed<Record>>,
    /// When deadlines were judged, by the cluster's clock.
    pub judged: u16,
    /// The claim, read before deadlines are judged: only where that rule is taken out.
    pub early_claim: Early<Sealed<Record>>,
    /// The object, read too early: only where a rule is taken out.
    pub early: Early<Object>,
}

/// What was read before its turn, if it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Early<T> {
    Unread,
    Read(Option<T>),
}

impl<T> Early<T> {
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Read(_))
    }

    /// What was read, or else what is there now.
    pub fn take_or(&mut self, now: Option<T>) -> Option<T> {
        match std::mem::replace(self, Self::Unread) {
            Self::Read(then) => then,
            Self::Unread => now,
        }
    }
}

impl World {
    /// Nothing anywhere.
    pub fn empty(left: Budget) -> Self {
        Self {
            clocks: [0; MEMBERS],
            objects: [None; PLACES],
            versions: [0; PLACES],
            seen_uids: [0; PLACES],
            claims: [const { None }; RESOURCES],
            namespace: None,
            epochs: None,
            transfers: None,
            fencing: Fencing::default(),
            requests: Vec::new(),
            looks: Vec::new(),
            written: WrittenClaims::new(),
            left,
            numbers: [0; PLACES],
            harmed: false,
            doubled: false,
            noted: Noted::default(),
        }
    }

    /// The same with a copy here, which its observer knows.
    pub fn with(mut self, place: Place, policy: Policy) -> Self {
        let uid = self.number(place);
        self.store(place, Object::new(uid, policy));
        self.settled(&Rules::ALL).unwrap_or(self)
    }

    /// The same where a namespace has had these policies, the one that it has first. The copies
    /// in it that are like it have no policy of their own.
    pub fn inheriting(mut self, policies: &[Policy]) -> Self {
        let Some(&policy) = policies.first() else {
            return self;
        };
        self.namespace = Some(Namespace::new(policies));
        for place in ALL.into_iter().filter(|&place| Namespace::has(place)) {
            let object = self.objects[place as usize].iter_mut();
            object.for_each(|object| object.inherits = object.policy == policy);
        }
        self
    }

    /// The same after these steps, one after the other, with the protocol as it is.
    /// `None`: one of them cannot happen.
    pub fn after_all(mut self, model: &Protocol, steps: &[Step]) -> Option<Self> {
        let plenty = Budget {
            forced: Budget::PLENTY.asks,
            ..Budget::PLENTY
        };
        let left = std::mem::replace(&mut self.left, plenty);
        for &step in steps {
            let mut possible = Vec::new();
            self.steps(model, &mut possible);
            if !possible.contains(&step) {
                return None;
            }
            self = self.after(&Rules::ALL, step);
        }
        self.left = left;
        Some(self)
    }

    pub fn object(&self, place: Place) -> Option<Object> {
        self.objects[place as usize]
    }

    pub fn claim(&self, place: Place) -> Option<&Sealed<Record>> {
        self.claims[place.resource()].as_ref()
    }

    pub fn clock(&self, place: Place) -> u16 {
        self.clocks[place.member()]
    }

    /// A number that nothing has yet; each place has its own, so that what happens in
    /// one cluster first or in the other first makes no two states.
    pub fn number(&mut self, place: Place) -> u16 {
        let at = place as usize;
        self.numbers[at] += 1;
        place as u16 * NUMBERS + self.numbers[at]
    }

    /// Whether a place has numbers left to give.
    pub fn has_numbers(&self, place: Place) -> bool {
        self.numbers[place as usize] + 1 < NUMBERS
    }

    pub fn note(&mut self, coverage: Coverage) {
        self.noted.note(coverage);
    }

    /// Stores an object, at a new resourceVersion.
    pub fn store(&mut self, place: Place, object: Object) {
        let at = place as usize;
        self.versions[at] += 1;
        self.seen_uids[at] |= bit(object.uid);
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

/// The bit that stands for a number among those of its place.
pub fn bit(number: u16) -> u64 {
    1 << (number % NUMBERS)
}

/// The numbers of a place that these bits stand for.
pub fn numbers(place: Place, bits: u64) -> impl Iterator<Item = u16> {
    let first = place as u16 * NUMBERS;
    (first..first + NUMBERS).filter(move |&number| bits & bit(number) != 0)
}

impl Object {
    pub fn new(uid: u16, policy: Policy) -> Self {
        Self {
            uid,
            version: 0,
            policy,
            inherits: false,
            terminating: false,
            busy: false,
            counts: true,
            word: Word::Kept,
            end: Word::Kept,
        }
    }

    pub fn is_live(&self) -> bool {
        self.policy.is_live()
    }

    /// Whether it is live, and the guard had nothing against that.
    pub fn is_rightly_live(&self) -> bool {
        self.is_live() && self.word == Word::Kept
    }

    /// Whether the resource is being deleted through it.
    pub fn deletes(&self) -> bool {
        self.terminating && self.policy.deletes()
    }
}
