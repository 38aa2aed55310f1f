//! Copies that their namespace alone parks, while the namespace changes.

use std::time::Duration;

use aso_guard::claim::Proof;
use aso_guard::cluster::Cluster as _;
use aso_guard::cluster::resolve::Freshness;
use rstest::rstest;

use super::object::{Object, POLICY, dry, group};
use super::surroundings::namespace;
use super::tampered::Trouble;
use super::world::{Member, SETTINGS, World};

/// Namespace `team` of cluster `a` as it is stored, parked.
async fn parked(world: &World) -> Object {
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    now(world).await
}

/// The same as it is stored now.
async fn now(world: &World) -> Object {
    let known = world
        .a
        .cluster
        .namespace("team", Freshness::Store)
        .await
        .unwrap();
    let version = serde_json::json!(known.resource_version);
    let namespace = namespace().with("/metadata/resourceVersion", version);
    match known.policy {
        Some(policy) => namespace.annotated(POLICY, &policy),
        None => namespace,
    }
}

/// Without its policy.
fn awake(stored: &Object) -> Object {
    let mut awake = stored.clone();
    awake.0["metadata"]["annotations"] = serde_json::json!({});
    awake
}

#[tokio::test]
async fn a_namespace_wakes_no_second_copy_that_is_on_its_way_in() {
    let world = World::new();
    let parked = parked(&world).await;
    let peer = world.b.create(&group("rg")).await;
    world.a.ask(&group("rg").create()).await.admitted();
    let change = parked.update(&awake(&parked));
    let answer = world.a.ask(&change).await;
    let message = answer.refused(403, "WakesChild");
    assert!(message.contains("team/ResourceGroup/rg"), "{message}");

    world.b.remove(&peer).await;
    world
        .a
        .ask(&parked.update(&awake(&parked)))
        .await
        .admitted();
    world
        .b
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
}

#[tokio::test]
async fn a_create_is_judged_by_the_policy_that_its_namespace_is_about_to_have() {
    let world = World::new();
    let parked = parked(&world).await;
    let peer = world.b.create(&group("rg")).await;
    world
        .a
        .ask(&parked.update(&awake(&parked)))
        .await
        .admitted();
    let create = group("rg");
    let answer = world.a.ask(&create.create()).await;
    let message = answer.refused(403, "LiveElsewhere");
    for words in [
        "Namespace team is parked now, but a change of its \
         serviceoperator.azure.com/reconcile-policy is under way",
        "annotate the object itself with skip",
    ] {
        assert!(message.contains(words), "{message}");
    }
    // With an annotation of its own it is nobody's business.
    world
        .a
        .ask(&create.clone().policy("skip").create())
        .await
        .admitted();

    world.b.remove(&peer).await;
    world.a.create(&create).await;
    // It is stored, and seen parked, and the namespace may be changed at any moment.
    world
        .b
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    let record = world.record("/resourceGroups/rg").await.unwrap();
    let (_, held) = record.live().next().unwrap();
    assert_eq!(held.acquiring[0].proof, Proof::Deadline);
}

