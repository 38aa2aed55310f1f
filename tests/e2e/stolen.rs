//! What a thief can do on the hub with a member's credential: nothing to what is a peer's.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use serde_json::{Value, json};

use crate::lab::hub;
use crate::lab::kubectl::Kubectl;
use crate::lab::story::Story;
use crate::lab::thief::{Thief, copy_of};
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::shared_lab;

/// A thief with the credential of member `b`, who knows of a claim that is live in `a` and parked
/// in `b`.
pub async fn thief(story: &Story<'_>) -> Thief {
    let kubeconfig = hub::member_kubeconfig(story.lab.hub(), "b");
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted();
    story.b.create(&group.policy("skip")).await.admitted();
    let thief = Thief {
        b: Kubectl::new(&kubeconfig, "default").await.unwrap(),
        hub: story.hub.clone(),
        story: story.a.namespace().to_owned(),
        shared: story.resource_group_id("rg"),
    };
    eventually("both copies to be there and settled", async || {
        let mut claim = thief.claim(&thief.shared).await?;
        let copies = claim.0["status"]["copies"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(copies == 2, "{copies} copies");
        anyhow::ensure!(claim.text("/status/state") == "Live", "not settled");
        anyhow::ensure!(copy_of(&mut claim.0, "a")["stored"].is_object());
        Ok(())
    })
    .await;
    thief
}

#[tokio::test]
async fn a_stolen_credential_changes_nothing_of_a_peers() {
    let story = Story::begin(shared_lab().await, "stolen").await;
    let thief = thief(&story).await;
    insta::assert_snapshot!("stolen", thief.tries_everything().await);
}

#[tokio::test]
async fn a_member_may_do_with_its_own_copies_what_it_has_to() {
    let story = Story::begin(shared_lab().await, "own-copies").await;
    let thief = thief(&story).await;
    let busy = |claim: &mut Value| copy_of(claim, "b")["stored"]["busy"] = json!(true);
    thief.writes(busy).await.admitted();
    let removes = |claim: &mut Value| {
        let copies = claim["status"]["copies"].as_array_mut().unwrap();
        copies.retain(|copy| copy["member"] != "b");
        claim["metadata"]["labels"]["member.asoguard.io/b"].take();
        let labels = claim["metadata"]["labels"].as_object_mut().unwrap();
        labels.remove("member.asoguard.io/b");
    };
    thief.writes(removes).await.admitted();
    let own = thief.new_claim("own", |_| {});
    thief.b.create(&own).await.admitted();
    thief.b.delete(&own).await.admitted();
}

/// As when it was set back to a backup of before a move began: each step of that was a round.
#[tokio::test]
async fn a_member_goes_on_after_the_rounds_that_a_registry_lost() {
    let story = Story::begin(shared_lab().await, "went-back").await;
    let thief = thief(&story).await;
    thief.finds_that_it_went_back().await.admitted();
}
