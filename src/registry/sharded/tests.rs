//! Two shards in memory.

use std::collections::HashSet;

use futures::StreamExt as _;

use super::*;
use crate::claim::acquire;
use crate::claim::testing::{copy, creating, group};
use crate::registry::ClaimEvent;
use crate::registry::memory::MemoryRegistry;
use crate::registry::metered::{MeteredRegistry, RegistryMetrics};

const A: &str = "0b7a1f7e-0000-4000-8000-00000000000a";

struct TwoShards {
    registry: ShardedRegistry,
    default: Arc<MemoryRegistry>,
    one: Arc<MemoryRegistry>,
}

/// The default, and one that keeps a subscription.
fn two() -> TwoShards {
    let (default, one) = (Arc::<MemoryRegistry>::default(), Arc::default());
    let map = ShardMap::new([("one", vec![A])]).unwrap();
    let registries: Vec<Arc<MemoryRegistry>> = vec![default.clone(), Arc::clone(&one)];
    let followed = registries.iter().map(|one| one.clone() as _).collect();
    let registries = registries.into_iter().map(|one| one as _).collect();
    let shards = Shards { map, registries };
    TwoShards {
        registry: ShardedRegistry::new(shards, followed, " --registry shards:x.yaml"),
        default,
        one,
    }
}

fn claim(identity: &str) -> Record {
    let mut record = Record::new(identity.parse().unwrap());
    record.reserved = Some(crate::claim::Reservation {
        transfer: "t".parse().unwrap(),
        from: "a/team".parse().unwrap(),
        to: "b/team".parse().unwrap(),
    });
    record
}

fn in_one(rest: &str) -> String {
    format!("/subscriptions/{A}{rest}")
}

const ELSEWHERE: &str = "/subscriptions/0b7a1f7e-0000-4000-8000-00000000000c/resourceGroups/rg";

async fn names(registry: &dyn Registry, scope: &ClaimScope) -> Vec<String> {
    let found = registry.claims(scope).await.unwrap().whole().unwrap();
    let names = found.into_iter().map(|known| known.record.identity);
    names.map(|identity| identity.to_string()).collect()
}

#[tokio::test]
async fn a_claim_is_in_its_shard_and_lists_go_through_all() {
    let TwoShards {
        registry,
        default,
        one,
    } = two();
    let group = in_one("/resourceGroups/rg");
    for identity in [&*group, ELSEWHERE, "/providers/P.Q/t/n"] {
        let put = registry.put_claim(&claim(identity), None).await.unwrap();
        assert!(matches!(put, PutOutcome::Stored(Some(_))));
    }
    assert_eq!(names(&*one, &ClaimScope::All).await, [&*group]);
    assert_eq!(names(&*default, &ClaimScope::All).await.len(), 2);
    assert_eq!(names(&registry, &ClaimScope::All).await.len(), 3);
    let below = ClaimScope::Below(in_one("").parse().unwrap());
    assert_eq!(names(&registry, &below).await, [&*group]);
    let beside = |id: &str| ClaimScope::Beside("a".parse().unwrap(), [id.to_owned()].into());
    assert_eq!(names(&registry, &beside(A)).await, [&*group]);
}

#[tokio::test]
async fn what_is_in_a_shard_where_it_does_not_belong_is_not_listed() {
    let TwoShards { registry, one, .. } = two();
    one.put_claim(&claim(ELSEWHERE), None).await.unwrap();
    assert!(names(&registry, &ClaimScope::All).await.is_empty());
    assert_eq!(
        registry.claim(&ELSEWHERE.parse().unwrap()).await.unwrap(),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn who_follows_all_is_told_of_each_shard() {
    let TwoShards { registry, .. } = two();
    let group = in_one("/resourceGroups/rg");
    for identity in [&*group, ELSEWHERE] {
        registry.put_claim(&claim(identity), None).await.unwrap();
    }
    let mut events = registry.follow(&ClaimScope::All);
    let mut known = HashSet::new();
    // As who follows does: what did not come since all began to is gone.
    let mut listed = None;
    loop {
        match events.next().await.unwrap() {
            ClaimEvent::Begins => listed = Some(HashSet::new()),
            ClaimEvent::Stored(record) => {
                known.insert(record.identity.to_string());
            }
            ClaimEvent::Unread(identity) => {
                listed.as_mut().unwrap().insert(identity.to_string());
            }
            ClaimEvent::Complete => break,
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(listed.as_ref(), Some(&known));
    assert_eq!(known, [group.clone(), ELSEWHERE.to_owned()].into());
    let identity: Identity = group.parse().unwrap();
    let version = registry.claim(&identity).await.unwrap().unwrap().version;
    let gone = Record::new(identity.clone());
    registry.put_claim(&gone, Some(&version)).await.unwrap();
    let event = events.next().await.unwrap();
    assert!(matches!(event, ClaimEvent::Gone(gone) if gone == identity));
}

#[test]
fn a_shard_that_failed_comes_once_more_and_no_other_does() {
    let stored = |identity: &str| ClaimEvent::Stored(claim(identity));
    let mut merged = follow::Merged::of(2);
    let mut told = |number, event| -> Vec<String> {
        let events = merged.take(number, event).into_iter();
        let words = events.map(|event| match event {
            ClaimEvent::Stored(record) => format!("stored {}", record.identity.name()),
            ClaimEvent::Gone(identity) => format!("gone {}", identity.name()),
            ClaimEvent::Unread(identity) => format!("known {}", identity.name()),
            other => format!("{other:?}"),
        });
        words.collect()
    };
    let id = |name: &str| format!("/subscriptions/s/resourceGroups/{name}");
    assert!(told(0, ClaimEvent::Begins).is_empty());
    assert_eq!(told(0, stored(&id("a"))), ["stored a"]);
    assert_eq!(told(0, stored(&id("b"))), ["stored b"]);
    assert!(told(0, ClaimEvent::Complete).is_empty());
    assert!(told(1, ClaimEvent::Begins).is_empty());
    let mut all = told(1, ClaimEvent::Complete);
    all.sort();
    assert_eq!(all, ["Begins", "Complete", "known a", "known b"]);
    let failed = told(0, ClaimEvent::Failed("gone".to_owned()));
    assert_eq!(failed, ["Failed(\"gone\")"]);
    assert!(told(0, ClaimEvent::Begins).is_empty());
    assert_eq!(told(0, stored(&id("b"))), ["stored b"]);
    assert_eq!(
        told(0, ClaimEvent::Complete),
        ["gone a", "Begins", "known b", "Complete"]
    );
}

/// Each shard remembers what was written to it.
#[tokio::test]
async fn what_was_written_is_remembered_by_its_shard() {
    let [default, one] = [(); 2].map(|()| {
        let registry = Arc::new(MemoryRegistry::new());
        MeteredRegistry::new(registry, RegistryMetrics::default())
    });
    let (default, one) = (Arc::new(default), Arc::new(one));
    let map = ShardMap::new([("one", vec![A])]).unwrap();
    let registries: Vec<Arc<dyn Registry>> = vec![default.clone(), one.clone()];
    let registry = ShardedRegistry::new(Shards { map, registries }, Vec::new(), "");
    let ask = creating(&copy("a"), "r", "uid", 0);
    let mut record = acquire(None, &group(), &ask).unwrap();
    record.identity = in_one("/resourceGroups/rg").parse().unwrap();
    registry.put_claim(&record, None).await.unwrap();
    assert!(default.take_written(&record.identity).is_none());
    let known = registry.take_written(&record.identity).unwrap();
    assert_eq!(known.record, record);
    assert!(one.take_written(&record.identity).is_none(), "given out");
}
