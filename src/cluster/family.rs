//! What is below an object: what it owns, what that owns, and so on.

use std::collections::HashSet;
use std::sync::Arc;

use crate::arm::{self, Kinds, NextOwner};
use crate::object::{ObjectFacts, ObjectKey};

use super::Cluster;

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
