use std::collections::BTreeMap;

use futures::FutureExt as _;
use futures::stream::BoxStream;

use crate::arm::Identity;
use crate::claim::testing::{Story, copy, group};
use crate::claim::{HistoryEntry, RequestUid};
use crate::cluster::enrolment::ProcessMemory;
use crate::cluster::memory::MemoryCluster;
use crate::object::ObjectKey;
use crate::policy::Policy::{Manage, Skip};
use crate::registry::memory::MemoryRegistry;
use crate::registry::{ClaimEvent, ClaimScope, PutOutcome};

use super::*;

/// What was written, by namespace.
#[derive(Default)]
struct Written(Mutex<BTreeMap<String, NamespaceProtection>>);

#[async_trait]
impl ProtectionStore for Written {
    async fn namespaces(&self) -> Result<HashSet<Arc<str>>, ClusterError> {
        Ok(self
            .0
            .lock()
            .keys()
            .map(|name| name.as_str().into())
            .collect())
    }

    async fn write(
        &self,
        namespace: &str,
        role: ProtectionRole,
        protection: NamespaceProtection,
        _: Duration,
    ) -> Result<(), ClusterError> {
        if namespace == "broken" {
            return Err(ClusterError {
                what: "it".to_owned(),
                why: "it is broken".to_owned(),
            });
        }
        let name = match role {
            ProtectionRole::Namespace => namespace.to_owned(),
            ProtectionRole::Kinds => format!("{namespace}:kinds"),
        };
        if protection.is_empty() {
            self.0.lock().remove(&name);
        } else {
            self.0.lock().insert(name, protection);
        }
        Ok(())
    }
}

/// Knows that every object is a copy of the resource group.
struct OneGroup;

impl FollowUp for OneGroup {
    fn expect(&self, _: &ObjectKey, _: &Identity, _: &RequestUid, _: jiff::Timestamp) {}

    fn claims_of(&self, _: &ObjectKey) -> Option<Vec<Identity>> {
        Some(vec![group()])
    }

    fn remember(&self, _: HistoryEntry) {}
}

struct World {
    controller: Arc<ProtectionController>,
    registry: Arc<MemoryRegistry>,
    cluster: Arc<MemoryCluster>,
    written: Arc<Written>,
    dirty: Arc<DirtyNamespaces>,
}

fn controller() -> ProtectionController {
    Arc::into_inner(world().controller).unwrap()
}

fn world() -> World {
    let registry = Arc::new(MemoryRegistry::new());
    let cluster = Arc::new(MemoryCluster::new("s"));
    let (written, dirty) = (Arc::<Written>::default(), Arc::<DirtyNamespaces>::default());
    let member: MemberName = "a".parse().unwrap();
    let (memory, limit) = (Arc::new(ProcessMemory), Duration::from_secs(90));
    let epoch = RegistryEpoch::new(member.clone(), registry.clone(), memory, limit);
    // A registry in memory answers at once.
    epoch.look().now_or_never().unwrap().unwrap();
    let controller = ProtectionController {
        epoch: Arc::new(epoch),
        state: ProtectionsState::new(&member),
        member,
        registry: registry.clone(),
        claims: registry.clone(),
        cluster: cluster.clone(),
        follow_up: Arc::new(OneGroup),
        store: written.clone(),
        dirty: dirty.clone(),
        own_namespace: "aso-guard".into(),
        exempt: vec!["exempt".to_owned()],
    };
    World {
        controller: Arc::new(controller),
        registry,
        cluster,
        written,
        dirty,
    }
}

impl World {
    /// Has an object like the copy stored in this cluster.
    fn store(&self, key: ObjectKey, policy: Policy) {
        let mut object = ObjectFacts::named(key);
        object.annotations.policy = Some(policy.as_str().into());
        self.cluster.store(object);
    }

    /// Has the claim be like this.
    async fn claim(&self, story: &Story) {
        let before = self.registry.claim(&group()).await.unwrap();
        let version = before.map(|known| known.version);
        let put = self.registry.put_claim(story.record(), version.as_ref());
        assert!(matches!(put.await.unwrap(), PutOutcome::Stored(_)));
    }

