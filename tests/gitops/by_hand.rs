//! What somebody does by hand to what is Flux', and how Flux puts it back.

use crate::fleet::{Fleet, parked};
use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::world::lab;

#[tokio::test]
async fn flux_may_not_take_off_a_skip_while_the_peer_is_live_and_says_why() {
    let story = Story::begin(lab().await, "drift").await;
    let group = story.resource_group("rg");
    let account = Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner("rg");
    let resources = [group, account];
    let mut fleet = Fleet::begin(&story, &resources).await;
    fleet.lists("a", &["shop"]);
    fleet.commits().await;
    fleet.applied(&story.a).await;

    // What is set with kubectl is drift: Flux takes it off, and nobody is told.
    story.a.set_policy(&resources[0], "skip").await.admitted();
    fleet.again(&story.a).await;
    eventually("Flux to take off skip", async || {
        let stored = story.a.get(&resources[0]).await?.object;
        anyhow::ensure!(stored.annotation(POLICY).is_none(), "{stored} is skip");
        Ok(())
    })
    .await;

    // The move by hand, between two of Flux' looks.
    for resource in &resources {
        story.a.set_policy(resource, "skip").await.admitted();
    }
    for resource in &resources {
        eventually("the parked resource to be free", async || {
            story.b.apply(resource).await.map_err(Into::into)
        })
        .await;
    }
    fleet.again(&story.a).await;
    let words = "it is live in cluster b as drift/ResourceGroup/rg";
    let told = fleet.fails(&story.a, "ReconciliationFailed", words).await;
    // Whole enough to act on.
    let park_b = "kubectl --context b -n drift annotate --overwrite \
                  resourcegroup.resources.azure.com/rg \
                  serviceoperator.azure.com/reconcile-policy=skip";
    let id = format!("Resource: {}", story.resource_group_id("rg"));
    for part in ["two ASOs write to", park_b, &id] {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
    for resource in &resources {
        let stored = story.a.get(resource).await.admitted().object;
        assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
        let stored = story.b.get(resource).await.admitted().object;
        assert_eq!(stored.annotation(POLICY), None, "{stored}");
    }

    // The way out: say in git what is so.
    fleet.writes("clusters/a/shop/kustomization.yaml", &parked());
    fleet.commits().await;
    fleet.applied(&story.a).await;
}

#[tokio::test]
async fn flux_with_force_does_not_delete_what_it_may_not_change() {
    let story = Story::begin(lab().await, "force").await;
    // Of an object that it may force, Flux deletes what says that it cannot be changed.
    let forced = story
        .resource_group("rg")
        .annotated("kustomize.toolkit.fluxcd.io/force", "enabled");
    let mut fleet = Fleet::begin(&story, std::slice::from_ref(&forced)).await;
    fleet.lists("a", &["shop"]);
    fleet.commits().await;
    fleet.applied(&story.a).await;
    let before = story.a.get(&forced).await.admitted().object;
    story.a.set_policy(&forced, "skip").await.admitted();
    let plain = story.resource_group("rg");
    eventually("the parked resource to be free", async || {
        story.b.apply(&plain).await.map_err(Into::into)
    })
    .await;
    fleet.again(&story.a).await;
    let words = "it is live in cluster b as force/ResourceGroup/rg";
    // The first attempt fails as Flux applies, the next ones in its dry run.
    fleet.fails(&story.a, "ReconciliationFailed", words).await;
    let words = "dry-run failed (LiveElsewhere): admission webhook";
    fleet.fails(&story.a, "ReconciliationFailed", words).await;
    let after = story.a.get(&forced).await.admitted().object;
    assert_eq!(after.uid(), before.uid());
    assert_eq!(after.text("/metadata/deletionTimestamp"), "");
}
