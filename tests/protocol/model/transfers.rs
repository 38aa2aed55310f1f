//! The transfer of a resource: its record, what claims say of it, and who is at a step of its life.

use aso_guard::claim::{NamespaceRef, Record, Reservation, TransferName};
use aso_guard::registry::transfers::OpenedTransfer;
use aso_guard::transfer::{Selection, Transfer, TransferPhase};

use super::coverage::Coverage;
use super::places::{ALL, Place, RESOURCES, identity_of, resource_of};
use super::replay::{Answer, Call, Held, replay};
use super::rules::Rules;
use super::sealed::Sealed;
use super::world::{Phase, Word, World};

/// What there is of transfers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transfers {
    /// The resource that is moved from a, with what is inside.
    moved: usize,
    /// How many are at a step together at most.
    together: usize,
    /// The record, and its version.
    record: Option<(Declared, u16)>,
    /// The version of each claim, as far as anybody remembers one.
    versions: [u16; RESOURCES],
    /// The version that the record was given last, likewise.
    last: u16,
    /// Who is at what, in some order.
    pub errands: Vec<Sealed<Errand>>,
    /// What whoever opened it last was told.
    answer: Option<OpenerAnswer>,
    /// Whether a copy was acquired anywhere but where a reservation leads.
    astray: bool,
}

/// A transfer as it is declared, and how far its own life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Declared {
    moved: usize,
    /// It leads to where this place is.
    to: Place,
    turned: bool,
    phase: TransferPhase,
}

/// A step of a transfer's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// A person declares it and opens it, or goes on with that.
    Declare(Declared),
    /// A member opens one that was only declared.
    Open,
    /// A person turns it round.
    Turn,
    /// A person ends it, or a member goes on with that.
    Close,
    /// A member gives free what is reserved for one that is over or gone.
    Tidy,
}

/// Somebody is at a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Errand {
    task: Task,
    answers: Vec<Answer>,
    next: Call,
    /// The record when it began: only where it is not asked for later.
    peeked: Option<(Declared, u16)>,
}

/// What whoever opened a transfer was told: what it covers, and for what it is too late. A bit
/// a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct OpenerAnswer {
    opened: Declared,
    covered: u8,
    deleting: u8,
}

impl Transfers {
    pub fn of(moved: usize, together: usize) -> Self {
        Self {
            moved,
            together,
            record: None,
            versions: [0; RESOURCES],
            last: 0,
            errands: Vec::new(),
            answer: None,
            astray: false,
        }
    }

    /// A claim was written.
    pub fn wrote_claim(&mut self, resource: usize) {
        self.versions[resource] += 1;
    }

    /// The record is deleted by hand.
    pub fn remove(&mut self) {
        self.record = None;
        self.answer = None;
    }

    /// Versions mean something only to whoever remembers one.
    pub fn forget_versions(&mut self) {
        if self.errands.is_empty() {
            self.versions = [0; RESOURCES];
            self.last = 0;
            self.record.iter_mut().for_each(|(_, version)| *version = 0);
        }
    }

    /// Which steps people and members may begin.
    pub fn tasks(&self, is_reserved: bool) -> Vec<Task> {
        let to = [Place::ParentB, Place::ParentC];
        let new = to.map(|to| Task::Declare(Declared::new(self.moved, to)));
        let mut tasks = new.to_vec();
        if let Some((record, _)) = self.record {
            tasks.extend((record.phase == TransferPhase::Opening).then_some(Task::Open));
            tasks.extend((record.reserves() && !record.turned).then_some(Task::Turn));
            tasks.extend((record.phase != TransferPhase::Finished).then_some(Task::Close));
        }
        tasks.extend(is_reserved.then_some(Task::Tidy));
        tasks
    }

    /// Whether another one may begin.
    pub fn has_room(&self) -> bool {
        self.errands.len() < self.together
    }

    pub fn is_declared(&self) -> bool {
        self.record.is_some()
    }

