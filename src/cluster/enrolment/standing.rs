//! How a replica stands to its registry's epoch.

use std::sync::Arc;

use crate::claim::{EpochRecord, KnownEpoch, Memory};

use super::RegistryEpoch;

impl RegistryEpoch {
    /// What may be judged by; `None` while somebody is awaited, and before it was looked.
    pub fn known(&self) -> Option<Arc<KnownEpoch>> {
        self.state.lock().known.clone()
    }

    /// What may be judged by where this is the only registry: not one that is moved from or to.
    pub fn known_alone(&self) -> Option<Arc<KnownEpoch>> {
        self.known().filter(|known| known.migration.is_none())
    }

    /// The record as it was read last; `None` where there was none.
    pub fn seen(&self) -> Option<Arc<EpochRecord>> {
        self.state.lock().record.clone()
    }

    /// Whether this member has to bring its copies in, or is at it.
    pub fn is_enrolling(&self) -> bool {
        self.state.lock().enrolling
    }

    /// The `id` of the epoch that the member remembers; empty where it remembers none.
    pub fn remembered(&self) -> Arc<str> {
        match &self.state.lock().memory {
            Some(Memory::Known(remembered)) => remembered.epoch.id.clone(),
            _ => Arc::default(),
        }
    }

    /// How often the member wrote its own record, at least, by what this process knows.
    pub fn writes(&self) -> u32 {
        self.state.lock().least_writes()
    }

    /// The member's own record was written for the so-manieth time.
    pub fn wrote(&self, writes: u32) {
        let state = &mut *self.state.lock();
        state.writes = state.writes.max(writes);
    }
}
