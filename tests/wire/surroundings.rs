//! Namespaces and CRDs, whose change or deletion is that of all that is in them.

use aso_guard::claim::ClaimState;
use rstest::rstest;
use serde_json::{Value, json};

use super::object::{Object, POLICY, account, group};
use super::world::{World, facts};

/// Namespace `team`, guarded.
pub fn namespace() -> Object {
    Object(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "team", "labels": {"asoguard.io/guarded": "true"}},
    }))
}

pub fn definition(kind: &str) -> Object {
    Object(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "resourcegroups.resources.azure.com"},
        "spec": {"group": "resources.azure.com", "names": {"kind": kind}},
    }))
}

#[tokio::test]
async fn a_namespace_goes_unless_a_delete_inside_would_be_refused() {
    let world = World::new();
    let team = namespace();
    world.a.ask(&team.delete()).await.admitted();
    world.a.store(&group("mine")).await;
    world
        .a
        .store(&group("elsewhere").in_namespace("other"))
        .await;
    world.b.store(&group("elsewhere").policy("skip")).await;
    let answer = world.a.ask(&team.delete()).await;
    assert!(answer.allowed, "{answer:#?}");
    let what = "deleting namespace team deletes 1 resource in Azure: team/ResourceGroup/mine";
    assert_eq!(answer.warnings, [what]);
    // Half of a move is left behind.
    let parked = world.a.store(&group("parked").policy("skip")).await;
    let answer = world.a.ask(&team.delete()).await;
    let others = "others in it whose resources stay (parked, detached or terminating): 1";
    assert_eq!(answer.warnings, [what, others]);
    world.a.remove(&parked).await;

    world.a.store(&group("shared")).await;
    let peer = world.b.store(&group("shared").policy("skip")).await;
    let answer = world.a.ask(&team.delete()).await;
    assert!(!answer.allowed);
    let message = &answer.status.message;
    assert!(message.contains("team/ResourceGroup/shared"), "{message}");
    assert!(message.contains("cluster b"), "{message}");
    world.b.remove(&peer).await;
    assert!(world.a.ask(&team.delete()).await.allowed);
}

/// Whatever is in it: what is inside a group comes with the group, and a subscription
/// with many groups is listed once.
#[tokio::test]
async fn the_delete_of_a_full_namespace_costs_few_calls() {
    let world = World::new();
    for number in 0..40 {
        let name = format!("rg-{number}");
        world.a.store(&group(&name)).await;
        world.a.store(&account(&format!("st{number}"), &name)).await;
    }
    let peer = world.b.store(&account("st7", "rg-7").policy("skip")).await;
    world.registry.calls();
    let answer = world.a.ask(&namespace().delete()).await;
    assert!(answer.status.message.contains("cluster b"), "{answer:#?}");
    // The second is for its words.
    assert_eq!(world.registry.calls(), ["claims", "member"]);
    world.b.remove(&peer).await;
    let answer = world.a.ask(&namespace().delete()).await;
    assert!(answer.allowed, "{answer:#?}");
    assert!(answer.warnings[0].contains("80 resources"), "{answer:#?}");
}

#[tokio::test]
async fn a_namespace_with_too_many_objects_to_wake_says_what_to_do() {
    let world = World::new();
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    for number in 0..2001 {
        world
            .a
            .cluster
            .store(facts(&group(&format!("rg-{number}"))));
    }
    let parked = namespace().annotated(POLICY, "skip");
    let answer = world.a.ask(&parked.update(&namespace())).await;
    let message = answer.refused(503, "RegistryUnavailable");
    assert!(message.contains("makes 2001 objects live"), "{message}");
    assert!(message.contains("in parts"), "{message}");
    assert_eq!(world.record("/resourceGroups/rg-1").await, None);
}

