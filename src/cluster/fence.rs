//! What a member knows of its own fence.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::claim::{FENCE_KNOWN_FOR, Fence};

/// Whether a person has fenced this member, by what was read last: each heartbeat reads it.
#[derive(Debug)]
pub struct KnownFence(watch::Sender<LastRead>);

#[derive(Clone, Debug, Default)]
struct LastRead {
    at: Option<Instant>,
    fence: Option<Fence>,
}

impl Default for KnownFence {
    /// Nothing was read yet.
    fn default() -> Self {
        Self(watch::Sender::default())
    }
}

impl KnownFence {
    /// Takes down what was read, by a read that began then.
    pub fn read(&self, began: Instant, fence: Option<Fence>) {
        self.0.send_if_modified(|last| {
            if last.at.is_some_and(|at| at > began) {
                return false;
            }
            last.at = Some(began);
            let is_news = last.fence != fence;
            last.fence = fence;
            is_news
        });
    }

    /// What is known, if it was read so lately that an admission may go by it.
    pub fn recent(&self) -> Option<Option<Fence>> {
        let known_for = Duration::try_from(FENCE_KNOWN_FOR).unwrap_or_default();
        let last = self.0.borrow();
        let is_recent = last.at.is_some_and(|at| at.elapsed() < known_for);
        is_recent.then(|| last.fence.clone())
    }

    /// What was read last, however long ago.
    pub fn last(&self) -> Option<Fence> {
        self.0.borrow().fence.clone()
    }

    /// What is known, each time that it is another fence, or none any more.
    pub fn follow(&self) -> FenceChanges {
        FenceChanges(self.0.subscribe())
    }
}

/// Changes of a [`KnownFence`].
#[derive(Debug)]
pub struct FenceChanges(watch::Receiver<LastRead>);

impl FenceChanges {
    /// The next one: waits for it. `None` once nobody reads any more.
    pub async fn next(&mut self) -> Option<Option<Fence>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().fence.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::testing::{at, fence};

    #[tokio::test(start_paused = true)]
    async fn what_was_read_long_ago_is_read_again() {
        let known = KnownFence::default();
        assert_eq!(known.recent(), None);
        known.read(Instant::now(), None);
        assert_eq!(known.recent(), Some(None));
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(known.recent(), None);
        known.read(Instant::now(), Some(fence(at(0))));
        assert_eq!(known.recent(), Some(Some(fence(at(0)))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_late_changes_nothing() {
        let known = KnownFence::default();
        let early = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        known.read(Instant::now(), Some(fence(at(0))));
        known.read(early, None);
        assert_eq!(known.last(), Some(fence(at(0))));
    }
}
