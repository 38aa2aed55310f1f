//! What the watches have told of objects and namespaces.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;

use crate::cluster::NamespaceFacts;
use crate::object::{ObjectFacts, ObjectKey, ObjectName};

/// Objects in order of namespace, and the namespaces' policies.
#[derive(Debug, Default)]
pub(super) struct ObjectStore {
    objects: RwLock<NamespaceObjects>,
    namespaces: RwLock<HashMap<Box<str>, NamespaceEntry>>,
    /// Strings that many objects have in common.
    common: RwLock<HashSet<Arc<str>>>,
}

/// What is known of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NamespaceEntry {
    /// What it says about the objects in it.
    pub(super) facts: NamespaceFacts,
    /// Whether it has the guard's label.
    pub(super) guarded: bool,
}

#[derive(Debug, Default)]
struct NamespaceObjects {
    by_key: BTreeMap<ObjectKey, Arc<ObjectFacts>>,
    /// What names an owner, by namespace and the owner's name.
    by_owner: HashMap<Arc<str>, HashMap<Box<str>, HashSet<ObjectKey>>>,
}

impl NamespaceObjects {
    fn insert(&mut self, object: Arc<ObjectFacts>) -> Option<Arc<ObjectFacts>> {
        let before = self.remove(&object.key);
        if let Some(owner) = object.owner_name() {
            let owners = self
                .by_owner
                .entry(object.key.namespace.clone())
                .or_default();
            owners
                .entry(owner.into())
                .or_default()
                .insert(object.key.clone());
        }
        self.by_key.insert(object.key.clone(), object);
        before
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Arc<ObjectFacts>> {
        let before = self.by_key.remove(key)?;
        if let Some(owner) = before.owner_name()
            && let Some(owners) = self.by_owner.get_mut(&key.namespace)
            && let Some(owned) = owners.get_mut(owner)
        {
            owned.remove(key);
            if owned.is_empty() {
                owners.remove(owner);
            }
        }
        Some(before)
    }
}

impl ObjectStore {
    /// An object.
    pub(super) fn object(&self, key: &ObjectKey) -> Option<Arc<ObjectFacts>> {
        self.objects.read().by_key.get(key).cloned()
    }

    /// All objects.
    pub(super) fn objects(&self) -> Vec<Arc<ObjectFacts>> {
        self.objects.read().by_key.values().cloned().collect()
    }

    /// The keys of a kind's objects.
    pub(super) fn keys_of(&self, group: &str, kind: &str) -> HashSet<ObjectKey> {
        let objects = self.objects.read();
        let keys = objects.by_key.keys();
        keys.filter(|key| *key.group == *group && *key.kind == *kind)
            .cloned()
            .collect()
    }

