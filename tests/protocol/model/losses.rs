//! A registry that loses its claims, or goes back to an earlier time, and how its members find
//! out: they make the calls that [`claim::Enrolment`](aso_guard::claim::Enrolment) asks for.

use std::collections::BTreeSet;

use aso_guard::claim::{
    Enrolment, EnrolmentAnswer, EnrolmentCall, Epoch, EpochMember, EpochRecord, KnownEpoch,
    MemberName, Memory, Record, Remembered, confirm,
};

use super::coverage::Coverage;
use super::name;
use super::places::{ALL, MEMBERS, Place, RESOURCES};
use super::rules::Rules;
use super::sealed::Sealed;
use super::world::{Kind, Phase, Request, World};

/// More calls than any enrolment makes.
const CALLS: usize = 64;

/// How the registry loses what it knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// All claims are deleted, and the epoch with them.
    Claims,
    /// The members' records, too.
    Everything,
    /// It is as it was at the start.
    SetBack,
}

/// What there is of the registry's epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epochs {
    record: Option<EpochRecord>,
    /// How many ids were given.
    ids: u16,
    /// How often each member wrote its own record, as that says.
    writes: [Option<u32>; MEMBERS],
    /// Those that take part.
    members: BTreeSet<usize>,
    each: [Member; MEMBERS],
    backup: Option<Backup>,
}

/// What a member has of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    memory: Memory,
    known: Option<KnownEpoch>,
    /// The epoch that it saw last, and when it first was not whole, by its clock.
    seen: Option<(Epoch, u16)>,
    way: Option<Enrolment<()>>,
}

/// The registry as it was at the start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Backup {
    claims: [Option<Sealed<Record>>; RESOURCES],
    record: Option<EpochRecord>,
    writes: [Option<u32>; MEMBERS],
}

fn named(member: usize) -> MemberName {
    let name = ["a", "b", "c"][member];
    name.parse().expect("a valid name")
}

impl Epochs {
    /// All these members have brought their copies in, and written their records since.
    pub fn whole(members: &BTreeSet<usize>) -> Self {
        let epoch = Epoch {
            id: name(1).into(),
            round: 0,
        };
        let enrolled = members
            .iter()
            .map(|&one| (named(one), EpochMember::Enrolled));
        let record = EpochRecord {
            epoch: epoch.clone(),
            members: enrolled.collect(),
            ..EpochRecord::default()
        };
        let each = std::array::from_fn(|member| Member {
            memory: Memory::Known(Remembered {
                epoch: epoch.clone(),
                writes: 1,
                companions: members
                    .iter()
                    .filter(|&&other| other != member)
                    .map(|&other| named(other))
                    .collect(),
            }),
            known: Some(KnownEpoch {
                epoch: epoch.clone(),
                writes: 1,
                migration: None,
            }),
            seen: Some((epoch.clone(), 0)),
            way: None,
        });
        Self {
            record: Some(record),
            ids: 1,
            writes: std::array::from_fn(|one| members.contains(&one).then_some(1)),
            members: members.clone(),
            each,
            backup: None,
        }
    }

    /// Keeps the registry as it is now, before the members write once more.
    pub fn kept(mut self, claims: &[Option<Sealed<Record>>; RESOURCES]) -> Self {
        self.backup = Some(Backup {
            claims: claims.clone(),
            record: self.record.clone(),
            writes: self.writes.map(|writes| writes.map(|count| count - 1)),
        });
        self
    }

    /// What a member's guard may judge by.
    pub fn known(&self, member: usize) -> Option<&KnownEpoch> {
        self.each[member].known.as_ref()
    }

    /// Whether the registry knows all copies of all members.
    pub fn is_whole(&self) -> bool {
        let Some(record) = &self.record else {
            return false;
        };
        let knows = |&member: &usize| match &self.each[member].memory {
            Memory::Known(remembered) => {
                remembered.epoch == record.epoch
                    && self.writes[member].unwrap_or(0) >= remembered.writes
            }
            Memory::Fresh | Memory::Unavailable => false,
        };
        record.is_whole() && self.members.iter().all(knows)
    }

