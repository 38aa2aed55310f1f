//! What is below an object: what it owns, what that owns, and so on.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;

use crate::arm::{self, Kinds, NextOwner};
use crate::object::{ObjectFacts, ObjectKey};

use super::{Cluster, ClusterError, NamespaceFacts, Subscription};

/// Every known object below `root` by `spec.owner`, nearest first.
pub fn descendants(cluster: &dyn Cluster, root: &ObjectKey) -> Vec<Arc<ObjectFacts>> {
    let kinds = cluster.kinds();
    let mut seen: HashSet<ObjectKey> = HashSet::new();
    let mut found: Vec<Arc<ObjectFacts>> = Vec::new();
    let mut owner = root.clone();
    let mut at = 0;
    loop {
        for child in cluster.owned_by(&owner.namespace, &owner.name) {
            if is_child(&kinds, &child, &owner) && seen.insert(child.key.clone()) {
                found.push(child);
            }
        }
        let Some(next) = found.get(at) else {
            return found;
        };
        owner = next.key.clone();
        at += 1;
    }
}

fn is_child(kinds: &Kinds, child: &ObjectFacts, owner: &ObjectKey) -> bool {
    matches!(arm::next_owner(kinds, child), Ok(NextOwner::Object(key)) if key == *owner)
}

/// A cluster as it would be with one object as given.
pub struct With<'a> {
    /// The cluster as it is.
    pub cluster: &'a dyn Cluster,
    /// The object as it would be.
    pub object: Arc<ObjectFacts>,
}

#[async_trait]
impl Cluster for With<'_> {
    fn kinds(&self) -> Arc<Kinds> {
        self.cluster.kinds()
    }

    async fn object(&self, key: &ObjectKey) -> Result<Option<Arc<ObjectFacts>>, ClusterError> {
        if *key == self.object.key {
            return Ok(Some(self.object.clone()));
        }
        self.cluster.object(key).await
    }

    fn objects(&self) -> Vec<Arc<ObjectFacts>> {
        self.cluster.objects()
    }

    fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>> {
        self.cluster.owned_by(namespace, name)
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>> {
        self.cluster.in_namespace(namespace)
    }

    async fn read(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, ClusterError> {
        self.cluster.read(key).await
    }

    async fn namespace(&self, name: &str) -> Result<NamespaceFacts, ClusterError> {
        self.cluster.namespace(name).await
    }

    async fn read_namespace_policy(
        &self,
        namespace: &str,
    ) -> Result<Option<Arc<str>>, ClusterError> {
        self.cluster.read_namespace_policy(namespace).await
    }

    async fn operator_policy(&self) -> Result<Option<Arc<str>>, ClusterError> {
        self.cluster.operator_policy().await
    }

    async fn read_operator_policy(&self) -> Result<Option<Arc<str>>, ClusterError> {
        self.cluster.read_operator_policy().await
    }

    async fn subscription(
        &self,
        namespace: &str,
        credential_from: Option<&str>,
    ) -> Result<Subscription, ClusterError> {
        self.cluster.subscription(namespace, credential_from).await
    }

    async fn read_subscription(
        &self,
        namespace: &str,
        credential_from: Option<&str>,
    ) -> Result<Subscription, ClusterError> {
        self.cluster
            .read_subscription(namespace, credential_from)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::memory::MemoryCluster;
    use crate::object::OwnerRef;

    fn object(group: &str, kind: &str, name: &str, owner: Option<&str>) -> ObjectFacts {
        ObjectFacts {
            owner: owner.map(|name| OwnerRef {
                name: Some(name.into()),
                ..OwnerRef::default()
            }),
            ..ObjectFacts::named(ObjectKey::new(group, kind, "ns", name))
        }
    }

    #[test]
    fn descendants_are_told_apart_from_namesakes_children() {
        let cluster = MemoryCluster::new("sub");
        let (network, storage) = ("network.azure.com", "storage.azure.com");
        let group = object("resources.azure.com", "ResourceGroup", "main", None);
        for stored in [
            group.clone(),
            object(network, "VirtualNetwork", "main", Some("main")),
            object(network, "VirtualNetworksSubnet", "inner", Some("main")),
            object(storage, "StorageAccount", "data", Some("other")),
        ] {
            cluster.store(stored);
        }
        let below = |key: &ObjectKey| -> Vec<String> {
            let found = descendants(&cluster, key);
            found.iter().map(|object| object.key.to_string()).collect()
        };
        assert_eq!(
            below(&group.key),
            ["ns/VirtualNetwork/main", "ns/VirtualNetworksSubnet/inner"]
        );
        let network = ObjectKey::new(network, "VirtualNetwork", "ns", "main");
        assert_eq!(below(&network), ["ns/VirtualNetworksSubnet/inner"]);
    }
}
