//! What is protected, as objects that the API server's policies read.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, ObjectList, PartialObjectMeta, PostParams};
use kube::{Api, Client, CustomResource, CustomResourceExt as _, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterError;
use crate::cluster::protections::{ProtectionRole, ProtectionStore};
use crate::protection::{MAX_ENTRIES, NamespaceProtection};

use super::call;

/// The label by which each policy finds what it reads.
pub const ROLE_LABEL: &str = "asoguard.io/protection";
/// What the names of the policies begin with: API servers name the policy in refusals.
pub const POLICY_PREFIX: &str = "aso-guard-";
/// What the objects are called, with a number.
const NAME: &str = "aso-guard";

/// What must not be deleted or made live in a namespace.
#[derive(CustomResource, Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
#[kube(
    group = "asoguard.io",
    version = "v1alpha1",
    kind = "Protection",
    namespaced,
    category = "aso-guard",
    doc = "What must not be deleted or made live in a namespace while no guard answers. Written by aso-guard; not to be edited by hand. To go on without, delete it.",
    printcolumn = r#"{"name":"Cluster","type":"string","jsonPath":".spec.cluster"}"#,
    printcolumn = r#"{"name":"Written","type":"date","jsonPath":".spec.writtenAt"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ProtectionSpec {
    /// The cluster's name in the registry.
    pub cluster: String,
    /// When the guard last wrote that it is so, by its own clock.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub written_at: Timestamp,
    /// How the guard that wrote it judges.
    pub settings: ProtectionSettings,
    /// What the guard knows.
    pub known: NamespaceProtection,
}

/// How a guard judges, as far as policies have to do the same.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ProtectionSettings {
    /// The mode where a namespace sets none: enforce or audit.
    pub mode: String,
    /// Whether the annotation asoguard.io/override counts: off, everybody or groups.
    pub overrides: String,
    /// Whose members may override.
    #[serde(default)]
    pub override_groups: Vec<String>,
    /// Whose members may loosen a namespace's mode.
    #[serde(default)]
    pub mode_groups: Vec<String>,
    /// Users that are not judged.
    #[serde(default)]
    pub exempt_users: Vec<String>,
    /// Groups of users that are not judged.
    #[serde(default)]
    pub exempt_groups: Vec<String>,
}

/// The CRD.
pub fn crd() -> CustomResourceDefinition {
    Protection::crd()
}

/// Writes the objects of one member.
pub struct KubeProtections {
    client: Client,
    cluster: String,
    settings: ProtectionSettings,
}

impl ProtectionRole {
    /// The label's value.
    fn label(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Kinds => "kinds",
        }
    }
}

impl KubeProtections {
    /// Writes through this client.
    pub fn new(client: Client, cluster: &str, settings: ProtectionSettings) -> Self {
        Self {
            client,
            cluster: cluster.to_owned(),
            settings,
        }
    }

    fn object(
        &self,
        role: ProtectionRole,
        number: usize,
        known: NamespaceProtection,
    ) -> Protection {
        let name = match role {
            ProtectionRole::Namespace => format!("{NAME}-{number}"),
            ProtectionRole::Kinds => format!("{NAME}-kinds"),
        };
        let spec = ProtectionSpec {
            cluster: self.cluster.clone(),
            written_at: Timestamp::now(),
            settings: self.settings.clone(),
            known,
        };
        let mut object = Protection::new(&name, spec);
        let labels = object.labels_mut();
        labels.insert(ROLE_LABEL.to_owned(), role.label().to_owned());
        object
    }

    /// Has one object be as wanted. Whoever was quicker wrote something newer.
    async fn store(
        &self,
        api: &Api<Protection>,
        wanted: Protection,
        stored: Option<&Protection>,
        old: Duration,
    ) -> Result<(), ClusterError> {
        let (what, params) = ("what is protected", PostParams::default());
        let Some(stored) = stored else {
            return passed(call(what, lenient(api.create(&params, &wanted))).await);
        };
        if is_as_wanted(&stored.spec, &wanted.spec, old) {
            return Ok(());
        }
        let mut next = wanted;
        next.metadata
            .resource_version
            .clone_from(&stored.metadata.resource_version);
        let name = next.name_any();
        passed(call(what, lenient(api.replace(&name, &params, &next))).await)
    }
}

