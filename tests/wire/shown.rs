//! What slipped past the webhook is told in every cluster that it concerns, and, where
//! that is wanted, the newcomer is parked.

use std::sync::Arc;

use aso_guard::claim::HistoryAction;
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::registry::Registry as _;
use aso_guard::telemetry::{Notice, Severity};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use rstest::rstest;
use serde_json::json;

use super::object::{Object, account, group};
use super::world::{Member, World, key};

impl Member {
    /// One look at conflicts, and what was told.
    async fn shows(&self) -> Vec<Notice> {
        self.observer.show_conflicts().await.unwrap();
        self.notices.take()
    }

    fn metric(&self, name: &str) -> String {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap().split_once(' ').unwrap().1.to_owned()
    }
}

fn policy(cluster: &MemoryCluster, object: &Object) -> String {
    let stored = cluster.stored(&key(object)).unwrap();
    stored
        .annotations
        .policy
        .as_deref()
        .unwrap_or("")
        .to_owned()
}

#[tokio::test]
async fn twins_are_told_of_in_both_clusters_until_one_steps_back() {
    let world = World::new();
    world.a.store(&group("rg")).await;
    assert_eq!(world.a.shows().await, []);
    world.b.store(&group("rg")).await;
    for (member, peer) in [(&world.a, "b"), (&world.b, "a")] {
        let told = member.shows().await;
        let [notice] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(
            (notice.severity, notice.reason),
            (Severity::Warning, "Conflict")
        );
        assert!(notice.uid.is_some());
        let words = &notice.message;
        assert!(
            words.contains(&format!("live in cluster {peer} as team/ResourceGroup/rg")),
            "{words}"
        );
        assert!(
            words.contains(&format!("kubectl --context {peer} -n team annotate")),
            "{words}"
        );
        assert!(words.contains("This one: kubectl --context"), "{words}");
        assert_eq!(member.metric("conflicts"), "1");
        // It is told once.
        assert_eq!(member.shows().await, []);
    }
    world.b.store(&group("rg").policy("skip")).await;
    for member in [&world.a, &world.b] {
        let told = member.shows().await;
        let [notice] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(
            (notice.severity, notice.reason),
            (Severity::Normal, "ConflictEnded")
        );
        assert!(
            notice
                .message
                .contains("only a/team/ResourceGroup/rg is live"),
            "{}",
            notice.message
        );
        assert_eq!(member.metric("conflicts"), "0");
    }
}

#[tokio::test]
async fn twins_in_one_cluster_are_both_told_of() {
    let world = World::new();
    world.a.store(&group("rg")).await;
    world.a.store(&group("rg").in_namespace("other")).await;
    let mut namespaces: Vec<String> = world
        .a
        .shows()
        .await
        .into_iter()
        .map(|notice| notice.object.namespace.to_string())
        .collect();
    namespaces.sort();
    assert_eq!(namespaces, ["other", "team"]);
    assert_eq!(world.a.metric("conflicts"), "1");
    world.a.remove(&group("rg")).await;
    assert_eq!(world.a.shows().await.len(), 2);
    assert_eq!(world.b.shows().await, []);
}

#[tokio::test]
async fn only_the_newcomer_is_parked() {
    for first in ["a", "b"] {
        let world = World::that_parks();
        let (first, second) = if first == "a" {
            (&world.a, &world.b)
        } else {
            (&world.b, &world.a)
        };
        first.store(&group("rg")).await;
        second.store(&group("rg")).await;
        first.shows().await;
        let told = second.shows().await;
        assert!(
            told.iter().any(|notice| notice.reason == "ParkedNewcomer"),
            "{told:?}"
        );
        assert_eq!(policy(&second.cluster, &group("rg")), "skip");
        first.shows().await;
        assert_eq!(policy(&first.cluster, &group("rg")), "");
        second.observer.look(&key(&group("rg"))).await.unwrap();
        assert_eq!(second.metric("newcomers_parked_total"), "1");
        let record = world.record("/resourceGroups/rg").await.unwrap();
        assert_eq!(record.live().count(), 1);
        let [entry] = &record.history[..] else {
            panic!("{record:#?}")
        };
        assert_eq!(
            (&*entry.by, entry.action),
            ("aso-guard", HistoryAction::Park)
        );
        assert!(record.parked().any(|(copy, _)| *copy == entry.copy));
        let why = entry.why.as_str();
        assert!(why.contains("--on-conflict park"), "{why}");
    }
}

