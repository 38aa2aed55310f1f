//! The policies of many objects, where what spares their resources is believed from the
//! store alone.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cluster::resolve::{self, ClusterOverlay, Freshness};
use crate::cluster::{Cluster, ClusterError};
use crate::object::ObjectFacts;
use crate::policy::{Policy, PolicySource};

/// Looks policies up. Each namespace is read once, and only where it matters.
pub(super) struct NamespacePolicies<'a> {
    cluster: &'a dyn Cluster,
    /// The policy annotations of namespaces, as stored.
    stored: HashMap<Arc<str>, Option<Arc<str>>>,
}

impl<'a> NamespacePolicies<'a> {
    /// Nothing was read yet.
    pub(super) fn of(cluster: &'a dyn Cluster) -> Self {
        Self {
            cluster,
            stored: HashMap::new(),
        }
    }

    /// A namespace that is known to be stored like this.
    pub(super) fn knowing(mut self, namespace: &str, policy: Option<&str>) -> Self {
        self.stored.insert(namespace.into(), policy.map(Arc::from));
        self
    }

    /// An object's policy.
    pub(super) async fn get(&mut self, object: &ObjectFacts) -> Result<Policy, ClusterError> {
        let namespace = &object.key.namespace;
        if !self.stored.contains_key(namespace) {
            let known = resolve::effective_policy(self.cluster, object, Freshness::Known).await?;
            if known.policy.deletes() || known.source == PolicySource::Object {
                return Ok(known.policy);
            }
            let read = self.cluster.namespace(namespace, Freshness::Store).await?;
            self.stored.insert(namespace.clone(), read.policy);
        }
        let stored = self.stored.get(namespace).and_then(Option::as_deref);
        let view = ClusterOverlay::of(self.cluster, Freshness::KnownUnlessParked);
        let view = view.with_namespace(namespace, stored);
        Ok(view.policy(object).await?.policy)
    }
}