    /// Stores a record: whoever is about to store another one has lost, whenever it tries.
    fn put(&mut self, record: &EpochRecord, is_first: bool) -> bool {
        if self.record.is_none() != is_first {
            return false;
        }
        let mut record = record.clone();
        if is_first {
            self.ids += 1;
            record.epoch.id = name(self.ids).into();
        }
        self.record = Some(record);
        self.outdate();
        true
    }

    /// What rests on the record as it was can no longer be stored.
    fn outdate(&mut self) {
        let ways = self.each.iter_mut().filter_map(|one| one.way.as_mut());
        for way in ways {
            if let EnrolmentCall::Put(_, Some(())) = way.call() {
                way.answer(EnrolmentAnswer::Conflict);
            }
        }
    }

    /// The record as it is heeded where a rule is taken out.
    fn heeded(&self, rules: &Rules, member: usize) -> Option<EpochRecord> {
        let mut record = self.record.clone();
        if !rules.heed_awaited {
            let own = named(member);
            let others = record.iter_mut().flat_map(|record| &mut record.members);
            for (_, state) in others.filter(|(name, _)| **name != own) {
                *state = EpochMember::Enrolled;
            }
        }
        record
    }
}

impl World {
    /// The same with a registry that can lose what it knows.
    pub fn losing(mut self, places: &[Place]) -> Self {
        let members: BTreeSet<usize> = places.iter().map(|place| place.member()).collect();
        let epochs = Epochs::whole(&members).kept(&self.claims);
        self.epochs = Some(Sealed::new(epochs));
        self
    }

    fn change_epochs<T>(&mut self, change: impl FnOnce(&mut Epochs) -> T) -> Option<T> {
        let mut epochs = (**self.epochs.as_ref()?).clone();
        let done = change(&mut epochs);
        self.epochs = Some(Sealed::new(epochs));
        Some(done)
    }

    /// Whether nobody is on its way to another epoch.
    pub fn has_no_enrolment(&self) -> bool {
        let epochs = self.epochs.as_ref();
        epochs.is_none_or(|epochs| epochs.each.iter().all(|one| one.way.is_none()))
    }

    /// The registry loses what it knew.
    pub fn lose(&mut self, loss: Loss) {
        let Some(epochs) = self.epochs.clone() else {
            return;
        };
        let backup = epochs.backup.clone();
        let set_back = backup.filter(|_| loss == Loss::SetBack);
        self.note(match loss {
            Loss::SetBack => Coverage::SetBack,
            Loss::Claims | Loss::Everything => Coverage::Emptied,
        });
        self.claims = set_back
            .as_ref()
            .map_or([const { None }; RESOURCES], |backup| backup.claims.clone());
        for at in 0..RESOURCES {
            self.outdate(at);
            self.outdate_written(at);
        }
        self.change_epochs(|epochs| {
            epochs.outdate();
            epochs.record = set_back.as_ref().and_then(|backup| backup.record.clone());
            match (loss, set_back) {
                (Loss::Everything, _) => epochs.writes = [None; MEMBERS],
                (_, Some(backup)) => epochs.writes = backup.writes,
                _ => {}
            }
        });
    }

    /// The members that have something to find out, or are on their way.
    pub fn enrolling(&self) -> Vec<usize> {
        let Some(epochs) = &self.epochs else {
            return Vec::new();
        };
        let members = epochs.members.iter().copied();
        let has_work = |&member: &usize| {
            let one = &epochs.each[member];
            match (&one.way, &epochs.record) {
                (Some(way), _) => match way.call() {
                    EnrolmentCall::WaitOut(epoch) => self.is_waited_out(member, epoch),
                    _ => true,
                },
                (None, Some(record)) => {
                    let same = one.known.as_ref().is_some_and(|known| {
                        known.epoch == record.epoch
                            && epochs.writes[member].unwrap_or(0) >= known.writes
                    });
                    // Enrolled, it waits for the others.
                    let idles = record.members.get(&named(member)) == Some(&EpochMember::Enrolled)
                        && !record.is_whole()
                        && one.known.is_none()
                        && one
                            .seen
                            .as_ref()
                            .is_some_and(|(seen, _)| *seen == record.epoch);
                    !(same && record.is_whole() || idles)
                }
                (None, None) => true,
            }
        };
        members.filter(has_work).collect()
    }

