//! Whether this process can do its work, and if not, what is missing.

use std::sync::Arc;

use tokio::sync::watch;

/// Named conditions that must all be met before the process is ready. Clones
/// share their state.
#[derive(Clone, Debug)]
pub struct Readiness {
    state: Arc<watch::Sender<ReadinessState>>,
}

#[derive(Debug, Default)]
struct ReadinessState {
    missing: Vec<MissingCondition>,
    draining: bool,
    next: u64,
}

#[derive(Debug)]
struct MissingCondition {
    id: u64,
    condition: String,
    /// Whether nobody works on it any more.
    given_up: bool,
}

/// A condition that is not met yet. It counts as missing until
/// [`ReadinessCondition::done`]; dropping it means that it will never be met.
#[derive(Debug)]
#[must_use = "a condition that is dropped is never met"]
pub struct ReadinessCondition {
    id: u64,
    state: Arc<watch::Sender<ReadinessState>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Ready, until something is waited for.
    pub fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new(ReadinessState::default())),
        }
    }

    /// Adds a condition, in words that end the sentence "waiting for …", such
    /// as `caches synced`.
    pub fn wait_for(&self, condition: impl Into<String>) -> ReadinessCondition {
        let mut id = 0;
        self.state.send_modify(|state| {
            id = state.next;
            state.next += 1;
            state.missing.push(MissingCondition {
                id,
                condition: condition.into(),
                given_up: false,
            });
        });
        ReadinessCondition {
            id,
            state: Arc::clone(&self.state),
        }
    }

    /// Turns readiness off for good: the process is on its way out.
    pub fn drain(&self) {
        self.state.send_modify(|state| state.draining = true);
    }

    /// Whether all conditions are met and the process is not draining.
    pub fn is_ready(&self) -> bool {
        self.state.borrow().is_ready()
    }

    /// Returns once [`Readiness::is_ready`].
    pub async fn ready(&self) {
        let mut changes = self.state.subscribe();
        // This cannot fail: `self` holds the sender.
        let _ = changes.wait_for(ReadinessState::is_ready).await;
    }

    /// What is missing, one line each; empty when ready.
    pub fn describe(&self) -> Vec<String> {
        let state = self.state.borrow();
        let draining = state.draining.then(|| "shutting down".to_owned());
        let missing = state.missing.iter().map(|missing| {
            let condition = &missing.condition;
            if missing.given_up {
                format!("gave up waiting for {condition}; see the log")
            } else {
                format!("waiting for {condition}")
            }
        });
        draining.into_iter().chain(missing).collect()
    }
}

impl ReadinessState {
    fn is_ready(&self) -> bool {
        self.missing.is_empty() && !self.draining
    }
}

impl ReadinessCondition {
    /// The condition is met.
    pub fn done(self) {
        self.state
            .send_modify(|state| state.missing.retain(|missing| missing.id != self.id));
    }
}

impl Drop for ReadinessCondition {
    fn drop(&mut self) {
        self.state.send_if_modified(|state| {
            let mine = state
                .missing
                .iter_mut()
                .find(|missing| missing.id == self.id);
            mine.is_some_and(|missing| !std::mem::replace(&mut missing.given_up, true))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_all_conditions_are_met() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let caches = readiness.wait_for("caches synced");
        let member = readiness.clone().wait_for("member registered");
        assert_eq!(
            readiness.describe(),
            ["waiting for caches synced", "waiting for member registered"]
        );
        caches.done();
        assert!(!readiness.is_ready());
        member.done();
        assert!(readiness.is_ready());
        assert!(readiness.describe().is_empty());
    }

    #[test]
    fn a_dropped_condition_is_never_met() {
        let readiness = Readiness::new();
        drop(readiness.wait_for("caches synced"));
        assert_eq!(
            readiness.describe(),
            ["gave up waiting for caches synced; see the log"]
        );
        assert!(!readiness.is_ready());
    }

    #[test]
    fn draining_is_for_good() {
        let readiness = Readiness::new();
        let caches = readiness.wait_for("caches synced");
        readiness.drain();
        caches.done();
        assert_eq!(readiness.describe(), ["shutting down"]);
        assert!(!readiness.is_ready());
    }

    #[tokio::test]
    async fn ready_wakes_who_waits() {
        let readiness = Readiness::new();
        let caches = readiness.wait_for("caches synced");
        let waiter = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        caches.done();
        tokio::time::timeout(std::time::Duration::from_secs(5), waiter)
            .await
            .unwrap()
            .unwrap();
    }
}
