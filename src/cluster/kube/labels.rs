//! The label by which API servers ask about namespaces that have ASO objects, and
//! about no others.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tracing::warn;

use crate::cluster::ClusterError;
use crate::object::GUARDED_LABEL;

use super::{KubeCluster, call};

/// How soon a namespace that got its first object is labelled.
const PERIOD: Duration = Duration::from_secs(1);
/// How long to wait after a label could not be written.
const RETRY: Duration = Duration::from_secs(30);

impl KubeCluster {
    /// Keeps the label on every namespace that has objects, and on no other. Replicas
    /// write the same.
    pub(super) async fn keep_labelling(&self) {
        loop {
            tokio::time::sleep(PERIOD).await;
            for (namespace, guarded) in self.store.labels_due() {
                if let Err(error) = self.label(&namespace, guarded).await {
                    warn!(%namespace, %error, "cannot label a namespace: its deletion goes unguarded");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn label(&self, namespace: &str, guarded: bool) -> Result<(), ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let value = guarded.then_some("true");
        let patch = Patch::Merge(json!({"metadata": {"labels": {GUARDED_LABEL: value}}}));
        let params = PatchParams::default();
        let what = format!("the label of namespace {namespace}");
        let patched = async {
            match namespaces.patch_metadata(namespace, &params, &patch).await {
                // It was deleted meanwhile.
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                answer => answer.map(drop),
            }
        };
        call(&what, patched).await
    }
}
