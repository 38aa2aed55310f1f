//! Every metric of `aso-guard serve`, in one place.

use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::admission;
use crate::telemetry::events::EventMetrics;

/// What the names of all metrics begin with.
const PREFIX: &str = "aso_guard";

/// What each part of the guard counts.
#[derive(Clone, Default)]
pub(super) struct Metrics {
    pub(super) admission: admission::Metrics,
    pub(super) events: EventMetrics,
}

impl Metrics {
    /// All of them, as they are served.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "The version that runs", Info::new(build.to_vec()));
        self.admission.register(&mut registry);
        self.events.register(&mut registry);
        registry
    }
}
