//! Cluster API's way: `clusterctl move`, the real one. The provider for Azure is played: it
//! parks what a paused Cluster owns, and wakes it when the Cluster is resumed.

use std::time::Duration;

use crate::capi::{Move, Provider, cluster, known_to_clusterctl};
use crate::lab::aso::Aso;
use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::world::lab;

const SOON: Duration = Duration::from_secs(20);

/// An object of ASO's in `a` that the provider's object owns, as ASO leaves it.
async fn owned(story: &Story<'_>, kind: &str, kind_in_azure: &str) -> Object {
    let provider = cluster(&story.a).await;
    let group = story.resource_group_id("rg");
    let name = story.azure_name("it");
    let object = Object::of(kind, "shop")
        .azure_name(&name)
        .owner_arm_id(&group)
        .policy("manage")
        .owned_by(&provider);
    story.a.create(&object).await.admitted_silently();
    let id = format!("{group}/providers/{kind_in_azure}/{name}");
    Aso(&story.a).reconciles(&object, &id).await.unwrap();
    object
}

/// Where the provider's CRDs of ASO are labelled for it, clusterctl moves ASO's objects itself.
/// Before it deletes one it replaces all its annotations, the policy among them: ASO might see
/// an object that it manages, and then its delete.
#[tokio::test]
async fn what_clusterctl_moves_itself_wants_its_namespace_parked() {
    let story = Story::begin(lab().await, "capi").await;
    for who in [&story.a, &story.b] {
        known_to_clusterctl(who, "managedclusters.containerservice.azure.com").await;
    }
    let kind = "Microsoft.ContainerService/managedClusters";
    let managed = owned(&story, "ManagedCluster", kind).await;

    let clusterctl = Move::begin(&story).await;
    Provider(&story.a).pauses(&managed).await;
    let said = clusterctl
        .says("Retrying with backoff cause=\"error adding")
        .await;
    let words = [
        "taking skip off before clusterctl's delete could delete managedClusters/it-capi in Azure",
        "it is still parked in cluster b as capi/ManagedCluster/shop",
        "annotate --overwrite namespace capi",
    ];
    for words in words {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    // Nothing is lost: parked here as it was, and parked there.
    for who in [&story.a, &story.b] {
        let stored = who.get(&managed).await.admitted().object;
        assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
        assert_eq!(stored.text("/metadata/deletionTimestamp"), "");
    }

    // What the refusal says to type; clusterctl tries again by itself.
    let namespace = Object::namespace("capi");
    story.a.set_policy(&namespace, "skip").await.admitted();
    clusterctl.ends().await;
    story.a.gone(&managed, SOON).await.unwrap();
    eventually("the provider to make it manage", async || {
        Provider(&story.b).resumes(&managed).await
    })
    .await;
    let stored = story.b.get(&managed).await.admitted().object;
    assert_eq!(stored.annotation(POLICY), Some("manage"), "{stored}");
}

/// Since ASO installs its CRDs itself they have no label: clusterctl moves what owns ASO's
/// objects, Kubernetes deletes them in the source, and the provider makes them anew.
#[tokio::test]
async fn what_clusterctl_does_not_know_goes_with_its_owner_and_is_made_anew() {
    let story = Story::begin(lab().await, "capi-anew").await;
    let kind = "Microsoft.Network/virtualNetworks";
    let network = owned(&story, "VirtualNetwork", kind).await;

    let clusterctl = Move::begin(&story).await;
    Provider(&story.a).pauses(&network).await;
    clusterctl.ends().await;
    eventually("Kubernetes to delete it in the source", async || {
        let stored = story.a.get(&network).await?.object;
        let deleted = stored.text("/metadata/deletionTimestamp");
        anyhow::ensure!(!deleted.is_empty(), "{stored} is not being deleted");
        // Azure is not touched.
        assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
        Ok(())
    })
    .await;
    let anew = Object::of("VirtualNetwork", "shop")
        .azure_name(&story.azure_name("it"))
        .owner_arm_id(&story.resource_group_id("rg"));
    story.b.create(&anew).await.admitted();
    Aso(&story.a).finishes_delete(&network).await.unwrap();
    story.a.gone(&network, SOON).await.unwrap();
    // A parked copy that is on its way out takes nothing along, nor holds anything.
    eventually("nobody else to have the network", async || {
        story.b.dry_run().delete(&anew).await.map_err(Into::into)
    })
    .await;
}