    /// Whether all is over that a member admitted before it saw this epoch: its clock is past
    /// that, or there is nothing.
    fn is_waited_out(&self, member: usize, epoch: &Epoch) -> bool {
        let epochs = self.epochs.as_ref();
        let seen = epochs.and_then(|epochs| epochs.each[member].seen.as_ref());
        let is_past = seen.is_some_and(|(seen, at)| seen == epoch && self.clocks[member] > *at);
        let mut requests = self.requests.iter();
        is_past || !requests.any(|request| request.place.member() == member)
    }

    /// A member goes on, up to the next call that others may come before: it makes those at once
    /// that are about nobody but itself, and reads what it has just written.
    pub fn enrol(&mut self, rules: &Rules, member: usize) {
        let Some(epochs) = &self.epochs else { return };
        let way = epochs.each[member].way.clone();
        let mut way = way.unwrap_or_else(|| Enrolment::new(named(member)));
        // It is not in its own way.
        self.change_epochs(|epochs| epochs.each[member].way = None);
        loop {
            let goes_on = matches!(
                way.call(),
                EnrolmentCall::Recall
                    | EnrolmentCall::Members
                    | EnrolmentCall::Put(..)
                    | EnrolmentCall::WaitOut(_)
                    | EnrolmentCall::Remember(_)
            );
            let Some(answer) = self.answer_enrolment(rules, member, &way.call()) else {
                break;
            };
            way.answer(answer);
            self.note_standing(member, &way.call());
            let goes_on = match way.call() {
                EnrolmentCall::Remember(_) | EnrolmentCall::Done(_) => true,
                EnrolmentCall::WaitOut(_) => !rules.wait_out_epoch,
                _ => goes_on,
            };
            if !goes_on {
                break;
            }
        }
        if !matches!(way.call(), EnrolmentCall::Done(_)) {
            self.change_epochs(|epochs| epochs.each[member].way = Some(way));
        }
    }

    /// What comes of a call; `None`: it makes no more.
    fn answer_enrolment(
        &mut self,
        rules: &Rules,
        member: usize,
        call: &EnrolmentCall<'_, ()>,
    ) -> Option<EnrolmentAnswer<()>> {
        let epochs = self.epochs.clone()?;
        Some(match call {
            EnrolmentCall::Recall => EnrolmentAnswer::Recalled(epochs.each[member].memory.clone()),
            EnrolmentCall::Read => {
                let clock = self.clocks[member];
                self.change_epochs(|epochs| {
                    let record = epochs.record.as_ref();
                    let epoch = record
                        .map(|record| record.epoch.clone())
                        .unwrap_or_default();
                    let one = &mut epochs.each[member];
                    if one.seen.as_ref().is_none_or(|(seen, _)| *seen != epoch) {
                        one.seen = Some((epoch, clock));
                    }
                });
                let record = epochs.heeded(rules, member).map(|record| (record, ()));
                EnrolmentAnswer::Read(record, epochs.writes[member])
            }
            EnrolmentCall::Members => {
                let written = epochs.members.iter();
                let written = written.filter(|&&one| epochs.writes[one].is_some());
                EnrolmentAnswer::Members(written.map(|&one| named(one)).collect())
            }
            EnrolmentCall::Put(record, version) => {
                let is_first = version.is_none();
                match self.change_epochs(|epochs| epochs.put(record, is_first)) {
                    Some(true) => EnrolmentAnswer::Stored,
                    _ => EnrolmentAnswer::Conflict,
                }
            }
            EnrolmentCall::WaitOut(_) => EnrolmentAnswer::WaitedOut,
            EnrolmentCall::BringIn => {
                self.bring_in(rules, member);
                EnrolmentAnswer::BroughtIn
            }
            EnrolmentCall::Remember(remembered) => {
                self.change_epochs(|epochs| {
                    epochs.each[member].memory = Memory::Known((*remembered).clone());
                });
                EnrolmentAnswer::Remembered
            }
            EnrolmentCall::Done(_) => return None,
        })
    }

