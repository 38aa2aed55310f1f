//! The registry: linearizable reads, and writes by compare-and-set.

use aso_guard::arm::Identity;
use aso_guard::claim::{Answer, Call, Record};
use jiff::Timestamp;

use super::places::{ALL, PLACES, resource_of};
use super::rules::Rules;
use super::sealed::Sealed;
use super::world::{LookStep, Phase, World};

impl World {
    /// Makes a call. A put is a write even where it changes nothing.
    pub fn make(&mut self, rules: &Rules, call: &Call<'_, ()>) -> Answer<()> {
        match call {
            Call::Claim(identity) => {
                let known = self.read(identity);
                Answer::Claim(known.map(|record| ((**record).clone(), ())))
            }
            Call::Claims(identities) => {
                let known = identities.iter().filter_map(|identity| self.read(identity));
                Answer::Claims(known.map(|record| (**record).clone()).collect())
            }
            Call::Below(identity) => {
                let known = self.claims.iter().flatten();
                let below = known.filter(|record| record.identity.is_below(identity));
                Answer::Claims(below.map(|record| (**record).clone()).collect())
            }
            Call::Put(record, expected) => {
                if self.put(rules, record, expected.is_some()) {
                    Answer::Stored
                } else {
                    Answer::Conflict
                }
            }
        }
    }

    fn read(&self, identity: &Identity) -> Option<&Sealed<Record>> {
        self.claims[resource_of(identity)?].as_ref()
    }

    /// Stores a record where the registry holds what is expected: a record, and then
    /// the one that was read last, or none.
    pub fn put(&mut self, rules: &Rules, record: &Record, expects_one: bool) -> bool {
        let Some(at) = resource_of(&record.identity) else {
            return false;
        };
        if rules.compare && self.claims[at].is_some() != expects_one {
            return false;
        }
        let gone = record.copies.is_empty();
        self.claims[at] = (!gone).then(|| Sealed::new(without_notes(record)));
        if rules.compare {
            self.outdate(at);
        }
        true
    }

    /// What rests on the version before this write can no longer be stored, whenever
    /// it is tried: so it is over now, which keeps versions out of the state. What
    /// rests on there being no record can, once there is none again.
    fn outdate(&mut self, at: usize) {
        self.looks.retain(|look| {
            let rests_on_a_record = match &look.step {
                LookStep::Record { known, .. } | LookStep::Both { known, .. } => known.is_some(),
                LookStep::Put { creates, .. } => !creates,
                LookStep::Object(_) => false,
            };
            look.place.resource() != at || !rests_on_a_record
        });
        let numbers: Vec<u16> = self.requests.iter().map(|request| request.number).collect();
        for number in numbers {
            if self.is_about_to_replace(number, at) {
                self.answer(number, Answer::Conflict);
            }
        }
    }

    fn is_about_to_replace(&self, number: u16, at: usize) -> bool {
        let request = self.requests.iter().find(|one| one.number == number);
        let Some(Phase::Judged(attempt) | Phase::Refused(attempt)) = request.map(|one| &one.phase)
        else {
            return false;
        };
        match attempt.call() {
            Some(Call::Put(record, Some(()))) => resource_of(&record.identity) == Some(at),
            _ => false,
        }
    }

    /// The uids of all objects that observers have registered, by place.
    pub fn registered(&self) -> [Option<u16>; PLACES] {
        ALL.map(|place| {
            let copy = self.claim(place)?.copies.get(place.copy())?;
            copy.stored.as_ref()?.uid.parse().ok()
        })
    }
}

/// The record without what is there for people only.
fn without_notes(record: &Record) -> Record {
    let mut record = record.clone();
    for copy in record.copies.values_mut() {
        copy.since = Timestamp::UNIX_EPOCH;
        copy.by = "".into();
    }
    record
}