#[tokio::test]
async fn without_the_option_nothing_is_parked() {
    let world = World::new();
    world.a.store(&group("rg")).await;
    world.b.store(&group("rg")).await;
    for member in [&world.a, &world.b] {
        member.shows().await;
        assert_eq!(policy(&member.cluster, &group("rg")), "");
    }
}

#[rstest]
#[case::it_is_to_be_detached(group("rg").policy("detach-on-delete"))]
#[case::nobody_knows_what_was_meant(group("rg").policy("Skip"))]
#[case::it_is_being_deleted(group("rg").with("/metadata/deletionTimestamp", json!("2026-03-01T12:00:00Z")))]
#[tokio::test]
async fn what_somebody_decided_is_left_alone(#[case] newcomer: Object) {
    let world = World::that_parks();
    world.a.store(&group("rg")).await;
    world.b.store(&newcomer).await;
    let before = world.b.cluster.stored(&key(&newcomer));
    let told = world.b.shows().await;
    assert!(
        told.iter().any(|notice| notice.reason == "Conflict"),
        "{told:?}"
    );
    assert_eq!(world.b.cluster.stored(&key(&newcomer)), before);
}

#[tokio::test]
async fn an_object_that_changed_since_it_was_read_is_not_parked() {
    use aso_guard::cluster::Parking as _;
    let world = World::new();
    world.a.store(&group("rg")).await;
    let read = world.a.cluster.stored(&key(&group("rg"))).unwrap();
    world.a.store(&group("rg")).await;
    assert!(!world.a.cluster.park(&read).await.unwrap());
    assert_eq!(policy(&world.a.cluster, &group("rg")), "");
}

#[tokio::test]
async fn a_newcomer_stays_where_the_older_copy_was_parked_meanwhile() {
    let world = World::that_parks();
    world.a.store(&group("rg")).await;
    world.b.store(&group("rg")).await;
    // By hand, and A's observer has seen it. B's works from what it saw before.
    world.a.store(&group("rg").policy("skip")).await;
    world.b.shows().await;
    assert_eq!(policy(&world.b.cluster, &group("rg")), "");
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.history, []);
}

