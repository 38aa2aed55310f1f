//! What people overrode while the registry was away: it goes into the claims' history as soon
//! as that can be written. A reason that was used up must not let a delete through later.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::arm::Identity;
use crate::claim::{HistoryEntry, Record};
use crate::object::ObjectKey;
use crate::registry::{RegistryError, edit};

use super::Observer;

/// How many entries wait at most; the oldest go first.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct UnwrittenEntries(Mutex<VecDeque<HistoryEntry>>);

impl UnwrittenEntries {
    pub(super) fn add(&self, entry: HistoryEntry) {
        let mut entries = self.0.lock();
        if !entries.contains(&entry) {
            entries.push_back(entry);
        }
        if entries.len() > MOST {
            entries.pop_front();
        }
    }

    fn of(&self, key: &ObjectKey) -> Vec<HistoryEntry> {
        let entries = self.0.lock();
        let of_object = entries.iter().filter(|entry| entry.copy.object == *key);
        of_object.cloned().collect()
    }

    fn is_written(&self, written: &HistoryEntry) {
        self.0.lock().retain(|entry| entry != written);
    }
}

impl Observer {
    /// Writes what was overridden for an object into the claims that have it as a copy.
    pub(super) async fn catch_up_on_overrides(
        &self,
        key: &ObjectKey,
        claims: &[Identity],
    ) -> Result<(), RegistryError> {
        if claims.is_empty() {
            return Ok(());
        }
        for entry in self.unwritten.of(key) {
            for identity in claims {
                edit::claim(&*self.registry, identity, |known| {
                    let known = known.cloned();
                    let known = known.unwrap_or_else(|| Record::new(identity.clone()));
                    known.with_entry(&entry).ok()
                })
                .await?;
            }
            self.unwritten.is_written(&entry);
        }
        Ok(())
    }
}
