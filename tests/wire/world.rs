//! Two clusters with a guard each, and the registry between them.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::admission::{
    AdmissionMetrics, CutOffRequests, Guard, GuardSettings, Mode, OnUnresolved, Privileges, router,
};
use aso_guard::arm::Identity;
use aso_guard::claim::{MemberName, Record, ShardNote};
use aso_guard::cluster::enrolment::{ProcessMemory, RegistryEpoch};
use aso_guard::cluster::fence::KnownFence;
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::observer::{Observer, Reporting, WatchedChange};
use aso_guard::cluster::shards::KnownShard;
use aso_guard::cluster::{self, Cluster};
use aso_guard::object::{ObjectFacts, ObjectKey, wire};
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::{MemberRecord, Registry, Sample};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures::FutureExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::answer::Answer;
use super::notices::RecordedNotices;
use super::object::Object;
use super::tampered::Tampered;

pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000001";

/// What most operators choose.
pub const SETTINGS: GuardSettings = GuardSettings {
    mode: Mode::Enforce,
    on_unresolved: OnUnresolved::Warn,
    claim_deadline: Duration::from_secs(90),
};

/// Clusters `a` and `b`, with a global credential for the same subscription.
pub struct World {
    pub registry: Arc<Tampered>,
    memory: Arc<MemoryRegistry>,
    pub a: Member,
    pub b: Member,
}

/// A cluster with its guard.
pub struct Member {
    pub cluster: Arc<MemoryCluster>,
    pub observer: Arc<Observer>,
    pub guard: Arc<Guard>,
    pub router: Router,
    pub notices: Arc<RecordedNotices>,
    pub metrics: cluster::metrics::ObserverMetrics,
    pub fence: Arc<KnownFence>,
    pub epoch: Arc<RegistryEpoch>,
    pub shards: Vec<KnownShard>,
}

impl World {
    pub fn new() -> Self {
        Self::with(SETTINGS)
    }

    /// A world where cluster `a` is guarded like this.
    pub fn with(settings: GuardSettings) -> Self {
        let inner = MemoryRegistry::new();
        for name in ["a", "b"] {
            let joined = inner.put_member(&member(name), None).now_or_never();
            joined.unwrap().unwrap();
        }
        let memory = Arc::new(inner);
        let registry = Arc::new(Tampered::new(memory.clone()));
        let world = Self {
            a: Member::new("a", registry.clone(), settings),
            b: Member::new("b", registry.clone(), SETTINGS),
            registry,
            memory,
        };
        // By now both have said that they are there.
        world.a.epoch.look().now_or_never().unwrap().unwrap();
        world.registry.calls();
        world
    }

    /// A world where these people may do this in cluster `a`.
    pub fn among(privileges: Privileges) -> Self {
        let mut world = Self::new();
        let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
        let seen = cluster.clone();
        let choices = Choices {
            privileges,
            ..Choices::default()
        };
        world.a = Member::with(
            "a",
            world.registry.clone(),
            SETTINGS,
            cluster,
            seen,
            choices,
        );
        world
    }

    /// A world where cluster `a` only warns.
    pub fn in_audit_mode() -> Self {
        Self::with(GuardSettings {
            mode: Mode::Audit,
            ..SETTINGS
        })
    }

    /// A world where both clusters park newcomers, and tell at once what is orphaned.
    pub fn that_parks() -> Self {
        let world = Self::new();
        let registry = world.registry.clone();
        Self {
            a: Member::parking("a", registry.clone(), world.a.cluster.clone()),
            b: Member::parking("b", registry.clone(), world.b.cluster.clone()),
            registry,
            memory: world.memory,
        }
    }

    /// All claims are deleted, and the epoch with them.
    pub fn lose_claims(&self) {
        self.memory.lose_claims();
    }

    /// What the registry holds about a resource of the subscription.
    pub async fn record(&self, rest: &str) -> Option<Record> {
        let identity: Identity = format!("/subscriptions/{SUBSCRIPTION}{rest}")
            .parse()
            .unwrap();
        let known = self.registry.inner.claim(&identity).await.unwrap();
        known.map(|known| known.record)
    }
}

/// What an operator may choose besides the settings.
#[derive(Default)]
struct Choices {
    privileges: Privileges,
    show: Reporting,
}

impl Member {
    pub fn new(name: &str, registry: Arc<dyn Registry>, settings: GuardSettings) -> Self {
        let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
        Self::around(name, registry, settings, cluster.clone(), cluster)
    }

    /// Another replica of a member, which parks newcomers.
    pub fn parking(name: &str, registry: Arc<dyn Registry>, cluster: Arc<MemoryCluster>) -> Self {
        let show = Reporting {
            parking: Some(cluster.clone()),
            orphaned_after: Duration::ZERO,
            ..Reporting::default()
        };
        let choices = Choices {
            show,
            ..Choices::default()
        };
        Self::with(name, registry, SETTINGS, cluster.clone(), cluster, choices)
    }

    /// A member whose guard sees its cluster as `seen`.
    pub fn around(
        name: &str,
        registry: Arc<dyn Registry>,
        settings: GuardSettings,
        cluster: Arc<MemoryCluster>,
        seen: Arc<dyn Cluster>,
    ) -> Self {
        Self::with(name, registry, settings, cluster, seen, Choices::default())
    }

