//! Whether an ASO has read its settings as they are.
//!
//! ASO reads them once, at its start. Both times are by the clocks of one cluster, and where they
//! are equal the older settings are assumed.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, ObjectMeta};
use kube::{Api, Client};

use crate::cluster::ClusterError;

use super::call;

/// What selects ASO's pods in its namespace.
const PODS: &str = "control-plane=controller-manager";

/// Whether a pod of the ASO in a namespace is older than the last write of its settings.
/// Where pods may not be listed nobody can tell, and the settings are believed.
///
/// # Errors
/// The cluster did not answer.
pub(super) async fn is_outrun(
    client: &Client,
    namespace: &str,
    settings: &ObjectMeta,
) -> Result<bool, ClusterError> {
    let Some(written) = last_write(settings) else {
        return Ok(false);
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(PODS);
    let listed = async {
        match pods.list_metadata(&params).await {
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(Vec::new()),
            listed => listed.map(|listed| listed.items),
        }
    };
    let pods = call(&format!("the pods of ASO in {namespace}"), listed).await?;
    let started = pods.iter().filter_map(|pod| created(&pod.metadata));
    Ok(started.min().is_some_and(|started| started <= written))
}

fn created(meta: &ObjectMeta) -> Option<Timestamp> {
    meta.creation_timestamp.as_ref().map(|time| time.0)
}

/// When an object was last written, as far as its managers are told.
fn last_write(meta: &ObjectMeta) -> Option<Timestamp> {
    let managers = meta.managed_fields.iter().flatten();
    let writes = managers
        .filter_map(|one| one.time.as_ref())
        .map(|time| time.0);
    writes.chain(created(meta)).max()
}
