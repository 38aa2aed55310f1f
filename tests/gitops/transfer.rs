//! An open transfer keeps what it moves from being lost by a commit in the wrong order.

use serde_json::json;

use crate::fleet::parked;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::shop::Shop;
use crate::world::lab;

/// As GitOps declares it on the hub.
fn transfer(story: &Story<'_>) -> Object {
    let place = |member: &str| json!({"member": member, "namespace": story.a.namespace()});
    let groups = json!({"resourceGroups": [story.azure_name("rg")]});
    Object::new("asoguard.io/v1alpha1", "Transfer", story.a.namespace())
        .with("/spec/from", place("a"))
        .with("/spec/to", place("b"))
        .with("/spec/resources", groups)
}

/// Declares it, and waits until it is open.
pub async fn opened(story: &Story<'_>) -> Object {
    let transfer = transfer(story);
    story.hub.create(&transfer).await.admitted();
    eventually("the transfer to be open", async || {
        let stored = story.hub.get(&transfer).await?.object;
        anyhow::ensure!(stored.text("/status/state") == "Open", "{}", stored.0);
        Ok(())
    })
    .await;
    transfer
}

#[tokio::test]
async fn a_commit_that_moves_all_at_once_loses_nothing_while_a_transfer_is_open() {
    let story = Story::begin(lab().await, "at-once").await;
    let mut shop = Shop::in_a(&story).await;
    let transfer = opened(&story).await;

    // No copy is anywhere else: without the transfer Flux would delete the data.
    shop.fleet.lists("a", &[]);
    shop.fleet.lists("b", &["shop"]);
    shop.fleet.commits().await;
    let words = "transfer at-once moves it from a/at-once to b/at-once";
    let told = shop.fleet.fails(&story.a, "PruneFailed", words).await;
    assert!(
        told.contains("would delete resourceGroups/rg-at-once in Azure"),
        "{told}"
    );
    let words = "it is live in cluster a as at-once/ResourceGroup/rg";
    shop.fleet
        .fails(&story.b, "ReconciliationFailed", words)
        .await;
    shop.is_as_it_was().await;

    // Put right: what should have been three commits.
    shop.fleet.lists("a", &["shop"]);
    shop.fleet
        .writes("clusters/a/shop/kustomization.yaml", &parked());
    shop.fleet.commits().await;
    shop.applied().await;
    shop.fleet.lists("a", &[]);
    shop.fleet.commits().await;
    shop.applied().await;
    shop.leaves_a_without_a_word_to_azure().await;
    shop.is_in_b_alone().await;
    story.hub.delete(&transfer).await.admitted();
}