    /// The objects of a namespace.
    pub(super) fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>> {
        let first = ObjectKey::new("", "", namespace, "");
        let objects = self.objects.read();
        let from_here = objects.by_key.range(first..);
        from_here
            .take_while(|(key, _)| *key.namespace == *namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// The objects of a namespace whose owner has this name.
    pub(super) fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>> {
        let objects = self.objects.read();
        let owned = objects
            .by_owner
            .get(namespace)
            .and_then(|owners| owners.get(name));
        let keys = owned.into_iter().flatten();
        keys.filter_map(|key| objects.by_key.get(key))
            .cloned()
            .collect()
    }

    /// Keeps an object, and gives what was known of it before.
    pub(super) fn put(
        &self,
        mut object: ObjectFacts,
    ) -> (Arc<ObjectFacts>, Option<Arc<ObjectFacts>>) {
        object.key = self.shared(&object.key);
        let operator = &mut object.annotations.operator_namespace;
        *operator = operator.take().map(|operator| self.common(operator));
        let object = Arc::new(object);
        let before = self.objects.write().insert(object.clone());
        (object, before)
    }

    /// Forgets an object, and gives what was known of it.
    pub(super) fn remove(&self, key: &ObjectKey) -> Option<Arc<ObjectFacts>> {
        self.objects.write().remove(key)
    }

    /// A namespace, where it is known.
    pub(super) fn namespace(&self, name: &str) -> Option<NamespaceFacts> {
        let namespaces = self.namespaces.read();
        namespaces.get(name).map(|known| known.facts.clone())
    }

    /// Keeps a namespace, and says whether its policy or its protection changed.
    pub(super) fn put_namespace(&self, name: &str, namespace: NamespaceEntry) -> bool {
        let now = namespace.facts.clone();
        let before = self.namespaces.write().insert(name.into(), namespace);
        before.is_some_and(|NamespaceEntry { facts, .. }| {
            facts.policy != now.policy || facts.protect != now.protect
        })
    }

    /// The namespaces whose label is not as it should be, and how it should be: those
    /// with objects have it.
    pub(super) fn labels_due(&self) -> Vec<(String, bool)> {
        let objects = self.objects.read();
        let has_objects = |namespace: &str| {
            let first = ObjectKey::new("", "", namespace, "");
            let next = objects.by_key.range(first..).next();
            next.is_some_and(|(key, _)| *key.namespace == *namespace)
        };
        let namespaces = self.namespaces.read();
        namespaces
            .iter()
            .map(|(name, known)| (name, known.guarded, has_objects(name)))
            .filter(|(_, is, should)| is != should)
            .map(|(name, _, should)| (name.to_string(), should))
            .collect()
    }

    /// Remembers whether a namespace has the guard's label.
    pub(super) fn set_guarded(&self, namespace: &str, guarded: bool) {
        if let Some(known) = self.namespaces.write().get_mut(namespace) {
            known.guarded = guarded;
        }
    }

    /// Forgets all namespaces but these.
    pub(super) fn keep_namespaces(&self, these: &HashSet<String>) {
        self.namespaces
            .write()
            .retain(|name, _| these.contains(&**name));
    }

    /// Forgets a namespace.
    pub(super) fn remove_namespace(&self, namespace: &str) {
        self.namespaces.write().remove(namespace);
    }

    /// The key by which the object is known, else one with as much in common as can be.
    fn shared(&self, key: &ObjectKey) -> ObjectKey {
        let objects = self.objects.read();
        if let Some((known, _)) = objects.by_key.get_key_value(key) {
            return known.clone();
        }
        drop(objects);
        let name = ObjectName {
            namespace: self.common(key.namespace.clone()),
            group: self.common(key.group.clone()),
            kind: self.common(key.kind.clone()),
            name: key.name.clone(),
        };
        name.into()
    }

    fn common(&self, text: Arc<str>) -> Arc<str> {
        if let Some(known) = self.common.read().get(&text) {
            return known.clone();
        }
        self.common.write().insert(text.clone());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::OwnerRef;

    #[test]
    fn a_namespace_has_its_own_objects_and_no_others() {
        let store = ObjectStore::default();
        for (namespace, name) in [("a", "x"), ("b", "x"), ("b", "y"), ("ba", "x")] {
            store.put(ObjectFacts::named(ObjectKey::new(
                "g", "K", namespace, name,
            )));
        }
        let names: Vec<String> = store
            .in_namespace("b")
            .iter()
            .map(|object| object.key.to_string())
            .collect();
        assert_eq!(names, ["b/K/x", "b/K/y"]);
    }

    #[test]
    fn what_an_owner_owns_follows_changes() {
        let store = ObjectStore::default();
        let owned = |owner: &str| ObjectFacts {
            owner: Some(OwnerRef {
                name: Some(owner.into()),
                ..OwnerRef::default()
            }),
            ..ObjectFacts::named(ObjectKey::new("g", "K", "ns", "child"))
        };
        store.put(owned("one"));
        assert_eq!(store.owned_by("ns", "one").len(), 1);
        store.put(owned("two"));
        assert_eq!(store.owned_by("ns", "one").len(), 0);
        assert_eq!(store.owned_by("ns", "two").len(), 1);
        store.remove(&owned("two").key);
        assert_eq!(store.owned_by("ns", "two").len(), 0);
    }

    #[test]
    fn a_namespaces_policy_changes_only_when_it_was_known() {
        let store = ObjectStore::default();
        let with = |policy: Option<&str>| NamespaceEntry {
            facts: NamespaceFacts {
                policy: policy.map(Arc::from),
                ..NamespaceFacts::default()
            },
            guarded: false,
        };
        assert!(!store.put_namespace("a", with(None)));
        assert!(store.put_namespace("a", with(Some("skip"))));
        assert!(!store.put_namespace("a", with(Some("skip"))));
        assert_eq!(store.namespace("a").unwrap().policy, Some("skip".into()));
        assert_eq!(store.namespace("b"), None);
    }

    #[test]
    fn a_namespace_that_a_new_list_lacks_is_gone() {
        let store = ObjectStore::default();
        for name in ["stays", "gone"] {
            store.put_namespace(name, NamespaceEntry::default());
            store.put(ObjectFacts::named(ObjectKey::new("g", "K", name, "x")));
        }
        store.keep_namespaces(&HashSet::from(["stays".to_owned()]));
        assert_eq!(store.namespace("gone"), None);
        assert_eq!(store.labels_due(), [("stays".to_owned(), true)]);
    }

    #[test]
    fn namespaces_with_objects_are_to_be_labelled() {
        let store = ObjectStore::default();
        let guarded = NamespaceEntry {
            guarded: true,
            ..NamespaceEntry::default()
        };
        store.put_namespace("empty", NamespaceEntry::default());
        store.put_namespace("full", NamespaceEntry::default());
        store.put_namespace("left", guarded);
        store.put(ObjectFacts::named(ObjectKey::new("g", "K", "full", "x")));
        let mut due = store.labels_due();
        due.sort();
        assert_eq!(due, [("full".to_owned(), true), ("left".to_owned(), false)]);
    }
}
