//! What Flux prunes, and what it may not.

use crate::fleet::Fleet;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually_refused;
use crate::world::lab;

/// `shop` live in `a` by Flux, and parked in `b` by hand.
async fn half_way<'a>(story: &'a Story<'a>, group: &Object) -> Fleet<'a> {
    let mut fleet = Fleet::begin(story, std::slice::from_ref(group)).await;
    fleet.lists("a", &["shop"]);
    fleet.commits().await;
    fleet.applied(&story.a).await;
    let parked = group.clone().policy("skip");
    story.b.create(&parked).await.admitted();
    let dry = story.a.dry_run();
    eventually_refused("still parked in cluster b", async || {
        dry.delete(group).await
    })
    .await;
    fleet
}

/// It is there, and nobody deletes it.
async fn stays(story: &Story<'_>, object: &Object) {
    let stored = story.a.get(object).await.admitted().object;
    let deleted = stored.text("/metadata/deletionTimestamp");
    assert_eq!(deleted, "", "{stored} is being deleted");
}

#[tokio::test]
async fn a_prune_is_refused_while_the_peer_has_a_copy_and_flux_says_why() {
    let story = Story::begin(lab().await, "prune").await;
    let group = story.resource_group("rg");
    let mut fleet = half_way(&story, &group).await;

    fleet.lists("a", &[]);
    fleet.commits().await;
    let words = "it is still parked in cluster b as prune/ResourceGroup/rg";
    let told = fleet.fails(&story.a, "PruneFailed", words).await;
    let park = "-n prune annotate --overwrite resourcegroup.resources.azure.com/rg \
                serviceoperator.azure.com/reconcile-policy=skip";
    for part in ["would delete resourceGroups/rg-prune in Azure", park] {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
    stays(&story, &group).await;

    // What the refusal says to type: git no longer has a say in it, and Flux tries again.
    story.a.set_policy(&group, "skip").await.admitted();
    fleet.applied(&story.a).await;
    story
        .a
        .gone(&group, std::time::Duration::from_secs(5))
        .await
        .unwrap();
    story.b.get(&group).await.admitted();
}

#[tokio::test]
async fn a_kustomization_is_not_gone_before_its_objects_may_be() {
    let story = Story::begin(lab().await, "ending").await;
    let group = story.resource_group("rg");
    let fleet = half_way(&story, &group).await;

    fleet.ends(&story.a).await;
    crate::lab::wait::eventually("Flux to tell of it", async || {
        let events = fleet.events(&story.a).await;
        let told = events
            .iter()
            .any(|said| said.contains("pruning for deleted resource failed"));
        anyhow::ensure!(told, "{events:?}");
        Ok(())
    })
    .await;
    stays(&story, &group).await;

    story.a.set_policy(&group, "skip").await.admitted();
    fleet.ended(&story.a).await;
    story.b.get(&group).await.admitted();
}
