//! Any Kubernetes object, as it is written and as it comes back.

use std::fmt;

use kube::Resource;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::crds;

/// ASO's annotation that sets the reconcile policy.
pub const POLICY: &str = "serviceoperator.azure.com/reconcile-policy";

/// Kinds of the lab that live in no namespace.
const CLUSTER_SCOPED: [&str; 11] = [
    "Namespace",
    "CustomResourceDefinition",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "Claim",
    "Member",
    "Transfer",
];

/// A Kubernetes object. Its methods read like the sentence that describes it:
/// `Object::of("StorageAccount", "data").azure_name("asodata").owner("rg").policy("skip")`.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(pub Value);

impl Object {
    /// One of the lab's ASO kinds, in its newest version.
    pub fn of(kind: &str, name: &str) -> Self {
        let kind = crds::kind(kind);
        Self::new(&kind.api_version(), kind.kind, name).with("/spec/location", "westeurope")
    }

    /// An object of any kind.
    pub fn new(api_version: &str, kind: &str, name: &str) -> Self {
        Self(json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}))
    }

    /// A namespace.
    pub fn namespace(name: &str) -> Self {
        Self::new("v1", "Namespace", name)
    }

    /// A credential as ASO reads it. `aso-credential` counts for the namespace it is in,
    /// `aso-controller-settings` in ASO's own namespace for all others.
    pub fn credential(name: &str, subscription: &str) -> Self {
        Self::new("v1", "Secret", name)
            .with("/stringData/AZURE_SUBSCRIPTION_ID", subscription)
            .with("/stringData/AZURE_TENANT_ID", crds::TENANT)
    }

    /// The objects of a YAML text with one document or several.
    pub fn documents(yaml: &str) -> anyhow::Result<Vec<Self>> {
        use serde::Deserialize;
        let mut objects = Vec::new();
        for document in serde_yaml::Deserializer::from_str(yaml) {
            let value = Value::deserialize(document)?;
            if !value.is_null() {
                objects.push(Self(value));
            }
        }
        Ok(objects)
    }

    /// An object of a story, as YAML. Fails the test where it isn't one.
    pub fn yaml(yaml: &str) -> Self {
        match serde_yaml::from_str(yaml) {
            Ok(value) => Self(value),
            Err(error) => panic!("not YAML: {error}\n{yaml}"),
        }
    }

    /// `spec.azureName`.
    #[must_use]
    pub fn azure_name(self, name: &str) -> Self {
        self.with("/spec/azureName", name)
    }

    /// `spec.owner.name`.
    #[must_use]
    pub fn owner(self, name: &str) -> Self {
        self.with("/spec/owner/name", name)
    }

    /// `spec.owner.armId`, for an owner that is not in Kubernetes.
    #[must_use]
    pub fn owner_arm_id(self, id: &str) -> Self {
        self.with("/spec/owner/armId", id)
    }

    /// `spec.owner` of an extension, which says what kind it extends.
    #[must_use]
    pub fn extends(self, owner: &Object) -> Self {
        let group = owner.group().to_owned();
        self.with("/spec/owner/group", group)
            .with("/spec/owner/kind", owner.kind())
            .with("/spec/owner/name", owner.name())
    }

    /// The reconcile policy.
    #[must_use]
    pub fn policy(self, policy: &str) -> Self {
        self.annotated(POLICY, policy)
    }

    /// An annotation.
    #[must_use]
    pub fn annotated(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["annotations"][key] = value.into();
        self
    }

    /// A label.
    #[must_use]
    pub fn labelled(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["labels"][key] = value.into();
        self
    }

    /// The same object in another version of its kind, such as `v1api20200601storage`.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        self.0["apiVersion"] = format!("{}/{version}", self.group()).into();
        self
    }

    /// In a namespace other than that of the story.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.0["metadata"]["namespace"] = namespace.into();
        self
    }

    /// As Kubernetes' garbage collector sees it: goes when `owner`, as stored, has gone.
    #[must_use]
    pub fn owned_by(mut self, owner: &Object) -> Self {
        self.0["metadata"]["ownerReferences"] = json!([{
            "apiVersion": owner.api_version(),
            "kind": owner.kind(),
            "name": owner.name(),
            "uid": owner.0["metadata"]["uid"],
        }]);
        self
    }

    /// Any field, by JSON pointer; the maps on the way to it are made as needed.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let field = pointer
            .split('/')
            .skip(1)
            .fold(&mut self.0, |at, key| &mut at[key]);
        *field = value.into();
        self
    }

    /// Without the annotation.
    #[must_use]
    pub fn without_annotation(mut self, key: &str) -> Self {
        if let Some(annotations) = self.0["metadata"]["annotations"].as_object_mut() {
            annotations.remove(key);
        }
        self
    }

    /// Its API version, such as `resources.azure.com/v1api20200601`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// Its API group; empty for Kubernetes' core.
    pub fn group(&self) -> &str {
        self.api_version()
            .split_once('/')
            .map_or("", |(group, _version)| group)
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.uid`, once it is stored.
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// A text field by JSON pointer; empty if there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.0
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or("")
    }

    /// Whether it is being deleted.
    pub fn is_terminating(&self) -> bool {
        !self.text("/metadata/deletionTimestamp").is_empty()
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.0["metadata"]["annotations"][key].as_str()
    }

    /// The path of its collection, for an object that names no namespace in `namespace`.
    pub fn collection(&self, namespace: &str) -> String {
        let group_version = self.api_version();
        let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, self.kind()));
        let namespace = match self.text("/metadata/namespace") {
            "" => namespace,
            own => own,
        };
        let scope = (!CLUSTER_SCOPED.contains(&self.kind())).then_some(namespace);
        DynamicObject::url_path(&resource, scope)
    }
}

/// `StorageAccount/data`.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_reads_as_it_is_written() {
        let account = Object::of("StorageAccount", "data")
            .azure_name("asodata")
            .owner("rg")
            .policy("skip");
        let written = Object::yaml(
            "
            apiVersion: storage.azure.com/v20250601
            kind: StorageAccount
            metadata:
              name: data
              annotations: {serviceoperator.azure.com/reconcile-policy: skip}
            spec: {azureName: asodata, location: westeurope, owner: {name: rg}}
            ",
        );
        assert_eq!(account, written);
        assert_eq!(account.clone().policy("x").annotation(POLICY), Some("x"));
        assert_eq!(account.without_annotation(POLICY).annotation(POLICY), None);
    }

    #[test]
    fn collections_are_in_the_namespace_unless_the_kind_is_not() {
        let account = Object::of("StorageAccount", "data");
        let path = "/apis/storage.azure.com/v20250601/namespaces/team/storageaccounts";
        assert_eq!(account.collection("team"), path);
        let elsewhere = account.in_namespace("other").collection("team");
        assert_eq!(elsewhere, path.replace("team", "other"));
        let namespace = Object::namespace("team").collection("team");
        assert_eq!(namespace, "/api/v1/namespaces");
    }
}