#[tokio::test]
async fn a_change_that_is_stored_or_refused_or_dead_is_over() {
    let world = World::new();
    let stored = parked(&world).await;
    world.b.create(&group("rg")).await;
    let change = stored.update(&awake(&stored));
    world.a.ask(&dry(change.clone())).await.admitted();
    world.a.ask(&group("rg").create()).await.admitted();
    world.a.ask(&change).await.refused(403, "WakesChild");
    let again = group("rg").named("again");
    world.a.ask(&again.create()).await.admitted();

    // The claim of a copy that is still on its way ends by itself.
    let world = World::new();
    let stored = parked(&world).await;
    world.b.create(&group("rg")).await;
    world
        .a
        .ask(&stored.update(&awake(&stored)))
        .await
        .admitted();
    world
        .a
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    // Somebody else changed the namespace first: that one is dead.
    world.a.cluster.change_namespace("team", |_| {});
    world.a.ask(&group("rg").create()).await.admitted();
    world.a.observer.settle_policy_changes().await.unwrap();
    let record = world.registry.inner.member(&"a".parse().unwrap()).await;
    assert_eq!(record.unwrap().unwrap().record.policy_changes, []);
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_end_nobody_sees_is_over_by_its_deadline() {
    let world = World::new();
    let stored = parked(&world).await;
    world.b.create(&group("rg")).await;
    world
        .a
        .ask(&stored.update(&awake(&stored)))
        .await
        .admitted();
    let observer = &world.a.observer;
    observer.settle_policy_changes().await.unwrap();
    tokio::time::advance(SETTINGS.claim_deadline).await;
    observer.settle_policy_changes().await.unwrap();
    world
        .a
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    observer.settle_policy_changes().await.unwrap();
    world.a.ask(&group("rg").create()).await.admitted();
}

/// An object that takes its own policy off is as one that arrives.
#[tokio::test]
async fn a_change_of_the_copy_meets_a_change_of_its_namespace() {
    for first in [true, false] {
        let world = World::new();
        let stored = parked(&world).await;
        world.b.create(&group("rg")).await;
        let own = world.a.store(&group("rg").policy("skip")).await;
        let mut bare = own.clone();
        bare.0["metadata"]["annotations"] = serde_json::json!({});
        let (copy, change) = (own.update(&bare), stored.update(&awake(&stored)));
        if first {
            world.a.ask(&copy).await.admitted();
            world.a.ask(&change).await.refused(403, "WakesChild");
        } else {
            world.a.ask(&change).await.admitted();
            world.a.ask(&copy).await.refused(403, "LiveElsewhere");
        }
    }
}

#[tokio::test]
async fn a_delete_of_the_copy_meets_a_change_of_its_namespace() {
    for first in [true, false] {
        let world = World::new();
        let stored = parked(&world).await;
        world.b.store(&group("rg").policy("skip")).await;
        let own = world.a.store(&group("rg")).await;
        let (delete, change) = (own.delete(), stored.update(&awake(&stored)));
        if first {
            world.a.ask(&delete).await.admitted();
            world.a.ask(&change).await.refused(403, "WakesChild");
        } else {
            world.a.ask(&change).await.admitted();
            world.a.ask(&delete).await.refused(403, "PeersDepend");
        }
    }
}

/// A copy that goes live by its own annotation needs no namespace.
#[tokio::test]
async fn what_has_a_policy_of_its_own_costs_no_more() {
    let world = World::new();
    parked(&world).await;
    world.registry.calls();
    world
        .a
        .ask(&group("rg").policy("manage").create())
        .await
        .admitted();
    assert_eq!(world.registry.calls(), ["put_claim", "epoch", "member"]);
    world.a.ask(&group("two").create()).await.admitted();
    let calls = ["claim", "put_claim", "member", "epoch", "member"];
    assert_eq!(world.registry.calls(), calls);
    // What changes nothing that counts is not registered anew.
    let stored = world.a.store(&group("two")).await;
    world.registry.calls();
    let id = format!(
        "/subscriptions/{}/resourceGroups/two",
        super::world::SUBSCRIPTION
    );
    let written = stored.clone().annotated(super::object::RESOURCE_ID, &id);
    world.a.ask(&stored.update(&written)).await.admitted();
    assert_eq!(world.registry.calls(), [] as [&str; 0]);
}

#[rstest]
#[case(Trouble::Unreachable)]
#[case(Trouble::Hangs)]
#[case(Trouble::HangsOnMembers)]
#[tokio::test(start_paused = true)]
async fn without_a_registry_nobody_knows_whether_it_stays_parked(#[case] trouble: Trouble) {
    let world = World::new();
    parked(&world).await;
    world.registry.set(trouble);
    let answer = world.a.ask(&group("rg").create()).await;
    let message = answer.refused(503, "RegistryUnavailable");
    if trouble == Trouble::Unreachable {
        let hint =
            "Annotate the object itself with serviceoperator.azure.com/reconcile-policy: skip";
        assert!(message.contains(hint), "{message}");
    }
    let audited = World::in_audit_mode();
    audited.a.cluster.set_namespace_policy("team", Some("skip"));
    audited.registry.set(trouble);
    audited
        .a
        .ask(&group("rg").create())
        .await
        .warned("RegistryUnavailable");
    // Deleting a parked copy is a safe step.
    world.registry.set(Trouble::None);
    let stored = world.a.store(&group("rg")).await;
    world.registry.set(Trouble::Unreachable);
    world.a.ask(&stored.delete()).await.admitted();
}

/// A member as a replica whose watches died sees it.
fn replica(world: &World) -> (std::sync::Arc<super::stale::Behind>, Member) {
    let behind = super::stale::behind(world, &[]);
    let member = Member::around(
        "a",
        world.registry.clone(),
        SETTINGS,
        world.a.cluster.clone(),
        behind.clone(),
    );
    (behind, member)
}

#[tokio::test]
async fn a_replica_that_remembers_a_parked_namespace_asks() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let (behind, replica) = replica(&world);
    behind.remembered.set_namespace_policy("team", Some("skip"));
    replica
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    let parked = world.a.store(&group("rg").policy("skip")).await;
    let mut bare = parked.clone();
    bare.0["metadata"]["annotations"] = serde_json::json!({});
    replica
        .ask(&parked.update(&bare))
        .await
        .refused(403, "LiveElsewhere");
}

