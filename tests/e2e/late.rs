//! What is known late: owners that come after their children, names that ASO finds.

use serde_json::json;

use crate::lab::aso::Aso;
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
use crate::shared_lab;

/// ASO's annotation with the name that it found in a ConfigMap.
const FOUND_NAME: &str = "serviceoperator.azure.com/azure-name-from-config";

/// Waits until this copy holds a resource alone, by the end of its ID.
async fn holds(story: &Story<'_>, holder: &str, end: &str) {
    let what = format!("{holder} to hold {end}");
    eventually(&what, async || {
        let claims = story.hub.claims().await?;
        let ours = claims
            .iter()
            .filter(|claim| claim.text("/status/holder") == holder)
            .map(|claim| (claim.text("/spec/identity"), claim.text("/status/state")));
        let found: Vec<_> = ours.collect();
        let held = |(id, state): &(&str, &str)| id.ends_with(end) && *state == "Live";
        anyhow::ensure!(found.iter().any(held), "{found:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_child_whose_owner_comes_under_its_own_name_keeps_its_claim() {
    let story = Story::begin(shared_lab().await, "same-name").await;
    // Called the same in Kubernetes and in Azure.
    let group = Object::of("ResourceGroup", "rg-same-name").azure_name("rg-same-name");
    let account = Object::of("StorageAccount", "data")
        .azure_name("datasamename")
        .owner("rg-same-name");
    let early = story.a.create(&account).await.admitted();
    early.warning("its owner is not there yet");

    // The guess is a claim like any other, and a refusal says what it rests on.
    let twin = account.clone().with("/metadata/name", "twin");
    let other = Object::of("StorageAccount", "twin")
        .azure_name("datasamename")
        .owner_arm_id(&format!(
            "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-same-name"
        ));
    story.a.create(&twin).await.refused();
    let refusal = story.b.create(&other).await.refused();
    refusal
        .because("live in cluster a as same-name/StorageAccount/data")
        .because("its Kubernetes name was taken for its Azure name");

    story.a.create(&group).await.admitted_silently();
    holds(
        &story,
        "a/same-name/StorageAccount/data",
        "rg-same-name/providers/Microsoft.Storage/storageAccounts/datasamename",
    )
    .await;
    let refusal = story.b.create(&other).await.refused();
    refusal.because("live in cluster a as same-name/StorageAccount/data");
}

#[tokio::test]
async fn a_child_two_missing_owners_up_waits_and_wakes_no_twin() {
    let story = Story::begin(shared_lab().await, "two-up").await;
    let network = Object::of("VirtualNetwork", "net")
        .azure_name("net-two-up")
        .owner("rg");
    let subnet = Object::of("VirtualNetworksSubnet", "inner").owner("net");
    let group = story.resource_group("rg");
    for object in [&group, &network, &subnet] {
        story.a.create(object).await.admitted_silently();
    }
    for object in [&group, &network] {
        story.a.set_policy(object, "skip").await.admitted();
    }

    // In B the subnet comes first: nobody can tell where it lies.
    let early = story.b.create(&subnet).await.admitted();
    early.warning("cannot tell which Azure resource this is");
    // Then its network, whose group is missing too: the guess is another network than A's.
    let late = eventually("the waiting subnet to be known", async || {
        story.b.create(&network).await.map_err(Into::into)
    })
    .await;
    late.warning("its owner is not there yet");
    // The group tells all: it would make the subnet a twin of A's.
    let refusal = eventually("the waiting network to be known", async || {
        match story.b.dry_run().create(&group).await {
            Err(refusal) if refusal.message.contains("VirtualNetworksSubnet/inner") => Ok(refusal),
            other => anyhow::bail!("not yet: {other:?}"),
        }
    })
    .await;
    assert_eq!(refusal.reason, "WakesChild", "{refusal}");
    refusal
        .because("creating this owner makes its child two-up/VirtualNetworksSubnet/inner live")
        .because("live in cluster a as two-up/VirtualNetworksSubnet/inner");

    story.a.set_policy(&subnet, "skip").await.admitted();
    eventually("A's subnet to be free", async || {
        story.b.create(&group).await.map_err(Into::into)
    })
    .await;
    holds(
        &story,
        "b/two-up/VirtualNetworksSubnet/inner",
        "rg-two-up/providers/Microsoft.Network/virtualNetworks/net-two-up/subnets/inner",
    )
    .await;
    story.a.clear_policy(&subnet).await.refused();
}

#[tokio::test]
async fn a_role_assignment_is_claimed_once_its_owner_is_there() {
    let story = Story::begin(shared_lab().await, "late-role").await;
    let group = story.resource_group("rg");
    let account = Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner("rg");
    let role = Object::of("RoleAssignment", "reader").extends(&account);
    let early = story.a.create(&role).await.admitted();
    early.warning("cannot tell which Azure resource this is");
    for object in [&group, &account] {
        story.a.create(object).await.admitted();
    }
    // Its name is a UUID that both clusters would come to.
    let claim = eventually("the role assignment to be claimed", async || {
        let claims = story.hub.claims().await?;
        let holder = "a/late-role/RoleAssignment/reader";
        let mut ours = claims
            .into_iter()
            .filter(|claim| claim.text("/status/holder") == holder);
        ours.next().ok_or_else(|| anyhow::anyhow!("no claim yet"))
    })
    .await;
    let id = claim.text("/spec/identity");
    let place =
        "/storageAccounts/data-late-role/providers/Microsoft.Authorization/roleAssignments/";
    assert!(id.contains(place), "{id}");

    for object in [&group, &account] {
        story
            .b
            .create(&object.clone().policy("skip"))
            .await
            .admitted();
    }
    eventually_refused(
        "live in cluster a as late-role/RoleAssignment/reader",
        async || story.b.dry_run().create(&role).await,
    )
    .await;
}

/// A name from a ConfigMap makes the resource known in an UPDATE of ASO's own. It is an
/// acquire: were it let through, ASO would go on to write to somebody else's resource.
#[tokio::test]
async fn a_name_that_aso_finds_is_acquired_and_no_twin() {
    let story = Story::begin(shared_lab().await, "found-name").await;
    story
        .b
        .create(&story.resource_group("taken"))
        .await
        .admitted_silently();
    let group = Object::of("ResourceGroup", "rg").with(
        "/spec/azureNameFromConfig",
        json!({"name": "names", "key": "group"}),
    );
    let early = story.a.create(&group).await.admitted();
    early.warning("spec.azureNameFromConfig");

    let taken = story.azure_name("taken");
    let refusal = story
        .a
        .annotate(&group, FOUND_NAME, Some(&taken))
        .await
        .refused();
    refusal
        .because("would have two ASOs write to resourceGroups/taken-found-name")
        .because("live in cluster b as found-name/ResourceGroup/taken");
    // All else that ASO writes goes on, the object being live and its resource unknown.
    let waiting =
        json!({"conditions": [{"type": "Ready", "status": "False", "reason": "Waiting"}]});
    story
        .a
        .patch_status(&group, waiting)
        .await
        .admitted_silently();

    // Once the name is another, or the other copy is parked, it is this one's.
    let free = story.azure_name("free");
    let stored = story
        .a
        .annotate(&group, FOUND_NAME, Some(&free))
        .await
        .admitted()
        .object;
    let id = story.resource_group_id("free");
    Aso(&story.a).reconciles(&stored, &id).await.unwrap();
    holds(
        &story,
        "a/found-name/ResourceGroup/rg",
        "resourceGroups/free-found-name",
    )
    .await;
    let twin = story
        .b
        .create(&story.resource_group("free"))
        .await
        .refused();
    twin.because("live in cluster a as found-name/ResourceGroup/rg");
}
