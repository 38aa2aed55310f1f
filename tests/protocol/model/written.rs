//! The claim that a look begins with: as it is read, or as a replica remembers that it wrote it. A
//! look may begin from that at any time, however long ago it was, and whoever has written since. In
//! each cluster one replica admits requests and another one observes, and each remembers of a claim
//! what it wrote last.

use std::collections::BTreeMap;
use std::ops::Deref;

use aso_guard::claim::{LookAnswer, Proof, Record, RegistryCall};

use super::places::{Place, resource_of};
use super::rules::Rules;
use super::sealed::Sealed;
use super::time;
use super::world::{Early, Look, Object, World};

/// Which of a cluster's replicas wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Writer {
    /// The one that admits requests.
    Guard,
    /// The one that observes.
    Observer,
}

/// Both.
pub const WRITERS: [Writer; 2] = [Writer::Guard, Writer::Observer];

/// What replicas wrote, by member, resource and replica.
pub type WrittenClaims = BTreeMap<(usize, usize, Writer), WrittenClaim>;

/// A claim as a replica wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WrittenClaim {
    record: Sealed<Record>,
    /// Whether nobody has written it since: else its version is another one.
    is_current: bool,
}

impl Deref for WrittenClaim {
    type Target = Record;

    fn deref(&self) -> &Record {
        &self.record
    }
}

impl World {
    /// The member whose guard writes a claim by the request's next call, and which one.
    pub fn is_about_to_write(&self, number: u16) -> Option<(usize, usize)> {
        let request = &self.requests[self.find(number)?];
        let course = self.course(number)?;
        let Some(RegistryCall::Put(record, _)) = course.claim_call() else {
            return None;
        };
        Some((request.place.member(), resource_of(&record.identity)?))
    }

    /// A replica of a member has written a claim, and heard so.
    pub fn remember_written(&mut self, member: usize, resource: usize, writer: Writer) {
        if self.left.recalls == 0 {
            return;
        }
        let key = (member, resource, writer);
        self.written.remove(&key);
        if let Some(record) = self.claims[resource].clone() {
            let is_current = true;
            let written = WrittenClaim { record, is_current };
            self.written.insert(key, written);
        }
    }

    /// Which replicas of a cluster remember a claim.
    pub fn writers(&self, place: Place, resource: usize) -> impl Iterator<Item = Writer> {
        let is_kept = move |writer| (place.member(), resource, writer);
        WRITERS
            .into_iter()
            .filter(move |&writer| self.written.contains_key(&is_kept(writer)))
    }

    /// A claim is another one.
    pub fn outdate_written(&mut self, resource: usize) {
        let written = self.written.iter_mut();
        for (_, written) in written.filter(|((_, of, _), _)| *of == resource) {
            written.is_current = false;
        }
    }

    /// The claim that a look begins with; `None` where a rule is taken out, and something else is
    /// read before it.
    pub fn claim_for(&mut self, rules: &Rules, look: &mut Look) -> Option<LookAnswer<(), Object>> {
        let place = look.place;
        let claim = self.claims[look.resource].clone();
        if !rules.deadline_before_object && !look.early_claim.is_read() {
            look.early_claim = Early::Read(claim);
            return None;
        }
        let object_first = !rules.deadline_before_object || !rules.record_before_object;
        if object_first && !look.early.is_read() {
            look.early = Early::Read(self.object(place));
            return None;
        }
        let read = look.early_claim.take_or(claim);
        let written = self.take_written(look);
        let is_written = written.is_some();
        let known = written.or(read);
        look.rests_on_record = known.is_some();
        look.judged = self.clock(place);
        look.read.clone_from(&known);
        let judged = time(if rules.deadlines_end { look.judged } else { 0 });
        let known = known.map(|record| given(rules, place, &record));
        Some(match known {
            Some(record) if is_written => LookAnswer::Written(record, (), judged),
            known => LookAnswer::Claim(known.map(|record| (record, ())), judged),
        })
    }

    /// What the replica wrote that a look begins from, if it does. It is not remembered any more.
    fn take_written(&mut self, look: &mut Look) -> Option<Sealed<Record>> {
        let key = (look.place.member(), look.resource, look.recalls.take()?);
        let written = self.written.remove(&key)?;
        look.is_recalled = true;
        look.is_outdated = !written.is_current;
        Some(written.record)
    }

    /// Where no look may begin from it any more, nothing is remembered.
    pub fn forget_written(&mut self) {
        if self.left.recalls == 0 && !self.looks.iter().any(|look| look.recalls.is_some()) {
            self.written.clear();
        }
    }
}

/// The record as it is given to a look: as it is, unless a rule is taken out.
fn given(rules: &Rules, place: Place, record: &Record) -> Record {
    let mut record = record.clone();
    if !rules.keep_pending
        && let Some(copy) = record.copies.get_mut(place.copy())
    {
        for request in copy.acquiring.iter_mut().chain(&mut copy.arriving) {
            // No object has it, so the request is over.
            request.proof = Proof::ResourceVersion("".into());
        }
    }
    record
}