/// Whether it says the same, and was written not long ago.
fn is_as_wanted(stored: &ProtectionSpec, wanted: &ProtectionSpec, old: Duration) -> bool {
    let age = wanted.written_at.duration_since(stored.written_at);
    // Of a clock that was ahead, nobody can tell how long ago it was.
    let is_fresh = !age.is_negative() && age.unsigned_abs() < old;
    let same = ProtectionSpec {
        written_at: stored.written_at,
        ..wanted.clone()
    };
    is_fresh && *stored == same
}

/// A write that came too late, or for a namespace that goes, is no error: the next one is due.
async fn lenient<T>(answer: impl Future<Output = kube::Result<T>>) -> kube::Result<Option<T>> {
    match answer.await {
        Err(kube::Error::Api(status)) if status.code == 404 && is_of_namespace(&status) => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 403 && is_terminating(&status) => Ok(None),
        answer => answer.map(Some),
    }
}

fn is_of_namespace(status: &kube::core::Status) -> bool {
    status
        .details
        .as_ref()
        .is_some_and(|of| of.kind == "namespaces")
}

fn is_terminating(status: &kube::core::Status) -> bool {
    let causes = status.details.iter().flat_map(|of| &of.causes);
    causes
        .into_iter()
        .any(|cause| cause.reason == "NamespaceTerminating")
}

fn passed<T>(answer: Result<Option<T>, ClusterError>) -> Result<(), ClusterError> {
    answer.map(drop)
}

#[async_trait]
impl ProtectionStore for KubeProtections {
    async fn namespaces(&self) -> Result<HashSet<Arc<str>>, ClusterError> {
        let api: Api<Protection> = Api::all(self.client.clone());
        let params = ListParams::default().labels(&format!("{ROLE_LABEL}=namespace"));
        let listed: ObjectList<PartialObjectMeta<Protection>> =
            call("what is protected", api.list_metadata(&params)).await?;
        let namespaces = listed
            .items
            .into_iter()
            .filter_map(|one| one.metadata.namespace);
        Ok(namespaces.map(Arc::from).collect())
    }

    async fn write(
        &self,
        namespace: &str,
        role: ProtectionRole,
        protection: NamespaceProtection,
        old: Duration,
    ) -> Result<(), ClusterError> {
        let api: Api<Protection> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("what is protected in namespace {namespace}");
        let params = ListParams::default().labels(&format!("{ROLE_LABEL}={}", role.label()));
        let mut stored = call(&what, api.list(&params)).await?.items;
        let is_empty = protection.is_empty();
        let parts = if is_empty {
            Vec::new()
        } else {
            protection.parts(MAX_ENTRIES)
        };
        for (number, part) in parts.into_iter().enumerate() {
            let wanted = self.object(role, number, part);
            let at = stored
                .iter()
                .position(|one| one.name_any() == wanted.name_any());
            let before = at.map(|at| stored.swap_remove(at));
            self.store(&api, wanted, before.as_ref(), old).await?;
        }
        for gone in stored {
            let name = gone.name_any();
            let removed = async {
                match api.delete(&name, &DeleteParams::default()).await {
                    Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                    answer => answer.map(drop),
                }
            };
            call(&what, removed).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(written_at: &str, cluster: &str) -> ProtectionSpec {
        ProtectionSpec {
            cluster: cluster.to_owned(),
            written_at: written_at.parse().unwrap(),
            settings: ProtectionSettings::default(),
            known: NamespaceProtection::default(),
        }
    }

    #[test]
    fn what_says_the_same_is_written_once_more_when_it_is_old() {
        let stored = spec("2026-01-01T00:00:00Z", "a");
        let minute = Duration::from_mins(1);
        let wanted = |at| is_as_wanted(&stored, &spec(at, "a"), minute);
        assert!(wanted("2026-01-01T00:00:59Z"));
        assert!(!wanted("2026-01-01T00:01:00Z"));
        // A clock that was put back.
        assert!(!wanted("2025-12-31T23:59:59Z"));
        assert!(!is_as_wanted(
            &stored,
            &spec("2026-01-01T00:00:01Z", "b"),
            minute
        ));
    }
}
