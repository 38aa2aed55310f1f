//! What is counted of clients that are turned away before anybody judges what they ask.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counts calls and connections that were turned away. Clones share their counts.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    rejected: Family<Rejected, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejected {
    reason: Reason,
}

/// Why a client was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Reason {
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

impl Metrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        for reason in [
            Reason::Connections,
            Reason::Large,
            Reason::Path,
            Reason::Room,
            Reason::Slow,
        ] {
            let _ = self.rejected.get_or_create(&Rejected { reason });
        }
        registry.register(
            "rejected_calls",
            "Calls of the webhook's port that were turned away unjudged, by reason: connections (too many), large (the body), path (none that an API server was told), room (all bodies together), slow (the body)",
            self.rejected.clone(),
        );
    }

    pub(super) fn rejected(&self, reason: Reason) {
        self.rejected.get_or_create(&Rejected { reason }).inc();
    }
}
