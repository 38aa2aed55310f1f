//! The observers: they make the calls that [`claim::Look`](aso_guard::claim::Look) asks for,
//! one by one.

use std::sync::Arc;

use aso_guard::claim::{
    Look as Machine, LookAnswer, LookCall, MemberCopy, ObservedObject, ObservedResolution, Proof,
    Record,
};
use aso_guard::policy::Policy;
use aso_guard::resolve::Freshness;

use super::coverage::Coverage;
use super::places::{ALL, PLACES, Place, identity_of};
use super::rules::Rules;
use super::sealed::Sealed;
use super::transfers::Transfers;
use super::world::{Early, Look, Object, World, bit, numbers};
use super::written::Writer;
use super::{name, time};

/// Longer than anything waits.
const LONG: u16 = 10;
/// In how many rounds of looks the claims are true to the last.
const ROUNDS: usize = 4;

impl World {
    /// A replica begins to look at a copy; where it `recalls`, from what it wrote last.
    pub fn begin_look(
        &mut self,
        rules: &Rules,
        place: Place,
        resource: usize,
        recalls: Option<Writer>,
    ) {
        let identity = identity_of(resource).clone();
        let machine = Machine::new(place.copy().clone(), identity);
        let mut look = Look::new(place, resource, machine);
        look.recalls = recalls;
        self.make_call(rules, &mut look, 0);
        self.carry_on(rules, look);
    }

    /// A replica that has no claim of a copy makes one from what its cache says,
    /// which may be long out of date when the write arrives.
    pub fn adopt(&mut self, rules: &Rules, place: Place, resource: usize) {
        if let Some(object) = self.object(place) {
            self.note(Coverage::Adopted);
            let machine = Machine::adopting(
                place.copy().clone(),
                identity_of(resource).clone(),
                observed(rules, object),
                resolves_to(place, object),
                time(self.clock(place)),
            );
            self.carry_on(rules, Look::new(place, resource, machine));
        }
    }

    /// A look goes on with its next call, to which there may be more than one answer.
    pub fn go_on_looking(&mut self, rules: &Rules, at: usize, choice: usize) {
        let mut look = (*self.looks.remove(at)).clone();
        if let LookCall::Put(next, _) = look.machine.call() {
            if look.is_outdated && rules.compare && rules.compare_written {
                look.machine.answer(LookAnswer::Conflict);
                return self.carry_on(rules, look);
            }
            let next = next.clone();
            self.put_looked(rules, &look, &next);
        } else {
            self.make_call(rules, &mut look, choice);
            self.carry_on(rules, look);
        }
    }

    /// How many answers there may be to a look's next call: which of the uids that were
    /// stored the replica has heard of by now, and which of the policies that the namespace has
    /// had it remembers, for its watches may be late.
    pub fn answers(&self, look: &Look) -> usize {
        match look.machine.call() {
            LookCall::Uids => 1 << self.awaited(look).len(),
            LookCall::Resolve(_, Freshness::Known) => self.had().len(),
            _ => 1,
        }
    }

    /// The policies that the namespace has had.
    fn had(&self) -> &[Policy] {
        let namespace = self.namespace.as_ref();
        namespace.map_or(&[Policy::Manage], |namespace| &namespace.had)
    }

    /// Makes those calls at once whose answer nothing can change, and keeps the look for
    /// what is left of it.
    fn carry_on(&mut self, rules: &Rules, mut look: Look) {
        while Self::is_foregone(rules, &look) {
            if matches!(look.machine.call(), LookCall::Claim(_)) {
                if !rules.read_after_all {
                    return;
                }
                self.note(Coverage::ReadAfterAll);
                look.begin_anew();
            }
            self.make_call(rules, &mut look, 0);
        }
        match look.machine.call() {
            LookCall::Done(looked) => {
                let next = looked.record.clone();
                self.note_ends(&look, &next);
                return;
            }
            LookCall::Put(next, _) => {
                let next = next.clone();
                self.note_ends(&look, &next);
                if std::mem::take(&mut look.is_recalled) && !look.is_outdated {
                    self.note(Coverage::Recalled);
                }
                look.read = None;
                look.judged = 0;
            }
            _ => {}
        }
        if self
            .looks
            .iter()
            .any(|other| other.place == look.place && other.resource == look.resource)
        {
            self.note(Coverage::TwoReplicas);
        }
        self.looks.push(Sealed::new(look));
        self.looks.sort();
    }