    /// Waits until what is written says so; time is not real here.
    async fn until(&self, done: impl Fn(&BTreeMap<String, NamespaceProtection>) -> bool) {
        for _ in 0..1000 {
            if done(&self.written.0.lock()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it never came: {:?}", self.written.0.lock());
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_comes_and_goes_is_written_down_and_taken_away() {
    let world = world();
    world.store(copy("a").object, Manage);
    let alone = Story::default().found(&copy("a"), Manage);
    world.claim(&alone).await;
    let (controller, stop) = (world.controller.clone(), CancellationToken::new());
    let until = stop.clone();
    let running = tokio::spawn(async move { controller.run(&until).await });
    // The kind is in use; nothing else is protected.
    world
        .until(|written| written.contains_key("aso-guard:kinds"))
        .await;
    assert!(!world.written.0.lock().contains_key("team"));

    world.claim(&alone.clone().found(&copy("b"), Skip)).await;
    world
        .until(|written| written.get("team").is_some_and(|one| one.kept.len() == 1))
        .await;
    world.claim(&alone).await;
    world.until(|written| !written.contains_key("team")).await;
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_namespace_that_cannot_be_written_keeps_no_other_waiting() {
    let world = world();
    for namespace in ["broken", "team", "exempt"] {
        let of = copy("a").object;
        let key = ObjectKey::new(&of.group, &of.kind, namespace, &of.name);
        world.store(key, Manage);
    }
    let shared = Story::default()
        .found(&copy("a"), Manage)
        .found(&copy("b"), Skip);
    let shared = shared
        .found(&copy("a/broken"), Skip)
        .found(&copy("a/exempt"), Skip);
    world.claim(&shared).await;
    let (controller, stop) = (world.controller.clone(), CancellationToken::new());
    let until = stop.clone();
    let running = tokio::spawn(async move { controller.run(&until).await });
    world.until(|written| written.contains_key("team")).await;
    world.dirty.add(&"team".into());
    assert!(!world.written.0.lock().contains_key("exempt"));
    let expected = SecondLineReport {
        namespaces: 2,
        stale: vec!["broken".to_owned()],
    };
    world.until(|_| world.controller.report() == expected).await;
    stop.cancel();
    running.await.unwrap();
}

/// By what is known, nothing says that it is out of date.
#[tokio::test]
async fn where_claims_cannot_be_followed_all_that_is_written_may_be_out_of_date() {
    let mut controller = controller();
    let lost = ClaimEvent::Failed("no route".to_owned());
    controller.claims = Arc::new(Scripted(vec![lost]));
    controller.state.written.lock().insert("team".into());
    assert_eq!(controller.report().stale, [""; 0]);
    controller.follow_own().await;
    assert_eq!(controller.report().stale, ["team"]);
}

/// Events as they are given, and no more.
struct Scripted(Vec<ClaimEvent>);

impl FollowClaims for Scripted {
    fn follow<'a>(&'a self, _: &ClaimScope) -> BoxStream<'a, ClaimEvent> {
        stream::iter(self.0.clone()).boxed()
    }
}

/// An error belongs to its claim, and takes nothing back that was known.
#[tokio::test]
async fn a_claim_that_a_new_list_has_but_nobody_can_read_goes_on_counting() {
    let shared = Story::default()
        .found(&copy("a"), Manage)
        .found(&copy("b"), Skip);
    let events = |second: Vec<ClaimEvent>| {
        let first = [
            ClaimEvent::Begins,
            ClaimEvent::Stored(shared.record().clone()),
            ClaimEvent::Complete,
            ClaimEvent::Begins,
        ];
        let all = first.into_iter().chain(second);
        Arc::new(Scripted(all.chain([ClaimEvent::Complete]).collect()))
    };
    for (second, counts) in [
        (vec![ClaimEvent::Unread(group())], true),
        (Vec::new(), false),
    ] {
        let mut controller = controller();
        controller.claims = events(second);
        controller.follow_own().await;
        let known = controller.state.known.lock();
        assert_eq!(known.record(&group()).is_some(), counts);
    }
}