    /// What an opener was told, while the transfer is still the one that it opened.
    fn protection(&self) -> Option<(OpenerAnswer, Reservation)> {
        let (answer, (record, _)) = (self.answer?, self.record?);
        let is_alike = (record.to, record.turned) == (answer.opened.to, answer.opened.turned);
        let reservation = record.transfer().reservation();
        (record.reserves() && is_alike).then_some((answer, reservation))
    }

    fn put(&mut self, rules: &Rules, record: Declared, expected: Option<u16>) -> bool {
        let held = self.record.map(|(_, version)| version);
        if rules.compare && held != expected {
            return false;
        }
        self.last += 1;
        self.record = Some((record, self.last));
        true
    }

    fn answered(&mut self, opened: &OpenedTransfer) -> OpenerAnswer {
        let bits = |all: &mut dyn Iterator<Item = usize>| all.fold(0, |bits, one| bits | 1 << one);
        let covered = opened.progress.resources.iter();
        let mut covered = covered.filter_map(|one| resource_of(&one.identity));
        let mut deleting = opened.deleting.iter().filter_map(resource_of);
        let answer = OpenerAnswer {
            opened: Declared::of(&opened.transfer),
            covered: bits(&mut covered),
            deleting: bits(&mut deleting),
        };
        self.answer = Some(answer);
        answer
    }
}

impl Declared {
    pub const fn new(moved: usize, to: Place) -> Self {
        Self {
            moved,
            to,
            turned: false,
            phase: TransferPhase::Opening,
        }
    }

    /// What they are all called.
    pub fn name() -> TransferName {
        "t".parse().expect("a name")
    }

    /// From where they all lead.
    pub fn source() -> NamespaceRef {
        namespace_of(Place::ParentA)
    }

    pub fn of(transfer: &Transfer) -> Self {
        let leads_to = |place: &Place| transfer.to.has(place.copy());
        let moved = transfer.selection.below.first();
        Self {
            moved: moved.and_then(resource_of).expect("a resource"),
            to: ALL.into_iter().find(leads_to).expect("a place"),
            turned: transfer.turned,
            phase: transfer.phase,
        }
    }

    pub fn transfer(self) -> Transfer {
        let selection = Selection {
            below: vec![identity_of(self.moved).clone()],
            ..Selection::default()
        };
        let to = namespace_of(self.to);
        Transfer {
            phase: self.phase,
            turned: self.turned,
            ..Transfer::new(Self::name(), Self::source(), to, selection)
        }
    }

    fn reserves(self) -> bool {
        matches!(self.phase, TransferPhase::Opening | TransferPhase::Open)
    }
}

fn namespace_of(place: Place) -> NamespaceRef {
    let copy = place.copy();
    NamespaceRef {
        member: copy.member.clone(),
        namespace: copy.object.namespace.clone(),
    }
}

impl Errand {
    /// What it found at the source, until it has looked what came of reserving that.
    fn source(&self) -> Option<&[Held]> {
        let is_list = |one: &&Answer| matches!(one, Answer::Source(_) | Answer::Reserved(_));
        match self.answers.iter().rev().find(is_list)? {
            Answer::Source(claims) => Some(claims),
            _ => None,
        }
    }

    /// The answer that had the record last.
    fn record(&self) -> Option<&Answer> {
        let mut answers = self.answers.iter().rev();
        answers.find(|answer| matches!(answer, Answer::Transfer(_)))
    }
}

impl World {
    /// Somebody begins a step of a transfer's life.
    pub fn begin_errand(&mut self, task: Task) {
        let record = self.transfers.as_ref().and_then(|all| all.record);
        self.carry_on_errand(task, Vec::new(), record);
    }

    /// A step goes on with its next call.
    pub fn go_on_with_errand(&mut self, rules: &Rules, at: usize) {
        let Some(transfers) = &mut self.transfers else {
            return;
        };
        let errand = (*transfers.errands.remove(at)).clone();
        let answer = self.answer_errand(rules, &errand);
        let mut answers = errand.answers;
        answers.push(answer);
        self.carry_on_errand(errand.task, answers, errand.peeked);
    }

