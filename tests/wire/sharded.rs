//! Claims in two shards: what is the matter with one of them is no matter of the other's.

use std::sync::Arc;

use aso_guard::claim::ShardMap;
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::sharded::{ShardedRegistry, Shards};
use aso_guard::registry::{ClaimScope, Registry};
use futures::FutureExt as _;
use rstest::rstest;
use serde_json::json;

use super::fenced::fenced;
use super::object::{Object, account, group};
use super::tampered::{Tampered, Trouble};
use super::world::{Member, SETTINGS, SUBSCRIPTION, member};

/// Another subscription, in the default shard.
const ELSEWHERE: &str = "/subscriptions/00000000-0000-0000-0000-000000000002/resourceGroups/other";

const OTHER: &str = "00000000-0000-0000-0000-000000000003";

/// Two clusters, and a registry of two shards: the second one keeps the clusters' own subscription.
struct World {
    memories: [Arc<MemoryRegistry>; 2],
    shards: [Arc<Tampered>; 2],
    a: Member,
    b: Member,
}

impl World {
    fn new() -> Self {
        let memories = [(); 2].map(|()| Arc::<MemoryRegistry>::default());
        for memory in &memories {
            for name in ["a", "b"] {
                let joined = memory.put_member(&member(name), None).now_or_never();
                joined.unwrap().unwrap();
            }
        }
        let shards = memories.clone().map(|one| Arc::new(Tampered::new(one)));
        let registry = || {
            let map = ShardMap::new([("own", vec![SUBSCRIPTION])]).unwrap();
            let registries: Vec<Arc<dyn Registry>> = vec![shards[0].clone(), shards[1].clone()];
            let shards = Shards { map, registries };
            Arc::new(ShardedRegistry::new(
                shards,
                Vec::new(),
                " --registry shards:x.yaml",
            ))
        };
        let (a, b) = (
            Member::new("a", registry(), SETTINGS),
            Member::new("b", registry(), SETTINGS),
        );
        // By now both have said that they are there.
        for shard in &a.shards {
            shard.epoch.look().now_or_never().unwrap().unwrap();
        }
        Self {
            memories,
            shards,
            a,
            b,
        }
    }

    /// A resource of a shard.
    fn resource(shard: usize, name: &str) -> Object {
        match shard {
            0 => account(name, "").with("/spec/owner", json!({"armId": ELSEWHERE})),
            _ => group(name),
        }
    }

    async fn claims(&self, shard: usize) -> usize {
        let listed = self.memories[shard].claims(&ClaimScope::All).await;
        listed.unwrap().records.len()
    }
}

/// Creates, conflicts, activations and deletes in a shard, all with their verdicts.
async fn goes_on(world: &World, shard: usize) {
    let live = world.a.create(&World::resource(shard, "live")).await;
    let answer = world.b.ask(&live.clone().again().create()).await;
    answer.refused(403, "LiveElsewhere");
    let parked = World::resource(shard, "parked").policy("skip");
    let parked = world.a.create(&parked).await;
    let woken = parked.clone().policy("manage");
    world.a.ask(&parked.update(&woken)).await.admitted();
    world.a.ask(&live.delete()).await.admitted();
}

#[rstest]
#[tokio::test]
async fn a_claim_is_in_its_shard_and_verdicts_are_as_ever(#[values(0, 1)] shard: usize) {
    let world = World::new();
    goes_on(&world, shard).await;
    assert_eq!(world.claims(shard).await, 2);
    assert_eq!(world.claims(1 - shard).await, 0);
}

#[rstest]
#[tokio::test]
async fn a_shard_that_is_away_stops_its_own_resources_and_no_others(#[values(0, 1)] away: usize) {
    let world = World::new();
    let live = world.a.create(&World::resource(away, "before")).await;
    world.shards[away].set(Trouble::Unreachable);
    for review in [World::resource(away, "new").create(), live.delete()] {
        world
            .a
            .ask(&review)
            .await
            .refused(503, "RegistryUnavailable");
    }
    goes_on(&world, 1 - away).await;
    world.shards[away].set(Trouble::None);
    world.a.ask(&live.delete()).await.admitted();
}

#[rstest]
#[tokio::test]
async fn a_shard_that_was_emptied_stops_its_own_resources_and_no_others(
    #[values(0, 1)] lost: usize,
) {
    let world = World::new();
    let live = world.a.create(&World::resource(lost, "before")).await;
    world.memories[lost].lose_claims();
    for review in [World::resource(lost, "new").create(), live.delete()] {
        world
            .a
            .ask(&review)
            .await
            .refused(503, "RegistryRebuilding");
    }
    goes_on(&world, 1 - lost).await;
}

#[rstest]
#[tokio::test]
async fn a_fence_in_a_shard_is_for_its_own_resources(#[values(0, 1)] shard: usize) {
    let world = World::new();
    let record = fenced();
    let fence = record.fence.clone();
    let known = &world.a.shards[shard].fence;
    known.read(tokio::time::Instant::now(), fence);
    let create = World::resource(shard, "new").create();
    world.a.ask(&create).await.refused(403, "MemberFenced");
    assert_eq!(world.claims(shard).await, 0);
    goes_on(&world, 1 - shard).await;
}

/// A parent and what is inside have one shard, by their ARM IDs.
#[tokio::test]
async fn a_parent_with_a_peers_child_is_not_deleted() {
    let world = World::new();
    let parent = world.a.create(&group("rg")).await;
    let owner = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg");
    let child = account("st", "").with("/spec/owner", json!({"armId": owner}));
    world.b.create(&child).await;
    world
        .a
        .ask(&parent.delete())
        .await
        .refused(403, "ChildrenDepend");
}

/// Guards that go by different maps would look for one resource in different registries.
#[rstest]
#[case::another_map(Some(vec![("own", vec![SUBSCRIPTION, OTHER])]), &format!("{OTHER} (here own, there default)"))]
#[case::other_names(Some(vec![("mine", vec![SUBSCRIPTION])]), "it was set up with another map")]
#[case::no_map(None, "it is shard default of a map of registries")]
#[tokio::test]
async fn a_guard_with_another_map_decides_nothing(
    #[case] map: Option<Vec<(&str, Vec<&str>)>>,
    #[case] words: &str,
) {
    let world = World::new();
    let registry: Arc<dyn Registry> = match map {
        None => world.shards[0].clone(),
        Some(map) => {
            let registries: Vec<Arc<dyn Registry>> =
                vec![world.shards[0].clone(), world.shards[1].clone()];
            let map = ShardMap::new(map).unwrap();
            let shards = Shards { map, registries };
            Arc::new(ShardedRegistry::new(
                shards,
                Vec::new(),
                " --registry shards:y.yaml",
            ))
        }
    };
    let other = Member::new("b", registry, SETTINGS);
    let create = World::resource(0, "new").create();
    let answer = other.ask(&create).await;
    let message = answer.refused(503, "RegistryUnavailable");
    assert!(message.contains(words), "{message}");
    goes_on(&world, 0).await;
    goes_on(&world, 1).await;
}
