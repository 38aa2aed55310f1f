//! ASO objects, as manifests have them, and reviews of them, as API servers send them.

use serde_json::{Value, json};

pub const POLICY: &str = "serviceoperator.azure.com/reconcile-policy";
pub const RESOURCE_ID: &str = "serviceoperator.azure.com/resource-id";

/// A CREATE of resource group `rg-prod` in namespace `team`, in full.
pub const CREATE: &str = include_str!("fixtures/create.json");
/// A DELETE of storage account `st` in namespace `team`, in full.
pub const DELETE: &str = include_str!("fixtures/delete.json");

/// One ASO object.
#[derive(Clone, Debug)]
pub struct Object(pub Value);

/// A resource group, called the same in Azure, in namespace `team`.
pub fn group(name: &str) -> Object {
    let spec = json!({"azureName": name, "location": "westeurope"});
    object("resources.azure.com", "ResourceGroup", name, spec)
}

/// A storage account in a resource group.
pub fn account(name: &str, group: &str) -> Object {
    let spec = json!({"azureName": name, "owner": {"name": group}});
    object("storage.azure.com", "StorageAccount", name, spec)
}

/// An object of any kind, in namespace `team`.
pub fn object(group: &str, kind: &str, name: &str, spec: Value) -> Object {
    let bare = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": kind,
        "metadata": {"name": name, "namespace": "team", "uid": uid()},
    });
    Object(bare).with("/spec", spec)
}

fn uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

impl Object {
    /// The same with a value set at a JSON pointer's place.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        set(&mut self.0, pointer, value);
        self
    }

    /// The same with this annotation.
    pub fn annotated(self, key: &str, value: &str) -> Self {
        let pointer = format!("/metadata/annotations/{}", key.replace('/', "~1"));
        self.with(&pointer, json!(value))
    }

    /// The same with this policy annotation.
    pub fn policy(self, policy: &str) -> Self {
        self.annotated(POLICY, policy)
    }

    /// The same under another name in Kubernetes, with a uid of its own.
    pub fn named(self, name: &str) -> Self {
        self.with("/metadata/name", json!(name)).again()
    }

    /// The same in another namespace.
    pub fn in_namespace(self, namespace: &str) -> Self {
        self.with("/metadata/namespace", json!(namespace)).again()
    }

    /// The same as another object, created anew.
    pub fn again(self) -> Self {
        self.with("/metadata/uid", json!(uid()))
    }

    /// The same, being deleted.
    pub fn terminating(self) -> Self {
        self.with("/metadata/deletionTimestamp", json!("2026-03-01T12:00:00Z"))
    }

    /// A text of it; empty where it has none there.
    pub fn text(&self, pointer: &str) -> &str {
        let value = self.0.pointer(pointer);
        value.and_then(Value::as_str).unwrap_or_default()
    }

    pub fn group(&self) -> &str {
        let version = self.text("/apiVersion");
        version.split_once('/').map_or("", |(group, _)| group)
    }

    /// A review of its creation.
    pub fn create(&self) -> Value {
        self.review("CREATE", json!(self.0), Value::Null)
    }

    /// A review of its change to `new`.
    pub fn update(&self, new: &Self) -> Value {
        self.review("UPDATE", json!(new.0), json!(self.0))
    }

    /// A review of its deletion.
    pub fn delete(&self) -> Value {
        self.review("DELETE", Value::Null, json!(self.0))
    }

    fn review(&self, operation: &str, object: Value, old: Value) -> Value {
        let kind = json!({"group": self.group(), "version": "v1", "kind": self.text("/kind")});
        let mut review: Value = serde_json::from_str(CREATE).unwrap();
        let request = &mut review["request"];
        request["uid"] = json!(uid());
        for field in ["kind", "requestKind"] {
            request[field] = kind.clone();
        }
        for field in ["name", "namespace"] {
            request[field] = json!(self.text(&format!("/metadata/{field}")));
        }
        request["operation"] = json!(operation);
        request["object"] = object;
        request["oldObject"] = old;
        review
    }
}

/// The same review as a dry run.
pub fn dry(review: Value) -> Value {
    with(review, "/request/dryRun", json!(true))
}

/// The same JSON with a value set at a pointer's place.
pub fn with(mut json: Value, pointer: &str, value: Value) -> Value {
    set(&mut json, pointer, value);
    json
}

fn set(json: &mut Value, pointer: &str, value: Value) {
    let mut at = json;
    for word in pointer.split('/').skip(1) {
        at = &mut at[word.replace("~1", "/").as_str()];
    }
    *at = value;
}