    /// Whoever is at a step dies over it.
    pub fn abandon_errand(&mut self, at: usize) {
        self.note(Coverage::Abandoned);
        let transfers = self.transfers.iter_mut();
        transfers.for_each(|all| drop(all.errands.remove(at)));
    }

    fn carry_on_errand(
        &mut self,
        task: Task,
        answers: Vec<Answer>,
        peeked: Option<(Declared, u16)>,
    ) {
        let Some(transfers) = &mut self.transfers else {
            return;
        };
        match replay(task, &answers) {
            Err(next) => {
                transfers.errands.push(Sealed::new(Errand {
                    task,
                    answers,
                    next,
                    peeked,
                }));
                transfers.errands.sort();
            }
            Ok(Some(opened)) => {
                let answer = transfers.answered(&opened);
                if answer.deleting != 0 {
                    self.note(Coverage::DeletedBefore);
                }
                if answer.opened.turned {
                    self.note(Coverage::Turned);
                }
            }
            Ok(None) => {}
        }
    }

    fn answer_errand(&mut self, rules: &Rules, errand: &Errand) -> Answer {
        let record = self.transfers.as_ref().and_then(|all| all.record);
        match &errand.next {
            Call::Transfer => match (errand.record(), errand.answers.last()) {
                (Some(then), _) if !rules.declared_after_claim && errand.source().is_some() => {
                    then.clone()
                }
                (_, Some(Answer::Reserved(_)))
                    if !rules.over_after_claims && errand.task == Task::Tidy =>
                {
                    Answer::Transfer(errand.peeked)
                }
                _ => Answer::Transfer(record),
            },
            Call::PutTransfer(next, expected) => {
                let mut transfers = self.transfers.iter_mut();
                let stored = transfers.any(|all| all.put(rules, *next, *expected));
                self.note_put(stored);
                Answer::Put(stored)
            }
            Call::Claim(resource) => Answer::Claim(self.held(*resource)),
            Call::PutClaim(next, expected) => Answer::Put(self.put_for(rules, next, *expected)),
            Call::Source => {
                let member = Declared::source().member;
                let is_there = |record: &Record| record.copies.keys().any(|c| c.member == member);
                Answer::Source(self.all_held(is_there))
            }
            Call::Reserved => {
                let mut claims = self.all_held(|record| record.reserved.is_some());
                if !rules.start_gives_free && matches!(errand.task, Task::Declare(_)) {
                    let has_begun = errand.answers.len() > 1;
                    claims.retain(|_| has_begun);
                }
                if let Some(then) = errand.source().filter(|_| !rules.look_after_reserving) {
                    let is_that = |one: &Held, other: &Held| one.0.identity == other.0.identity;
                    for held in &mut claims {
                        let then = then.iter().find(|then| is_that(held, then));
                        let copies = then.map(|(record, _)| record.copies.clone());
                        held.0 = Sealed::new(Record {
                            copies: copies.unwrap_or_default(),
                            ..(*held.0).clone()
                        });
                    }
                }
                Answer::Reserved(claims)
            }
        }
    }

    fn put_for(&mut self, rules: &Rules, next: &Record, expected: Option<u16>) -> bool {
        let Some(resource) = resource_of(&next.identity) else {
            return false;
        };
        let now = self.held(resource);
        let was_reserved = now.as_ref().is_some_and(|(now, _)| now.reserved.is_some());
        let is_that = now.map(|(_, version)| version) == expected;
        let stored = (is_that || !rules.compare) && self.put(rules, next, expected.is_some());
        self.note_put(stored);
        match (stored, next.reserved.is_some()) {
            (true, true) => self.note(Coverage::Reserved),
            (true, false) if was_reserved => self.note(Coverage::GivenFree),
            _ => {}
        }
        stored
    }

    fn note_put(&mut self, stored: bool) {
        if !stored {
            self.note(Coverage::Outrun);
        }
    }

