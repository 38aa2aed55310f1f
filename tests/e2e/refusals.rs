//! What would give a resource two reconcilers, or delete it under somebody, is refused.

use crate::lab::aso::RESOURCE_ID;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
use crate::shared_lab;

#[tokio::test]
async fn a_live_twin_in_another_cluster() {
    let story = Story::begin(shared_lab().await, "twin-cluster").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();

    let refusal = story.b.create(&group).await.refused();
    refusal
        .with_code(403)
        .because("two ASOs write to")
        .because("in cluster a as twin-cluster/ResourceGroup/rg")
        .because("kubectl --context a -n twin-cluster annotate --overwrite resourcegroup.resources.azure.com/rg serviceoperator.azure.com/reconcile-policy=skip");
    story
        .b
        .create(&group.clone().policy("detach-on-delete"))
        .await
        .refused();
    // Parked, it may be there: nothing writes to Azure for it.
    story
        .b
        .create(&group.policy("skip"))
        .await
        .admitted_silently();
}

#[tokio::test]
async fn a_live_twin_in_another_namespace() {
    let story = Story::begin(shared_lab().await, "twin-namespace").await;
    let other = story.namespace(&story.a, "twin-namespace-other").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    let refusal = other.create(&group).await.refused();
    refusal.because("in this cluster (a) as twin-namespace/ResourceGroup/rg");
}

#[tokio::test]
async fn a_live_twin_under_another_name() {
    let story = Story::begin(shared_lab().await, "twin-name").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    let shouted = story.azure_name("RG");
    let twin = Object::of("ResourceGroup", "another").azure_name(&shouted);
    let refusal = story.a.create(&twin).await.refused();
    refusal.because("in this cluster (a) as twin-name/ResourceGroup/rg");
    let refusal = story.b.create(&twin).await.refused();
    refusal.because("in cluster a as twin-name/ResourceGroup/rg");
}

#[tokio::test]
async fn a_live_twin_in_a_storage_version() {
    let story = Story::begin(shared_lab().await, "twin-version").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    let twin = group.version("v1api20200601storage");
    story
        .b
        .create(&twin)
        .await
        .refused()
        .because("in cluster a as");
}

#[tokio::test]
async fn a_destructive_delete_while_a_peer_has_a_parked_copy() {
    let story = Story::begin(shared_lab().await, "delete-parked").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();

    // It counts from its admission on where the registry answers in time; else a moment
    // later, once B's observer has seen it.
    eventually_refused("parked in cluster b as delete-parked/", async || {
        story.a.dry_run().delete(&group).await
    })
    .await;
    let refusal = story.a.delete(&group).await.refused();
    refusal
        .with_code(403)
        .because("would delete resourceGroups/rg-delete-parked in Azure")
        .because("parked in cluster b as delete-parked/ResourceGroup/rg")
        .because("reconcile-policy=skip");
    story.a.delete_all("ResourceGroup").await.refused();

    // The safe ways stay open: detach, and delete.
    story
        .a
        .set_policy(&group, "detach-on-delete")
        .await
        .admitted();
    story.a.delete(&group).await.admitted();
}

#[tokio::test]
async fn a_destructive_delete_of_a_group_in_which_a_peer_has_a_resource() {
    let story = Story::begin(shared_lab().await, "delete-group").await;
    let group = story.resource_group("rg");
    let identity = Object::of("UserAssignedIdentity", "id")
        .azure_name(&story.azure_name("id"))
        .owner_arm_id(&story.resource_group_id("rg"));
    story.a.create(&group).await.admitted_silently();
    story.b.create(&identity).await.admitted_silently();

    let refusal = story.a.delete(&group).await.refused();
    refusal
        .because("what others hold inside")
        .because("in cluster b as delete-group/UserAssignedIdentity/id");

    story.b.delete(&identity).await.admitted();
    eventually("the group to be empty", async || {
        story.a.delete(&group).await.map_err(Into::into)
    })
    .await;
}

#[tokio::test]
async fn a_new_resource_in_a_group_that_is_being_deleted() {
    let story = Story::begin(shared_lab().await, "deleting-group").await;
    let finalizer = serde_json::json!(["serviceoperator.azure.com/finalizer"]);
    let group = story
        .resource_group("rg")
        .with("/metadata/finalizers", finalizer);
    story.a.create(&group).await.admitted_silently();
    story.a.delete(&group).await.admitted();

    let identity = Object::of("UserAssignedIdentity", "id")
        .azure_name(&story.azure_name("id"))
        .owner_arm_id(&story.resource_group_id("rg"));
    let refusal = story.b.create(&identity).await.refused();
    refusal
        .because("would be deleted along with resourceGroups/rg-deleting-group")
        .because("being deleted in cluster a as deleting-group/ResourceGroup/rg");

    let none = serde_json::json!({"metadata": {"finalizers": null}});
    story.a.patch(&group, none).await.admitted();
    eventually("the group to be gone", async || {
        story.b.create(&identity).await.map_err(Into::into)
    })
    .await;
}

#[tokio::test]
async fn a_pasted_resource_id_of_somebody_elses_resource() {
    let story = Story::begin(shared_lab().await, "pasted-id").await;
    let theirs = story.resource_group("theirs");
    story.a.create(&theirs).await.admitted_silently();
    let ours = story
        .resource_group("ours")
        .annotated(RESOURCE_ID, &story.resource_group_id("theirs"));
    let refusal = story.b.create(&ours).await.refused();
    refusal
        .because("but the spec describes")
        .because("in cluster a as pasted-id/ResourceGroup/theirs");
}

#[tokio::test]
async fn a_wake_up_call_to_a_copy_that_is_being_deleted() {
    let story = Story::begin(shared_lab().await, "wake").await;
    let finalizer = serde_json::json!(["serviceoperator.azure.com/finalizer"]);
    let group = story
        .resource_group("rg")
        .with("/metadata/finalizers", finalizer);
    story
        .a
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    story.a.delete(&group).await.admitted();
    eventually_refused("parked in cluster b as wake/", async || {
        story.a.dry_run().clear_policy(&group).await
    })
    .await;
    let refusal = story.a.clear_policy(&group).await.refused();
    refusal
        .because("this copy is being deleted")
        .because("parked in cluster b as wake/ResourceGroup/rg");
    for person in [&story.a, &story.b] {
        let none = serde_json::json!({"metadata": {"finalizers": null}});
        person.patch(&group, none).await.admitted();
    }
}

#[tokio::test]
async fn nothing_of_what_was_only_a_dry_run() {
    let story = Story::begin(shared_lab().await, "dry-run").await;
    let group = story.resource_group("rg");
    story.a.dry_run().create(&group).await.admitted();
    story.b.create(&group).await.admitted_silently();
    story.a.dry_run().create(&group).await.refused();
    story.b.dry_run().delete(&group).await.admitted();
    story.a.create(&group.policy("skip")).await.admitted();
}
