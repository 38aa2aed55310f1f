//! Owners and children: what comes late, and what goes along.

use serde_json::json;

use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, eventually, eventually_refused};
use crate::shared_lab;

fn account(story: &Story<'_>) -> Object {
    Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner("rg")
}

#[tokio::test]
async fn an_owner_that_would_wake_a_twin_is_refused_until_the_twin_is_parked() {
    let story = Story::begin(shared_lab().await, "late-owner").await;
    let (group, account) = (story.resource_group("rg"), account(&story));
    story.a.create(&group).await.admitted_silently();
    story.a.create(&account).await.admitted_silently();
    story.a.set_policy(&group, "skip").await.admitted();

    // In B the account comes first: its group, and so its name in Azure, is not known yet.
    let early = story.b.create(&account).await.admitted();
    early.warning("its owner is not there yet");
    for owner in [group.clone(), group.clone().policy("skip")] {
        let refusal = eventually("the waiting account to be known", async || {
            match story.b.dry_run().create(&owner).await {
                Err(refusal) if refusal.reason == "WakesChild" => Ok(refusal),
                other => anyhow::bail!("not yet: {other:?}"),
            }
        })
        .await;
        refusal
            .because("creating this owner makes its child late-owner/StorageAccount/data live")
            .because("two ASOs write to")
            .because("live in cluster a as late-owner/StorageAccount/data");
    }
    // The account in A is parked: the owner may come, and B holds both.
    story.a.set_policy(&account, "skip").await.admitted();
    eventually("the account to be free", async || {
        story.b.create(&group).await.map_err(Into::into)
    })
    .await;
    let refusal = story.a.clear_policy(&account).await.refused();
    refusal.because("cluster b as late-owner/StorageAccount/data");
    eventually(
        "B's account to be settled under its real name",
        async || {
            let claims = story.hub.claims().await?;
            let ours = claims.iter().filter(|claim| {
                let copies = claim.text("/status/holder");
                copies == "b/late-owner/StorageAccount/data"
            });
            let ids: Vec<&str> = ours.map(|claim| claim.text("/status/resource")).collect();
            let expected = "rg-late-owner/storageAccounts/data-late-owner";
            anyhow::ensure!(ids == [expected], "{ids:?}");
            Ok(())
        },
    )
    .await;
}

/// A group was moved, and its account forgotten. Kubernetes deletes the account with its owner.
#[tokio::test]
async fn a_forgotten_child_is_not_deleted_with_its_parked_owner() {
    let story = Story::begin(shared_lab().await, "forgotten").await;
    let (group, account) = (story.resource_group("rg"), account(&story));
    let stored = story.a.create(&group).await.admitted_silently().object;
    let owned = account.clone().owned_by(&stored);
    story.a.create(&owned).await.admitted_silently();
    story.a.set_policy(&group, "skip").await.admitted();
    eventually("the group to be free", async || {
        story.b.create(&group).await.map_err(Into::into)
    })
    .await;

    let words = "forgotten/StorageAccount/data is live in this cluster (a)";
    for _ in 0..2 {
        let refusal = eventually_refused(words, async || story.a.delete(&group).await).await;
        assert_eq!(refusal.reason, "TakesLiveChildren", "{refusal}");
    }
    // So it is in a delete of all.
    let refusal = story.a.delete_all("ResourceGroup").await.refused();
    assert_eq!(refusal.reason, "TakesLiveChildren", "{refusal}");
    refusal.because(words);

    // Without its children it may go, and they stay.
    story.a.delete_orphaning(&group).await.admitted_silently();
    story.a.gone(&group, PATIENCE).await.unwrap();
    let left = story.a.get(&account).await.admitted().object;
    assert_eq!(left.text("/metadata/deletionTimestamp"), "");
}

/// The API server asks about it, though the owner is parked by its own annotation.
#[tokio::test]
async fn a_parked_owner_that_is_renamed_wakes_no_twin() {
    let story = Story::begin(shared_lab().await, "renamed").await;
    let (group, account) = (story.resource_group("rg"), account(&story));
    let parked = group.clone().policy("skip");
    story.a.create(&parked).await.admitted();
    story.a.create(&account).await.admitted();
    let elsewhere = story.resource_group_id("new");
    let twin = Object::of("StorageAccount", "twin")
        .azure_name(&story.azure_name("data"))
        .owner_arm_id(&elsewhere);
    story.b.create(&twin).await.admitted_silently();
    let new = json!({"spec": {"azureName": story.azure_name("new")}});
    let words = "this change renames its child renamed/StorageAccount/data";
    let refusal =
        eventually_refused(words, async || story.a.patch(&group, new.clone()).await).await;
    assert_eq!(refusal.reason, "WakesChild", "{refusal}");
}
