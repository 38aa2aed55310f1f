//! Owners and children: what comes late, and what goes along.

use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
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
            .because("late-owner/StorageAccount/data waits for this owner")
            .because("two live reconcilers")
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
            let claims = story
                .hub
                .list_path("/apis/asoguard.io/v1alpha1/claims")
                .await?;
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

#[tokio::test]
async fn a_parked_owner_is_not_deleted_over_a_child_that_a_peer_depends_on() {
    let story = Story::begin(shared_lab().await, "goes-along").await;
    let (group, account) = (story.resource_group("rg"), account(&story));
    let stored = story.a.create(&group).await.admitted_silently().object;
    let owned = account.clone().owned_by(&stored);
    story.a.create(&owned).await.admitted_silently();
    story.a.set_policy(&group, "skip").await.admitted();
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    story
        .b
        .create(&account.clone().policy("skip"))
        .await
        .admitted();

    let refusal = eventually_refused(
        "parked in cluster b as goes-along/StorageAccount/data",
        async || story.a.dry_run().delete(&group).await,
    )
    .await;
    assert_eq!(refusal.reason, "ChildRefused", "{refusal}");
    refusal
        .because("Kubernetes deletes goes-along/StorageAccount/data too")
        .because("parked in cluster b as goes-along/StorageAccount/data");

    // Without the peer it is allowed, with a word on what goes along.
    story.b.delete(&account).await.admitted();
    let answer = eventually("the peer to be gone", async || {
        story.a.delete(&group).await.map_err(Into::into)
    })
    .await;
    answer.warning("goes-along/StorageAccount/data will be deleted in Azure");
}
