//! Complaints that a client can provoke as often as it likes are written seldom.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Says yes at most once per period.
#[derive(Debug)]
pub(super) struct RateLimit {
    period: Duration,
    last: Mutex<Option<Instant>>,
}

impl RateLimit {
    pub(super) const fn every(period: Duration) -> Self {
        Self {
            period,
            last: Mutex::new(None),
        }
    }

    /// Whether it is time again.
    pub(super) fn now(&self) -> bool {
        let now = Instant::now();
        let mut last = self.last.lock();
        let due = last.is_none_or(|last| now - last >= self.period);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn once_per_period() {
        let rate_limit = RateLimit::every(Duration::from_secs(30));
        assert!(rate_limit.now());
        assert!(!rate_limit.now());
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(rate_limit.now());
    }
}
