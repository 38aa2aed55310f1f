//! A cluster behind a real API server.

mod changes;
mod credentials;
mod discovery;
pub mod epoch;
mod labels;
mod listed;
pub mod protections;
mod restarts;
mod store;
pub mod survey;
mod watch;
mod watched;

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch as channel;

use crate::api_server::watching::WatchConnections;
use crate::api_server::{CALL_TIMEOUT, is_missing_object, within};
use crate::arm::Kinds;
use crate::object::text::causes;
use crate::object::{ObjectFacts, ObjectKey, POLICY_ANNOTATION};
use crate::resolve::{Freshness, SecretLookup};

use super::observer::Observer;
use super::transfer_controller::LabelSelectorQuery;
use super::{Cluster, ClusterError, ListedObjects, NamespaceFacts, ObjectScope, Parking};
use credentials::Credentials;
use discovery::InstalledKinds;
use store::ObjectStore;
use watched::WatchedObject;

/// Where to look for credentials.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// The namespaces of the ASOs, with their secrets `aso-controller-settings`.
    pub operators: Arc<[Arc<str>]>,
    /// The subscription of everything, where the guard is not to read secrets.
    pub subscription: Option<String>,
}

/// The member's cluster: what its watches have told, and its API server for the rest.
pub struct KubeCluster {
    client: Client,
    /// Connections for the watches of kinds; without, they go over the client's.
    watching: Option<WatchConnections>,
    store: ObjectStore,
    credentials: Credentials,
    kinds: ArcSwap<Kinds>,
    installed: ArcSwap<InstalledKinds>,
    groups: channel::Sender<BTreeSet<String>>,
    /// The installed kinds that may not be read.
    unwatched: Mutex<BTreeSet<String>>,
    observer: OnceLock<Arc<Observer>>,
    /// That of the registry that the fleet moves to.
    next_observer: OnceLock<Arc<Observer>>,
    /// Whether everything that was there at the start is known.
    is_known: AtomicBool,
}

impl KubeCluster {
    /// A cluster behind this client, which must not retry on its own.
    pub fn new(client: Client, credentials: CredentialSettings) -> Self {
        Self {
            credentials: Credentials::new(client.clone(), credentials),
            client,
            watching: None,
            store: ObjectStore::default(),
            kinds: ArcSwap::from_pointee(Kinds::builtin()),
            installed: ArcSwap::default(),
            groups: channel::Sender::default(),
            unwatched: Mutex::default(),
            observer: OnceLock::new(),
            next_observer: OnceLock::new(),
            is_known: AtomicBool::new(false),
        }
    }

    /// The same cluster, whose kinds are watched over these connections.
    #[must_use]
    pub fn watched_over(self, connections: WatchConnections) -> Self {
        Self {
            watching: Some(connections),
            ..self
        }
    }

    /// The cluster's own identity: the UID of its namespace `kube-system`.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn identity(&self) -> Result<Arc<str>, ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let system = call("namespace kube-system", namespaces.get("kube-system")).await?;
        Ok(system.metadata.uid.unwrap_or_default().into())
    }

    /// Has the observer of the registry that the fleet moves to hear of changes, too.
    pub fn tell_next(&self, observer: Arc<Observer>) {
        // A second call would be a mistake of the program; the first observer stays.
        let _ = self.next_observer.set(observer);
    }

    /// The API groups of ASO's installed kinds, as they come and go.
    pub fn groups(&self) -> channel::Receiver<BTreeSet<String>> {
        self.groups.subscribe()
    }

    /// The installed kinds, as kind.group, that the guard may not list or watch.
    pub fn unwatched(&self) -> Vec<String> {
        self.unwatched.lock().iter().cloned().collect()
    }

    /// Takes down whether a kind may be read. Gives whether that is news.
    fn set_watched(&self, kind: &ApiResource, watched: bool) -> bool {
        let name = format!("{}.{}", kind.kind, kind.group);
        let mut kinds = self.unwatched.lock();
        if watched {
            kinds.remove(&name)
        } else {
            kinds.insert(name)
        }
    }

    /// The `apiVersion` by which people know a kind; `None` where it is not installed.
    pub fn api_version(&self, group: &str, kind: &str) -> Option<String> {
        let installed = self.installed.load();
        let version = installed.version(group, kind)?;
        Some(format!("{group}/{version}"))
    }

    /// An object as the API server's store has it now.
    async fn read(&self, key: &ObjectKey) -> Result<Option<ObjectFacts>, ClusterError> {
        let what = key.to_string();
        let Some(api) = self.api(key) else {
            if self.installed.load().lacks_some_of(&key.group) {
                let why = "it does not serve all kinds of that group yet".to_owned();
                return Err(ClusterError { what, why });
            }
            return Ok(None);
        };
        let answer = async {
            match api.get(&key.name).await {
                Err(kube::Error::Api(status)) if is_missing_object(&status) => Ok(None),
                found => found.map(Some),
            }
        };
        let found = call(&what, answer).await?;
        Ok(found.map(|object| object.into_facts(&key.group, &key.kind)))
    }

    /// A namespace as the API server's store has it now.
    async fn read_namespace(&self, name: &str) -> Result<NamespaceFacts, ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let what = format!("namespace {name}");
        let found = call(&what, namespaces.get_opt(name)).await?;
        Ok(found.map_or_else(NamespaceFacts::default, |found| {
            watched::namespace_of(&found.metadata)
        }))
    }

    /// The watched objects' API, where the kind is installed.
    fn api(&self, key: &ObjectKey) -> Option<Api<WatchedObject>> {
        let installed = self.installed.load();
        let resource = installed.get(&key.group, &key.kind)?;
        Some(Api::namespaced_with(
            self.client.clone(),
            &key.namespace,
            resource,
        ))
    }
}

