//! Objects that are looked at once no requests come: those whose claims say already what a look
//! would have them say, but for the request that is over.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::object::ObjectKey;

/// How long no request must have come, so that what waits for that comes up.
pub(super) const QUIET: Duration = Duration::from_millis(200);
/// How long it waits at most.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Those that wait until no requests come.
#[derive(Debug, Default)]
pub(super) struct UntilQuiet {
    order: BTreeSet<(Instant, ObjectKey)>,
    /// From when on each may be looked at.
    from: HashMap<ObjectKey, Instant>,
    /// When it is quiet, should no more requests come.
    quiet: Option<Instant>,
}

impl UntilQuiet {
    pub(super) fn add(&mut self, key: ObjectKey, from: Instant) {
        self.remove(&key);
        self.from.insert(key.clone(), from);
        self.order.insert((from, key));
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) {
        if let Some(from) = self.from.remove(key) {
            self.order.remove(&(from, key.clone()));
        }
    }

    /// When the next one comes up, as far as can be said.
    pub(super) fn next(&self) -> Option<Instant> {
        let (from, _) = self.order.first()?;
        let quiet = self.quiet.unwrap_or(*from);
        Some(quiet.min(*from + PATIENCE).max(*from))
    }

    pub(super) fn take(&mut self, now: Instant) -> Option<ObjectKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.order.pop_first()?;
        self.from.remove(&key);
        Some(key)
    }

    pub(super) fn contains(&self, key: &ObjectKey) -> bool {
        self.from.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.from.len()
    }

    /// A request came.
    pub(super) fn note_request(&mut self, now: Instant) {
        self.quiet = Some(now + QUIET);
    }
}