    /// A member with what its operator chose besides.
    fn with(
        name: &str,
        registry: Arc<dyn Registry>,
        settings: GuardSettings,
        cluster: Arc<MemoryCluster>,
        seen: Arc<dyn Cluster>,
        Choices { privileges, show }: Choices,
    ) -> Self {
        let notices = Arc::new(RecordedNotices::default());
        let metrics = show.metrics.clone();
        let fence = show.fence.clone();
        // It has joined the registry, and nobody has fenced it.
        fence.read(tokio::time::Instant::now(), None);
        let member: MemberName = name.parse().unwrap();
        let observer = Observer::new(
            member.clone(),
            registry.clone(),
            cluster.clone(),
            settings.claim_deadline,
        );
        let observer = Arc::new(observer.reporting(Reporting {
            notices: notices.clone(),
            ..show
        }));
        let deadline = settings.claim_deadline;
        let note = registry
            .shards()
            .and_then(|shards| shards.map.notes().next());
        let epoch = epoch_of(&member, &registry, deadline, note);
        let shards = known_shards(&member, &registry, deadline);
        let guard = Guard {
            epoch: epoch.clone(),
            member,
            registry,
            cluster: seen,
            cut_off: CutOffRequests::default(),
            shards: shards.clone(),
            fence: fence.clone(),
            follow_up: observer.clone(),
            settings,
            notices: notices.clone(),
            metrics: AdmissionMetrics::default(),
            privileges,
        };
        let guard = Arc::new(guard);
        Self {
            cluster,
            observer,
            notices,
            metrics,
            fence,
            epoch,
            shards,
            router: router(guard.clone()),
            guard,
        }
    }

    /// The webhook's answer to a review.
    pub async fn ask(&self, review: &Value) -> Answer {
        self.ask_within("10s", review).await
    }

    /// The webhook's answer, where the API server waits so long for it.
    pub async fn ask_within(&self, timeout: &str, review: &Value) -> Answer {
        ask(&self.router, timeout, review).await
    }

    /// Stores an object, as if no guard had been asked, and has the observer see it.
    /// Gives it as it is stored.
    pub async fn store(&self, object: &Object) -> Object {
        let stored = self.cluster.store(facts(object));
        self.observer
            .changed(&stored.key, &stored.uid, WatchedChange::Relevant);
        self.observer.look(&stored.key).await.unwrap();
        let version = json!(stored.resource_version);
        object.clone().with("/metadata/resourceVersion", version)
    }

    /// Removes an object, and has the observer see that.
    pub async fn remove(&self, object: &Object) {
        let key = key(object);
        assert!(self.cluster.remove(&key).is_some(), "{key} is not stored");
        self.observer.look(&key).await.unwrap();
    }

    /// Creates an object through the guard, which must let it. Gives it as it is stored.
    pub async fn create(&self, object: &Object) -> Object {
        self.ask(&object.create()).await.admitted();
        self.store(object).await
    }

    /// Changes an object through the guard, which must let it.
    pub async fn update(&self, old: &Object, new: &Object) -> Object {
        self.ask(&old.update(new)).await.admitted();
        self.store(new).await
    }
}

/// A webhook's answer, where the API server waits so long for it.
pub async fn ask(router: &Router, timeout: &str, review: &Value) -> Answer {
    let uid = review["request"]["uid"].as_str().unwrap();
    let request = Request::post(format!("/validate?timeout={timeout}"))
        .body(Body::from(review.to_string()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Answer::read(&body, uid)
}

/// What a member knows of the shards of a registry, none of which has fenced it.
fn known_shards(
    member: &MemberName,
    registry: &Arc<dyn Registry>,
    deadline: Duration,
) -> Vec<KnownShard> {
    let Some(shards) = registry.shards() else {
        return Vec::new();
    };
    let all = shards.registries.iter().zip(shards.map.notes());
    let known = all.map(|(shard, note)| {
        let fence = Arc::<KnownFence>::default();
        fence.read(tokio::time::Instant::now(), None);
        KnownShard {
            registry: shard.clone(),
            epoch: epoch_of(member, shard, deadline, Some(note)),
            fence,
        }
    });
    known.collect()
}

/// What a member knows of a registry in memory, which answers at once.
fn epoch_of(
    member: &MemberName,
    registry: &Arc<dyn Registry>,
    deadline: Duration,
    note: Option<ShardNote>,
) -> Arc<RegistryEpoch> {
    let memory = Arc::new(ProcessMemory);
    let epoch = RegistryEpoch::new(member.clone(), registry.clone(), memory, deadline);
    let epoch = epoch.of_shard(note);
    // One that is another shard than this guard takes it for is not looked at to the end.
    let _ = epoch.look().now_or_never().unwrap();
    Arc::new(epoch)
}

/// The record of a member that is there.
pub fn member(name: &str) -> MemberRecord {
    MemberRecord {
        name: name.parse().unwrap(),
        cluster: name.into(),
        version: "0".into(),
        enrolling: false,
        heard: Timestamp::now(),
        mode: "enforce".into(),
        unresolved: Sample::default(),
        unwatched: Sample::default(),
        webhook_gaps: Sample::default(),
        second_line: None,
        hub_token_expires: None,
        fence: None,
        policy_changes: Vec::new(),
        writes: 1,
        epoch: "".into(),
        next: None,
    }
}

pub fn key(object: &Object) -> ObjectKey {
    facts(object).key
}

pub fn facts(object: &Object) -> ObjectFacts {
    let namespace = object.text("/metadata/namespace").to_owned();
    let read: wire::WireObject = serde_json::from_value(object.0.clone()).unwrap();
    read.into_facts(object.group(), object.text("/kind"), &namespace)
}
