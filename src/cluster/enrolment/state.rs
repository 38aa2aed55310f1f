//! What a process knows of the registry's epoch.

use std::sync::Arc;

use tokio::time::Instant;

use crate::claim::{Epoch, EpochRecord, KnownEpoch, MemberName, Memory};

/// All of it.
#[derive(Default)]
pub(super) struct EpochState {
    /// What may be judged by.
    pub(super) known: Option<Arc<KnownEpoch>>,
    /// The record as it was read last.
    pub(super) record: Option<Arc<EpochRecord>>,
    /// What this process remembers, once it has been asked for.
    pub(super) memory: Option<Memory>,
    /// What was kept last.
    pub(super) kept_writes: u32,
    /// The epoch that was read last, and since when it has not been known to be whole.
    pub(super) seen: Option<(Epoch, Instant)>,
    /// How often this process knows that its member wrote its own record under that epoch.
    pub(super) writes: u32,
    pub(super) enrolling: bool,
    pub(super) awaited: Vec<MemberName>,
    /// How many members its record names.
    pub(super) members: usize,
    /// Whether it was said that nothing can be kept.
    pub(super) warned: bool,
}

impl EpochState {
    /// Whether what is remembered is of the epoch that was read last.
    pub(super) fn remembers_what_it_saw(&self) -> bool {
        match (&self.memory, &self.seen) {
            (Some(Memory::Known(kept)), Some((seen, _))) => kept.epoch == *seen,
            (_, None) => true,
            _ => false,
        }
    }

    /// How often the member wrote its own record, at least. In a registry that went back to an
    /// earlier round, as often as in the last one that is remembered.
    pub(super) fn least_writes(&self) -> u32 {
        let kept = match (&self.memory, &self.seen) {
            (Some(Memory::Known(kept)), Some((seen, _)))
                if kept.epoch.id == seen.id && kept.epoch.round >= seen.round =>
            {
                kept.writes
            }
            _ => 0,
        };
        self.writes.max(kept)
    }
}
