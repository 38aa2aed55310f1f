//! Namespaces and CRDs: what would delete or wake everything in them.

use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
use crate::shared_lab;

/// Waits until the API server asks about the namespace: the observer has labelled it.
async fn guarded(story: &Story<'_>, namespace: &Object) {
    eventually("the namespace to be labelled", async || {
        let stored = story.a.get(namespace).await?.object;
        let label = stored.text("/metadata/labels/asoguard.io~1guarded");
        anyhow::ensure!(label == "true", "no label yet");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_namespace_with_what_a_peer_depends_on_stays_active() {
    let story = Story::begin(shared_lab().await, "ns-delete").await;
    let (namespace, group) = (Object::namespace("ns-delete"), story.resource_group("rg"));
    story.a.create(&group).await.admitted_silently();
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    guarded(&story, &namespace).await;

    let refusal = eventually_refused("ns-delete/ResourceGroup/rg", async || {
        story.a.dry_run().delete(&namespace).await
    })
    .await;
    assert_eq!(refusal.reason, "ChildRefused", "{refusal}");
    story
        .a
        .delete(&namespace)
        .await
        .refused()
        .because("ns-delete/ResourceGroup/rg")
        .because("cluster b");
    let stored = story.a.get(&namespace).await.admitted().object;
    assert_eq!(stored.text("/status/phase"), "Active");

    // Nor may the label be taken away that has the API server ask.
    let refusal = story.a.label(&namespace, "asoguard.io/guarded", None).await;
    refusal.refused().because("ns-delete/ResourceGroup/rg");

    // Without the peer it may go.
    story.b.delete(&group).await.admitted();
    eventually("the namespace to be free", async || {
        story.a.delete(&namespace).await.map_err(Into::into)
    })
    .await;
}

#[tokio::test]
async fn a_namespaces_policy_is_not_changed_over_a_live_twin() {
    let story = Story::begin(shared_lab().await, "ns-policy").await;
    let (namespace, group) = (Object::namespace("ns-policy"), story.resource_group("rg"));
    story.a.create(&group).await.admitted_silently();
    guarded(&story, &namespace).await;

    // Parked by the namespace: B may have it.
    story
        .a
        .annotate(&namespace, POLICY, Some("skip"))
        .await
        .admitted();
    eventually("what the namespace parks to be free", async || {
        story.b.create(&group).await.map_err(Into::into)
    })
    .await;
    for policy in [None, Some("manage"), Some("detach-on-delete"), Some("Skip")] {
        let refusal = story.a.annotate(&namespace, POLICY, policy).await.refused();
        refusal
            .because("this policy of the namespace makes ns-policy/ResourceGroup/rg live")
            .because("cluster b");
    }
    // Once B has parked its own, it is A's again.
    story.b.set_policy(&group, "skip").await.admitted();
    eventually("B's copy to be released", async || {
        story
            .a
            .annotate(&namespace, POLICY, None)
            .await
            .map_err(Into::into)
    })
    .await;
    story.b.clear_policy(&group).await.refused();
}

/// A change of the annotation through a subresource is one as well.
#[tokio::test]
async fn a_namespaces_policy_is_asked_about_however_it_changes() {
    let story = Story::begin(shared_lab().await, "ns-through").await;
    let (namespace, group) = (Object::namespace("ns-through"), story.resource_group("rg"));
    story
        .a
        .annotate(&namespace, POLICY, Some("skip"))
        .await
        .admitted_silently();
    story.a.create(&group).await.admitted();
    story.b.create(&group).await.admitted();
    for subresource in ["status", "finalize"] {
        let refused = async || {
            let mut stored = story.a.get(&namespace).await?.object;
            stored.0["metadata"]["annotations"] = serde_json::json!({});
            let person = story.a.dry_run();
            person.replace_through(&stored, subresource).await
        };
        eventually_refused("this policy of the namespace makes", refused)
            .await
            .because("cluster b");
        // What changes nothing that counts passes as ever.
        let stored = story.a.get(&namespace).await.admitted().object;
        let same = story.a.replace_through(&stored, subresource).await;
        same.admitted_silently();
    }
}

#[tokio::test]
async fn a_kind_is_not_deleted_over_its_live_objects() {
    let story = Story::begin(shared_lab().await, "crd-delete").await;
    let network = Object::of("VirtualNetwork", "net")
        .azure_name(&story.azure_name("net"))
        .owner_arm_id(&story.resource_group_id("rg"));
    story.a.create(&network).await.admitted_silently();
    let crd = Object::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "virtualnetworks.network.azure.com",
    );
    let refusal = eventually_refused("deleting this CRD deletes all its objects", async || {
        story.a.dry_run().delete(&crd).await
    })
    .await;
    refusal
        .because("deleting this CRD deletes all its objects")
        .because("crd-delete/VirtualNetwork/net")
        .with_code(403);
}
