//! What a person states of a cluster that is checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::claim::MemberName;

/// What a person states of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// Its name.
    pub name: MemberName,
    /// The subscription of its global credential.
    pub subscription: Option<Arc<str>>,
    /// ASO's `DEFAULT_RECONCILE_POLICY`.
    pub default_policy: Option<Arc<str>>,
    /// The namespaces that ASO runs in; empty where it is to be seen by the manifests.
    pub operators: Vec<Arc<str>>,
    /// Its namespaces that are in no manifest, or not fully.
    pub namespaces: BTreeMap<String, NamespaceSettings>,
}

impl ClusterSettings {
    /// A cluster of which nothing is stated.
    pub fn of(name: MemberName) -> Self {
        Self {
            name,
            subscription: None,
            default_policy: None,
            operators: Vec::new(),
            namespaces: BTreeMap::new(),
        }
    }
}

/// What a person states of a namespace.
#[derive(Clone, Debug, Default)]
pub struct NamespaceSettings {
    /// The subscription of its credential.
    pub subscription: Option<Arc<str>>,
    /// Its policy annotation.
    pub policy: Option<Arc<str>>,
    /// The subscriptions of the secrets that objects name as their credential.
    pub credentials: BTreeMap<String, Arc<str>>,
}