    fn is_foregone(rules: &Rules, look: &Look) -> bool {
        match look.machine.call() {
            LookCall::Uids => {
                let in_order = rules.uids_before_object || look.early.is_read();
                in_order && rules.match_proof && pending(look).is_empty()
            }
            LookCall::Object => look.early.is_read(),
            LookCall::Resolve(object, _) => !object.inherits,
            // Whenever it is read later, another replica may as well begin to look.
            LookCall::Claim(_) => !look.early.is_read() && !look.early_claim.is_read(),
            LookCall::Begin(_) | LookCall::Put(..) | LookCall::Done(_) => false,
        }
    }

    /// Makes a look's next call, or one that is made too early where a rule is taken out.
    fn make_call(&mut self, rules: &Rules, look: &mut Look, choice: usize) {
        let place = look.place;
        let answer = match look.machine.call() {
            LookCall::Begin(_) | LookCall::Claim(_) => {
                let Some(answer) = self.claim_for(rules, look) else {
                    return;
                };
                answer
            }
            LookCall::Uids => {
                if !rules.uids_before_object && !look.early.is_read() {
                    look.early = Early::Read(self.object(place));
                    return;
                }
                if rules.match_proof {
                    LookAnswer::Uids(self.heard_of(look, choice))
                } else {
                    look.early = Early::Read(self.object(place));
                    let is_live = self.object(place).is_some_and(|object| object.is_live());
                    LookAnswer::Uids(if is_live { pending(look) } else { Vec::new() })
                }
            }
            LookCall::Object => {
                let object = look.early.take_or(self.object(place));
                LookAnswer::Object(object.map(|object| (observed(rules, object), object)))
            }
            LookCall::Resolve(object, freshness) => {
                let mut resolved = resolves_to(place, *object);
                if object.inherits {
                    let remembered = if freshness == Freshness::Known {
                        choice
                    } else {
                        0
                    };
                    resolved.policy = self.had()[remembered];
                    resolved.is_own_policy = !rules.release_on_store;
                    if freshness == Freshness::Store {
                        self.note(Coverage::Doubted);
                    }
                }
                LookAnswer::Resolved(resolved)
            }
            LookCall::Put(..) | LookCall::Done(_) => return,
        };
        look.machine.answer(answer);
    }

    /// A replica writes what it made of its look. One that was not quick enough looks
    /// again, as any other one may.
    fn put_looked(&mut self, rules: &Rules, look: &Look, next: &Record) {
        let place = look.place;
        let live = |record: &Record| {
            record
                .copies
                .get(place.copy())
                .is_some_and(MemberCopy::is_live)
        };
        let was_live = self.claims[look.resource]
            .as_ref()
            .is_some_and(|record| live(record));
        if !self.put(rules, next, look.rests_on_record) {
            self.note(Coverage::Outrun);
            return;
        }
        self.remember_written(place.member(), look.resource, Writer::Observer);
        if was_live && !live(next) {
            self.note(Coverage::Released);
            let copy = next.copies.get(place.copy());
            if copy
                .and_then(|copy| copy.stored.as_ref())
                .is_some_and(|stored| stored.busy)
            {
                self.note(Coverage::Busy);
            }
        }
    }

    /// The replica dies over its look.
    pub fn drop_look(&mut self, at: usize) {
        self.note(Coverage::ReplicaDied);
        self.looks.remove(at);
    }

    /// Notes how the requests ended that an observer ended.
    fn note_ends(&mut self, look: &Look, next: &Record) {
        let copy = look.place.copy();
        let Some(before) = look
            .read
            .as_ref()
            .and_then(|record| record.copies.get(copy))
        else {
            return;
        };
        let after = next.copies.get(copy);
        for request in before.in_flight() {
            let mut left = after.into_iter().flat_map(MemberCopy::in_flight);
            if !left.any(|one| one == request) {
                let late = time(look.judged) > request.deadline;
                self.noted.note(if late {
                    Coverage::Expired
                } else {
                    Coverage::Proven
                });
            }
        }
    }

    /// The uids that a look waits for, and that were stored by now.
    fn awaited(&self, look: &Look) -> Vec<Arc<str>> {
        let seen = numbers(look.place, self.seen_uids[look.place as usize]);
        let seen: Vec<String> = seen.map(name).collect();
        let mut awaited = pending(look);
        awaited.retain(|uid| seen.iter().any(|one| **one == **uid));
        awaited
    }