#[tokio::test]
async fn a_replica_that_remembers_a_parked_namespace_deletes_nothing_unasked() {
    let world = World::new();
    let live = world.a.store(&group("rg")).await;
    world.b.store(&group("rg").policy("skip")).await;
    let (behind, replica) = replica(&world);
    behind.remembered.set_namespace_policy("team", Some("skip"));
    replica
        .ask(&live.delete())
        .await
        .refused(403, "PeersDepend");
}

#[tokio::test]
async fn a_replica_that_remembers_a_live_namespace_acquires_for_a_copy_that_leaves_it() {
    let world = World::new();
    parked(&world).await;
    let own = world.a.store(&group("rg")).await;
    world.b.create(&group("rg")).await;
    let (_, replica) = replica(&world);
    let managed = own.clone().policy("manage");
    replica
        .ask(&own.update(&managed))
        .await
        .refused(403, "LiveElsewhere");
}

#[tokio::test]
async fn a_replica_that_has_not_heard_of_a_copy_wakes_it_no_less() {
    let world = World::new();
    let stored = parked(&world).await;
    world.a.store(&group("rg")).await;
    world.b.create(&group("rg")).await;
    let (_, replica) = replica(&world);
    let change = stored.update(&awake(&stored));
    replica.ask(&change).await.refused(403, "WakesChild");
}

/// What a person has just parked is parked, whatever this replica has heard.
#[tokio::test]
async fn a_replica_that_has_not_heard_that_a_namespace_is_parked_refuses_nothing_safe() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let (_, replica) = replica(&world);
    replica
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    replica.ask(&group("rg").create()).await.admitted();
    let stored = world.a.store(&group("rg")).await;
    replica.ask(&dry(stored.delete())).await.admitted();
    replica.ask(&stored.delete()).await.admitted();
}

/// The event may come while the request is judged by what was known before.
#[tokio::test]
async fn a_replica_that_hears_meanwhile_that_a_namespace_is_parked_refuses_nothing_safe() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let (behind, replica) = replica(&world);
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    world
        .registry
        .set(Trouble::Slow(Duration::from_millis(200)));
    let create = group("rg").create();
    let event = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        behind.remembered.set_namespace_policy("team", Some("skip"));
    };
    let (answer, ()) = tokio::join!(replica.ask(&create), event);
    answer.admitted();
}
