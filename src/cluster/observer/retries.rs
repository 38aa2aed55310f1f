//! When an object is looked at again that could not be looked at: each by its own clock.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::object::ObjectKey;

/// How long to wait after an object failed for the first time.
const FIRST: Duration = Duration::from_millis(250);
/// How long to wait at most.
const LONGEST: Duration = Duration::from_secs(16);

/// How long each object that failed was waited for the last time.
#[derive(Debug, Default)]
pub(super) struct RetryDelays {
    waited: Mutex<HashMap<ObjectKey, Duration>>,
}

impl RetryDelays {
    /// An object failed. Gives how long to wait for it, twice as long as before, and whether
    /// it failed for the first time.
    pub(super) fn failed(&self, key: &ObjectKey) -> (Duration, bool) {
        let mut waited = self.waited.lock();
        let before = waited.get(key).copied();
        let wait = before.map_or(FIRST, |before| (before * 2).min(LONGEST));
        waited.insert(key.clone(), wait);
        (wait, before.is_none())
    }

    /// An object did not fail.
    pub(super) fn succeeded(&self, key: &ObjectKey) {
        self.waited.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_waits_ever_longer_and_begins_anew_after_it_did_not_fail() {
        let retries = RetryDelays::default();
        let [one, other] = ["one", "other"].map(|name| ObjectKey::new("g", "K", "ns", name));
        let waits: Vec<u128> = (0..9).map(|_| retries.failed(&one).0.as_millis()).collect();
        let expected = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000];
        assert_eq!(waits, expected);
        assert_eq!(retries.failed(&other), (FIRST, true));
        assert_eq!(retries.failed(&one), (LONGEST, false));
        retries.succeeded(&one);
        assert_eq!(retries.failed(&one), (FIRST, true));
    }
}
