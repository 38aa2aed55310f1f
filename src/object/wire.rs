//! ASO objects as they stand in JSON, reduced to [`ObjectFacts`].

use std::sync::Arc;

use serde::Deserialize;

use super::json::{object, optional_object};
use super::{Annotations, ObjectFacts, ObjectKey, OwnerRef};

/// An ASO object on the wire, reduced to what [`ObjectFacts`] keeps.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WireObject {
    /// `metadata`.
    #[serde(default, deserialize_with = "object")]
    pub metadata: WireMetadata,
    /// `spec`.
    #[serde(default, deserialize_with = "optional_object")]
    pub spec: Option<WireSpec>,
    /// `status`.
    #[serde(default, deserialize_with = "optional_object")]
    pub status: Option<WireStatus>,
}

/// The metadata that is read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireMetadata {
    /// `name`; a CREATE by `generateName` has its final one at validation.
    #[serde(default)]
    pub name: Box<str>,
    /// `uid`.
    #[serde(default)]
    pub uid: Arc<str>,
    /// `resourceVersion`.
    #[serde(default)]
    pub resource_version: Option<Box<str>>,
    /// `deletionTimestamp`.
    #[serde(default)]
    pub deletion_timestamp: Option<Box<str>>,
    /// `annotations`.
    #[serde(default, deserialize_with = "optional_object")]
    pub annotations: Option<WireAnnotations>,
}

/// The annotations that are read.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WireAnnotations {
    /// See [`super::POLICY_ANNOTATION`].
    #[serde(rename = "serviceoperator.azure.com/reconcile-policy", default)]
    pub policy: Option<Box<str>>,
    /// See [`super::RESOURCE_ID_ANNOTATION`].
    #[serde(rename = "serviceoperator.azure.com/resource-id", default)]
    pub resource_id: Option<Box<str>>,
    /// See [`super::CREDENTIAL_FROM_ANNOTATION`].
    #[serde(rename = "serviceoperator.azure.com/credential-from", default)]
    pub credential_from: Option<Box<str>>,
    /// See [`super::OPERATOR_NAMESPACE_ANNOTATION`].
    #[serde(rename = "serviceoperator.azure.com/operator-namespace", default)]
    pub operator_namespace: Option<Box<str>>,
    /// See [`super::AZURE_NAME_FROM_CONFIG_ANNOTATION`].
    #[serde(rename = "serviceoperator.azure.com/azure-name-from-config", default)]
    pub azure_name_from_config: Option<Box<str>>,
    /// See [`super::CHILD_RESOURCE_ID_OVERRIDE_ANNOTATION`].
    #[serde(
        rename = "serviceoperator.azure.com/child-resource-id-override",
        default
    )]
    pub child_resource_id_override: Option<Box<str>>,
    /// See [`super::PROTECT_ANNOTATION`].
    #[serde(rename = "asoguard.io/protect", default)]
    pub protect: Option<Box<str>>,
    /// See [`super::POLLER_RESUME_TOKEN_ANNOTATION`].
    #[serde(rename = "serviceoperator.azure.com/poller-resume-token", default)]
    pub poller_resume_token: Option<Box<str>>,
    /// See [`super::DELETE_FOR_MOVE_ANNOTATION`].
    #[serde(rename = "clusterctl.cluster.x-k8s.io/delete-for-move", default)]
    pub delete_for_move: Option<serde::de::IgnoredAny>,
}

/// What is read of `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WireSpec {
    #[serde(default)]
    azure_name: Option<Box<str>>,
    #[serde(default)]
    azure_name_from_config: Option<serde::de::IgnoredAny>,
    #[serde(default, deserialize_with = "optional_object")]
    owner: Option<WireOwner>,
    #[serde(default, deserialize_with = "optional_object")]
    operator_spec: Option<WireOperatorSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOwner {
    #[serde(default)]
    group: Option<Box<str>>,
    #[serde(default)]
    kind: Option<Box<str>>,
    #[serde(default)]
    name: Option<Box<str>>,
    #[serde(default)]
    arm_id: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireOperatorSpec {
    #[serde(default)]
    naming_convention: Option<Box<str>>,
}

/// What is read of `status`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WireStatus {
    #[serde(default)]
    id: Option<Box<str>>,
}

