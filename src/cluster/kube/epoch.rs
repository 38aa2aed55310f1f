//! What the member remembers of its registry, on its namespace `kube-system`: the namespace whose
//! UID is the cluster's own identity.

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::claim::{Memory, Remembered};
use crate::cluster::ClusterError;
use crate::cluster::enrolment::{EpochMemory, read, written};
use crate::object::REGISTRY_ANNOTATION;

use super::{KubeCluster, call};

const SYSTEM: &str = "kube-system";

/// What is remembered of one shard of the registry, or of the one that the fleet moves to, in an
/// annotation of its own.
pub struct ShardMemory {
    cluster: Arc<KubeCluster>,
    annotation: String,
}

impl ShardMemory {
    /// That of the registry that the fleet moves to.
    pub fn of_next(cluster: Arc<KubeCluster>) -> Self {
        Self {
            cluster,
            annotation: format!("{REGISTRY_ANNOTATION}.next"),
        }
    }

    /// That of the shard of this name.
    pub fn of(cluster: Arc<KubeCluster>, shard: &str) -> Self {
        Self {
            cluster,
            annotation: format!("{REGISTRY_ANNOTATION}-{shard}"),
        }
    }
}

impl KubeCluster {
    async fn recall_in(&self, annotation: &str) -> Result<Memory, ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let system = call("namespace kube-system", namespaces.get_metadata(SYSTEM)).await?;
        let annotations = system.metadata.annotations.unwrap_or_default();
        Ok(read(annotations.get(annotation).map(String::as_str)))
    }

    async fn remember_in(
        &self,
        annotation: &str,
        remembered: &Remembered,
    ) -> Result<(), ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let annotations = json!({annotation: written(remembered)});
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let params = PatchParams::default();
        let patched = namespaces.patch_metadata(SYSTEM, &params, &patch);
        call("an annotation of namespace kube-system", patched)
            .await
            .map(drop)
    }
}

#[async_trait]
impl EpochMemory for KubeCluster {
    async fn recall(&self) -> Result<Memory, ClusterError> {
        self.recall_in(REGISTRY_ANNOTATION).await
    }

    async fn remember(&self, remembered: &Remembered) -> Result<(), ClusterError> {
        self.remember_in(REGISTRY_ANNOTATION, remembered).await
    }
}

#[async_trait]
impl EpochMemory for ShardMemory {
    async fn recall(&self) -> Result<Memory, ClusterError> {
        self.cluster.recall_in(&self.annotation).await
    }

    async fn remember(&self, remembered: &Remembered) -> Result<(), ClusterError> {
        self.cluster.remember_in(&self.annotation, remembered).await
    }
}
