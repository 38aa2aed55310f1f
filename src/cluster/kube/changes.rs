//! What a change that a watch tells of means: what is known afterwards, and what the
//! observer has to look at.

use std::sync::Arc;

use crate::cluster::family;
use crate::cluster::observer::Observer;
use crate::object::{ObjectFacts, ObjectKey};

use super::KubeCluster;

impl KubeCluster {
    fn observer(&self) -> Option<&Arc<Observer>> {
        self.observer.get()
    }

    /// An object was stored. `first`: it is part of a first list.
    pub(super) fn stored(&self, object: ObjectFacts, first: bool) {
        let (object, before) = self.store.put(object);
        let Some(observer) = self.observer() else {
            return;
        };
        let relevant = before
            .as_ref()
            .is_none_or(|before| differs(before, &object));
        if !(first && before.is_none()) {
            observer.changed(&object.key, &object.uid, relevant);
            if before
                .as_ref()
                .is_none_or(|before| renamed(before, &object))
            {
                self.reconsider_children(&object.key);
            }
        }
    }

    pub(super) fn gone(&self, key: &ObjectKey) {
        if let (Some(before), Some(observer)) = (self.store.remove(key), self.observer()) {
            observer.changed(key, &before.uid, true);
            self.reconsider_children(key);
        }
    }

    /// Has everything below an owner looked at: what it stands for rests on it.
    fn reconsider_children(&self, owner: &ObjectKey) {
        let Some(observer) = self.observer() else {
            return;
        };
        for child in family::descendants(self, owner) {
            observer.reconsider(child.key.clone());
        }
    }

    pub(super) fn reconsider_namespace(&self, namespace: &str) {
        let Some(observer) = self.observer() else {
            return;
        };
        for object in self.store.in_namespace(namespace) {
            observer.reconsider(object.key.clone());
        }
    }

    /// A secret changed: in ASO's own namespace it counts for every namespace.
    pub(super) fn reconsider_credential(&self, namespace: &str) {
        let Some(observer) = self.observer() else {
            return;
        };
        if namespace == self.credentials.aso_namespace() {
            for object in self.store.objects() {
                observer.reconsider(object.key.clone());
            }
        } else {
            self.reconsider_namespace(namespace);
        }
    }
}

/// Whether anything changed that identity, policy or deletion are made of.
fn differs(before: &ObjectFacts, now: &ObjectFacts) -> bool {
    let blank = |object: &ObjectFacts| ObjectFacts {
        resource_version: "".into(),
        ..object.clone()
    };
    blank(before) != blank(now)
}

/// Whether what its children's identities rest on changed.
fn renamed(before: &ObjectFacts, now: &ObjectFacts) -> bool {
    before.azure_name != now.azure_name
        || before.owner != now.owner
        || before.annotations.child_resource_id_override
            != now.annotations.child_resource_id_override
        || before.annotations.azure_name_from_config != now.annotations.azure_name_from_config
}
