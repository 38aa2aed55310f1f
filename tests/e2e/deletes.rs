//! What deletes more than one object at a time, or something else than it did before.

use serde_json::json;

use crate::lab::aso::{FINALIZER, RESOURCE_ID};
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
use crate::shared_lab;

#[tokio::test]
async fn all_of_a_kind_at_once_but_for_what_a_peer_depends_on() {
    let story = Story::begin(shared_lab().await, "collection").await;
    let groups = ["one", "shared", "two"].map(|name| story.resource_group(name));
    for group in &groups {
        story.a.create(group).await.admitted_silently();
    }
    let [_, shared, _] = &groups;
    story
        .b
        .create(&shared.clone().policy("skip"))
        .await
        .admitted();
    eventually_refused(
        "still parked in cluster b as collection/ResourceGroup/shared",
        async || story.a.dry_run().delete(shared).await,
    )
    .await;

    let refusal = story.a.delete_all("ResourceGroup").await.refused();
    refusal.because("still parked in cluster b as collection/ResourceGroup/shared");
    story.a.get(shared).await.admitted();

    story.b.delete(shared).await.admitted();
    eventually("all of them to go", async || {
        story
            .a
            .delete_all("ResourceGroup")
            .await
            .map_err(Into::into)
    })
    .await;
    let left = story
        .a
        .list(shared.api_version(), shared.kind())
        .await
        .unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn all_parked_at_once_without_a_word() {
    let story = Story::begin(shared_lab().await, "parked-collection").await;
    let groups = ["one", "two"].map(|name| story.resource_group(name));
    for group in &groups {
        story
            .a
            .create(&group.clone().policy("skip"))
            .await
            .admitted();
        story.b.create(group).await.admitted_silently();
    }
    story
        .a
        .delete_all("ResourceGroup")
        .await
        .admitted_silently();
}

/// ASO deletes what `resource-id` names. A copy that is being deleted could be pointed at
/// somebody else's resource.
#[tokio::test]
async fn a_delete_under_way_is_not_pointed_at_another_resource() {
    let story = Story::begin(shared_lab().await, "turned").await;
    let theirs = story.resource_group("theirs");
    story
        .b
        .create(&theirs.clone().policy("skip"))
        .await
        .admitted();
    let going = story
        .resource_group("going")
        .with("/metadata/finalizers", json!([FINALIZER]));
    story.a.create(&going).await.admitted_silently();
    story.a.delete(&going).await.admitted();

    let id = story.resource_group_id("theirs");
    let refusal = eventually_refused(
        "still parked in cluster b as turned/ResourceGroup/theirs",
        async || {
            story
                .a
                .dry_run()
                .annotate(&going, RESOURCE_ID, Some(&id))
                .await
        },
    )
    .await;
    assert_eq!(refusal.reason, "WakesDelete", "{refusal}");
    refusal
        .because("this copy is being deleted; this change would delete resourceGroups/theirs")
        .because("still parked in cluster b as turned/ResourceGroup/theirs");
    // Its own ID, which ASO may write, changes nothing.
    let own = story.resource_group_id("going");
    story
        .a
        .annotate(&going, RESOURCE_ID, Some(&own))
        .await
        .admitted_silently();
    // Nor does letting go of it.
    let none = json!({"metadata": {"finalizers": null}});
    story.a.patch(&going, none).await.admitted_silently();
}

#[tokio::test]
async fn what_a_parked_group_takes_along_is_told_and_not_what_peers_hold() {
    let story = Story::begin(shared_lab().await, "inside").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    // Another namespace, and another cluster, hold something inside.
    let id = story.resource_group_id("rg");
    let neighbour = story.namespace(&story.a, "inside-too").await;
    let account = Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner_arm_id(&id);
    neighbour.create(&account).await.admitted_silently();
    let refusal = story.a.delete(&group).await.refused();
    refusal
        .because("and what others hold inside")
        .because("live in this cluster (a) as inside-too/StorageAccount/data");
    // A parked copy of something inside counts as well: its resource would be gone.
    neighbour.set_policy(&account, "skip").await.admitted();
    eventually_refused("is parked in this cluster", async || {
        story.a.dry_run().delete(&group).await
    })
    .await;
    neighbour.delete(&account).await.admitted();
    eventually("nothing to be inside", async || {
        story.a.delete(&group).await.map_err(Into::into)
    })
    .await;
}

#[tokio::test]
async fn a_policy_that_aso_does_not_know_protects_from_nothing_and_is_told() {
    let story = Story::begin(shared_lab().await, "odd-policy").await;
    let group = story.resource_group("rg");
    for odd in ["Skip", "skip ", "ignore"] {
        let answer = story.a.apply(&group.clone().policy(odd)).await.admitted();
        answer.warning("is no policy of ASO, so manage is in force");
    }
    story
        .b
        .create(&group)
        .await
        .refused()
        .because("live in cluster a");
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    eventually_refused("still parked in cluster b", async || {
        story.a.dry_run().delete(&group).await
    })
    .await;
}