    /// Some of them.
    fn heard_of(&self, look: &Look, choice: usize) -> Vec<Arc<str>> {
        let awaited = self.awaited(look).into_iter().enumerate();
        let heard = awaited.filter(|(at, _)| choice >> at & 1 == 1);
        heard.map(|(_, uid)| uid).collect()
    }

    /// Forgets the uids that nothing waits for any more.
    pub fn forget(&mut self) {
        let mut wanted = [0; PLACES];
        let mut want = |record: &Record| {
            for place in ALL {
                let copy = record.copies.get(place.copy());
                for request in copy.into_iter().flat_map(MemberCopy::in_flight) {
                    if let Proof::Uid(uid) = &request.proof {
                        wanted[place as usize] |= uid.parse().map_or(0, bit);
                    }
                }
            }
        };
        self.claims.iter().flatten().for_each(|record| want(record));
        self.written.values().for_each(|written| want(written));
        for look in &self.looks {
            look.read.iter().for_each(|record| want(record));
            if let Early::Read(Some(record)) = &look.early_claim {
                want(record);
            }
            if let LookCall::Put(next, _) = look.machine.call() {
                want(next);
            }
        }
        for request in &self.requests {
            wanted[request.place as usize] |= bit(request.number);
        }
        for (seen, wanted) in self.seen_uids.iter_mut().zip(wanted) {
            *seen &= wanted;
        }
        self.transfers
            .iter_mut()
            .for_each(Transfers::forget_versions);
    }

    /// One replica looks at every copy until that changes nothing, undisturbed, and
    /// long after every deadline. `None`: it never comes to an end.
    pub fn settled(&self, rules: &Rules) -> Option<Self> {
        let mut world = self.clone();
        world.clocks = world.clocks.map(|clock| clock + LONG);
        for _ in 0..ROUNDS {
            let before = world.claims.clone();
            for place in ALL {
                for &resource in place.resources() {
                    if world.object(place).is_none() && world.claims[resource].is_none() {
                        continue;
                    }
                    let recalls = world.writers(place, resource).next();
                    world.begin_look(rules, place, resource, recalls);
                    while !world.looks.is_empty() {
                        world.go_on_looking(rules, 0, 0);
                    }
                }
            }
            world.settle_changes();
            world.look_after_transfers(rules);
            if !world.enrol_all(rules) {
                return None;
            }
            if world.claims == before {
                world.clocks = self.clocks;
                return Some(world);
            }
        }
        None
    }
}

impl Look {
    fn new(place: Place, resource: usize, machine: Machine<(), Object>) -> Self {
        Self {
            place,
            resource,
            machine,
            recalls: None,
            is_recalled: false,
            is_outdated: false,
            rests_on_record: false,
            read: None,
            judged: 0,
            early_claim: Early::Unread,
            early: Early::Unread,
        }
    }

    /// Nothing that it read counts any more.
    fn begin_anew(&mut self) {
        *self = Self::new(self.place, self.resource, self.machine.clone());
    }

    /// Whether its write can be stored only where there is the record that it read.
    pub fn rests_on_a_record(&self) -> bool {
        self.rests_on_record || matches!(self.early_claim, Early::Read(Some(_)))
    }
}

/// The uids of the creates under way in what a look has read.
fn pending(look: &Look) -> Vec<Arc<str>> {
    let record = look.read.as_ref();
    let copy = record.and_then(|record| record.copies.get(look.place.copy()));
    let in_flight = copy.into_iter().flat_map(MemberCopy::in_flight);
    let uids = in_flight.filter_map(|request| match &request.proof {
        Proof::Uid(uid) => Some(uid.clone()),
        _ => None,
    });
    uids.collect()
}

/// An object as an observer reads it.
fn observed(rules: &Rules, object: Object) -> ObservedObject {
    ObservedObject {
        uid: name(object.uid).into(),
        resource_version: name(object.version).into(),
        terminating: object.terminating,
        busy: object.busy && rules.report_busy,
        held: None,
    }
}

fn resolves_to(place: Place, object: Object) -> ObservedResolution {
    ObservedResolution {
        identities: place.identities(),
        is_complete: true,
        assumed: false,
        policy: object.policy,
        is_own_policy: true,
    }
}
