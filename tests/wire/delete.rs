//! DELETE.

use aso_guard::claim::ClaimState;
use rstest::rstest;
use serde_json::json;

use super::object::{DELETE, Object, RESOURCE_ID, account, group};
use super::tampered::Trouble;
use super::world::{SUBSCRIPTION, World};

#[rstest]
#[case::parked("skip")]
#[case::detached("detach-on-delete")]
#[tokio::test]
async fn what_leaves_azure_alone_may_always_go(#[case] policy: &str) {
    let world = World::new();
    let stored = world.a.store(&group("rg").policy(policy)).await;
    world.b.store(&group("rg").policy("skip")).await;
    world.registry.set(Trouble::Unreachable);
    world.a.ask(&stored.delete()).await.admitted();
}

#[tokio::test]
async fn what_nobody_else_has_may_be_deleted() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.a.ask(&stored.delete()).await.admitted();
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.state(), ClaimState::Deleting);
    // Nobody may go live on what is being deleted.
    world
        .b
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");

    let going = stored.terminating();
    world.a.store(&going).await;
    world.a.ask(&going.delete()).await.admitted();
    world.a.remove(&going).await;
    assert_eq!(world.record("/resourceGroups/rg").await, None);
}

#[tokio::test]
async fn what_an_api_server_sends_is_understood() {
    let world = World::new();
    world.a.store(&group("rg-prod")).await;
    let review = serde_json::from_str(DELETE).unwrap();
    world.a.ask(&review).await.admitted();
    let id = "/resourceGroups/rg-prod/providers/Microsoft.Storage/storageAccounts/st";
    let record = world.record(id).await.unwrap();
    assert_eq!(record.state(), ClaimState::Deleting);
    let (copy, _) = record.being_deleted().unwrap();
    assert_eq!(copy.to_string(), "a/team/StorageAccount/st");
}

#[tokio::test]
async fn a_parked_peer_is_in_the_way() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.b.create(&group("rg").policy("skip")).await;
    let answer = world.a.ask(&stored.delete()).await;
    let message = answer.refused(403, "PeersDepend");
    for words in [
        "deleting this copy would delete resourceGroups/rg in Azure",
        "still parked in cluster b as team/ResourceGroup/rg",
        "  kubectl --context a -n team annotate --overwrite resourcegroup.resources.azure.com/rg",
        "  kubectl --context b -n team delete resourcegroup.resources.azure.com/rg",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(
        record.being_deleted(),
        None,
        "what is refused leaves no mark"
    );
}

/// As after a double that began before the guard was there.
#[tokio::test]
async fn a_live_peer_is_in_the_way() {
    let world = World::new();
    let stored = world.a.store(&group("rg")).await;
    world.b.store(&group("rg")).await;
    let answer = world.a.ask(&stored.delete()).await;
    let message = answer.refused(403, "PeersDepend");
    assert!(message.contains("still live in cluster b"), "{message}");
    assert!(!message.contains(" delete resourcegroup"), "{message}");
}

fn rooted_account(group: &str) -> Object {
    let id = format!("/subscriptions/{SUBSCRIPTION}/RESOURCEGROUPS/{group}");
    account("st", group).with("/spec/owner", json!({"armId": id}))
}

#[tokio::test]
async fn what_others_hold_inside_is_in_the_way() {
    let world = World::new();
    let stored = world.a.create(&group("rg1")).await;
    world.b.create(&rooted_account("RG10")).await;
    let inside = world.b.create(&rooted_account("RG1")).await;
    let answer = world.a.ask(&stored.delete()).await;
    let message = answer.refused(403, "ChildrenDepend");
    assert!(
        message.contains("storageAccounts/st is live in cluster b as team/"),
        "{message}"
    );
    let record = world.record("/resourceGroups/rg1").await.unwrap();
    assert_eq!(
        record.being_deleted(),
        None,
        "what is refused leaves no mark"
    );
    world.b.remove(&inside).await;
    world.a.ask(&stored.delete()).await.admitted();
}

#[tokio::test]
async fn what_the_same_namespace_holds_inside_goes_along() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.a.create(&account("st", "rg")).await;
    world.a.ask(&stored.delete()).await.admitted();

    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world
        .a
        .create(&rooted_account("rg").in_namespace("other"))
        .await;
    world
        .a
        .ask(&stored.delete())
        .await
        .refused(403, "ChildrenDepend");
}

#[tokio::test]
async fn what_may_not_be_deleted_is_not_deleted_through_its_parent() {
    let world = World::new();
    let parent = world.a.create(&group("rg")).await;
    // It names another resource besides, and a peer has that.
    let id = "/resourceGroups/other/providers/Microsoft.Storage/storageAccounts/st";
    let id = format!("/subscriptions/{SUBSCRIPTION}{id}");
    let foreign = account("st", "rg").annotated(RESOURCE_ID, &id);
    world.a.store(&foreign).await;
    let twin = rooted_account("other").policy("skip");
    world.b.store(&twin).await;
    let answer = world.a.ask(&parent.delete()).await;
    let message = answer.refused(403, "ChildRefused");
    assert!(
        message.contains("this also deletes team/StorageAccount/st, which"),
        "{message}"
    );
}
