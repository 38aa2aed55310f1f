//! UPDATE.

use aso_guard::claim::{ClaimState, Proof};
use aso_guard::policy::Policy;
use rstest::rstest;
use serde_json::json;

use super::object::{POLICY, RESOURCE_ID, account, group};
use super::tampered::Trouble;
use super::world::{SUBSCRIPTION, World};

#[tokio::test]
async fn skip_may_always_be_set() {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    world.registry.set(Trouble::Unreachable);
    world.registry.calls();
    let parked = live.clone().policy("skip");
    world.a.ask(&live.update(&parked)).await.admitted();
    assert!(world.registry.calls().is_empty());
}

#[tokio::test]
async fn skip_may_not_be_taken_off_while_a_peer_is_live() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let parked = world.a.create(&group("rg").policy("skip")).await;
    for live in [
        group("rg"),
        group("rg").policy("manage"),
        group("rg").policy("Skip"),
    ] {
        let answer = world.a.ask(&parked.update(&live)).await;
        let message = answer.refused(403, "LiveElsewhere");
        assert!(
            message.starts_with(
                "making this copy live would have two ASOs write to resourceGroups/rg"
            ),
            "{message}"
        );
    }
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.live().count(), 1);
}

/// The peer is free once its own observer saw it parked, and not before.
#[tokio::test]
async fn skip_may_be_taken_off_once_the_peer_is_seen_parked() {
    let world = World::new();
    let live = world.b.create(&group("rg")).await;
    let parked = world.a.create(&group("rg").policy("skip")).await;
    let activate = || parked.update(&group("rg"));

    let leaving = live.clone().policy("skip");
    world.b.ask(&live.update(&leaving)).await.admitted();
    world.a.ask(&activate()).await.refused(403, "LiveElsewhere");
    world.b.store(&leaving).await;
    world.a.ask(&activate()).await.admitted();

    let record = world.record("/resourceGroups/rg").await.unwrap();
    let (copy, held) = record.live().next().unwrap();
    assert_eq!(copy.member.as_str(), "a");
    let version = parked.text("/metadata/resourceVersion");
    let proof = Proof::ResourceVersion(version.into());
    assert_eq!(held.acquiring[0].proof, proof);
}

#[rstest]
#[case::to_detach("/metadata/annotations/serviceoperator.azure.com~1reconcile-policy", json!("detach-on-delete"))]
#[case::of_tags("/spec/tags", json!({"team": "blue"}))]
#[case::of_status("/status", json!({"conditions": []}))]
#[case::of_finalizers("/metadata/finalizers", json!(["serviceoperator.azure.com/finalizer"]))]
#[tokio::test]
async fn what_changes_neither_name_nor_life_costs_no_call(
    #[case] pointer: &str,
    #[case] value: serde_json::Value,
) {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    world.registry.calls();
    let changed = live.clone().with(pointer, value);
    world.a.ask(&live.update(&changed)).await.admitted();
    assert!(world.registry.calls().is_empty());
}

#[rstest]
#[case::in_a_namespace_that_manages(None, false)]
#[case::in_a_parked_namespace(Some("skip"), true)]
#[tokio::test]
async fn what_clusterctl_deletes_next_stays_parked_while_a_peer_is_there(
    #[case] namespace: Option<&str>,
    #[case] admitted: bool,
) {
    let world = World::new();
    let parked = group("rg").policy("skip");
    let parked = world.a.store(&parked).await;
    world.b.store(&group("rg").policy("skip")).await;
    world.a.cluster.set_namespace_policy("team", namespace);
    // It takes all other annotations off.
    let moved = json!({"clusterctl.cluster.x-k8s.io/delete-for-move": ""});
    let moved = parked.clone().with("/metadata/annotations", moved);
    let answer = world.a.ask(&parked.update(&moved)).await;
    if admitted {
        answer.admitted();
        world.a.ask(&moved.delete()).await.admitted();
        return;
    }
    let message = answer.refused(403, "WakesDelete");
    assert!(message.contains("still parked in cluster b"), "{message}");
    assert!(
        message.contains("annotate --overwrite namespace"),
        "{message}"
    );
}

#[tokio::test]
async fn what_clusterctl_deletes_next_may_go_where_nobody_depends_on_it() {
    let world = World::new();
    let parked = world.a.store(&group("rg").policy("skip")).await;
    let moved = json!({"clusterctl.cluster.x-k8s.io/delete-for-move": ""});
    let moved = parked.clone().with("/metadata/annotations", moved);
    world.a.ask(&parked.update(&moved)).await.admitted();
    let moved = world.a.store(&moved).await;
    world.a.ask(&moved.delete()).await.admitted();
}

#[tokio::test]
async fn another_identity_is_acquired_first() {
    let world = World::new();
    world.b.create(&group("taken")).await;
    let old = world.a.create(&group("old")).await;
    let rename = |to: &str| old.update(&old.clone().with("/spec/azureName", json!(to)));

    let answer = world.a.ask(&rename("taken")).await;
    let message = answer.refused(403, "LiveElsewhere");
    assert!(
        message.starts_with("this change would have two ASOs"),
        "{message}"
    );

    world.a.ask(&rename("free")).await.admitted();
    // Until the observer knows, it holds both.
    for name in ["old", "free"] {
        let answer = world.b.ask(&group(name).create()).await;
        answer.refused(403, "LiveElsewhere");
    }
    world
        .a
        .store(&old.clone().with("/spec/azureName", json!("free")))
        .await;
    world.b.ask(&group("old").create()).await.admitted();
    world
        .b
        .ask(&group("free").create())
        .await
        .refused(403, "LiveElsewhere");
}