    /// What its guard may judge by, now that this call comes next.
    fn note_standing(&mut self, member: usize, call: &EnrolmentCall<'_, ()>) {
        let clock = self.clocks[member];
        let mut is_news = false;
        self.change_epochs(|epochs| {
            let one = &mut epochs.each[member];
            match call {
                EnrolmentCall::Done(known) => {
                    is_news = known.is_some() && one.known.is_none();
                    one.known = known.cloned();
                    if let (Some(_), Some((_, since))) = (known, &mut one.seen) {
                        *since = 0;
                    }
                }
                EnrolmentCall::Remember(_) | EnrolmentCall::Read | EnrolmentCall::Recall => {}
                _ => {
                    if one.known.take().is_some()
                        && let Some((_, since)) = &mut one.seen
                    {
                        *since = clock;
                    }
                }
            }
        });
        if is_news {
            self.note(Coverage::WholeAgain);
        }
    }

    /// The process of a member's guard dies on its way, and begins anew.
    pub fn forget_enrolment(&mut self, member: usize) {
        self.change_epochs(|epochs| {
            let one = &mut epochs.each[member];
            (one.way, one.known, one.seen) = (None, None, None);
        });
    }

    /// One replica looks at all that its cluster has stored, and that is claimed to be.
    fn bring_in(&mut self, rules: &Rules, member: usize) {
        let others = std::mem::take(&mut self.looks);
        for place in ALL.into_iter().filter(|place| place.member() == member) {
            for &resource in place.resources() {
                let claim = self.claims[resource].as_ref();
                let listed = claim.is_some_and(|claim| claim.copies.contains_key(place.copy()));
                if self.object(place).is_none() && !listed {
                    continue;
                }
                self.begin_look(rules, place, resource, None);
                while !self.looks.is_empty() {
                    self.go_on_looking(rules, 0, 0);
                }
            }
        }
        self.looks = others;
        for at in 0..RESOURCES {
            self.outdate(at);
        }
    }

    /// Whether a request that the claims have nothing against is still to be confirmed.
    pub fn is_to_be_confirmed(&self, request: &Request) -> bool {
        let is_safe = matches!(request.kind, Kind::Arrive | Kind::Spare);
        self.epochs.is_some() && !request.by_force && !is_safe
    }

    /// Whether the verdict on a request stands now.
    pub fn stands(&self, rules: &Rules, request: &Request) -> bool {
        let Some(epochs) = &self.epochs else {
            return true;
        };
        let member = request.place.member();
        let before = if rules.known_before {
            request.known.as_deref()
        } else {
            epochs.known(member)
        };
        let seen = epochs.heeded(rules, member);
        confirm(before, seen.as_ref(), epochs.writes[member]).is_ok()
    }

    /// The guard asks for the registry's epoch, after all its calls on claims.
    pub fn confirm(&mut self, rules: &Rules, number: u16) {
        let Some(at) = self.find(number) else { return };
        let request = &self.requests[at];
        let Phase::Confirming(course) = request.phase.clone() else {
            return;
        };
        let stands = if rules.epoch_after_claims {
            self.stands(rules, request)
        } else {
            request.stood
        };
        if stands {
            let (place, wakes) = (request.place, request.wakes());
            let conflicts = |resource: &usize| self.others_hold(place, *resource);
            let is_second = wakes && place.resources().iter().any(conflicts);
            self.doubled |= is_second;
            self.requests[at].phase = Phase::Admitted;
        } else {
            self.note(Coverage::Unconfirmed);
            self.take_back(number, &course);
        }
    }

    /// Every member goes to its end, undisturbed. Gives whether the registry is whole then.
    pub fn enrol_all(&mut self, rules: &Rules) -> bool {
        for _ in 0..CALLS {
            let Some(&member) = self.enrolling().first() else {
                break;
            };
            self.enrol(rules, member);
        }
        self.epochs.as_ref().is_none_or(|epochs| epochs.is_whole())
    }
}
