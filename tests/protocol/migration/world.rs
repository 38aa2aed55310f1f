//! Two clusters, two registries, and what goes on between them.

use aso_guard::arm::Identity;
use aso_guard::claim::{
    CopyRef, Epoch, EpochMember, EpochRecord, KnownEpoch, MemberName, Memory, Remembered,
};
use aso_guard::object::ObjectKey;
use jiff::Timestamp;

use super::enrolments::{Config, Process};
use super::operator::{Command, Stage};
use super::registries::Registry;
use super::requests::{Kind, Request};

/// How long an admitted request may be under way, in ticks.
pub const LIMIT: u16 = 2;
pub const MEMBERS: usize = 2;
/// A resource group, and something inside it.
pub const RESOURCES: usize = 2;

/// Which rules hold.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub struct Rules {
    /// What the old one admits while it is closing is written in the new one, too.
    pub written_in_both: bool,
    /// All members are awaited in the new one after the old one began to close.
    pub all_are_awaited: bool,
    /// They were in the very round of the old one that it is in at the end.
    pub awaited_in_this_round: bool,
    pub a_mark_begins_a_round: bool,
    /// A guard that has one registry alone judges nothing by one with a mark.
    pub marks_are_heeded: bool,
    /// The new one is judged by alone after the old one is closed.
    pub closed_before_opened: bool,
}

impl Rules {
    pub const ALL: Self = Self {
        written_in_both: true,
        all_are_awaited: true,
        awaited_in_this_round: true,
        a_mark_begins_a_round: true,
        marks_are_heeded: true,
        closed_before_opened: true,
    };
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools)]
pub struct Bounds {
    pub name: &'static str,
    /// Every guard has both registries all the while: nothing may be refused for the move's sake.
    pub both: bool,
    /// Guards are restarted as the operator is told: with both before the old one closes, and with
    /// the new one alone after the fleet has moved.
    pub in_order: bool,
    /// The operator closes the old registry when all guards have both.
    pub ready: bool,
    /// Processes die.
    pub crashes: bool,
    /// The operator may give the move up.
    pub cancels: bool,
    /// The operator may move the fleet back.
    pub back: bool,
    pub replicas: usize,
    /// Which registries lose what they know, or are set back to an earlier time.
    pub losses: [bool; 2],
}

/// What was come across.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub admitted: [u32; 3],
    pub refused: u32,
    pub tried_again: u32,
    pub closed: u32,
    pub cancelled: u32,
    pub moved: u32,
    pub stored: u32,
    pub deleted: u32,
    pub lost: u32,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        for (all, one) in self.admitted.iter_mut().zip(other.admitted) {
            *all += one;
        }
        self.refused += other.refused;
        self.tried_again += other.tried_again;
        self.closed += other.closed;
        self.cancelled += other.cancelled;
        self.moved += other.moved;
        self.stored += other.stored;
        self.deleted += other.deleted;
        self.lost += other.lost;
    }

    /// Whether there was enough of all to mean anything.
    pub fn is_worth_it(&self) -> bool {
        let seen = [self.refused, self.tried_again, self.closed, self.moved];
        let done = [self.stored, self.deleted];
        let mut all = self.admitted.iter().chain(&seen).chain(&done);
        all.all(|count| *count > 20)
    }
}

/// Chance, the same for the same seed.
pub struct Dice(u64);

impl Dice {
    /// Mixed first: seeds that follow each other would give the same course, a throw later.
    pub fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        usize::try_from(mixed(self.0) % limit as u64).expect("a small number")
    }
}

fn mixed(number: u64) -> u64 {
    let mut mixed = number;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// One copy that may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub member: usize,
    pub resource: usize,
}

impl Place {
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |member| (0..RESOURCES).map(move |resource| Self { member, resource });
        (0..MEMBERS).flat_map(of)
    }

    pub fn copy(self) -> CopyRef {
        CopyRef {
            member: named(self.member),
            object: ObjectKey::new("g", ["P", "C"][self.resource], "n", "o"),
        }
    }

    pub fn identity(self) -> Identity {
        let all = [
            "/subscriptions/s/resourceGroups/p",
            "/subscriptions/s/resourceGroups/p/providers/P/c/c",
        ];
        all[self.resource].parse().expect("a valid ARM ID")
    }
}

pub fn named(member: usize) -> MemberName {
    ["a", "b"][member].parse().expect("a valid name")
}

pub fn time(ticks: u16) -> Timestamp {
    Timestamp::from_second(i64::from(ticks)).expect("a time within a few hours of 1970")
}

/// An object as the API server has it stored.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    pub uid: u16,
    pub version: u16,
    pub live: bool,
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    pub objects: [Option<Object>; RESOURCES],
    /// The uids that were ever stored.
    pub uids: [Vec<u16>; RESOURCES],
    /// What is kept of the registry that guards have first, and of the other one.
    pub memory: [Option<Remembered>; 2],
}

/// All of it.
pub struct World {
    pub bounds: Bounds,
    pub rules: Rules,
    pub registries: [Registry; 2],
    pub clusters: [Cluster; MEMBERS],
    pub processes: Vec<Process>,
    pub requests: Vec<Request>,
    pub command: Option<Command>,
    /// How far the operator is.
    pub stage: Stage,
    pub now: u16,
    pub numbers: u16,
    pub story: Vec<String>,
    pub wrong: Option<String>,
    pub tally: Tally,
}

