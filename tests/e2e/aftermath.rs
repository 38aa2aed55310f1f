//! What happens after the guard's yes: a copy released is free, and what the API
//! server rejects changes nothing.

use serde_json::json;

use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::{Refusal, Verdict};
use crate::lab::wait::eventually;
use crate::shared_lab;

#[tokio::test]
async fn a_released_copy_is_free_for_its_peer() {
    let story = Story::begin(shared_lab().await, "release").await;
    let group = story.resource_group("rg");
    // Back and forth, parked and deleted in turn.
    story.a.create(&group).await.admitted_silently();
    story.a.set_policy(&group, "skip").await.admitted();
    eventually("a parked copy to be free", async || {
        story.b.apply(&group).await.map_err(Into::into)
    })
    .await;
    story.a.delete(&group).await.admitted();
    story
        .b
        .set_policy(&group, "detach-on-delete")
        .await
        .admitted();
    story.b.delete(&group).await.admitted();
    eventually("a deleted copy to be free", async || {
        story.a.apply(&group).await.map_err(Into::into)
    })
    .await;
}

#[tokio::test]
async fn a_create_that_the_quota_rejects_holds_nothing_that_was_not_its_own() {
    let story = Story::begin(shared_lab().await, "quota").await;
    let group = story.resource_group("rg");
    let quota = Object::new("v1", "ResourceQuota", "none").with(
        "/spec/hard",
        json!({"count/resourcegroups.resources.azure.com": "0"}),
    );
    story.a.apply(&quota).await.admitted();
    // The lab runs no quota controller, so the counting is done by hand.
    let none = json!({"count/resourcegroups.resources.azure.com": "0"});
    let counted = json!({"hard": none, "used": none});
    story.a.patch_status(&quota, counted).await.admitted();
    let by_quota = |rejected: &Refusal| rejected.message.contains("quota: none");
    eventually("the quota to count", async || {
        match story.a.dry_run().create(&group).await {
            Err(rejected) if by_quota(&rejected) => Ok(()),
            other => anyhow::bail!("not yet: {other:?}"),
        }
    })
    .await;

    // The quota is asked after the webhooks: the guard has said yes by then.
    story.b.create(&group).await.admitted_silently();
    story.b.set_policy(&group, "skip").await.admitted();
    let rejected = eventually("A's turn", async || match story.a.create(&group).await {
        Err(rejected) if by_quota(&rejected) => Ok(rejected),
        Err(refused) => anyhow::bail!("{refused}"),
        Ok(_) => anyhow::bail!("the quota let it through"),
    })
    .await;
    assert_eq!(rejected.code, 403);
    // Until its deadline the create might still be stored, for all anybody knows: B may
    // not go live on top of it, and may do everything that is safe.
    let refusal = story.b.clear_policy(&group).await.refused();
    refusal
        .because("going live in cluster a")
        .because("If that request failed, try again after");
    story.b.delete(&group).await.admitted();
}

#[tokio::test]
async fn a_park_that_is_rejected_frees_nothing() {
    let story = Story::begin(shared_lab().await, "stale-park").await;
    let group = story.resource_group("rg");
    let stored = story.a.create(&group).await.admitted().object;
    story
        .a
        .label(&group, "moved", Some("on"))
        .await
        .admitted_silently();
    // Somebody parks what has changed meanwhile: a conflict, and the copy stays live.
    let conflict = story.a.replace(&stored.policy("skip")).await.unwrap_err();
    assert_eq!(conflict.code, 409);
    story.b.create(&group).await.refused();
}
