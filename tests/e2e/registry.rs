//! The registry in an API server, by the rules for all registries.

use std::sync::Arc;

use aso_guard::registry::kubernetes::KubernetesRegistry;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::{conformance, shared_lab};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_registry_on_a_hub_keeps_the_contract() {
    let kubeconfig = Kubeconfig::read_from(shared_lab().await.hub().kubeconfig()).unwrap();
    let options = KubeConfigOptions::default();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut config = config.unwrap();
    config.default_retry = false;
    let client = kube::Client::try_from(config).unwrap();
    conformance::all(Arc::new(KubernetesRegistry::new(client, "hub"))).await;
}
