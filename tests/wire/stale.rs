//! A replica whose watches are behind: it remembers what is no longer so.

use std::sync::{Arc, Mutex};

use aso_guard::arm::Kinds;
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::observer::{Observer, WatchedChange};
use aso_guard::cluster::{Cluster, ClusterError, ListedObjects, NamespaceFacts, ObjectScope};
use aso_guard::object::{ObjectFacts, ObjectKey};
use aso_guard::policy::Policy;
use aso_guard::resolve::{Freshness, SecretLookup};
use async_trait::async_trait;
use serde_json::json;

use super::object::{Object, account, group};
use super::surroundings::definition;
use super::world::{Member, SETTINGS, SUBSCRIPTION, World, facts, key};

const OTHER: &str = "00000000-0000-0000-0000-000000000002";

/// The secret that nobody may read.
pub const FORBIDDEN: &str = "forbidden";

/// What is remembered, and what is stored.
pub struct Behind {
    pub remembered: MemoryCluster,
    pub stored: Arc<MemoryCluster>,
    /// What happens between an answer to a read and its arrival, once.
    meanwhile: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// What the API server does not give.
    pub withheld: Mutex<Option<Withheld>>,
}

/// A kind that the API server does not give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Withheld {
    /// It lists none of it.
    Lists(&'static str),
    /// It gives none of it.
    All(&'static str),
}

impl Withheld {
    fn kind(self) -> &'static str {
        match self {
            Self::Lists(kind) | Self::All(kind) => kind,
        }
    }
}

impl Behind {
    fn by(&self, trust: Freshness) -> &MemoryCluster {
        match trust {
            Freshness::Known | Freshness::KnownUnlessParked => &self.remembered,
            Freshness::Store => &self.stored,
        }
    }
}

#[async_trait]
impl Cluster for Behind {
    fn kinds(&self) -> Arc<Kinds> {
        self.stored.kinds()
    }

    fn operators(&self) -> Arc<[Arc<str>]> {
        self.stored.operators()
    }

    async fn object(
        &self,
        key: &ObjectKey,
        trust: Freshness,
    ) -> Result<Option<Arc<ObjectFacts>>, ClusterError> {
        let withheld = *self.withheld.lock().unwrap();
        if let Some(Withheld::All(kind)) = withheld
            && *key.kind == *kind
            && (trust == Freshness::Store || self.remembered.stored(key).is_none())
        {
            return Err(ClusterError {
                what: key.to_string(),
                why: "conversion webhook for it failed".to_owned(),
            });
        }
        let answer = self.by(trust).object(key, trust).await;
        let meanwhile = self
            .meanwhile
            .lock()
            .unwrap()
            .take_if(|_| trust == Freshness::Store);
        if let Some(happen) = meanwhile {
            happen();
        }
        answer
    }

    fn objects(&self) -> Vec<Arc<ObjectFacts>> {
        self.remembered.objects()
    }

    fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>> {
        self.remembered.owned_by(namespace, name)
    }

    fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>> {
        self.remembered.in_namespace(namespace)
    }

    async fn namespace(
        &self,
        name: &str,
        trust: Freshness,
    ) -> Result<NamespaceFacts, ClusterError> {
        self.by(trust).namespace(name, trust).await
    }

    async fn list(&self, scope: ObjectScope<'_>) -> ListedObjects {
        let mut listed = self.stored.list(scope).await;
        if let Some(withheld) = *self.withheld.lock().unwrap() {
            let kinds = self.stored.kinds();
            let kinds = kinds.iter().filter(|kind| *kind.kind == *withheld.kind());
            let kinds = kinds.map(|kind| (kind.group.clone().into(), kind.kind.clone().into()));
            listed.unread = kinds.collect();
            listed
                .objects
                .retain(|object| *object.key.kind != *withheld.kind());
        }
        listed
    }

    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        trust: Freshness,
    ) -> Result<SecretLookup, ClusterError> {
        if name == FORBIDDEN {
            return Err(ClusterError {
                what: format!("secret {FORBIDDEN}"),
                why: "connection reset by peer".to_owned(),
            });
        }
        self.by(trust).secret(namespace, name, trust).await
    }
}

/// Cluster `a` for a replica that remembers these objects alone.
pub fn behind(world: &World, remembered: &[&Object]) -> Arc<Behind> {
    let memory = MemoryCluster::new(SUBSCRIPTION);
    for object in remembered {
        memory.store(facts(object));
    }
    Arc::new(Behind {
        remembered: memory,
        stored: world.a.cluster.clone(),
        meanwhile: Mutex::default(),
        withheld: Mutex::default(),
    })
}

