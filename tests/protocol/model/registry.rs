//! The registry: linearizable reads, and writes by compare-and-set.

use aso_guard::arm::Identity;
use aso_guard::claim::{Proof, Record, RegistryAnswer, RegistryCall};
use jiff::Timestamp;

use super::places::{ALL, PLACES, resource_of};
use super::rules::Rules;
use super::sealed::Sealed;
use super::world::{Kind, Phase, World, bit};

impl World {
    /// Makes a call. A put is a write even where it changes nothing.
    pub fn make(&mut self, rules: &Rules, call: &RegistryCall<'_, ()>) -> RegistryAnswer<()> {
        match call {
            RegistryCall::Claim(identity) => {
                let known = self.read(identity);
                let known = known.map(|record| Record {
                    reserved: record.reserved.clone().filter(|_| rules.heed_reservations),
                    ..(**record).clone()
                });
                RegistryAnswer::Claim(known.map(|record| (record, ())))
            }
            RegistryCall::Claims(identities) => {
                let known = identities.iter().filter_map(|identity| self.read(identity));
                RegistryAnswer::Claims(known.map(|record| (**record).clone()).collect())
            }
            RegistryCall::Below(identity) => {
                let known = self.claims.iter().flatten();
                let below = known.filter(|record| record.identity.is_below(identity));
                RegistryAnswer::Claims(below.map(|record| (**record).clone()).collect())
            }
            RegistryCall::Put(record, expected) => {
                let mut record = (*record).clone();
                if !rules.heed_reservations {
                    let held = self.read(&record.identity);
                    record.reserved = held.and_then(|held| held.reserved.clone());
                }
                if self.put(rules, &record, expected.is_some()) {
                    RegistryAnswer::Stored
                } else {
                    RegistryAnswer::Conflict
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
        self.claims[at] = (!record.is_empty()).then(|| Sealed::new(without_notes(record)));
        self.outdate_written(at);
        let transfers = self.transfers.iter_mut();
        transfers.for_each(|transfers| transfers.wrote_claim(at));
        if rules.compare {
            self.outdate(at);
        }
        true
    }

    /// What rests on the version before this write can no longer be stored, whenever
    /// it is tried: so it is over now, which keeps versions out of the state. What
    /// rests on there being no record can, once there is none again.
    pub fn outdate(&mut self, at: usize) {
        self.looks
            .retain(|look| look.resource != at || !look.rests_on_a_record());
        self.fencing.outdate(at);
        let numbers: Vec<u16> = self.requests.iter().map(|request| request.number).collect();
        for number in numbers {
            if self.is_about_to_replace(number, at) {
                self.answer(number, RegistryAnswer::Conflict);
            }
        }
    }

    fn is_about_to_replace(&self, number: u16, at: usize) -> bool {
        let request = self.requests.iter().find(|one| one.number == number);
        let Some(Phase::Judged(course) | Phase::Refused(course)) = request.map(|one| &one.phase)
        else {
            return false;
        };
        match course.claim_call() {
            Some(RegistryCall::Put(record, Some(()))) => resource_of(&record.identity) == Some(at),
            _ => false,
        }
    }

    /// The uids, by place, of what is there or may yet be stored, and has to count for
    /// whoever would delete this resource: what is registered, and what should be.
    pub fn counted(&self, resource: usize) -> [u64; PLACES] {
        ALL.map(|place| {
            let is_copy = place.resources().contains(&resource);
            let at = if is_copy { resource } else { place.resource() };
            let record = self.claims[at].as_ref();
            let copy = record.and_then(|record| record.copies.get(place.copy()));
            let stored = copy.and_then(|copy| copy.stored.as_ref());
            let registered = stored.and_then(|stored| stored.uid.parse().ok());
            let arriving = copy.into_iter().flat_map(|copy| &copy.arriving);
            let arriving = arriving.filter_map(|request| match &request.proof {
                Proof::Uid(uid) => uid.parse().ok(),
                _ => None,
            });
            let object = self.object(place).filter(|object| object.counts);
            let admitted = self.requests.iter().filter(|request| {
                request.place == place
                    && matches!(request.kind, Kind::Arrive | Kind::Inherit)
                    && request.phase == Phase::Admitted
                    && request.counts
            });
            let uids = registered.into_iter().chain(arriving);
            let uids = uids.chain(object.map(|object| object.uid));
            let uids = uids.chain(admitted.map(|request| request.number));
            uids.fold(0, |bits, uid| bits | bit(uid))
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
