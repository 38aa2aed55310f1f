//! What ASO itself would do. No controller runs in the lab: a story says when ASO acts.

use serde_json::json;

use super::kubectl::Kubectl;
use super::object::Object;
use super::verdict::Refusal;

/// The finalizer by which ASO holds an object until Azure has deleted the resource.
pub const FINALIZER: &str = "serviceoperator.azure.com/finalizer";
/// The annotation in which ASO keeps the ARM ID that it uses from then on.
pub const RESOURCE_ID: &str = "serviceoperator.azure.com/resource-id";

/// ASO in the cluster of this [`Kubectl`].
pub struct Aso<'a>(pub &'a Kubectl);

impl Aso<'_> {
    /// One reconciliation: the finalizer and the resource-id, then the status. The object as it
    /// is stored after it.
    pub async fn reconciles(&self, object: &Object, arm_id: &str) -> Result<Object, Refusal> {
        let metadata = json!({
            "finalizers": [FINALIZER],
            "annotations": {RESOURCE_ID: arm_id},
        });
        self.0.patch(object, json!({"metadata": metadata})).await?;
        let ready = json!({
            "id": arm_id,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded"}],
        });
        Ok(self.0.patch_status(object, ready).await?.object)
    }

    /// The end of a delete: whatever was to be done in Azure is done, and the object goes.
    /// Nothing happens to an object that nobody deleted.
    pub async fn finishes_delete(&self, object: &Object) -> Result<(), Refusal> {
        let stored = self.0.get(object).await?.object;
        if stored.text("/metadata/deletionTimestamp").is_empty() {
            return Ok(());
        }
        let patch = json!({"metadata": {"finalizers": null}});
        self.0.patch(&stored, patch).await.map(drop)
    }
}
