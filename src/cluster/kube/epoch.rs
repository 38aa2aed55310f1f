//! What the member remembers of its registry, on its namespace `kube-system`: the namespace whose
//! UID is the cluster's own identity.

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

#[async_trait]
impl EpochMemory for KubeCluster {
    async fn recall(&self) -> Result<Memory, ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let system = call("namespace kube-system", namespaces.get_metadata(SYSTEM)).await?;
        let annotations = system.metadata.annotations.unwrap_or_default();
        Ok(read(
            annotations.get(REGISTRY_ANNOTATION).map(String::as_str),
        ))
    }

    async fn remember(&self, remembered: &Remembered) -> Result<(), ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let annotations = json!({REGISTRY_ANNOTATION: written(remembered)});
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        let params = PatchParams::default();
        let patched = namespaces.patch_metadata(SYSTEM, &params, &patch);
        call("an annotation of namespace kube-system", patched)
            .await
            .map(drop)
    }
}
