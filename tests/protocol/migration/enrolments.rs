//! The processes of guards, and what they know of their registries' epochs.

use aso_guard::claim::{
    Enrolment, EnrolmentAnswer, EnrolmentCall, Epoch, EpochRecord, KnownEpoch, Memory, Remembered,
    judge,
};

use super::operator::Stage;
use super::world::{Dice, LIMIT, MEMBERS, Place, RESOURCES, World, named};

/// Which registries a guard has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    /// This one.
    Alone(usize),
    /// This one, and the other one as the next.
    Pair(usize),
}

impl Config {
    pub fn registries(self) -> Vec<usize> {
        match self {
            Self::Alone(one) => vec![one],
            Self::Pair(one) => vec![one, 1 - one],
        }
    }

    /// Under which of its names a cluster keeps what it remembers of a registry.
    pub fn slot(self, registry: usize) -> usize {
        let (Self::Alone(first) | Self::Pair(first)) = self;
        usize::from(registry != first)
    }
}

/// A process of a guard.
pub struct Process {
    pub member: usize,
    pub config: Config,
    pub epochs: [ProcessEpoch; 2],
}

/// What a process knows of one registry's epoch.
#[derive(Default)]
pub struct ProcessEpoch {
    /// As it was read last.
    pub record: Option<EpochRecord>,
    pub known: Option<KnownEpoch>,
    seen: Option<(Epoch, u16)>,
    way: Option<Enrolment<u64>>,
    /// How often it knows that its member wrote its own record, under the epoch that it saw last.
    writes: u32,
    /// Whether it writes in it, where it is the next one.
    takes_part: bool,
}

impl Process {
    pub fn new(member: usize, config: Config) -> Self {
        Self {
            member,
            config,
            epochs: Default::default(),
        }
    }
}

impl ProcessEpoch {
    /// It has looked at the registry.
    pub fn knows(&mut self, record: EpochRecord, known: KnownEpoch) {
        self.writes = known.writes;
        self.seen = Some((record.epoch.clone(), 0));
        self.record = Some(record);
        self.known = Some(known);
    }
}

impl ProcessEpoch {
    /// It writes its member's record for the so-manieth time, unless it knows of more. Gives under
    /// which epoch.
    pub fn writes_under(&mut self, writes: u32, kept: Option<&Remembered>) -> Option<Epoch> {
        let (epoch, _) = self.seen.clone()?;
        if writes <= self.least_writes(kept) || self.record.is_none() {
            return None;
        }
        self.writes = writes;
        Some(epoch)
    }

    /// How often its member wrote its own record, at least. `kept`: what the member remembers.
    pub fn least_writes(&self, kept: Option<&Remembered>) -> u32 {
        let is_kept = |kept: &&Remembered| {
            let (id, round) = (&kept.epoch.id, kept.epoch.round);
            let seen = self.seen.as_ref();
            seen.is_some_and(|(seen, _)| *id == seen.id && round >= seen.round)
        };
        let kept = kept.filter(is_kept);
        self.writes.max(kept.map_or(0, |kept| kept.writes))
    }
}

impl World {
    /// A process goes on with what it does about an epoch.
    pub fn enrol(&mut self, dice: &mut Dice) {
        let process = dice.below(self.processes.len());
        let of = self.processes[process].config.registries();
        let registry = of[dice.below(of.len())];
        // One call, or some in a row.
        for _ in 0..=dice.below(6) {
            self.enrol_one(process, registry);
        }
    }

    fn enrol_one(&mut self, process: usize, registry: usize) {
        let way = self.processes[process].epochs[registry].way.take();
        let member = named(self.processes[process].member);
        let mut way = way.unwrap_or_else(|| Enrolment::new(member));
        if self.make(process, registry, &mut way, true) {
            self.processes[process].epochs[registry].way = Some(way);
        }
    }

    /// A process looks at an epoch, as far as there is nothing to wait for or to bring in.
    pub fn look_at_epoch(&mut self, process: usize, registry: usize) {
        let mut way = Enrolment::new(named(self.processes[process].member));
        while self.make(process, registry, &mut way, false) {}
    }

