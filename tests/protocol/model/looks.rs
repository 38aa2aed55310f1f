//! The observers: read the record and judge deadlines, read the object, write on
//! condition that the record is the same. In the order of
//! `aso_guard::cluster::observer`.

use std::sync::Arc;

use aso_guard::claim::{Copy, Held, Observation, Observed, Proof, Record, Sighting, observe};

use super::places::{ALL, PLACES, Place};
use super::rules::Rules;
use super::sealed::Sealed;
use super::sights::Sight;
use super::world::{Look, LookStep, Object, World, bit, numbers};
use super::{name, time};

/// Longer than anything waits.
const LONG: u16 = 10;
/// In how many rounds of looks the claims are true to the last.
const ROUNDS: usize = 4;

impl World {
    /// A replica begins to look at a copy.
    pub fn begin_look(&mut self, rules: &Rules, place: Place) {
        let step = if rules.record_before_object {
            LookStep::Record {
                judged: self.clock(place),
                known: self.claim(place).cloned(),
            }
        } else {
            LookStep::Object(self.object(place))
        };
        self.add_look(Look { place, step });
    }

    fn add_look(&mut self, look: Look) {
        if self.looks.iter().any(|other| other.place == look.place) {
            self.note(Sight::TwoReplicas);
        }
        self.looks.push(Sealed::new(look));
        self.looks.sort();
    }

    /// A replica that has no claim of a copy makes one from what its cache says,
    /// which may be long out of date when the write arrives.
    pub fn adopt(&mut self, rules: &Rules, place: Place) {
        if let Some(object) = self.object(place) {
            let judged = self.clock(place);
            self.note(Sight::Adopted);
            self.conclude(rules, place, judged, None, Some(object), false);
        }
    }

    /// A look goes on. `remembers`: whether the replica knows every uid that was
    /// stored under the copy's name; else it knows none.
    pub fn go_on_looking(&mut self, rules: &Rules, at: usize, remembers: bool) {
        let Look { place, step } = (*self.looks.remove(at)).clone();
        match step {
            LookStep::Record { judged, known } => {
                let object = self.object(place);
                if rules.deadline_before_object {
                    self.conclude(rules, place, judged, known, object, remembers);
                } else {
                    let step = LookStep::Both { known, object };
                    self.add_look(Look { place, step });
                }
            }
            LookStep::Object(object) => {
                let known = self.claim(place).cloned();
                self.conclude(rules, place, self.clock(place), known, object, remembers);
            }
            LookStep::Both { known, object } => {
                let seen = self.seen(place, remembers);
                let judged = self.clock(place);
                let observed = look(rules, place, judged, known.as_ref(), object, &seen);
                if observed.changed {
                    self.put_looked(rules, place, &observed.record, known.is_none());
                }
            }
            LookStep::Put { next, creates } => self.put_looked(rules, place, &next, creates),
        }
    }

    /// A replica writes what it made of its look.
    fn put_looked(&mut self, rules: &Rules, place: Place, next: &Record, creates: bool) {
        let live = |record: &Record| record.copies.get(place.copy()).is_some_and(Copy::is_live);
        let was_live = self.claim(place).is_some_and(|record| live(record));
        if !self.put(rules, next, !creates) {
            self.note(Sight::Outrun);
        } else if was_live && !live(next) {
            self.note(Sight::Released);
        }
    }

    /// The replica dies over its look.
    pub fn drop_look(&mut self, at: usize) {
        self.note(Sight::ReplicaDied);
        self.looks.remove(at);
    }

    fn conclude(
        &mut self,
        rules: &Rules,
        place: Place,
        judged: u16,
        known: Option<Sealed<Record>>,
        object: Option<Object>,
        remembers: bool,
    ) {
        let seen = self.seen(place, remembers);
        let observed = look(rules, place, judged, known.as_ref(), object, &seen);
        self.note_ends(place, judged, known.as_deref(), &observed.record);
        if observed.changed {
            let next = Sealed::new(observed.record);
            let creates = known.is_none();
            let step = LookStep::Put { next, creates };
            self.add_look(Look { place, step });
        }
    }

    /// Notes how the requests ended that an observer ended.
    fn note_ends(&mut self, place: Place, judged: u16, known: Option<&Record>, next: &Record) {
        let Some(before) = known.and_then(|record| record.copies.get(place.copy())) else {
            return;
        };
        let after = next.copies.get(place.copy());
        for request in before.in_flight() {
            let mut left = after.into_iter().flat_map(Copy::in_flight);
            let is_left = left.any(|one| one == request);
            if !is_left {
                let late = time(judged) > request.deadline;
                self.note(if late { Sight::Expired } else { Sight::Proven });
            }
        }
    }