impl World {
    pub fn new(bounds: &Bounds, rules: Rules) -> Self {
        let epoch = Epoch {
            id: "id-0".into(),
            round: 0,
        };
        let members = (0..MEMBERS).map(|one| (named(one), EpochMember::Enrolled));
        let record = EpochRecord {
            epoch: epoch.clone(),
            members: members.collect(),
            ..EpochRecord::default()
        };
        let known = KnownEpoch {
            epoch: epoch.clone(),
            writes: 1,
            migration: None,
        };
        let config = if bounds.both || bounds.in_order {
            Config::Pair(0)
        } else {
            Config::Alone(0)
        };
        let processes = (0..MEMBERS * bounds.replicas).map(|number| {
            let mut process = Process::new(number % MEMBERS, config);
            process.epochs[0].knows(record.clone(), known.clone());
            process
        });
        let clusters = std::array::from_fn(|member| Cluster {
            memory: [
                Some(Remembered {
                    epoch: epoch.clone(),
                    writes: 1,
                    companions: [named(1 - member)].into(),
                }),
                None,
            ],
            ..Cluster::default()
        });
        let mut old = Registry::empty(0);
        old.epoch = Some((record.clone(), 0));
        old.writes = [1; MEMBERS];
        Self {
            bounds: *bounds,
            rules,
            registries: [old, Registry::empty(1)],
            clusters,
            processes: processes.collect(),
            requests: Vec::new(),
            command: None,
            stage: Stage::Before,
            now: 1,
            numbers: 0,
            story: Vec::new(),
            wrong: None,
            tally: Tally::default(),
        }
    }

    pub fn memory(&self, member: usize, slot: usize) -> Memory {
        let kept = self.clusters[member].memory[slot].clone();
        kept.map_or(Memory::Fresh, Memory::Known)
    }

    pub fn number(&mut self) -> u16 {
        self.numbers += 1;
        self.numbers
    }

    pub fn note(&mut self, words: String) {
        self.story.push(format!("{}: {words}", self.now));
    }

    /// Something happens.
    pub fn step(&mut self, dice: &mut Dice) {
        if self.bounds.losses != [false; 2] && dice.below(30) == 0 {
            self.lose(dice);
            return;
        }
        match dice.below(64) {
            0..=9 => self.ask(dice),
            10..=29 => self.go_on_with_a_request(dice),
            30..=35 => self.store(dice),
            36..=45 => self.enrol(dice),
            46..=51 => self.observe(dice),
            52..=57 => self.operate(dice),
            58..=62 => {
                self.now += 1;
                self.give_up();
            }
            _ => self.restart(dice),
        }
        self.check();
    }

    /// Somebody asks for something.
    fn ask(&mut self, dice: &mut Dice) {
        if self.requests.len() >= 3 {
            return;
        }
        let (member, resource) = (dice.below(MEMBERS), dice.below(3) / 2);
        let place = Place { member, resource };
        let object = self.clusters[member].objects[resource];
        let kind = match object {
            None => Kind::Create,
            Some(object) if !object.live => Kind::Activate,
            Some(_) if dice.below(2) == 0 => {
                let version = self.number();
                let objects = &mut self.clusters[member].objects;
                objects[resource] = object.map(|object| Object {
                    version,
                    live: false,
                    ..object
                });
                self.note(format!("{place:?} is parked"));
                return;
            }
            Some(_) => Kind::Delete,
        };
        let own: Vec<usize> = (0..self.processes.len())
            .filter(|&one| self.processes[one].member == member)
            .collect();
        let process = own[dice.below(own.len())];
        let number = self.number();
        let request = Request::new(number, place, kind, process, object, self.now);
        self.note(format!("{number}: {kind:?} {place:?} at process {process}"));
        self.requests.push(request);
    }

    /// Whether a copy is live, or may become so.
    fn may_be_live(&self, place: Place) -> bool {
        let object = self.clusters[place.member].objects[place.resource];
        let admitted = self.requests.iter().any(|one| {
            let is_on = match one.kind {
                Kind::Create => object.is_none(),
                Kind::Activate => object.is_some_and(|object| object.version == one.on),
                Kind::Delete => false,
            };
            one.place == place && one.admitted && is_on
        });
        object.is_some_and(|object| object.live) || admitted
    }

    fn check(&mut self) {
        for resource in 0..RESOURCES {
            let mut places = (0..MEMBERS).map(|member| Place { member, resource });
            if places.all(|place| self.may_be_live(place)) {
                let words = format!("resource {resource} has two live copies");
                self.wrong.get_or_insert(words);
            }
        }
        let deletes = self.requests.iter().filter(|one| one.is_a_delete_to_come());
        let places: Vec<Place> = deletes.map(|one| one.place).collect();
        for place in places {
            let other = 1 - place.member;
            let object = self.clusters[place.member].objects[place.resource];
            let inside = (place.resource..RESOURCES).any(|resource| {
                let needs = Place {
                    member: other,
                    resource,
                };
                self.may_be_live(needs)
            });
            let peer = self.clusters[other].objects[place.resource].is_some();
            if object.is_some_and(|object| object.live) && (inside || peer) {
                let words = format!("the delete of {place:?} takes what {other} needs");
                self.wrong.get_or_insert(words);
            }
        }
    }
}