#[tokio::test]
async fn another_owner_is_another_identity() {
    let world = World::new();
    for name in ["rg1", "rg2"] {
        world.a.create(&group(name)).await;
        world.b.store(&group(name).policy("skip")).await;
    }
    world.b.create(&account("st", "rg2")).await;
    let old = world.a.create(&account("st", "rg1")).await;
    let moved = old.clone().with("/spec/owner/name", json!("rg2"));
    world
        .a
        .ask(&old.update(&moved))
        .await
        .refused(403, "LiveElsewhere");
    // A parked copy may be called what it likes.
    let parked = moved.policy("skip");
    world.a.ask(&old.update(&parked)).await.admitted();
}

#[tokio::test]
async fn a_safe_delete_under_way_stays_safe_while_peers_are_there() {
    let world = World::new();
    let going = group("rg").policy("skip").terminating();
    let going = world.a.store(&going).await;
    let woken = going.clone().policy("manage");

    let peer = world.b.store(&group("rg").policy("skip")).await;
    let answer = world.a.ask(&going.update(&woken)).await;
    let message = answer.refused(403, "WakesDelete");
    assert!(
        message.contains("making it manage would delete resourceGroups/rg in Azure"),
        "{message}"
    );
    world.b.remove(&peer).await;
    world.a.ask(&going.update(&woken)).await.admitted();
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.state(), ClaimState::Deleting);
    world
        .b
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
}

/// The annotation goes, and the namespace still says skip.
#[tokio::test]
async fn what_stays_parked_by_its_namespace_is_parked() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let parked = world.a.store(&group("rg").policy("skip")).await;
    let bare = group("rg");
    assert_eq!(
        bare.0.pointer(&format!("/metadata/annotations/{POLICY}")),
        None
    );
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    world.a.ask(&parked.update(&bare)).await.admitted();
    world
        .a
        .cluster
        .set_namespace_policy("team", Some(Policy::Manage.as_str()));
    world
        .a
        .ask(&parked.update(&bare))
        .await
        .refused(403, "LiveElsewhere");
}

/// What is being deleted takes along what it stands for then.
#[tokio::test]
async fn a_destructive_delete_under_way_is_not_pointed_at_another_resource() {
    let world = World::new();
    let going = world.a.store(&group("going").terminating()).await;
    let peer = world.b.store(&group("theirs").policy("skip")).await;
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/theirs");
    for turned in [
        going.clone().annotated(RESOURCE_ID, &id),
        going.clone().with("/spec/azureName", json!("theirs")),
    ] {
        let answer = world.a.ask(&going.update(&turned)).await;
        let message = answer.refused(403, "WakesDelete");
        let what = "this copy is being deleted; this change would delete resourceGroups/theirs";
        assert!(message.contains(what), "{message}");
    }
    let record = world.record("/resourceGroups/theirs").await.unwrap();
    assert_eq!(record.being_deleted(), None);
    // Its own name for the same thing changes nothing.
    let own = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/GOING");
    let same = going.clone().annotated(RESOURCE_ID, &own);
    world.a.ask(&going.update(&same)).await.admitted();

    // Nobody else has it: then it is as good as deleted.
    world.b.remove(&peer).await;
    let turned = going.clone().annotated(RESOURCE_ID, &id);
    world.a.ask(&going.update(&turned)).await.admitted();
    let record = world.record("/resourceGroups/theirs").await.unwrap();
    assert_eq!(record.state(), ClaimState::Deleting);
    world
        .b
        .ask(&group("theirs").create())
        .await
        .refused(403, "LiveElsewhere");
}

/// The name that ASO finds in a ConfigMap: ASO is not to go on with somebody else's.
#[tokio::test]
async fn a_name_that_becomes_known_is_acquired() {
    let world = World::new();
    world.b.create(&group("taken")).await;
    let nameless = group("rg").with(
        "/spec/azureNameFromConfig",
        json!({"name": "c", "key": "k"}),
    );
    world.a.ask(&nameless.create()).await.warned("Unresolved");
    let stored = world.a.store(&nameless).await;
    let found = |name: &str| {
        stored
            .clone()
            .annotated("serviceoperator.azure.com/azure-name-from-config", name)
    };
    world
        .a
        .ask(&stored.update(&found("taken")))
        .await
        .refused(403, "LiveElsewhere");
    // ASO's status and finalizers are no matter of names.
    let busy = stored.clone().with("/status", json!({"conditions": []}));
    world.a.ask(&stored.update(&busy)).await.admitted();
    world.a.update(&stored, &found("free")).await;
    world
        .b
        .ask(&group("free").create())
        .await
        .refused(403, "LiveElsewhere");
}

/// Parking passes no webhook: nobody knows who did it.
#[tokio::test]
async fn who_created_a_copy_is_not_who_parked_it() {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    world.a.store(&live.policy("skip")).await;
    let theirs = world.b.create(&group("rg")).await;
    let answer = world.b.ask(&theirs.delete()).await;
    let message = answer.refused(403, "PeersDepend");
    assert!(message.contains("still parked in cluster a"), "{message}");
    assert!(!message.contains(", by "), "{message}");
}
