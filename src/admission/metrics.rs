//! What is counted of verdicts.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::registry::Registry;

use crate::claim::Reason;
use crate::telemetry::calls::CallMetrics;

use super::{Verdict, review};

/// From what a verdict takes without a call to the largest timeout of a webhook, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Counts verdicts.
#[derive(Clone, Debug)]
pub struct AdmissionMetrics {
    requests: CallMetrics<RequestLabels>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    verdict: &'static str,
    reason: &'static str,
    dry_run: &'static str,
}

impl Default for AdmissionMetrics {
    fn default() -> Self {
        Self {
            requests: CallMetrics::timed(&BUCKETS),
        }
    }
}

impl AdmissionMetrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        for operation in ["create", "update", "delete"] {
            let request = RequestLabels {
                operation,
                verdict: "allowed",
                reason: "",
                dry_run: "false",
            };
            self.requests.show(operation, &request);
        }
        self.requests.register(
            registry,
            (
                "requests",
                "Requests judged, by operation, verdict (allowed, warned, refused, overridden, unjudged), reason and whether it was a dry run; a plain yes has no reason",
            ),
            (
                "request_duration",
                "How long a verdict took, registry calls included",
            ),
        );
    }

    /// A request was judged.
    pub(super) fn judged(
        &self,
        asked: &review::AdmissionRequest<'_>,
        verdict: &Verdict,
        took: Duration,
    ) {
        let operation = match &*asked.operation {
            "CREATE" => "create",
            "UPDATE" => "update",
            "DELETE" => "delete",
            _ => "other",
        };
        let request = RequestLabels {
            operation,
            verdict: verdict.label(),
            reason: verdict.reason.map_or("", Reason::as_str),
            dry_run: match asked.dry_run {
                Some(true) => "true",
                _ => "false",
            },
        };
        self.requests.count(operation, &request, took);
    }
}