impl WireObject {
    /// The facts of this object, whose kind and namespace are known from where it
    /// was read.
    pub fn into_facts(self, group: &str, kind: &str, namespace: &str) -> ObjectFacts {
        let spec = self.spec.unwrap_or_default();
        let annotations = self.metadata.annotations.unwrap_or_default();
        ObjectFacts {
            key: ObjectKey::new(group, kind, namespace, &self.metadata.name),
            uid: self.metadata.uid,
            resource_version: self.metadata.resource_version.unwrap_or_default(),
            terminating: self.metadata.deletion_timestamp.is_some(),
            azure_name: spec.azure_name,
            azure_name_from_config: spec.azure_name_from_config.is_some(),
            owner: spec.owner.map(|owner| OwnerRef {
                group: owner.group,
                kind: owner.kind,
                name: owner.name,
                arm_id: owner.arm_id,
            }),
            naming_convention: spec.operator_spec.and_then(|spec| spec.naming_convention),
            status_id: self.status.and_then(|status| status.id),
            annotations: Annotations {
                policy: annotations.policy,
                resource_id: annotations.resource_id,
                credential_from: annotations.credential_from,
                operator_namespace: annotations.operator_namespace.map(Arc::from),
                azure_name_from_config: annotations.azure_name_from_config,
                child_resource_id_override: annotations.child_resource_id_override,
                protect: annotations.protect,
                busy: annotations
                    .poller_resume_token
                    .is_some_and(|t| !t.is_empty()),
                moved_away: annotations.delete_for_move.is_some(),
            },
        }
    }
}

/// A Namespace, as far as it matters to the copies in it.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WireNamespace {
    #[serde(default, deserialize_with = "object")]
    metadata: NamespaceMetadata,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamespaceMetadata {
    #[serde(default)]
    name: Box<str>,
    #[serde(default)]
    resource_version: Option<Box<str>>,
    #[serde(default, deserialize_with = "optional_object")]
    annotations: Option<NamespaceAnnotations>,
    #[serde(default, deserialize_with = "optional_object")]
    labels: Option<NamespaceLabels>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NamespaceAnnotations {
    #[serde(rename = "serviceoperator.azure.com/reconcile-policy", default)]
    policy: Option<Box<str>>,
    #[serde(rename = "asoguard.io/protect", default)]
    protect: Option<Box<str>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct NamespaceLabels {
    #[serde(rename = "asoguard.io/guarded", default)]
    guarded: Option<Box<str>>,
    #[serde(rename = "asoguard.io/mode", default)]
    mode: Option<Box<str>>,
}

impl WireNamespace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Its resourceVersion; empty where it has none.
    pub fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or("")
    }

    /// Its policy annotation.
    pub fn policy(&self) -> Option<&str> {
        self.metadata.annotations.as_ref()?.policy.as_deref()
    }

    /// Its annotation [`super::PROTECT_ANNOTATION`].
    pub fn protect(&self) -> Option<&str> {
        self.metadata.annotations.as_ref()?.protect.as_deref()
    }

    /// Its label [`super::MODE_LABEL`].
    pub fn mode(&self) -> Option<&str> {
        self.metadata.labels.as_ref()?.mode.as_deref()
    }

    /// Whether it has the label [`super::GUARDED_LABEL`].
    pub fn is_guarded(&self) -> bool {
        let labels = self.metadata.labels.as_ref();
        labels.is_some_and(|labels| labels.guarded.as_deref() == Some("true"))
    }
}

/// A CustomResourceDefinition: which kind it defines.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WireCrd {
    /// `spec`.
    #[serde(deserialize_with = "object")]
    pub spec: WireCrdSpec,
}

/// What is read of a CRD's `spec`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WireCrdSpec {
    /// The API group.
    pub group: Box<str>,
    /// The kind's names.
    #[serde(deserialize_with = "object")]
    pub names: WireCrdNames,
}

/// What is read of a CRD's `spec.names`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct WireCrdNames {
    /// The kind.
    pub kind: Box<str>,
}
