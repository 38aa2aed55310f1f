//! Calls by operation: how many, what came of them, and how long they took.

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Counts and times calls. `L`: the labels that calls are counted by, their operation
/// among them; they are timed by the operation alone.
#[derive(Clone, Debug)]
pub struct CallMetrics<L> {
    counts: Family<L, Counter>,
    durations: Family<OperationLabels, Histogram, Buckets>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

/// The upper ends of a histogram's buckets, in seconds.
#[derive(Clone, Copy, Debug)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// A metric's name, and what it says.
pub type MetricName = (&'static str, &'static str);

impl<L> CallMetrics<L>
where
    L: Clone + Debug + Eq + Hash + EncodeLabelSet + Send + Sync + 'static,
{
    /// Calls that take so long: the upper ends of the histogram's buckets, in seconds.
    pub fn timed(buckets: &'static [f64]) -> Self {
        Self {
            counts: Family::default(),
            durations: Family::new_with_constructor(Buckets(buckets)),
        }
    }

    /// Shows an operation before there was a call of it, with these labels.
    pub fn show(&self, operation: &'static str, labels: &L) {
        drop(self.counts.get_or_create(labels));
        drop(self.durations.get_or_create(&OperationLabels { operation }));
    }

    /// There was a call, and it took so long.
    pub fn count(&self, operation: &'static str, labels: &L, took: Duration) {
        self.counts.get_or_create(labels).inc();
        self.durations
            .get_or_create(&OperationLabels { operation })
            .observe(took.as_secs_f64());
    }

    /// There was a call that was not made: it took no time.
    pub fn count_unmade(&self, labels: &L) {
        self.counts.get_or_create(labels).inc();
    }

    /// Adds both metrics to what is served.
    pub fn register(&self, registry: &mut Registry, count: MetricName, duration: MetricName) {
        registry.register(count.0, count.1, self.counts.clone());
        let durations = self.durations.clone();
        registry.register_with_unit(duration.0, duration.1, Unit::Seconds, durations);
    }
}
