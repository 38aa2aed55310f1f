//! Deadlines are judged by the observer's own clock. The rest of what it does is tried
//! from outside, by `tests/wire`, `tests/e2e` and `tests/faults`.

use rstest::rstest;

use super::*;
use crate::claim::{Acquire, Proof, Record, acquire};
use crate::cluster::memory::MemoryCluster;
use crate::registry::PutOutcome;
use crate::registry::memory::MemoryRegistry;

const LIMIT: Duration = Duration::from_secs(90);
const NEARLY: Duration = Duration::from_secs(89);
const SECOND: Duration = Duration::from_secs(1);

struct World {
    registry: Arc<MemoryRegistry>,
    observer: Observer,
    key: ObjectKey,
    identity: Identity,
}

impl World {
    fn new() -> Self {
        let registry = Arc::new(MemoryRegistry::new());
        let cluster = Arc::new(MemoryCluster::new("sub"));
        let member = "a".parse().unwrap();
        Self {
            observer: Observer::new(member, registry.clone(), cluster, LIMIT),
            registry,
            key: ObjectKey::new("resources.azure.com", "ResourceGroup", "ns", "rg"),
            identity: "/subscriptions/sub/resourceGroups/rg".parse().unwrap(),
        }
    }

    /// Some replica admits a CREATE, by a clock that is off by so many hours.
    async fn admit(&self, request: &str, hours: i64) {
        let known = self.registry.claim(&self.identity).await.unwrap();
        let (record, version) = known.map(|known| (known.record, known.version)).unzip();
        let at = Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        let ask = Acquire {
            copy: self.observer.copy(&self.key),
            request: RequestUid::new(request),
            proof: Proof::Uid(request.into()),
            deadline: at + LIMIT,
            at,
            by: "alice".into(),
            assumed: false,
        };
        let record = acquire(record.as_ref(), &self.identity, &ask).unwrap();
        let put = self.registry.put_claim(&record, version.as_ref()).await;
        assert!(matches!(put, Ok(PutOutcome::Stored(_))));
    }

    async fn record(&self) -> Option<Record> {
        let known = self.registry.claim(&self.identity).await.unwrap();
        known.map(|known| known.record)
    }

    /// The observer looks, and the copy is still live or is not.
    async fn is_held(&self) -> bool {
        self.observer.look(&self.key).await.unwrap();
        self.record().await.is_some()
    }
}

#[rstest]
#[case::behind(-1)]
#[case::right(0)]
#[case::ahead(1)]
#[tokio::test(start_paused = true)]
async fn what_a_replica_with_another_clock_admitted_is_waited_for_from_when_it_is_seen(
    #[case] hours: i64,
) {
    let world = World::new();
    world.admit("theirs", hours).await;
    world.observer.sweep().await.unwrap();
    assert!(world.is_held().await);
    tokio::time::advance(LIMIT).await;
    assert!(world.is_held().await, "not before the limit");
    tokio::time::advance(SECOND).await;
    assert!(!world.is_held().await, "and no longer");
}

#[tokio::test(start_paused = true)]
async fn what_this_replica_admitted_is_waited_for_from_its_admission() {
    let world = World::new();
    world.admit("own", 0).await;
    let deadline = world.record().await.unwrap().copies[&world.observer.copy(&world.key)]
        .next_deadline()
        .unwrap();
    let request = RequestUid::new("own");
    world
        .observer
        .expect(&world.key, &world.identity, &request, deadline);
    tokio::time::advance(NEARLY).await;
    assert!(world.is_held().await);
    tokio::time::advance(2 * SECOND).await;
    assert!(!world.is_held().await);
}

#[tokio::test(start_paused = true)]
async fn each_request_has_its_own_time_and_keeps_the_deadline_that_is_written() {
    let world = World::new();
    world.admit("first", 1).await;
    world.observer.sweep().await.unwrap();
    tokio::time::advance(NEARLY).await;
    world.admit("second", -1).await;
    assert!(world.is_held().await);
    let copy = world.observer.copy(&world.key);
    let written = world.record().await.unwrap().copies[&copy]
        .acquiring
        .clone();

    tokio::time::advance(2 * SECOND).await;
    assert!(world.is_held().await);
    let left = world.record().await.unwrap().copies[&copy]
        .acquiring
        .clone();
    assert_eq!(left, written[1..], "only the first is over");
    tokio::time::advance(LIMIT).await;
    assert!(!world.is_held().await);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_woken_when_the_time_is_over() {
    let world = World::new();
    world.admit("theirs", -1).await;
    world.observer.sweep().await.unwrap();
    let began = Instant::now();
    assert_eq!(world.observer.queue.next().await, world.key);
    assert!(began.elapsed() > LIMIT && began.elapsed() < LIMIT + SECOND);
}

/// Its claim counts it as live since it was admitted, and ASO writes it while it is new.
#[tokio::test(start_paused = true)]
async fn what_was_created_live_is_looked_at_when_no_requests_come_and_once() {
    let world = World::new();
    let observer = &world.observer;
    let request = RequestUid::new("own");
    observer.expect(&world.key, &world.identity, &request, Timestamp::now());
    let began = Instant::now();
    observer.changed(&world.key, &"uid".into(), WatchedChange::CreatedLive);
    observer.changed(&world.key, &"uid".into(), WatchedChange::Irrelevant);
    assert_eq!(observer.queue.next().await, world.key);
    assert!(began.elapsed() > Duration::ZERO && began.elapsed() < SECOND);
    observer.queue.done(&world.key);
    assert!(observer.is_idle());
}

/// A copy that is parked is one that others wait for.
#[tokio::test(start_paused = true)]
async fn what_changes_after_it_was_created_is_looked_at_at_once() {
    let world = World::new();
    let observer = &world.observer;
    let request = RequestUid::new("own");
    observer.expect(&world.key, &world.identity, &request, Timestamp::now());
    observer.changed(&world.key, &"uid".into(), WatchedChange::CreatedLive);
    observer.changed(&world.key, &"uid".into(), WatchedChange::Relevant);
    let began = Instant::now();
    assert_eq!(observer.queue.next().await, world.key);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

/// Another replica did, most probably, and brings its claim up to date.
#[tokio::test(start_paused = true)]
async fn what_this_replica_did_not_admit_waits_for_whoever_did() {
    let world = World::new();
    let began = Instant::now();
    let change = WatchedChange::CreatedLive;
    world.observer.changed(&world.key, &"uid".into(), change);
    assert_eq!(world.observer.queue.next().await, world.key);
    assert_eq!(began.elapsed(), OTHERS);
}
