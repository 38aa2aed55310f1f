//! The resources of a fleet, the objects that stand for them, and what an API server asks of them.

use std::sync::Arc;

use aso_guard::arm::Identity;
use aso_guard::object::{ObjectFacts, ObjectKey, OwnerRef};
use serde_json::{Value, json};

/// The subscription that all clusters share.
pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";
/// How many resources are in a resource group, itself included.
pub const IN_GROUP: usize = 50;
const GROUPS: (&str, &str) = ("resources.azure.com", "ResourceGroup");
const ACCOUNTS: (&str, &str) = ("storage.azure.com", "StorageAccount");

/// A resource in Azure: a resource group, or a storage account in one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    group: Arc<str>,
    account: Option<Arc<str>>,
}

impl Resource {
    /// The so-manieth of those that a cluster begins with, groups before what is in them.
    pub fn of(cluster: &str, number: usize) -> Self {
        let inside = number % IN_GROUP;
        let group = format!("rg-{cluster}-{}", number / IN_GROUP);
        Self {
            account: (inside > 0).then(|| format!("st{cluster}x{number}").into()),
            group: group.into(),
        }
    }

    /// A resource group of this name.
    pub fn group(name: &str) -> Self {
        Self {
            group: name.into(),
            account: None,
        }
    }

    /// What it is claimed by.
    pub fn identity(&self) -> Identity {
        let group = &self.group;
        let mut id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}");
        if let Some(account) = &self.account {
            id += &format!("/providers/Microsoft.Storage/storageAccounts/{account}");
        }
        Identity::parse(&id).expect("it is an ARM ID")
    }

    fn kind(&self) -> (&'static str, &'static str) {
        if self.account.is_some() {
            ACCOUNTS
        } else {
            GROUPS
        }
    }

    fn name(&self) -> &Arc<str> {
        self.account.as_ref().unwrap_or(&self.group)
    }

    /// The object for it in a namespace.
    pub fn object(&self, namespace: &str, uid: &str, policy: Option<&str>) -> ObjectFacts {
        let (group, kind) = self.kind();
        let mut object = ObjectFacts::named(ObjectKey::new(group, kind, namespace, self.name()));
        object.uid = uid.into();
        object.azure_name = Some((&**self.name()).into());
        object.owner = self.account.is_some().then(|| OwnerRef {
            name: Some((&*self.group).into()),
            ..OwnerRef::default()
        });
        object.annotations.policy = policy.map(Into::into);
        object
    }
}

/// What an API server asks.
pub fn review(uid: &str, now: Option<&ObjectFacts>, before: Option<&ObjectFacts>) -> Vec<u8> {
    let about = now.or(before).expect("a request is about an object");
    let (operation, key) = match (now, before) {
        (Some(_), None) => ("CREATE", &about.key),
        (Some(_), Some(_)) => ("UPDATE", &about.key),
        _ => ("DELETE", &about.key),
    };
    let version = "v1api20230101";
    let kind = json!({"group": &*key.group, "version": version, "kind": &*key.kind});
    let plural = format!("{}s", key.kind.to_lowercase());
    let resource = json!({"group": &*key.group, "version": version, "resource": plural});
    let whole = |object: Option<&ObjectFacts>| object.map(|object| manifest(object, version));
    let request = json!({
        "uid": uid, "kind": kind, "resource": resource,
        "requestKind": kind, "requestResource": resource,
        "name": &*key.name, "namespace": &*key.namespace, "operation": operation,
        "userInfo": {"username": "gitops", "groups": ["system:authenticated"]},
        "object": whole(now), "oldObject": whole(before), "dryRun": false,
    });
    let review = json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request,
    });
    review.to_string().into_bytes()
}

fn manifest(object: &ObjectFacts, version: &str) -> Value {
    let policy = object.annotations.policy.as_deref();
    let annotations = policy.map(|policy| json!({aso_guard::object::POLICY_ANNOTATION: policy}));
    let owner = object.owner_name().map(|name| json!({"name": name}));
    json!({
        "apiVersion": format!("{}/{version}", object.key.group), "kind": &*object.key.kind,
        "metadata": {
            "name": &*object.key.name, "namespace": &*object.key.namespace, "uid": &*object.uid,
            "resourceVersion": &*object.resource_version, "annotations": annotations,
        },
        "spec": {"azureName": object.azure_name.as_deref(), "owner": owner},
    })
}
