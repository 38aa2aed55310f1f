//! Who moves the fleet, and what there is at the end.

use aso_guard::claim::{EpochRecord, MemberCopy, Migration, MigrationStep, cancelled, next_step};

use super::enrolments::Config;
use super::world::{Dice, Place, World};

/// A record that is about to be stored.
pub struct Command {
    registry: usize,
    record: EpochRecord,
    version: Option<u64>,
    is_cancel: bool,
}

/// How far the operator is with the move, by what was stored last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Before,
    Closing,
    Moved,
}

impl World {
    /// The operator reads and decides, or writes what was decided.
    pub fn operate(&mut self, dice: &mut Dice) {
        if let Some(command) = self.command.take() {
            self.write(&command);
            return;
        }
        let first = usize::from(self.bounds.back && dice.below(4) == 0);
        if self.bounds.cancels && dice.below(40) == 0 {
            self.command = self.cancel(first);
        } else {
            self.command = self.decide(first);
        }
    }

    fn write(&mut self, command: &Command) -> bool {
        let Command {
            registry,
            record,
            version,
            is_cancel,
        } = command;
        let mut record = record.clone();
        let held = self.registries[*registry].epoch_record();
        if let (false, Some(held)) = (self.rules.a_mark_begins_a_round, held) {
            let awaits = record.awaited().count() > held.awaited().count();
            if !awaits {
                record.epoch.round = held.epoch.round;
            }
        }
        let mark = record.migration.clone();
        let is_stored = self.registries[*registry].put_epoch(&record, *version);
        if is_stored {
            self.tally.cancelled += u32::from(*is_cancel);
            match &mark {
                Some(Migration::ClosingTo(_)) => self.tally.closed += 1,
                Some(Migration::ClosedTo(_)) => self.tally.moved += 1,
                _ => {}
            }
            self.stage = match (&mark, registry) {
                _ if *is_cancel => Stage::Before,
                (Some(Migration::ClosingTo(_)), _) => Stage::Closing,
                (None, 1) => Stage::Moved,
                _ => self.stage,
            };
            let round = record.epoch.round;
            self.note(format!("{registry} is marked {mark:?} in round {round}"));
        }
        is_stored
    }

    fn cancel(&self, first: usize) -> Option<Command> {
        let (record, version) = self.registries[first].epoch.clone()?;
        let record = cancelled(&record).ok()??;
        Some(Command {
            registry: first,
            record,
            version: Some(version),
            is_cancel: true,
        })
    }

    fn decide(&self, first: usize) -> Option<Command> {
        let second = 1 - first;
        let (old, new) = (
            &self.registries[first].epoch,
            &self.registries[second].epoch,
        );
        let record = |known: &Option<(EpochRecord, u64)>| known.as_ref().map(|one| one.0.clone());
        let version = |known: &Option<(EpochRecord, u64)>| known.as_ref().map(|one| one.1);
        let (seen_old, mut seen_new) = (record(old), record(new));
        if let (false, Some(Migration::After { since, .. })) = (
            self.rules.awaited_in_this_round,
            seen_new.as_mut().and_then(|new| new.migration.as_mut()),
        ) && since.is_some()
        {
            *since = seen_old.as_ref().map(|old| old.epoch.round);
        }
        if !self.rules.closed_before_opened
            && let Some(Migration::After { since: Some(_), .. }) =
                seen_new.as_ref().and_then(|new| new.migration.as_ref())
            && let Some(mut opened) = seen_new.clone()
            && opened.is_whole()
        {
            opened.epoch.round += 1;
            opened.migration = None;
            let version = version(new);
            return Some(Command {
                registry: second,
                record: opened,
                version,
                is_cancel: false,
            });
        }
        let to_new = |record| (second, record, version(new));
        let to_old = |record| (first, record, version(old));
        let (registry, record, version) = match next_step(seen_old.as_ref(), seen_new.as_ref()) {
            Ok(MigrationStep::Close(_)) if self.bounds.ready && !self.all_have(first) => {
                return None;
            }
            Ok(MigrationStep::Await(_)) if !self.rules.all_are_awaited => {
                let mut record = seen_new?;
                record.migration = Some(Migration::After {
                    old: seen_old.as_ref()?.epoch.id.clone(),
                    since: Some(seen_old.as_ref()?.epoch.round),
                });
                record.epoch.round += 1;
                to_new(record)
            }
            Ok(
                MigrationStep::Prepare(record)
                | MigrationStep::Await(record)
                | MigrationStep::Open(record),
            ) => to_new(record),
            Ok(MigrationStep::Close(record) | MigrationStep::Finish(record)) => to_old(record),
            Ok(MigrationStep::Wait(_) | MigrationStep::Done) | Err(_) => return None,
        };
        Some(Command {
            registry,
            record,
            version,
            is_cancel: false,
        })
    }

    /// Whether all guards have this registry, and the other one as the next.
    fn all_have(&self, first: usize) -> bool {
        let mut all = self.processes.iter();
        all.all(|process| process.config == Config::Pair(first))
    }

    /// What is under way ends, and the move with it.
    ///
    /// # Errors
    /// What is not as it is to be then.
    pub fn end(&mut self, dice: &mut Dice) -> Result<(), String> {
        self.command = None;
        self.requests.retain(|request| request.admitted);
        while !self.requests.is_empty() {
            self.store(dice);
        }
        // Which way it went last.
        let marks = [0, 1].map(|one| {
            let record = self.registries[one].epoch_record();
            record.and_then(|record| record.migration.clone())
        });
        let first = usize::from(matches!(
            (&marks[0], &marks[1]),
            (
                Some(Migration::ClosedTo(_) | Migration::After { .. }),
                None | Some(Migration::ClosingTo(_))
            )
        ));
        let is_moved = matches!((&marks[0], &marks[1]), (Some(Migration::ClosedTo(_)), None));
        let first = if is_moved { 0 } else { first };
        for process in 0..self.processes.len() {
            self.begin(process, Config::Pair(first));
        }
        for _ in 0..12 {
            self.now += 4;
            self.enrol_all();
            if let Some(command) = self.decide(first) {
                self.write(&command);
            }
        }
        let (old, new) = (&self.registries[first], &self.registries[1 - first]);
        let step = next_step(old.epoch_record(), new.epoch_record());
        if step != Ok(MigrationStep::Done) {
            return Err(format!("the move does not end: {step:?}"));
        }
        for place in Place::all() {
            let object = self.clusters[place.member].objects[place.resource];
            let is_live = object.is_some_and(|object| object.live);
            let claim = self.registries[1 - first].claims.get(&place.identity());
            let copy = claim.and_then(|(record, _)| record.copies.get(&place.copy()));
            if is_live && !copy.is_some_and(MemberCopy::is_live) {
                return Err(format!("{place:?} is live, and is not so in its claim"));
            }
        }
        Ok(())
    }
}
