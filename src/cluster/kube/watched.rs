//! What is taken off the wire of watched objects and secrets: no more than is kept.

use std::borrow::Cow;

use k8s_openapi::ByteString;
use kube::Resource;
use kube::api::{ApiResource, ObjectMeta};
use kube::core::DynamicResourceScope;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cluster::NamespaceFacts;
use crate::object::wire::{WireAnnotations, WireMetadata, WireObject, WireSpec, WireStatus};
use crate::object::{
    AZURE_NAME_FROM_CONFIG_ANNOTATION, CHILD_RESOURCE_ID_OVERRIDE_ANNOTATION,
    CREDENTIAL_FROM_ANNOTATION, DELETE_FOR_MOVE_ANNOTATION, GUARDED_LABEL, MODE_LABEL,
    OPERATOR_NAMESPACE_ANNOTATION, OVERRIDE_ANNOTATION, ObjectFacts, POLICY_ANNOTATION,
    POLLER_RESUME_TOKEN_ANNOTATION, PROTECT_ANNOTATION, RESOURCE_ID_ANNOTATION,
};

/// An ASO object of any kind.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WatchedObject {
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    spec: Option<WireSpec>,
    #[serde(default)]
    status: Option<WireStatus>,
}

/// A secret of ASO's: three of its keys, never the others.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WatchedSecret {
    pub(super) metadata: ObjectMeta,
    #[serde(default)]
    pub(super) data: Option<SecretData>,
}

/// The keys that are read.
#[derive(Clone, Default, Deserialize)]
pub(super) struct SecretData {
    #[serde(rename = "AZURE_SUBSCRIPTION_ID", default)]
    pub(super) subscription: Option<ByteString>,
    #[serde(rename = "DEFAULT_RECONCILE_POLICY", default)]
    pub(super) default_policy: Option<ByteString>,
    #[serde(rename = "AZURE_TARGET_NAMESPACES", default)]
    pub(super) target_namespaces: Option<ByteString>,
}

/// Says which keys are there, never what they hold.
impl std::fmt::Debug for SecretData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretData")
            .field("subscription", &self.subscription.is_some())
            .field("default_policy", &self.default_policy.is_some())
            .field("target_namespaces", &self.target_namespaces.is_some())
            .finish()
    }
}

/// A resource whose group, version and kind are known at run time only.
macro_rules! dynamic_resource {
    ($type:ty) => {
        impl Resource for $type {
            type DynamicType = ApiResource;
            type Scope = DynamicResourceScope;

            fn kind(resource: &ApiResource) -> Cow<'_, str> {
                resource.kind.as_str().into()
            }
            fn group(resource: &ApiResource) -> Cow<'_, str> {
                resource.group.as_str().into()
            }
            fn version(resource: &ApiResource) -> Cow<'_, str> {
                resource.version.as_str().into()
            }
            fn plural(resource: &ApiResource) -> Cow<'_, str> {
                resource.plural.as_str().into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

dynamic_resource!(WatchedObject);
dynamic_resource!(WatchedSecret);

impl WatchedObject {
    /// The object's facts.
    pub(super) fn into_facts(self, group: &str, kind: &str) -> ObjectFacts {
        let mut meta = self.metadata;
        let mut annotation = |key: &str| {
            let annotations = meta.annotations.as_mut()?;
            annotations.remove(key).map(String::into_boxed_str)
        };
        let annotations = WireAnnotations {
            policy: annotation(POLICY_ANNOTATION),
            resource_id: annotation(RESOURCE_ID_ANNOTATION),
            credential_from: annotation(CREDENTIAL_FROM_ANNOTATION),
            operator_namespace: annotation(OPERATOR_NAMESPACE_ANNOTATION),
            azure_name_from_config: annotation(AZURE_NAME_FROM_CONFIG_ANNOTATION),
            child_resource_id_override: annotation(CHILD_RESOURCE_ID_OVERRIDE_ANNOTATION),
            protect: annotation(PROTECT_ANNOTATION),
            poller_resume_token: annotation(POLLER_RESUME_TOKEN_ANNOTATION),
            delete_for_move: annotation(DELETE_FOR_MOVE_ANNOTATION).map(|_| IgnoredAny),
        };
        let metadata = WireMetadata {
            name: meta.name.unwrap_or_default().into(),
            uid: meta.uid.unwrap_or_default().into(),
            resource_version: meta.resource_version.map(String::into_boxed_str),
            // Only whether it is there matters.
            deletion_timestamp: meta.deletion_timestamp.map(|_| "set".into()),
            annotations: Some(annotations),
        };
        let namespace = meta.namespace.unwrap_or_default();
        let object = WireObject {
            metadata,
            spec: self.spec,
            status: self.status,
        };
        object.into_facts(group, kind, &namespace)
    }
}

/// Whether a namespace has the guard's label.
pub(super) fn is_guarded(meta: &ObjectMeta) -> bool {
    let labels = meta.labels.as_ref();
    labels.is_some_and(|labels| {
        labels
            .get(GUARDED_LABEL)
            .is_some_and(|value| value == "true")
    })
}

/// What a namespace says about the objects in it.
pub(super) fn namespace_of(meta: &ObjectMeta) -> NamespaceFacts {
    let annotation = |key| Some(meta.annotations.as_ref()?.get(key)?.as_str().into());
    NamespaceFacts {
        resource_version: meta.resource_version.as_deref().unwrap_or("").into(),
        policy: annotation(POLICY_ANNOTATION),
        mode: meta
            .labels
            .as_ref()
            .and_then(|labels| Some(labels.get(MODE_LABEL)?.as_str().into())),
        overriding: annotation(OVERRIDE_ANNOTATION),
        protect: annotation(PROTECT_ANNOTATION),
        terminating: meta.deletion_timestamp.is_some(),
    }
}