    /// Makes one call. Gives whether there is more to do now.
    fn make(
        &mut self,
        process: usize,
        registry: usize,
        way: &mut Enrolment<u64>,
        brings: bool,
    ) -> bool {
        let Process { member, config, .. } = self.processes[process];
        let now = self.now;
        let fits = self.fits(process, registry);
        let kept = self.memory(member, config.slot(registry));
        let state = &mut self.processes[process].epochs[registry];
        let answer = match way.call() {
            EnrolmentCall::Recall => {
                let mut memory = kept;
                if let Memory::Known(remembered) = &mut memory {
                    let seen = state.seen.as_ref();
                    if seen.is_some_and(|(seen, _)| *seen == remembered.epoch) {
                        remembered.writes = remembered.writes.max(state.writes);
                    }
                }
                EnrolmentAnswer::Recalled(memory)
            }
            EnrolmentCall::Read => {
                let seen = self.registries[registry].epoch.clone();
                state.record = seen.as_ref().map(|(record, _)| record.clone());
                let epoch = state.record.as_ref().map(|record| record.epoch.clone());
                let epoch = epoch.unwrap_or_default();
                if state.seen.as_ref().is_none_or(|(seen, _)| *seen != epoch) {
                    state.seen = Some((epoch, now));
                    state.writes = 0;
                }
                state.takes_part |= fits;
                let is_new = seen.is_none() && matches!(config, Config::Pair(_));
                if is_new || !state.takes_part {
                    // People make the next one, and the first one is not made under a move.
                    state.not_whole(now);
                    return false;
                }
                let writes = self.registries[registry].writes[member];
                EnrolmentAnswer::Read(seen, Some(writes))
            }
            EnrolmentCall::Members => {
                let writes = self.registries[registry].writes;
                let named = (0..MEMBERS).filter(|&one| writes[one] > 0).map(named);
                EnrolmentAnswer::Members(named.collect())
            }
            EnrolmentCall::Put(record, version) => {
                state.not_whole(now);
                let (record, version) = (record.clone(), version.copied());
                if self.registries[registry].put_epoch(&record, version) {
                    EnrolmentAnswer::Stored
                } else {
                    EnrolmentAnswer::Conflict
                }
            }
            EnrolmentCall::WaitOut(epoch) => {
                state.not_whole(now);
                let seen = state.seen.as_ref().filter(|(seen, _)| seen == epoch);
                let is_over = seen.is_some_and(|(_, since)| now > since + LIMIT);
                if !brings || !is_over {
                    return false;
                }
                EnrolmentAnswer::WaitedOut
            }
            EnrolmentCall::BringIn if !brings => return false,
            EnrolmentCall::BringIn => {
                for resource in 0..RESOURCES {
                    self.look(registry, Place { member, resource });
                }
                self.note(format!("process {process} brought all into {registry}"));
                EnrolmentAnswer::BroughtIn
            }
            EnrolmentCall::Remember(remembered) => {
                let remembered: Remembered = remembered.clone();
                self.clusters[member].memory[config.slot(registry)] = Some(remembered);
                EnrolmentAnswer::Remembered
            }
            EnrolmentCall::Done(known) => {
                let is_same = |known: &KnownEpoch| {
                    let now = state.known.as_ref();
                    now.is_some_and(|now| now.epoch == known.epoch)
                };
                match known {
                    // The same one is left as it is: an admission may hold it.
                    Some(known) if is_same(known) => {}
                    Some(known) => state.known = Some(known.clone()),
                    None => state.not_whole(now),
                }
                return false;
            }
        };
        way.answer(answer);
        true
    }

    /// Whether a process writes in a registry: in the next one, once that fits the first.
    fn fits(&self, process: usize, registry: usize) -> bool {
        let Config::Pair(first) = self.processes[process].config else {
            return true;
        };
        let old = &self.processes[process].epochs[first].record;
        let new = self.registries[registry].epoch_record();
        registry == first || judge(old.as_ref(), new).is_ok()
    }

    /// A process ends, and another one begins, perhaps with other registries.
    pub fn restart(&mut self, dice: &mut Dice) {
        let process = dice.below(self.processes.len());
        let config = if self.bounds.both {
            self.processes[process].config
        } else if self.bounds.in_order {
            match (self.stage, dice.below(4)) {
                (Stage::Before, 0) => Config::Alone(0),
                (Stage::Moved, 0 | 1) => Config::Alone(1),
                _ => Config::Pair(0),
            }
        } else {
            match dice.below(6) {
                0 => Config::Alone(0),
                // Nobody uses a registry alone that the fleet has not begun to move to.
                1 if self.registries[1].epoch.is_some() => Config::Alone(1),
                2 if self.bounds.back => Config::Pair(1),
                _ => Config::Pair(0),
            }
        };
        if !self.bounds.crashes && config == self.processes[process].config {
            return;
        }
        self.note(format!("process {process} begins with {config:?}"));
        self.begin(process, config);
    }

    pub fn begin(&mut self, process: usize, config: Config) {
        self.requests
            .retain(|request| request.admitted || request.process != process);
        self.processes[process] = Process::new(self.processes[process].member, config);
        for registry in config.registries() {
            self.look_at_epoch(process, registry);
        }
    }

    /// Every process goes on until nothing changes.
    pub fn enrol_all(&mut self) {
        for _ in 0..16 {
            for process in 0..self.processes.len() {
                for registry in self.processes[process].config.registries() {
                    self.enrol_one(process, registry);
                }
            }
        }
    }
}

impl ProcessEpoch {
    /// Nothing may be judged by it from now on.
    fn not_whole(&mut self, now: u16) {
        if self.known.take().is_some()
            && let Some((_, since)) = &mut self.seen
        {
            *since = now;
        }
    }
}