/// A replica of cluster `a` that remembers these objects alone.
pub fn replica(world: &World, remembered: &[&Object]) -> (Arc<Behind>, Observer) {
    let behind = behind(world, remembered);
    let member = "a".parse().unwrap();
    let observer = Observer::new(
        member,
        world.registry.clone(),
        behind.clone(),
        SETTINGS.claim_deadline,
    );
    (behind, observer)
}

/// Has the replica look at an object as if it had just caught sight of its claims.
async fn looks(observer: &Observer, object: &Object) {
    observer.compare().await.unwrap();
    observer.look(&key(object)).await.unwrap();
}

async fn is_held(member: &Member, twin: &Object) {
    member
        .ask(&twin.create())
        .await
        .refused(403, "LiveElsewhere");
}

fn in_azure(name: &str) -> Object {
    group("rg").with("/spec/azureName", json!(name))
}

/// As `account("st", "rg")` is, where its group is called `name` in Azure.
fn inside(name: &str) -> Object {
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
    account("st", "rg").with("/spec/owner", json!({"armId": id}))
}

#[tokio::test]
async fn an_owner_that_was_another_one_releases_nothing() {
    let world = World::new();
    world.a.store(&in_azure("now")).await;
    let account = world.a.create(&account("st", "rg")).await;
    let (_, observer) = replica(&world, &[&in_azure("before"), &account]);
    looks(&observer, &account).await;
    is_held(&world.b, &inside("now")).await;
}

#[tokio::test]
async fn a_credential_that_was_another_one_releases_nothing() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    let (behind, observer) = replica(&world, &[&stored]);
    behind.remembered.set_subscription("team", OTHER);
    looks(&observer, &stored).await;
    is_held(&world.b, &group("rg")).await;
}

#[tokio::test]
async fn a_default_policy_that_was_another_one_releases_nothing() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    let (behind, observer) = replica(&world, &[&stored]);
    behind.remembered.set_operator_policy(Some("skip"));
    looks(&observer, &stored).await;
    is_held(&world.b, &group("rg")).await;
}

#[tokio::test]
async fn a_namespaces_policy_that_was_another_one_releases_nothing() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    let (behind, observer) = replica(&world, &[&stored]);
    behind
        .remembered
        .set_namespace_policy("team", Some(Policy::Skip.as_str()));
    looks(&observer, &stored).await;
    is_held(&world.b, &group("rg")).await;
}

/// An object that cannot be placed just now is still what it was.
#[tokio::test]
async fn an_owner_that_is_gone_releases_nothing() {
    let world = World::new();
    let subnet = |owner| {
        Object(json!({
            "apiVersion": "network.azure.com/v1",
            "kind": "VirtualNetworksSubnet",
            "metadata": {"name": "inner", "namespace": "team", "uid": "u"},
            "spec": owner,
        }))
    };
    let network = Object(json!({
        "apiVersion": "network.azure.com/v1",
        "kind": "VirtualNetwork",
        "metadata": {"name": "net", "namespace": "team", "uid": "v"},
        "spec": {"owner": {"name": "rg"}},
    }));
    world.a.create(&group("rg")).await;
    world.a.create(&network).await;
    let stored = subnet(json!({"owner": {"name": "net"}}));
    world.a.ask(&stored.create()).await.admitted();
    // It goes before anybody saw what was admitted.
    world.a.remove(&network).await;
    world.a.store(&stored).await;
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net"
    );
    is_held(&world.b, &subnet(json!({"owner": {"armId": id}}))).await;
}

/// The API server's answer is "not there"; then it stores what was admitted, and the event of
/// that is quicker than the answer: they come on different connections.
#[tokio::test]
async fn what_is_stored_while_not_there_is_on_its_way_releases_nothing() {
    let world = World::new();
    let group = group("rg");
    world.a.ask(&group.create()).await.admitted();
    let (behind, observer) = replica(&world, &[]);
    let (stored, observer) = (behind.stored.clone(), Arc::new(observer));
    let (told, created) = (observer.clone(), group.clone());
    *behind.meanwhile.lock().unwrap() = Some(Box::new(move || {
        let stored = stored.store(facts(&created));
        told.changed(&stored.key, &stored.uid, WatchedChange::Relevant);
    }));
    looks(&observer, &group).await;
    assert!(world.a.cluster.stored(&key(&group)).is_some());
    is_held(&world.b, &super::object::group("rg")).await;
}

/// Kubernetes deletes all of them, those too that this replica has not heard of.
#[tokio::test]
async fn a_crd_does_not_go_while_a_copy_is_live_that_was_not_heard_of() {
    let world = World::new();
    let behind = behind(&world, &[]);
    world.a.store(&group("rg")).await;
    let replica = Member::around(
        "a",
        world.registry.clone(),
        SETTINGS,
        world.a.cluster.clone(),
        behind,
    );
    let answer = replica.ask(&definition("ResourceGroup").delete()).await;
    answer.refused(403, "KindInUse");
}
