//! A registry of several, by the rules for all of them.

use std::sync::Arc;

use aso_guard::claim::ShardMap;
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::sharded::{ShardedRegistry, Shards};
use aso_guard::registry::{ClaimScope, Registry, archive};

use crate::conformance::{self, fixtures};

/// The default, and one that keeps every other subscription of those that cases work in.
pub fn sharded(default: Arc<dyn Registry>, one: Arc<dyn Registry>) -> ShardedRegistry {
    let known = fixtures::known_subscriptions(400);
    let half = known.iter().step_by(2).map(String::as_str);
    let map = ShardMap::new([("one", half.collect())]).unwrap();
    let registries = vec![default, one];
    ShardedRegistry::new(Shards { map, registries }, Vec::new(), "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_registry_of_two_in_memory_keeps_the_contract() {
    let (default, one) = (Arc::<MemoryRegistry>::default(), Arc::default());
    conformance::all(Arc::new(sharded(default.clone(), Arc::clone(&one) as _))).await;
    for shard in [default, one] {
        let kept = shard.claims(&ClaimScope::All).await.unwrap();
        assert!(!kept.records.is_empty(), "a shard has not been used");
    }
}

#[tokio::test]
async fn a_registry_goes_into_shards_and_out_of_them_whole() {
    let whole = MemoryRegistry::new();
    for _ in 0..10 {
        let place = fixtures::Place::new();
        let record = place.parked(&place.group(), "a");
        whole.put_claim(&record, None).await.unwrap();
        let member = fixtures::member_record(place.member("a"));
        whole.put_member(&member, None).await.unwrap();
    }
    let mut file = Vec::new();
    archive::export(&whole, &mut file, |_| ()).await.unwrap();
    let sharded = sharded(
        Arc::<MemoryRegistry>::default(),
        Arc::<MemoryRegistry>::default(),
    );
    let compared = archive::import(&sharded, &*file, |_| ()).await.unwrap();
    assert_eq!(compared.added, 20, "{compared:?}");
    let mut again = Vec::new();
    archive::export(&sharded, &mut again, |_| ()).await.unwrap();
    let compared = archive::verify(&whole, &*again, |_| ()).await.unwrap();
    assert_eq!(compared.same, 20, "{compared:?}");
}
