//! The way that `docs/moving.md` tells of with Flux, from beginning to end.

use std::time::Duration;

use crate::fleet::{Fleet, parked};
use crate::lab::aso::Aso;
use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::world::lab;

const SOON: Duration = Duration::from_secs(10);

/// A storage account in its group, live in `a` by Flux, and seen by ASO.
struct Shop<'a> {
    story: &'a Story<'a>,
    resources: [Object; 2],
    fleet: Fleet<'a>,
}

impl<'a> Shop<'a> {
    async fn in_a(story: &'a Story<'a>) -> Self {
        let group = story.resource_group("rg");
        let account = Object::of("StorageAccount", "data")
            .azure_name(&story.azure_name("data"))
            .owner("rg");
        let resources = [group, account];
        let mut fleet = Fleet::begin(story, &resources).await;
        fleet.lists("a", &["shop"]);
        fleet.commits().await;
        fleet.applied(&story.a).await;
        let shop = Self {
            story,
            resources,
            fleet,
        };
        for (resource, id) in shop.resources.iter().zip(shop.ids()) {
            Aso(&story.a).reconciles(resource, &id).await.unwrap();
        }
        shop
    }

    fn ids(&self) -> [String; 2] {
        let group = self.story.resource_group_id("rg");
        let name = self.story.azure_name("data");
        let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
        [group, account]
    }

    /// Both clusters have all of the last commit.
    async fn applied(&self) {
        self.fleet.applied(&self.story.a).await;
        self.fleet.applied(&self.story.b).await;
    }

    /// Flux deletes the copies in `a`, and not one of the deletes reaches Azure.
    async fn leaves_a_without_a_word_to_azure(&self) {
        for resource in &self.resources {
            let stored = self.story.a.get(resource).await.admitted().object;
            assert_ne!(stored.text("/metadata/deletionTimestamp"), "", "{stored}");
            assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
        }
        for resource in &self.resources {
            Aso(&self.story.a).finishes_delete(resource).await.unwrap();
            self.story.a.gone(resource, SOON).await.unwrap();
        }
    }

    /// Each resource has one copy, in `b`, and it is live.
    async fn is_in_b_alone(&self) {
        for (resource, id) in self.resources.iter().zip(self.ids()) {
            let stored = self.story.b.get(resource).await.admitted().object;
            assert_eq!(stored.annotation(POLICY), None, "{stored}");
            eventually(&format!("b alone to have {id}"), async || {
                let claims = "/apis/asoguard.io/v1alpha1/claims";
                let claims = self.story.hub.list_path(claims).await?;
                let is_it =
                    |claim: &&Object| claim.text("/spec/identity").eq_ignore_ascii_case(&id);
                let status = claims.iter().find(is_it).map(|claim| &claim.0["status"]);
                let copies = status.and_then(|status| status["copies"].as_array());
                let copies = copies.map_or(&[][..], Vec::as_slice);
                let alone = copies.len() == 1 && copies[0]["member"] == "b";
                anyhow::ensure!(alone && status.unwrap()["state"] == "Live", "{status:?}");
                Ok(())
            })
            .await;
        }
    }
}

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
