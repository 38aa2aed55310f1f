//! The registries, and what they lose.

use std::collections::BTreeMap;

use aso_guard::arm::Identity;
use aso_guard::claim::{EpochRecord, Record};

use super::world::{Dice, MEMBERS, World};

/// How many earlier states of a registry are kept at most.
const BACKUPS: usize = 3;

/// A registry.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    pub claims: BTreeMap<Identity, (Record, u64)>,
    pub epoch: Option<(EpochRecord, u64)>,
    pub versions: u64,
    /// How often each member wrote its own record.
    pub writes: [u32; MEMBERS],
    /// Which of the two it is.
    number: usize,
    backups: Vec<Backup>,
}

/// A registry as it was once.
#[derive(Clone, Debug)]
struct Backup {
    claims: BTreeMap<Identity, (Record, u64)>,
    epoch: Option<(EpochRecord, u64)>,
    writes: [u32; MEMBERS],
}

impl Registry {
    /// The new one, of which nobody knows anything.
    pub fn empty(number: usize) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    pub fn epoch_record(&self) -> Option<&EpochRecord> {
        self.epoch.as_ref().map(|(record, _)| record)
    }

    pub fn put_claim(&mut self, record: &Record, expected: Option<u64>) -> bool {
        let held = self
            .claims
            .get(&record.identity)
            .map(|(_, version)| *version);
        if held != expected {
            return false;
        }
        self.versions += 1;
        if record.is_empty() {
            self.claims.remove(&record.identity);
        } else {
            let stored = (record.clone(), self.versions);
            self.claims.insert(record.identity.clone(), stored);
        }
        true
    }

    pub fn put_epoch(&mut self, record: &EpochRecord, expected: Option<u64>) -> bool {
        let held = self.epoch.as_ref().map(|(_, version)| *version);
        if held != expected {
            return false;
        }
        self.versions += 1;
        let mut record = record.clone();
        if expected.is_none() {
            record.epoch.id = format!("id-{}-{}", self.number, self.versions).into();
        }
        self.epoch = Some((record, self.versions));
        true
    }

    fn back_up(&mut self) {
        let backup = Backup {
            claims: self.claims.clone(),
            epoch: self.epoch.clone(),
            writes: self.writes,
        };
        if self.backups.len() == BACKUPS {
            self.backups.remove(0);
        }
        self.backups.push(backup);
    }
}

impl World {
    /// A registry loses what it knew, or is backed up.
    pub fn lose(&mut self, dice: &mut Dice) {
        let registry = dice.below(2);
        if !self.bounds.losses[registry] {
            return;
        }
        if dice.below(5) > 0 {
            self.back_up(registry);
            return;
        }
        let kind = dice.below(6);
        if self.registries[registry].epoch.is_none() {
            return;
        }
        let it = &mut self.registries[registry];
        let words = match kind {
            0 => "is emptied",
            1 => {
                it.writes = [0; MEMBERS];
                "is made anew"
            }
            _ if it.backups.is_empty() => return,
            _ => {
                let Backup {
                    claims,
                    epoch,
                    writes,
                } = it.backups[dice.below(it.backups.len())].clone();
                it.writes = writes;
                it.claims = claims;
                it.epoch = epoch;
                self.lost(registry, "is set back");
                return;
            }
        };
        it.claims.clear();
        it.epoch = None;
        self.lost(registry, words);
    }

    fn lost(&mut self, registry: usize, words: &str) {
        self.tally.lost += 1;
        let record = self.registries[registry].epoch_record();
        let now = record.map(|record| (record.epoch.clone(), record.migration.clone()));
        self.note(format!("{registry} {words}: {now:?}"));
    }

    /// A registry is kept as it is now, before every replica writes once more.
    fn back_up(&mut self, registry: usize) {
        self.registries[registry].back_up();
        for number in 0..self.processes.len() {
            self.beat(number, registry);
        }
    }

    /// A process writes its member's record, unless that went back.
    fn beat(&mut self, number: usize, registry: usize) {
        let process = &mut self.processes[number];
        let (member, config) = (process.member, process.config);
        if !config.registries().contains(&registry) {
            return;
        }
        let held = &mut self.registries[registry].writes[member];
        let kept = self.clusters[member].memory[config.slot(registry)].as_ref();
        let Some(epoch) = process.epochs[registry].writes_under(*held + 1, kept) else {
            return;
        };
        *held += 1;
        let held = *held;
        let kept = &mut self.clusters[member].memory[config.slot(registry)];
        if let Some(kept) = kept.as_mut().filter(|kept| kept.epoch == epoch) {
            kept.writes = kept.writes.max(held);
        }
    }
}