/// Two clusters, two replicas each, all at once: of each pair of twins one stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_both_are_parked() {
    const TWINS: usize = 40;
    let world = World::that_parks();
    let registry = world.registry.clone();
    let others = [("a", &world.a), ("b", &world.b)]
        .map(|(name, member)| Member::parking(name, registry.clone(), member.cluster.clone()));
    let names: Vec<String> = (0..TWINS).map(|n| format!("rg{n}")).collect();
    let [other_a, other_b] = others;
    let members = [world.a, world.b, other_a, other_b].map(Arc::new);
    let mut tasks = tokio::task::JoinSet::new();
    for (n, member) in members.iter().enumerate() {
        let (member, names) = (member.clone(), names.clone());
        tasks.spawn(async move {
            for name in &names {
                if n < 2 {
                    member.store(&group(name)).await;
                }
                member.observer.look(&key(&group(name))).await.unwrap();
                member.observer.show_conflicts().await.unwrap();
                tokio::task::yield_now().await;
            }
            for _ in 0..3 {
                member.observer.show_conflicts().await.unwrap();
                for name in &names {
                    member.observer.look(&key(&group(name))).await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    // Whoever was last may have left something to see.
    for member in members.iter().chain(&members) {
        member.observer.show_conflicts().await.unwrap();
        for name in &names {
            member.observer.look(&key(&group(name))).await.unwrap();
        }
    }
    for name in &names {
        let live = members[..2]
            .iter()
            .filter(|member| policy(&member.cluster, &group(name)).is_empty());
        assert_eq!(live.count(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_nobody_can_place_is_told_once_and_when_it_can() {
    let world = World::new();
    let lost = group("rg").with("/spec/azureName", json!(null)).with(
        "/spec/azureNameFromConfig",
        json!({"name": "m", "key": "k"}),
    );
    for _ in 0..2 {
        world.a.store(&lost).await;
    }
    let told = world.a.notices.take();
    let [notice] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        (notice.severity, notice.reason),
        (Severity::Warning, "Unresolved")
    );
    world.a.store(&group("rg")).await;
    let told = world.a.notices.take();
    assert_eq!(
        told.iter().map(|notice| notice.reason).collect::<Vec<_>>(),
        ["Resolved"]
    );
    // One that goes before it is known is forgotten.
    world.a.store(&lost).await;
    world.a.remove(&lost).await;
    world.a.notices.take();
    world.a.store(&lost).await;
    assert_eq!(world.a.notices.take().len(), 1);
}

#[tokio::test]
async fn what_nobody_reconciles_is_told_until_somebody_does() {
    let world = World::that_parks();
    world.a.store(&group("rg").policy("skip")).await;
    world.b.store(&group("rg").policy("skip")).await;
    for member in [&world.a, &world.b] {
        member.observer.show_orphans().await.unwrap();
        let told = member.notices.take();
        let [notice] = &told[..] else {
            panic!("{told:?}")
        };
        assert_eq!(
            (notice.severity, notice.reason),
            (Severity::Normal, "Orphaned")
        );
        assert!(
            notice.message.contains("reconcile-policy=manage"),
            "{}",
            notice.message
        );
        member.observer.show_orphans().await.unwrap();
        assert_eq!(member.notices.take(), []);
    }
    // A hears of it from the registry alone.
    world.b.store(&group("rg")).await;
    for member in [&world.a, &world.b] {
        member.observer.show_orphans().await.unwrap();
        let told = member.notices.take();
        assert_eq!(
            told.iter().map(|notice| notice.reason).collect::<Vec<_>>(),
            ["OrphanedEnded"]
        );
    }
}

#[tokio::test]
async fn an_orphan_that_a_peer_leaves_behind_is_told_of_without_a_comparison() {
    let world = World::that_parks();
    world.b.store(&group("rg")).await;
    world.a.store(&group("rg").policy("skip")).await;
    world.a.observer.show_orphans().await.unwrap();
    assert_eq!(world.a.notices.take(), []);
    world.b.store(&group("rg").policy("skip")).await;
    world.b.remove(&group("rg")).await;
    world.a.observer.show_orphans().await.unwrap();
    let told = world.a.notices.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].reason, "Orphaned");
}

#[tokio::test]
async fn a_parked_copy_whose_peer_is_live_is_no_orphan() {
    let world = World::that_parks();
    world.a.store(&group("rg").policy("skip")).await;
    // B goes live, and A's observer does not hear of it.
    world.b.store(&group("rg")).await;
    world.a.observer.show_orphans().await.unwrap();
    assert_eq!(world.a.notices.take(), []);
}

#[tokio::test]
async fn a_child_in_conflict_is_told_by_its_own_name() {
    let world = World::new();
    for member in [&world.a, &world.b] {
        member.store(&group("rg")).await;
        member.store(&account("data", "rg")).await;
    }
    let kinds: Vec<String> = world
        .a
        .shows()
        .await
        .into_iter()
        .map(|notice| notice.object.kind.to_string())
        .collect();
    assert_eq!(kinds.len(), 2, "{kinds:?}");
    assert_eq!(world.a.metric("conflicts"), "2");
}

#[tokio::test]
async fn a_live_copy_of_a_cluster_that_is_no_member_any_more_is_told_of() {
    let world = World::that_parks();
    world.a.store(&group("rg").policy("skip")).await;
    world.b.store(&group("rg")).await;
    let found = async || {
        world.a.observer.show_members().await.unwrap();
        world.a.observer.compare().await.unwrap();
        world.a.observer.show_orphans().await.unwrap();
        let told = world.a.notices.take().into_iter();
        told.map(|notice| (notice.reason, notice.severity, notice.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(found().await, []);
    let b = "b".parse().unwrap();
    let version = world.registry.member(&b).await.unwrap().unwrap().version;
    world.registry.remove_member(&b, &version).await.unwrap();
    let told = found().await;
    let [(reason, severity, words)] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((*reason, *severity), ("Orphaned", Severity::Warning));
    assert!(words.contains("b/team/ResourceGroup/rg"), "{words}");
    assert_eq!(found().await, [], "once");
    // B's copy is parked, by a guard that is there again.
    world.b.store(&group("rg").policy("skip")).await;
    world.b.remove(&group("rg")).await;
    world.a.store(&group("rg")).await;
    let told = found().await;
    assert_eq!(told[0].0, "OrphanedEnded", "{told:?}");
}
