//! What is counted of clients that are turned away before anybody judges what they ask.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counts calls and connections that were turned away. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct ServerMetrics {
    rejected: Family<RejectionLabels, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectionLabels {
    reason: &'static str,
}

/// Why a client was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RejectionReason {
    /// Too many connections.
    Connections,
    /// The body is too large.
    Large,
    /// The path is none that an API server was told.
    Path,
    /// All bodies together are too large.
    Room,
    /// The body came too slowly.
    Slow,
}

impl ServerMetrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        for reason in [
            RejectionReason::Connections,
            RejectionReason::Large,
            RejectionReason::Path,
            RejectionReason::Room,
            RejectionReason::Slow,
        ] {
            let _ = self.counter(reason);
        }
        registry.register(
            "rejected_calls",
            "Calls of the webhook's port that were turned away unjudged, by reason: connections (too many), large (the body), path (none that an API server was told), room (all bodies together), slow (the body)",
            self.rejected.clone(),
        );
    }

    pub(super) fn rejected(&self, reason: RejectionReason) {
        self.counter(reason).inc();
    }

    fn counter(&self, reason: RejectionReason) -> Counter {
        let reason = match reason {
            RejectionReason::Connections => "connections",
            RejectionReason::Large => "large",
            RejectionReason::Path => "path",
            RejectionReason::Room => "room",
            RejectionReason::Slow => "slow",
        };
        self.rejected
            .get_or_create_owned(&RejectionLabels { reason })
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn each_reason_is_there_from_the_start_as_alerts_name_it() {
        let metrics = ServerMetrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.rejected(RejectionReason::Path);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for (reason, count) in [
            ("connections", 0),
            ("large", 0),
            ("path", 1),
            ("room", 0),
            ("slow", 0),
        ] {
            let line = format!("rejected_calls_total{{reason=\"{reason}\"}} {count}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
        }
    }
}