#[tokio::test]
async fn a_policy_of_a_namespace_wakes_what_it_may() {
    let world = World::new();
    let parked = namespace().annotated(POLICY, "skip");
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    world.a.store(&group("rg")).await;
    let peer = world.b.create(&group("rg")).await;
    for awake in [namespace(), namespace().annotated(POLICY, "manage")] {
        world
            .a
            .ask(&parked.update(&awake))
            .await
            .refused(403, "WakesChild");
    }
    world.b.remove(&peer).await;
    world.a.ask(&parked.update(&namespace())).await.admitted();
    world
        .b
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    // Parking is free.
    world.a.ask(&namespace().update(&parked)).await.admitted();
}

#[tokio::test]
async fn a_namespace_with_copies_keeps_its_label() {
    let world = World::new();
    let mut bare = namespace();
    bare.0["metadata"]["labels"] = json!({});
    world.a.ask(&namespace().update(&bare)).await.admitted();
    world.a.store(&group("rg")).await;
    let answer = world.a.ask(&namespace().update(&bare)).await;
    answer.refused(403, "NamespaceGuarded");
}

#[tokio::test]
async fn a_crd_goes_once_nothing_of_its_kind_is_live() {
    let world = World::new();
    world
        .a
        .ask(&definition("ResourceGroup").delete())
        .await
        .admitted();
    let stored = world.a.store(&group("rg")).await;
    let answer = world.a.ask(&definition("ResourceGroup").delete()).await;
    let message = answer.refused(403, "KindInUse");
    assert!(message.contains("team/ResourceGroup/rg"), "{message}");
    world
        .a
        .ask(&definition("StorageAccount").delete())
        .await
        .admitted();
    world.a.store(&stored.policy("skip")).await;
    world
        .a
        .ask(&definition("ResourceGroup").delete())
        .await
        .admitted();
}

#[rstest]
#[case::namespace(&namespace())]
#[case::definition(&definition("ResourceGroup"))]
#[tokio::test]
async fn what_cannot_be_read_is_refused(#[case] object: &Object) {
    let world = World::new();
    let mut without = object.delete();
    without["request"]["oldObject"] = Value::Null;
    world.a.ask(&without).await.refused(400, "Unreadable");
    for (field, value) in [
        ("", json!([{}])),
        ("", json!("text")),
        ("/metadata/annotations", json!(["skip"])),
        ("/metadata/labels", json!(["true"])),
        ("/metadata/name", json!(7)),
        (
            "/spec",
            json!(["resources.azure.com", {"kind": "ResourceGroup"}]),
        ),
        ("/spec/names", json!(["ResourceGroup"])),
        ("/spec/names/kind", json!(7)),
    ] {
        // Of each of the two, only what is read counts.
        let is_spec = field.starts_with("/spec");
        if !field.is_empty() && is_spec != (object.text("/kind") != "Namespace") {
            continue;
        }
        let odd = object.clone().with(field, value);
        let mut review = object.delete();
        review["request"]["oldObject"] = odd.0;
        world.a.ask(&review).await.refused(400, "Unreadable");
    }
}

/// What the namespace's policy makes of a delete that is under way.
#[tokio::test]
async fn a_policy_of_a_namespace_turns_no_safe_delete_into_another() {
    let world = World::new();
    let parked = namespace().annotated(POLICY, "detach-on-delete");
    let policy = Some("detach-on-delete");
    world.a.cluster.set_namespace_policy("team", policy);
    world.a.store(&group("rg").terminating()).await;
    let peer = world.b.store(&group("rg").policy("skip")).await;
    let answer = world.a.ask(&parked.update(&namespace())).await;
    let message = answer.refused(403, "WakesChild");
    let what = "this policy of the namespace makes team/ResourceGroup/rg live, and its delete, \
                which is under way, would delete resourceGroups/rg in Azure";
    assert!(message.contains(what), "{message}");
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.being_deleted(), None);

    world.b.remove(&peer).await;
    world.a.ask(&parked.update(&namespace())).await.admitted();
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.state(), ClaimState::Deleting);
}
