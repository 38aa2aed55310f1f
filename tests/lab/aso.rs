//! What ASO itself would do, where a story has no ASO: the story says when ASO acts. The stories
//! of `tests/aso` have the real one, see [`super::aso_controller`].

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::crds;

use super::kubectl::Kubectl;
use super::object::Object;
use super::verdict::Refusal;

/// The finalizer by which ASO holds an object until Azure has deleted the resource.
pub const FINALIZER: &str = "serviceoperator.azure.com/finalizer";
/// The annotation in which ASO keeps the ARM ID that it uses from then on.
pub const RESOURCE_ID: &str = "serviceoperator.azure.com/resource-id";

/// The annotation in which ASO keeps the namespace that it lives in.
pub const OPERATOR_NAMESPACE: &str = "serviceoperator.azure.com/operator-namespace";
/// How often a played ASO looks.
const LOOK: Duration = Duration::from_millis(200);

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

/// ASO at work in one namespace, until this is dropped: what it finds there it says to be
/// `Ready`, except where another operator's namespace is written on it.
pub struct AtWork(DropGuard);

impl AtWork {
    /// Begins, as an operator that lives in this namespace.
    pub fn begin(person: &Kubectl, kinds: &'static [&'static str], lives_in: &'static str) -> Self {
        let end = CancellationToken::new();
        let person = person.clone();
        let work = async move {
            loop {
                for kind in kinds {
                    // What fails now is looked at again in a moment.
                    let _ = look(&person, kind, lives_in).await;
                }
                sleep(LOOK).await;
            }
        };
        tokio::spawn(end.clone().run_until_cancelled_owned(work));
        Self(end.drop_guard())
    }
}

async fn look(person: &Kubectl, kind: &str, lives_in: &str) -> Result<(), Refusal> {
    let version = crds::kind(kind).api_version();
    for mut one in person.list(&version, kind).await? {
        one = one
            .with("/apiVersion", version.as_str())
            .with("/kind", kind);
        match one.annotation(OPERATOR_NAMESPACE) {
            Some(other) if other != lives_in => continue,
            Some(_) => {}
            None => {
                let mine = Some(lives_in);
                person.annotate(&one, OPERATOR_NAMESPACE, mine).await?;
            }
        }
        let generation = &one.0["metadata"]["generation"];
        if one.0["status"]["conditions"][0]["observedGeneration"] != *generation {
            person.patch_status(&one, ready_in(generation)).await?;
        }
    }
    Ok(())
}

fn ready_in(generation: &Value) -> Value {
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Succeeded", "observedGeneration": generation,
    });
    json!({"conditions": [ready]})
}
