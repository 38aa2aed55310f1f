//! The registry in an API server, by the rules for all registries.

use std::sync::Arc;

use aso_guard::claim::ShardMap;
use aso_guard::registry::Registry;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::sharded::{ShardedRegistry, Shards};
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::conformance::{self, fixtures};
use crate::lab::azurite::Azurite;
use crate::shared_lab;

async fn hub() -> anyhow::Result<KubernetesRegistry> {
    let kubeconfig = Kubeconfig::read_from(shared_lab().await.hub().kubeconfig())?;
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config?;
    config.default_retry = false;
    let client = kube::Client::try_from(config)?;
    Ok(KubernetesRegistry::new(client, "hub"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_registry_on_a_hub_keeps_the_contract() {
    conformance::all(Arc::new(hub().await.unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_registry_on_a_hub_and_in_azure_keeps_the_contract() {
    let azurite = Azurite::start().await.unwrap();
    azurite.create_container("shard").await.unwrap();
    let azure = Azurite::registry("shard", azurite.port()).unwrap();
    let known = fixtures::known_subscriptions(400);
    let half = known.iter().step_by(2).map(String::as_str);
    let map = ShardMap::new([("azure", half.collect())]).unwrap();
    let registries: Vec<Arc<dyn Registry>> = vec![Arc::new(hub().await.unwrap()), Arc::new(azure)];
    let sharded = ShardedRegistry::new(Shards { map, registries }, Vec::new(), "");
    conformance::all(Arc::new(sharded)).await;
}
