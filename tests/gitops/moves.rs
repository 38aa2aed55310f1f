//! The way that `docs/moving.md` tells of with Flux, from beginning to end.

use crate::fleet::parked;
use crate::lab::object::POLICY;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::shop::Shop;
use crate::world::lab;

#[tokio::test]
async fn three_commits_move_a_shop_from_cluster_to_cluster() {
    let story = Story::begin(lab().await, "commits").await;
    let mut shop = Shop::in_a(&story).await;

    shop.fleet
        .writes("clusters/a/shop/kustomization.yaml", &parked());
    shop.fleet.commits().await;
    shop.applied().await;
    for resource in &shop.resources {
        let stored = story.a.get(resource).await.admitted().object;
        assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
    }

    shop.fleet.lists("b", &["shop"]);
    shop.fleet.commits().await;
    shop.applied().await;

    shop.fleet.lists("a", &[]);
    shop.fleet.commits().await;
    shop.applied().await;
    shop.leaves_a_without_a_word_to_azure().await;
    shop.is_in_b_alone().await;
}

#[tokio::test]
async fn parking_here_and_applying_there_may_be_one_commit() {
    let story = Story::begin(lab().await, "two-commits").await;
    let mut shop = Shop::in_a(&story).await;
    shop.fleet
        .writes("clusters/a/shop/kustomization.yaml", &parked());
    shop.fleet.lists("b", &["shop"]);
    shop.fleet.commits().await;
    // Whichever is first: b is refused until a has parked, and tries again.
    shop.applied().await;
    shop.fleet.lists("a", &[]);
    shop.fleet.commits().await;
    shop.applied().await;
    shop.leaves_a_without_a_word_to_azure().await;
    shop.is_in_b_alone().await;
}

#[tokio::test]
async fn a_target_that_is_ahead_of_the_source_waits_for_it() {
    let story = Story::begin(lab().await, "ahead").await;
    let mut shop = Shop::in_a(&story).await;
    shop.fleet.lists("b", &["shop"]);
    shop.fleet.commits().await;
    let words = "it is live in cluster a as ahead/ResourceGroup/rg";
    shop.fleet
        .fails(&story.b, "ReconciliationFailed", words)
        .await;
    shop.fleet
        .writes("clusters/a/shop/kustomization.yaml", &parked());
    shop.fleet.commits().await;
    shop.applied().await;
}
