//! The part of `serve` that knows whether the registry is the one that it was.

use std::sync::Arc;

use crate::cli::metrics::ProcessMetrics;
use crate::cluster::enrolment::{EpochMemory, ProcessMemory, RegistryEpoch};
use crate::cluster::kube::KubeCluster;
use crate::registry::{Registry, RegistryUrl};

use super::config::Config;

/// What is known of the registry's epoch. Of a registry that ends with this process, there is
/// nothing to remember.
pub(super) fn of(
    config: &Config,
    registry: &Arc<dyn Registry>,
    cluster: &Arc<KubeCluster>,
    metrics: &ProcessMetrics,
) -> Arc<RegistryEpoch> {
    let memory: Arc<dyn EpochMemory> = match config.registry {
        RegistryUrl::Memory => Arc::new(ProcessMemory),
        RegistryUrl::Kubernetes { .. } | RegistryUrl::Azure(_) | RegistryUrl::Shards { .. } => {
            cluster.clone()
        }
    };
    let (member, deadline) = (config.member.clone(), config.settings.claim_deadline);
    let epoch = RegistryEpoch::new(member, registry.clone(), memory, deadline);
    Arc::new(epoch.reporting(metrics.cluster.clone()))
}
