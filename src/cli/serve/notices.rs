//! The part of `serve` that tells people.

use std::sync::Arc;

use kube::Client;

use crate::claim::MemberName;
use crate::cli::metrics::ProcessMetrics;
use crate::cluster::kube::KubeCluster;
use crate::telemetry::Notices;
use crate::telemetry::events::{Events, Publisher};

/// Where notices go: to Events, in the name of this replica.
pub(super) fn to_events(
    client: Client,
    cluster: &Arc<KubeCluster>,
    member: &MemberName,
    metrics: &ProcessMetrics,
) -> (Arc<dyn Notices>, Publisher) {
    let kinds = cluster.clone();
    let (events, publisher) = Events::new(
        client,
        Box::new(move |group, kind| kinds.api_version(group, kind)),
        // A pod's own name.
        &std::env::var("HOSTNAME").unwrap_or_else(|_| member.to_string()),
        metrics.events.clone(),
    );
    (Arc::new(events), publisher)
}
