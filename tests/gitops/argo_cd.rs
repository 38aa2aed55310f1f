//! What `docs/moving.md` tells of Argo CD, by Argo CD's own engine.

use crate::application::{Applications, PRUNE_LAST};
use crate::fleet::parked;
use crate::lab::aso::Aso;
use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, eventually};
use crate::transfer::opened;
use crate::world::lab;

const PARKS: &str = "clusters/a/shop/kustomization.yaml";

/// A group and an account in it.
fn shop(story: &Story<'_>) -> [Object; 2] {
    let account = Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner("rg");
    [story.resource_group("rg"), account]
}

/// The same, live in `a` by Argo CD, and seen by ASO.
async fn in_a<'a>(story: &'a Story<'a>, shop: &[Object; 2]) -> Applications<'a> {
    let applications = Applications::begin(story, shop);
    applications.lists("a", &["shop"]);
    applications.syncs_a(&[]).await.succeeds();
    let group = story.resource_group_id("rg");
    let name = story.azure_name("data");
    let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
    for (resource, id) in shop.iter().zip([group, account]) {
        Aso(&story.a).reconciles(resource, &id).await.unwrap();
    }
    applications
}

/// Waits until the claims say that what is parked in `a` may go live in `b`.
async fn free(story: &Story<'_>, shop: &[Object; 2]) {
    for resource in shop {
        eventually(&format!("{resource} to be free"), async || {
            Ok(story.b.dry_run().apply(resource).await.map(drop)?)
        })
        .await;
    }
}

/// It is live in `a`, and nobody deletes it.
async fn stays(story: &Story<'_>, shop: &[Object; 2]) {
    for resource in shop {
        let stored = story.a.get(resource).await.admitted().object;
        assert_eq!(stored.text("/metadata/deletionTimestamp"), "", "{stored}");
        assert_eq!(stored.annotation(POLICY), None, "{stored}");
    }
}

/// The parked copies in `a` are being deleted, and go without a word to Azure.
async fn leaves(story: &Story<'_>, shop: &[Object; 2]) {
    for resource in shop {
        let stored = story.a.get(resource).await.admitted().object;
        assert_ne!(stored.text("/metadata/deletionTimestamp"), "", "{stored}");
        assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
    }
    for resource in shop {
        Aso(&story.a).finishes_delete(resource).await.unwrap();
        story.a.gone(resource, PATIENCE).await.unwrap();
        story.b.get(resource).await.admitted();
    }
}

#[tokio::test]
async fn three_commits_move_a_shop_and_a_target_that_is_ahead_is_refused_whole() {
    let story = Story::begin(lab().await, "argo").await;
    let shop = shop(&story);
    let applications = in_a(&story, &shop).await;

    // Too early, by either way of applying.
    applications.lists("b", &["shop"]);
    let words = "it is live in cluster a as argo/ResourceGroup/rg";
    for options in [&[][..], &["-server-side"]] {
        let refused = applications.syncs_b(options).await;
        refused.fails("ResourceGroup/rg", words);
        let park_a = "kubectl --context a -n argo annotate --overwrite \
                      resourcegroup.resources.azure.com/rg \
                      serviceoperator.azure.com/reconcile-policy=skip";
        let id = format!("Resource: {}", story.resource_group_id("rg"));
        for part in ["two ASOs write to", park_a, &id] {
            assert!(refused.message.contains(part), "no {part:?}: {refused:#?}");
        }
    }

    // Nothing is tried out first: what is not refused is applied.
    let about = Object::new("v1", "ConfigMap", "about");
    story.b.get(&about).await.admitted();

    applications.writes(PARKS, &parked());
    let parks = applications.syncs_a(&[]).await;
    parks.succeeds();
    for resource in &shop {
        let name = format!("{}/{}", resource.kind(), resource.name());
        assert!(parks.out_of_sync.contains(&name), "{parks:#?}");
        let stored = story.a.get(resource).await.admitted().object;
        assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
    }
    free(&story, &shop).await;
    applications.syncs_b(&[]).await.succeeds();
    applications.lists("a", &[]);
    applications.syncs_a(&PRUNE_LAST).await.succeeds();
    leaves(&story, &shop).await;
}

#[tokio::test]
async fn argo_cd_leaves_a_skip_that_git_does_not_have_and_takes_it_off_where_git_says_manage() {
    let story = Story::begin(lab().await, "argo-drift").await;
    let shop = shop(&story);
    let applications = in_a(&story, &shop).await;
    for resource in &shop {
        story.a.set_policy(resource, "skip").await.admitted();
    }
    for options in [&[][..], &["-server-side"]] {
        let synced = applications.syncs_a(options).await;
        synced.succeeds();
        assert_eq!(synced.out_of_sync, Vec::<String>::new(), "{synced:#?}");
        for resource in &shop {
            let stored = story.a.get(resource).await.admitted().object;
            assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
        }
    }

    free(&story, &shop).await;
    story.b.apply(&shop[0]).await.admitted();
    let manage = parked().replace("reconcile-policy: skip", "reconcile-policy: manage");
    applications.writes(PARKS, &manage);
    let words = "it is live in cluster b as argo-drift/ResourceGroup/rg";
    let refused = applications.syncs_a(&[]).await;
    refused.fails("ResourceGroup/rg", words);
}

#[tokio::test]
async fn an_automated_prune_is_refused_while_a_transfer_is_open_and_loses_nothing() {
    let story = Story::begin(lab().await, "argo-prune").await;
    let shop = shop(&story);
    let applications = in_a(&story, &shop).await;
    let transfer = opened(&story).await;

    // One commit that does all at once.
    applications.lists("a", &[]);
    applications.lists("b", &["shop"]);
    let words = "transfer argo-prune moves it from a/argo-prune to b/argo-prune";
    let refused = applications.syncs_a(&["-prune"]).await;
    refused.fails("ResourceGroup/rg", words);
    let words = "it is live in cluster a as argo-prune/ResourceGroup/rg";
    let refused = applications.syncs_b(&[]).await;
    refused.fails("ResourceGroup/rg", words);
    stays(&story, &shop).await;

    // Put right: what should have been three.
    applications.lists("a", &["shop"]);
    applications.writes(PARKS, &parked());
    applications.syncs_a(&["-prune"]).await.succeeds();
    free(&story, &shop).await;
    applications.syncs_b(&[]).await.succeeds();
    applications.lists("a", &[]);
    applications.syncs_a(&["-prune"]).await.succeeds();
    leaves(&story, &shop).await;
    story.hub.delete(&transfer).await.admitted();
}

#[tokio::test]
async fn with_prune_last_a_rename_deletes_nothing_and_without_it_the_only_copy() {
    let story = Story::begin(lab().await, "argo-rename").await;
    let shop = shop(&story);
    let applications = in_a(&story, &shop).await;

    // The same resource in Azure under another name, in one commit.
    let renamed = Object::of("ResourceGroup", "group").azure_name(&story.azure_name("rg"));
    let renamed = serde_yaml::to_string(&renamed.0).unwrap();
    applications.writes("shop/rg.yaml", &renamed);
    let refused = applications.syncs_a(&PRUNE_LAST).await;
    let words = "it is live in this cluster (a) as argo-rename/ResourceGroup/rg";
    refused.fails("ResourceGroup/group", words);
    stays(&story, &shop).await;

    // Else Argo CD deletes first, and to the guard that is a delete like any other.
    applications.syncs_a(&["-prune"]).await;
    let stored = story.a.get(&shop[0]).await.admitted().object;
    assert_ne!(stored.text("/metadata/deletionTimestamp"), "", "{stored}");
}
