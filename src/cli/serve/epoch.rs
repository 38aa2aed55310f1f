//! The part of `serve` that knows whether the registry is the one that it was.

use std::sync::Arc;

use crate::cli::metrics::ProcessMetrics;
use crate::cluster::enrolment::{EpochMemory, ProcessMemory, RegistryEpoch};
use crate::cluster::fence::KnownFence;
use crate::cluster::kube::KubeCluster;
use crate::cluster::kube::epoch::ShardMemory;
use crate::cluster::shards::KnownShard;
use crate::registry::{Registry, RegistryUrl};

use super::config::Config;

/// What is known of each shard of the registry; of the default, this; nothing where claims are not
/// sharded.
pub(super) fn of_shards(
    config: &Config,
    registry: &Arc<dyn Registry>,
    cluster: &Arc<KubeCluster>,
    (epoch, fence): (&Arc<RegistryEpoch>, &Arc<KnownFence>),
) -> Vec<KnownShard> {
    let Some(shards) = registry.shards() else {
        return Vec::new();
    };
    let deadline = config.settings.claim_deadline;
    let all = shards.map.notes().zip(&shards.registries).enumerate();
    let known = all.map(|(number, (note, registry))| {
        let (epoch, fence) = if number == 0 {
            (epoch.clone(), fence.clone())
        } else {
            let memory = ShardMemory::of(cluster.clone(), &note.name);
            let memory: Arc<dyn EpochMemory> = Arc::new(memory);
            let member = config.member.clone();
            let epoch = RegistryEpoch::new(member, registry.clone(), memory, deadline);
            (Arc::new(epoch.of_shard(Some(note))), Arc::default())
        };
        KnownShard {
            registry: registry.clone(),
            epoch,
            fence,
        }
    });
    known.collect()
}

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
    let default = registry
        .shards()
        .and_then(|shards| shards.map.notes().next());
    let epoch = match config.next {
        Some(_) => epoch.of_move(),
        None => epoch.of_shard(default),
    };
    Arc::new(epoch.reporting(metrics.cluster.clone()))
}
