//! How long calls took, in memory that does not grow with their number.

use std::time::Duration;

/// Each bucket is so much longer than the one before it.
const STEP: f64 = 1.01;
/// The last one ends beyond a minute, in microseconds.
const BUCKETS: usize = 1_900;

/// Counts of calls by their time, to one percent.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            total: 0,
            longest: Duration::ZERO,
        }
    }
}

impl Histogram {
    pub fn add(&mut self, took: Duration) {
        let bucket = (took.as_secs_f64() * 1e6).max(1.0).log(STEP) as usize;
        self.counts[bucket.min(BUCKETS - 1)] += 1;
        self.total += 1;
        self.longest = self.longest.max(took);
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    pub fn longest(&self) -> Duration {
        self.longest
    }

    /// The time within which so many percent of the calls ended.
    pub fn percentile(&self, percent: f64) -> Duration {
        let wanted = (self.total as f64 * percent / 100.0).ceil() as u64;
        let (mut seen, mut micros) = (0, 1.0);
        for count in &self.counts {
            seen += count;
            micros *= STEP;
            if seen >= wanted && seen > 0 {
                break;
            }
        }
        Duration::from_secs_f64(micros / 1e6)
    }
}
