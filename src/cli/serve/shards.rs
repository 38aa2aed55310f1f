//! Where the shards of the registry are.

use std::path::Path;

use crate::claim::ShardMap;
use crate::cli::problems::Problems;
use crate::registry::RegistryUrl;
use crate::registry::sharded::ShardsFile;

use super::hub::hub;

/// Where the shards are, where claims are sharded.
pub(super) struct ShardPlaces {
    pub(super) map: ShardMap,
    /// In the order of the map, each with how to reach it, where it is in another API server.
    pub(super) places: Vec<(RegistryUrl, Option<kube::Config>)>,
}

impl ShardPlaces {
    /// What the file of the shards says; `None` where claims are not sharded. `is_available`:
    /// whether API servers are to refuse by what a guard wrote down, which it does by one registry.
    pub(super) async fn read(
        problems: &mut Problems,
        (kubeconfig, registry): (Option<&Path>, Option<&RegistryUrl>),
        is_available: bool,
    ) -> Option<Self> {
        let Some(RegistryUrl::Shards { file, shard }) = registry else {
            return None;
        };
        if shard.is_some() {
            let words = "--registry: a guard serves all shards; leave out what is after #";
            problems.add(words.to_owned());
        }
        if is_available {
            let words = "available writes down what one registry says; with shards, say strict";
            problems.add(format!("--protection: {words}"));
        }
        let read = ShardsFile::read(file).map_err(|error| error.to_string());
        let read = problems.take("--registry", read)?;
        let mut places = Vec::new();
        for url in read.urls {
            let hub = hub(problems, kubeconfig, Some(&url)).await;
            places.push((url, hub));
        }
        let map = read.map;
        Some(Self { map, places })
    }
}
