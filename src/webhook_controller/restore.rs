//! Makes a webhook configuration again that was deleted.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource as _};

use super::calls::call;
use super::{MANAGER, WebhookControllerError};

/// Applies a configuration as it was, owned by a ClusterRole of the guard: whoever takes the guard
/// away takes that away, and Kubernetes then the configuration, which would refuse what nobody
/// answers for.
///
/// By server-side apply: a right to create can be for one name only where the request has the
/// name, as this one does.
pub(super) async fn restore(
    client: &Client,
    whole: ValidatingWebhookConfiguration,
    owner: Option<&str>,
) -> Result<(), WebhookControllerError> {
    let owner = owner.unwrap_or_default();
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let what = format!("clusterrole {owner}");
    let role = call(&what, "get", roles.get_metadata(owner)).await?;
    let name = whole.metadata.name.unwrap_or_default();
    let wanted = ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            labels: whole.metadata.labels,
            annotations: whole.metadata.annotations,
            owner_references: Some(vec![OwnerReference {
                api_version: ClusterRole::api_version(&()).into_owned(),
                kind: ClusterRole::kind(&()).into_owned(),
                name: owner.to_owned(),
                uid: role.metadata.uid.unwrap_or_default(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        webhooks: whole.webhooks,
    };
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let (params, applied) = (PatchParams::apply(MANAGER), Patch::Apply(&wanted));
    let made = configurations.patch(&name, &params, &applied);
    let what = format!("validatingwebhookconfiguration {name}");
    call(&what, "apply", made).await.map(drop)
}
