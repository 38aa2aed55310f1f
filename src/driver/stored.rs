//! Objects as they are stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::object::{ObjectFacts, ObjectKey, wire};

/// An object as it is stored.
#[derive(Clone, Debug)]
pub struct StoredObject {
    /// All of it.
    pub value: Value,
    /// What identity and policy are made of.
    pub facts: Arc<ObjectFacts>,
}

impl StoredObject {
    /// Reads an object of a kind.
    pub fn new(value: Value, group: &str, kind: &str, namespace: &str) -> Option<Self> {
        let read: wire::WireObject = serde_json::from_value(value.clone()).ok()?;
        Some(Self {
            facts: Arc::new(read.into_facts(group, kind, namespace)),
            value,
        })
    }

    /// One of its annotations.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value["metadata"]["annotations"][name].as_str()
    }

    /// Whether its own annotation parks it, whatever its namespace says.
    pub fn is_parked_itself(&self) -> bool {
        self.facts.annotations.policy.as_deref() == Some("skip")
    }
}

/// Objects by their names.
pub type StoredObjects = BTreeMap<ObjectKey, StoredObject>;
