//! Which kinds have live objects, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

/// By namespace, what speaks against the deletion of a kind's CRD.
#[derive(Debug, Default)]
pub(super) struct KindsInUse(BTreeMap<Arc<str>, BTreeMap<String, String>>);

impl KindsInUse {
    /// Takes in what one namespace has. Gives whether that is news.
    pub(super) fn set(&mut self, namespace: &Arc<str>, kinds: BTreeMap<String, String>) -> bool {
        if kinds.is_empty() {
            return self.0.remove(namespace).is_some();
        }
        let before = self.0.insert(namespace.clone(), kinds);
        before.as_ref() != self.0.get(namespace)
    }

    /// Each kind with what its deletion would delete.
    pub(super) fn in_all_namespaces(&self) -> BTreeMap<String, String> {
        let mut all: BTreeMap<String, (String, usize)> = BTreeMap::new();
        for (kind, text) in self.0.values().flatten() {
            let known = all.entry(kind.clone());
            known.or_insert_with(|| (text.clone(), 0)).1 += 1;
        }
        let words = |(kind, (text, namespaces)): (String, (String, usize))| match namespaces {
            1 => (kind, text),
            more => (kind, format!("{text}; and in {} more namespaces", more - 1)),
        };
        all.into_iter().map(words).collect()
    }
}
