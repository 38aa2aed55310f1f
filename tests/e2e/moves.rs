//! The move that ASO recommends flows through, and the mistakes on its way are refused.

use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, eventually};
use crate::shared_lab;

/// A storage account in a resource group: what the stories move.
fn account(story: &Story<'_>) -> [Object; 2] {
    let account = Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner("rg");
    [story.resource_group("rg"), account]
}

#[tokio::test]
async fn from_cluster_to_cluster() {
    let story = Story::begin(shared_lab().await, "move").await;
    let resources = account(&story);
    for resource in &resources {
        story.a.create(resource).await.admitted_silently();
    }

    // 1. Park the copies in A.
    for resource in &resources {
        story.a.set_policy(resource, "skip").await.admitted();
    }
    // 2. ASO runs in B. 3. Apply the resources there, without the annotation.
    for resource in &resources {
        eventually("the parked resource to be free", async || {
            story.b.apply(resource).await.map_err(Into::into)
        })
        .await;
    }
    // Taking skip off in A would start a second reconciler: by annotate, by apply, by replace.
    for resource in &resources {
        let live_in_b = "live in cluster b as move/";
        let park_b = "kubectl --context b -n move annotate --overwrite";
        let refusal = story.a.clear_policy(resource).await.refused();
        refusal.because(live_in_b).because(park_b).with_code(403);
        let refusal = story.a.set_policy(resource, "manage").await.refused();
        refusal.because(live_in_b);
        let refusal = story.a.apply(&resource.clone().policy("manage")).await;
        refusal.refused().because(live_in_b);
        let stored = story.a.get(resource).await.admitted().object;
        let woken = stored.without_annotation(POLICY);
        story.a.replace(&woken).await.refused().because(live_in_b);
    }
    // Deleting in B would delete in Azure what A still has a copy of.
    for resource in &resources {
        let refusal = story.b.delete(resource).await.refused();
        refusal
            .because("would delete")
            .because("still parked in cluster a as move/")
            .because("kubectl --context a -n move delete");
    }
    // 4. Delete the copies in A: Azure is not touched.
    for resource in resources.iter().rev() {
        story.a.delete(resource).await.admitted();
        story.a.gone(resource, PATIENCE).await.unwrap();
    }
    // From now on B alone has it, and may do as it likes.
    for resource in resources.iter().rev() {
        eventually("nobody else to have the resource", async || {
            story.b.delete(resource).await.map_err(Into::into)
        })
        .await;
    }
}

#[tokio::test]
async fn from_namespace_to_namespace() {
    let story = Story::begin(shared_lab().await, "rename").await;
    let target = story.namespace(&story.a, "rename-target").await;
    let resources = account(&story);
    for resource in &resources {
        story.a.create(resource).await.admitted_silently();
    }
    let twin = target.create(&resources[0]).await.refused();
    twin.because("live in this cluster (a) as rename/ResourceGroup/rg")
        .because("kubectl --context a -n rename annotate --overwrite resourcegroup.resources.azure.com/rg");

    for resource in &resources {
        story.a.set_policy(resource, "skip").await.admitted();
    }
    for resource in &resources {
        eventually("the parked resource to be free", async || {
            target.apply(resource).await.map_err(Into::into)
        })
        .await;
    }
    for resource in &resources {
        let refusal = story.a.clear_policy(resource).await.refused();
        refusal.because("live in this cluster (a) as rename-target/");
        let refusal = target.delete(resource).await.refused();
        refusal.because("still parked in this cluster (a) as rename/");
    }
    for resource in resources.iter().rev() {
        story.a.delete(resource).await.admitted();
    }
    for resource in resources.iter().rev() {
        eventually("nobody else to have the resource", async || {
            target.delete(resource).await.map_err(Into::into)
        })
        .await;
    }
}
