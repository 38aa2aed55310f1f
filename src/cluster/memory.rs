//! A cluster in this process's memory: for the demo, for tests and for benchmarks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::arm::Kinds;
use crate::object::{ObjectFacts, ObjectKey};

use super::{Cluster, ClusterError, ListedObjects, NamespaceFacts, ObjectScope, Parking};
use crate::resolve::{Freshness, NAMESPACE_SECRET, SETTINGS_SECRET, SecretFacts, SecretLookup};

/// The namespace of the cluster's one ASO.
const OPERATOR: &str = "azureserviceoperator-system";

/// Objects, policies and credentials, as an API server would have them stored.
pub struct MemoryCluster {
    kinds: Arc<Kinds>,
    state: Mutex<MemoryState>,
}

#[derive(Default)]
struct MemoryState {
    /// The last resourceVersion given.
    version: u64,
    objects: BTreeMap<ObjectKey, Arc<ObjectFacts>>,
    namespaces: HashMap<Box<str>, NamespaceFacts>,
    /// By namespace and name.
    secrets: HashMap<(Box<str>, Box<str>), SecretLookup>,
}

impl MemoryCluster {
    /// An empty cluster whose global credential is of this subscription.
    pub fn new(subscription: &str) -> Self {
        let cluster = Self {
            kinds: Arc::new(Kinds::builtin()),
            state: Mutex::default(),
        };
        cluster.set_secret(OPERATOR, SETTINGS_SECRET, credential(subscription));
        cluster
    }

    /// Stores an object, at a new resourceVersion, and gives it as stored.
    pub fn store(&self, mut object: ObjectFacts) -> Arc<ObjectFacts> {
        let mut state = self.state.lock();
        state.version += 1;
        object.resource_version = state.version.to_string().into();
        let object = Arc::new(object);
        state.objects.insert(object.key.clone(), object.clone());
        object
    }

    /// Removes an object.
    pub fn remove(&self, key: &ObjectKey) -> Option<Arc<ObjectFacts>> {
        self.state.lock().objects.remove(key)
    }

    /// An object as it is stored.
    pub fn stored(&self, key: &ObjectKey) -> Option<Arc<ObjectFacts>> {
        self.state.lock().objects.get(key).cloned()
    }

    /// Sets a namespace's policy annotation.
    pub fn set_namespace_policy(&self, namespace: &str, policy: Option<&str>) {
        self.change_namespace(namespace, |known| known.policy = policy.map(Arc::from));
    }

    /// Changes what a namespace says, at a new resourceVersion.
    pub fn change_namespace(&self, namespace: &str, change: impl FnOnce(&mut NamespaceFacts)) {
        let mut state = self.state.lock();
        state.version += 1;
        let version = state.version.to_string().into();
        let known = state.namespaces.entry(namespace.into()).or_default();
        change(known);
        known.resource_version = version;
    }

    /// Sets ASO's `DEFAULT_RECONCILE_POLICY`.
    pub fn set_operator_policy(&self, policy: Option<&str>) {
        let mut state = self.state.lock();
        let settings = (OPERATOR.into(), SETTINGS_SECRET.into());
        if let Some(SecretLookup::Found(settings)) = state.secrets.get_mut(&settings) {
            settings.default_policy = policy.map(Arc::from);
        }
    }

    /// Gives a namespace a credential of its own.
    pub fn set_subscription(&self, namespace: &str, subscription: &str) {
        self.set_secret(namespace, NAMESPACE_SECRET, credential(subscription));
    }

    /// Sets what is found of a secret.
    pub fn set_secret(&self, namespace: &str, name: &str, secret: SecretLookup) {
        let secrets = &mut self.state.lock().secrets;
        secrets.insert((namespace.into(), name.into()), secret);
    }
}

/// A secret with a credential of this subscription.
pub fn credential(subscription: &str) -> SecretLookup {
    SecretLookup::Found(SecretFacts {
        subscription: Some(subscription.into()),
        ..SecretFacts::default()
    })
}

#[async_trait]
impl Parking for MemoryCluster {
    async fn park(&self, object: &ObjectFacts) -> Result<bool, ClusterError> {
        let mut state = self.state.lock();
        let stored = state.objects.get(&object.key);
        if stored.is_none_or(|now| now.resource_version != object.resource_version) {
            return Ok(false);
        }
        state.version += 1;
        let mut parked = object.clone();
        parked.annotations.policy = Some("skip".into());
        parked.resource_version = state.version.to_string().into();
        state.objects.insert(object.key.clone(), Arc::new(parked));
        Ok(true)
    }
}

#[async_trait]
impl Cluster for MemoryCluster {
    fn kinds(&self) -> Arc<Kinds> {
        self.kinds.clone()
    }

    fn operators(&self) -> Arc<[Arc<str>]> {
        [OPERATOR.into()].into()
    }

    async fn object(
        &self,
        key: &ObjectKey,
        _trust: Freshness,
    ) -> Result<Option<Arc<ObjectFacts>>, ClusterError> {
        Ok(self.stored(key))
    }

    fn objects(&self) -> Vec<Arc<ObjectFacts>> {
        self.state.lock().objects.values().cloned().collect()
    }

    fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>> {
        let state = self.state.lock();
        let owned = |object: &&Arc<ObjectFacts>| {
            *object.key.namespace == *namespace && object.owner_name() == Some(name)
        };
        state.objects.values().filter(owned).cloned().collect()
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>> {
        let state = self.state.lock();
        let inside = |object: &&Arc<ObjectFacts>| *object.key.namespace == *namespace;
        state.objects.values().filter(inside).cloned().collect()
    }

    async fn namespace(
        &self,
        name: &str,
        _trust: Freshness,
    ) -> Result<NamespaceFacts, ClusterError> {
        let known = self.state.lock().namespaces.get(name).cloned();
        Ok(known.unwrap_or_default())
    }

    async fn list(&self, scope: ObjectScope<'_>) -> ListedObjects {
        let mut objects = self.objects();
        objects.retain(|one| scope.has(&one.key));
        ListedObjects {
            objects,
            unread: Vec::new(),
        }
    }

    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        _trust: Freshness,
    ) -> Result<SecretLookup, ClusterError> {
        let state = self.state.lock();
        let found = state.secrets.get(&(namespace.into(), name.into()));
        Ok(found.cloned().unwrap_or(SecretLookup::Missing))
    }
}