/// One call, within its time, with what it was for.
async fn call<T>(
    what: &str,
    answer: impl Future<Output = kube::Result<T>>,
) -> Result<T, ClusterError> {
    let answer = within(CALL_TIMEOUT, answer).await;
    answer.map_err(|error| failed(what, &error))
}

/// A call that came to nothing, with what it was for.
fn failed(what: &str, error: &kube::Error) -> ClusterError {
    ClusterError {
        what: what.to_owned(),
        why: causes(error),
    }
}

#[async_trait]
impl Parking for KubeCluster {
    async fn park(&self, object: &ObjectFacts) -> Result<bool, ClusterError> {
        let key = &object.key;
        let Some(api) = self.api(key) else {
            return Ok(false);
        };
        let patch = Patch::Merge(json!({"metadata": {
            "uid": &*object.uid,
            "resourceVersion": &*object.resource_version,
            "annotations": {POLICY_ANNOTATION: "skip"},
        }}));
        let parked = async {
            match api
                .patch_metadata(&key.name, &PatchParams::default(), &patch)
                .await
            {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
                answer => answer.map(|_| true),
            }
        };
        call(&key.to_string(), parked).await
    }
}

#[async_trait]
impl LabelSelectorQuery for KubeCluster {
    async fn labelled(
        &self,
        namespace: &str,
        selector: &str,
    ) -> Result<HashSet<ObjectKey>, ClusterError> {
        let known = self.store.in_namespace(namespace);
        let mut of_each_kind: Vec<&ObjectKey> = known.iter().map(|object| &object.key).collect();
        of_each_kind.dedup_by_key(|key| (&key.group, &key.kind));
        let params = ListParams::default().labels(selector);
        let mut found = HashSet::new();
        for key in of_each_kind {
            let Some(api) = self.api(key) else { continue };
            let what = format!("{}.{} with labels {selector}", key.kind, key.group);
            let listed = call(&what, api.list(&params)).await?;
            let facts = listed.items.into_iter();
            found.extend(facts.map(|one| one.into_facts(&key.group, &key.kind).key));
        }
        Ok(found)
    }
}

#[async_trait]
impl Cluster for KubeCluster {
    fn kinds(&self) -> Arc<Kinds> {
        self.kinds.load_full()
    }

    fn operators(&self) -> Arc<[Arc<str>]> {
        self.credentials.operators()
    }

    async fn object(
        &self,
        key: &ObjectKey,
        trust: Freshness,
    ) -> Result<Option<Arc<ObjectFacts>>, ClusterError> {
        if trust != Freshness::Store
            && let Some(known) = self.store.object(key)
        {
            return Ok(Some(known));
        }
        Ok(self.read(key).await?.map(Arc::new))
    }

    fn objects(&self) -> Vec<Arc<ObjectFacts>> {
        self.store.objects()
    }

    fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>> {
        self.store.owned_by(namespace, name)
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>> {
        self.store.in_namespace(namespace)
    }

    async fn namespace(
        &self,
        name: &str,
        trust: Freshness,
    ) -> Result<NamespaceFacts, ClusterError> {
        if trust != Freshness::Store
            && let Some(known) = self.store.namespace(name)
        {
            return Ok(known);
        }
        self.read_namespace(name).await
    }

    fn unwatched(&self) -> Vec<String> {
        Self::unwatched(self)
    }

    async fn list(&self, scope: ObjectScope<'_>) -> ListedObjects {
        self.list_stored(scope).await
    }

    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        trust: Freshness,
    ) -> Result<SecretLookup, ClusterError> {
        self.credentials.find(namespace, name, trust).await
    }
}
