//! Which claims a list may have, kept as they are written: a registry in memory looks at all of
//! them for each list, and a thousand members list a million of them all the time.

use std::collections::{BTreeSet, HashMap};

use aso_guard::arm::Identity;
use aso_guard::claim::{ClaimState, MemberName, Record};
use aso_guard::registry::{ClaimScope, CopyFilter};

/// The claims of each list.
#[derive(Default)]
pub struct Scopes {
    /// How many there are.
    pub total: usize,
    of: HashMap<MemberName, BTreeSet<Identity>>,
    in_flight: BTreeSet<Identity>,
    in_conflict: BTreeSet<Identity>,
    parked: BTreeSet<Identity>,
    reserved: BTreeSet<Identity>,
}

impl Scopes {
    /// A claim was written.
    pub fn written(&mut self, before: Option<&Record>, now: &Record) {
        let before = before.filter(|record| !record.is_empty());
        let after = Some(now).filter(|record| !record.is_empty());
        self.total = self.total + usize::from(after.is_some()) - usize::from(before.is_some());
        let members = |record: Option<&Record>| -> BTreeSet<MemberName> {
            let copies = record.into_iter().flat_map(|record| record.copies.keys());
            copies.map(|copy| copy.member.clone()).collect()
        };
        let (had, has) = (members(before), members(after));
        for gone in had.difference(&has) {
            if let Some(of) = self.of.get_mut(gone) {
                of.remove(&now.identity);
            }
        }
        for new in has.difference(&had) {
            let of = self.of.entry(new.clone()).or_default();
            of.insert(now.identity.clone());
        }
        let is = |state| after.is_some_and(|record| record.state() == state);
        let busy = after.is_some_and(|record| {
            let copies = &mut record.copies.values();
            copies.any(|held| held.next_deadline().is_some())
        });
        let reserved = after.is_some_and(|record| record.reserved.is_some());
        set(&mut self.in_flight, &now.identity, busy);
        set(
            &mut self.in_conflict,
            &now.identity,
            is(ClaimState::Conflict),
        );
        set(&mut self.parked, &now.identity, is(ClaimState::Parked));
        set(&mut self.reserved, &now.identity, reserved);
    }

    /// The claims that a list may have; `None`: they are to be looked for.
    pub fn of(&self, scope: &ClaimScope) -> Option<Vec<Identity>> {
        let own = |member: &MemberName| self.of.get(member).into_iter().flatten();
        Some(match scope {
            ClaimScope::All | ClaimScope::Below(_) | ClaimScope::Beside(..) => return None,
            ClaimScope::InConflict => self.in_conflict.iter().cloned().collect(),
            ClaimScope::Reserved(_) => self.reserved.iter().cloned().collect(),
            ClaimScope::Orphaned(member) => self.either(member, &self.parked),
            ClaimScope::Of(member, CopyFilter::InFlight) => self.either(member, &self.in_flight),
            ClaimScope::Of(member, CopyFilter::AnyCopy) => own(member).cloned().collect(),
        })
    }

    /// What a member has of these.
    fn either(&self, member: &MemberName, these: &BTreeSet<Identity>) -> Vec<Identity> {
        let Some(own) = self.of.get(member) else {
            return Vec::new();
        };
        let (few, many) = if own.len() < these.len() {
            (own, these)
        } else {
            (these, own)
        };
        few.iter()
            .filter(|one| many.contains(one))
            .cloned()
            .collect()
    }
}

fn set(of: &mut BTreeSet<Identity>, identity: &Identity, is: bool) {
    if is {
        of.insert(identity.clone());
    } else {
        of.remove(identity);
    }
}