    fn held(&self, resource: usize) -> Option<Held> {
        let transfers = self.transfers.as_ref()?;
        let record = self.claims[resource].clone()?;
        Some((record, transfers.versions[resource]))
    }

    fn all_held(&self, like_this: impl Fn(&Record) -> bool) -> Vec<Held> {
        let all = (0..RESOURCES).filter_map(|resource| self.held(resource));
        all.filter(|(record, _)| like_this(record)).collect()
    }

    /// Whether a claim is reserved.
    pub fn is_reserved(&self) -> bool {
        let mut claims = self.claims.iter().flatten();
        claims.any(|record| record.reserved.is_some())
    }

    /// A copy here was acquired: not where its claim is reserved for another place.
    pub fn note_astray(&mut self, place: Place, resource: usize) {
        let reserved = self.claims[resource].as_ref();
        let reserved = reserved.and_then(|record| record.reserved.as_ref());
        let is_elsewhere = reserved.is_some_and(|one| !one.to.has(place.copy()));
        if let Some(transfers) = &mut self.transfers {
            transfers.astray |= is_elsewhere;
        }
    }

    /// As long as a transfer is open, the claims that it covers say so; nobody goes live but
    /// where it leads, and nobody deletes what it moves, or what that is in, but for the
    /// deletes that its opener was told of.
    pub fn what_is_moved_is_protected(&self) -> bool {
        let Some(transfers) = &self.transfers else {
            return true;
        };
        let Some((answer, reservation)) = transfers.protection() else {
            return !transfers.astray;
        };
        let is_in = |bits: u8, resource: usize| bits & 1 << resource != 0;
        let is_safe = |resource: usize| {
            let record = self.claims[resource].as_ref();
            let reserved = record.and_then(|record| record.reserved.as_ref());
            let is_deleting = is_in(answer.deleting, resource);
            reserved == Some(&reservation) && (is_deleting || !self.is_being_taken(resource))
        };
        let mut covered = (0..RESOURCES).filter(|&resource| is_in(answer.covered, resource));
        !transfers.astray && covered.all(is_safe)
    }

    /// Whether a delete is under way that takes the resource, by itself or with what it is in.
    fn is_being_taken(&self, resource: usize) -> bool {
        let takes = |place: Place| {
            let own = place.identity();
            place.resources().contains(&resource) || identity_of(resource).is_below(own)
        };
        let stored = ALL.into_iter().filter(|&place| takes(place)).any(|place| {
            let object = self.object(place);
            object.is_some_and(|object| object.deletes() && object.end == Word::Kept)
        });
        let admitted = self.requests.iter().any(|request| {
            let admitted = request.phase == Phase::Admitted && request.word == Word::Kept;
            admitted && request.deletes() && takes(request.place)
        });
        stored || admitted
    }

    /// Members do for the transfer what is theirs, undisturbed.
    pub fn look_after_transfers(&mut self, rules: &Rules) {
        let Some(transfers) = self.transfers.as_ref().filter(|_| rules.tidy) else {
            return;
        };
        let phase = transfers.record.map(|(record, _)| record.phase);
        let own = match phase {
            Some(TransferPhase::Opening) => Some(Task::Open),
            Some(TransferPhase::Closing) => Some(Task::Close),
            _ => None,
        };
        for task in own.into_iter().chain([Task::Tidy]) {
            self.begin_errand(task);
            while self.has_errands() {
                self.go_on_with_errand(rules, 0);
            }
        }
    }

    pub fn has_errands(&self) -> bool {
        let transfers = self.transfers.as_ref();
        transfers.is_some_and(|all| !all.errands.is_empty())
    }

    /// Whether what is reserved is so for a transfer that is there, and not over.
    pub fn reserves_rightly(&self) -> bool {
        let record = self.transfers.as_ref().and_then(|all| all.record);
        !self.is_reserved() || record.is_some_and(|(record, _)| record.reserves())
    }
}