    fn seen(&self, place: Place, remembers: bool) -> Vec<Arc<str>> {
        let bits = if remembers {
            self.seen_uids[place as usize]
        } else {
            0
        };
        numbers(place, bits).map(|uid| name(uid).into()).collect()
    }

    /// Whether it makes a difference to a look what uids the replica remembers.
    pub fn memory_matters(&self, look: &Look) -> bool {
        let known = match &look.step {
            LookStep::Record { known, .. } | LookStep::Both { known, .. } => known.as_ref(),
            LookStep::Object(_) => self.claim(look.place),
            LookStep::Put { .. } => None,
        };
        let copy = known.and_then(|record| record.copies.get(look.place.copy()));
        let seen = self.seen(look.place, true);
        let mut in_flight = copy.into_iter().flat_map(Copy::in_flight);
        in_flight.any(|request| matches!(&request.proof, Proof::Uid(uid) if seen.contains(uid)))
    }

    /// Forgets the uids that nothing waits for any more.
    pub fn forget(&mut self) {
        let looked_at = self.looks.iter().filter_map(|look| match &look.step {
            LookStep::Record { known, .. } | LookStep::Both { known, .. } => known.as_ref(),
            LookStep::Put { next, .. } => Some(next),
            LookStep::Object(_) => None,
        });
        let records = self.claims.iter().flatten().chain(looked_at);
        let mut wanted = [0; PLACES];
        for place in ALL {
            let copies = records
                .clone()
                .filter_map(|one| one.copies.get(place.copy()));
            for request in copies.flat_map(Copy::in_flight) {
                if let Proof::Uid(uid) = &request.proof {
                    wanted[place as usize] |= uid.parse().map_or(0, bit);
                }
            }
        }
        for request in &self.requests {
            wanted[request.place as usize] |= bit(request.number);
        }
        for (seen, wanted) in self.seen_uids.iter_mut().zip(wanted) {
            *seen &= wanted;
        }
    }

    /// One replica looks at every copy until that changes nothing, undisturbed, and
    /// long after every deadline. `None`: it never comes to an end.
    pub fn settled(&self, rules: &Rules) -> Option<Self> {
        let mut world = self.clone();
        world.clocks = world.clocks.map(|clock| clock + LONG);
        for _ in 0..ROUNDS {
            let before = world.claims.clone();
            for place in ALL {
                if world.object(place).is_none() && world.claim(place).is_none() {
                    continue;
                }
                world.begin_look(rules, place);
                while !world.looks.is_empty() {
                    world.go_on_looking(rules, 0, false);
                }
            }
            if world.claims == before {
                world.clocks = self.clocks;
                return Some(world);
            }
        }
        None
    }
}

/// What an observer makes of what it read, with the rules that hold.
fn look(
    rules: &Rules,
    place: Place,
    judged: u16,
    known: Option<&Sealed<Record>>,
    object: Option<Object>,
    seen_uids: &[Arc<str>],
) -> Observed {
    let judged = if rules.deadlines_end { judged } else { 0 };
    let seen = Observation {
        copy: place.copy(),
        judged_at: time(judged),
        object: object.map(|object| Sighting {
            uid: name(object.uid).into(),
            resource_version: name(object.version).into(),
            terminating: object.terminating,
            busy: false,
            held: Some(Held {
                policy: object.policy,
                assumed: false,
            }),
        }),
        seen_uids,
    };
    let record = known.map(|record| &**record);
    if rules.keep_pending && rules.match_proof {
        return observe(record, place.identity(), &seen);
    }
    let mut changed_rules = record.cloned();
    let copy = changed_rules
        .as_mut()
        .and_then(|record| record.copies.get_mut(place.copy()));
    if let Some(copy) = copy {
        if !rules.keep_pending || object.is_some_and(|object| object.is_live()) {
            copy.acquiring.clear();
            copy.arriving.clear();
        } else {
            for request in copy.acquiring.iter_mut().chain(&mut copy.arriving) {
                request.proof = Proof::Deadline;
            }
        }
    }
    let observed = observe(changed_rules.as_ref(), place.identity(), &seen);
    Observed {
        changed: record.map_or(observed.changed, |record| *record != observed.record),
        ..observed
    }
}
