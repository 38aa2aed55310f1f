//! A cluster with the policies, and what a guard would write down in it. No guard is there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aso_guard::arm::Identity;
use aso_guard::claim::{HistoryEntry, MemberName, Record, RequestUid};
use aso_guard::cluster::FollowUp;
use aso_guard::cluster::enrolment::{ProcessMemory, RegistryEpoch};
use aso_guard::cluster::kube::protections::{KubeProtections, ProtectionSettings};
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::protections::{
    DirtyNamespaces, ProtectionController, ProtectionStore as _, ProtectionsState,
};
use aso_guard::object::wire::WireObject;
use aso_guard::object::{ObjectFacts, ObjectKey};
use aso_guard::registry::Registry as _;
use aso_guard::registry::memory::MemoryRegistry;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::GUARD;
use crate::lab::control_plane::{ControlPlane, Plan};
use crate::lab::crds::{self, SUBSCRIPTION};
use crate::lab::guard;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::Outcome;
use crate::lab::wait::eventually;

/// Where the guard would run.
pub const OWN: &str = "default";

/// The API server, and beside it what a guard knows.
pub struct Line {
    pub person: Kubectl,
    pub registry: Arc<MemoryRegistry>,
    pub cluster: Arc<MemoryCluster>,
    pub claims: Arc<Claims>,
    pub epoch: Arc<RegistryEpoch>,
    controller: Arc<ProtectionController>,
    store: Arc<KubeProtections>,
    /// It ends when this is dropped.
    _plane: ControlPlane,
}

/// Which claims list an object.
#[derive(Default)]
pub struct Claims(Mutex<HashMap<ObjectKey, Vec<Identity>>>);

impl Claims {
    pub fn enter(&self, key: &ObjectKey, identity: &Identity) {
        let mut all = self.0.lock().unwrap();
        all.entry(key.clone()).or_default().push(identity.clone());
    }
}

impl FollowUp for Claims {
    fn expect(&self, _: &ObjectKey, _: &Identity, _: &RequestUid, _: Timestamp) {}

    fn claims_of(&self, object: &ObjectKey) -> Option<Vec<Identity>> {
        Some(
            self.0
                .lock()
                .unwrap()
                .get(object)
                .cloned()
                .unwrap_or_default(),
        )
    }

    fn remember(&self, _: HistoryEntry) {}
}

pub fn member() -> MemberName {
    "a".parse().unwrap()
}

/// A guard that enforces, and lets everybody override.
pub fn settings() -> ProtectionSettings {
    ProtectionSettings {
        mode: "enforce".to_owned(),
        overrides: "everybody".to_owned(),
        mode_groups: vec!["security".to_owned()],
        exempt_users: vec!["robot".to_owned()],
        ..ProtectionSettings::default()
    }
}

impl Line {
    pub async fn begin(name: &str, settings: ProtectionSettings) -> Self {
        let mut objects = crds::all();
        let program = guard::Plan::enforce(GUARD);
        let printed = program.print(&["protection", "--namespace", OWN]);
        objects.extend(Object::documents(&printed.await.unwrap()).unwrap());
        let plan = Plan {
            objects,
            ..Plan::default()
        };
        let plane = ControlPlane::start(name, &plan).await.unwrap();
        let person = plane.kubectl("team").await.unwrap();
        let store = KubeProtections::new(person.client().clone(), "a", settings);
        let (registry, cluster) = (
            Arc::new(MemoryRegistry::new()),
            Arc::new(MemoryCluster::new(SUBSCRIPTION)),
        );
        let (claims, store) = (Arc::<Claims>::default(), Arc::new(store));
        let (memory, limit) = (Arc::new(ProcessMemory), Duration::from_secs(90));
        let epoch = RegistryEpoch::new(member(), registry.clone(), memory, limit);
        epoch.look().await.unwrap();
        let epoch = Arc::new(epoch);
        let controller = ProtectionController {
            epoch: epoch.clone(),
            state: ProtectionsState::new(&member()),
            member: member(),
            registry: registry.clone(),
            claims: registry.clone(),
            cluster: cluster.clone(),
            follow_up: claims.clone(),
            store: store.clone(),
            dirty: Arc::<DirtyNamespaces>::default(),
            own_namespace: OWN.into(),
            exempt: vec!["kube-system".to_owned()],
        };
        let line = Self {
            person,
            registry,
            cluster,
            claims,
            epoch,
            controller: Arc::new(controller),
            store,
            _plane: plane,
        };
        line.team("team").await;
        line
    }

    /// A namespace, and somebody in it.
    pub async fn team(&self, name: &str) -> Kubectl {
        self.namespace(&Object::namespace(name)).await
    }

    /// The same for one that says something.
    pub async fn namespace(&self, namespace: &Object) -> Kubectl {
        let name = namespace.name();
        let stored = self.person.apply(namespace).await.unwrap().object;
        self.cluster.change_namespace(name, |known| {
            let annotation = |key| stored.annotation(key).map(Arc::from);
            known.policy = annotation("serviceoperator.azure.com/reconcile-policy");
            known.protect = annotation("asoguard.io/protect");
            known.overriding = annotation("asoguard.io/override");
            known.mode = stored.0["metadata"]["labels"]["asoguard.io/mode"]
                .as_str()
                .map(Arc::from);
        });
        self.person.in_namespace(name)
    }

    /// Stores an object, before anything is written down, as a copy of an identity.
    pub async fn store(&self, team: &Kubectl, object: &Object, identity: &Identity) -> ObjectFacts {
        let stored = team.create(object).await.unwrap().object;
        let facts = facts(&stored);
        self.claims.enter(&facts.key, identity);
        self.cluster.store(facts.clone());
        facts
    }

    /// Has the registry hold a claim.
    pub async fn claim(&self, record: &Record) {
        let before = self.registry.claim(&record.identity).await.unwrap();
        let version = before.map(|known| known.version);
        let put = self.registry.put_claim(record, version.as_ref()).await;
        put.unwrap();
    }

    /// Has what is known written down, and waits until the API server goes by it: it refuses
    /// this.
    pub async fn write_down(&self, namespaces: &[String], refused: impl AsyncFn() -> Outcome) {
        let (controller, stop) = (self.controller.clone(), CancellationToken::new());
        let until = stop.clone();
        let running = tokio::spawn(async move { controller.run(&until).await });
        eventually("something to be written down", async || {
            let found = self.store.namespaces().await?;
            anyhow::ensure!(!found.is_empty(), "nothing yet");
            Ok(())
        })
        .await;
        stop.cancel();
        running.await.unwrap();
        let last = namespaces.iter().map(String::as_str).chain([OWN]);
        for namespace in last {
            self.controller.write(&namespace.into()).await.unwrap();
        }
        eventually("the API server to go by it", async || {
            match refused().await {
                Err(refusal) if refusal.is_by_policy() => Ok(()),
                other => anyhow::bail!("{other:?}"),
            }
        })
        .await;
        // What was written before that came before it, save what was written last.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// What the guard takes of an object.
pub fn facts(object: &Object) -> ObjectFacts {
    let read: WireObject = serde_json::from_value(object.0.clone()).unwrap();
    let namespace = object.text("/metadata/namespace");
    read.into_facts(object.group(), object.kind(), namespace)
}
