//! What is counted of verdicts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::claim::Reason;

use super::Verdict;

/// From what a verdict takes without a call to the largest timeout of a webhook, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Counts verdicts.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    durations: Family<Operation, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    verdict: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
        }
    }
}

impl Metrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        for operation in ["create", "update", "delete"] {
            self.count(operation, "allowed", "");
            drop(self.durations.get_or_create(&Operation { operation }));
        }
        registry.register(
            "requests",
            "Requests judged, by operation, verdict (allowed, warned, refused, overridden, unjudged) and reason; a plain yes has no reason",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "How long a verdict took, registry calls included",
            Unit::Seconds,
            self.durations.clone(),
        );
    }

    fn count(
        &self,
        operation: &'static str,
        verdict: &'static str,
        reason: &'static str,
    ) -> Counter {
        let request = Request {
            operation,
            verdict,
            reason,
        };
        self.requests.get_or_create_owned(&request)
    }

    /// A request was judged.
    pub(super) fn judged(&self, operation: &str, verdict: &Verdict, took: Duration) {
        let operation = match operation {
            "CREATE" => "create",
            "UPDATE" => "update",
            "DELETE" => "delete",
            _ => "other",
        };
        let reason = verdict.reason.map_or("", Reason::as_str);
        self.count(operation, verdict.label(), reason).inc();
        self.durations
            .get_or_create(&Operation { operation })
            .observe(took.as_secs_f64());
    }
}
