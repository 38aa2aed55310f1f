//! What a team has in Azure: a resource group and what is in it, as ASO's own schemas want it.

use serde_json::json;

use crate::lab::azure::Azure;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, eventually};

/// A resource group, an account, and a network with a subnet; owners first.
pub fn resources(story: &Story<'_>) -> Vec<Object> {
    vec![
        story.resource_group("rg"),
        account(story),
        network(story),
        subnet(story),
    ]
}

/// A storage account in the group.
pub fn account(story: &Story<'_>) -> Object {
    Object::of("StorageAccount", "data")
        .azure_name(&format!("data{}", story.a.namespace().replace('-', "")))
        .owner("rg")
        .with("/spec/kind", "StorageV2")
        .with("/spec/sku/name", "Standard_LRS")
        .with("/spec/accessTier", "Hot")
}

/// A virtual network in the group.
pub fn network(story: &Story<'_>) -> Object {
    Object::of("VirtualNetwork", "net")
        .azure_name(&story.azure_name("net"))
        .owner("rg")
        .with("/spec/addressSpace/addressPrefixes", json!(["10.0.0.0/8"]))
}

/// A subnet of the network.
pub fn subnet(story: &Story<'_>) -> Object {
    let mut subnet = Object::of("VirtualNetworksSubnet", "subnet")
        .azure_name(&story.azure_name("subnet"))
        .owner("net")
        .with("/spec/addressPrefix", "10.0.0.0/24");
    if let Some(spec) = subnet.0["spec"].as_object_mut() {
        spec.remove("location");
    }
    subnet
}

/// Applies them, and waits until ASO has written all of them to Azure.
pub async fn applied(person: &Kubectl, resources: &[Object]) {
    for one in resources {
        person.apply(one).await.admitted();
    }
    for one in resources {
        ready(person, one).await;
    }
}

/// Waits until ASO says that it is ready, in its present generation. As it is stored then.
pub async fn ready(person: &Kubectl, object: &Object) -> Object {
    eventually(&format!("{object} to be ready"), async || {
        let stored = person.get(object).await?.object;
        anyhow::ensure!(is_ready(&stored), "{}", stored.0["status"]["conditions"]);
        Ok(stored)
    })
    .await
}

/// Whether ASO says that it is ready, in its present generation.
pub fn is_ready(stored: &Object) -> bool {
    let conditions = stored.0["status"]["conditions"].as_array().cloned();
    let generation = &stored.0["metadata"]["generation"];
    conditions.unwrap_or_default().iter().any(|condition| {
        condition["type"] == "Ready"
            && condition["status"] == "True"
            && condition["observedGeneration"] == *generation
    })
}

/// Step 1: sets `skip` on all of them.
pub async fn parked(person: &Kubectl, resources: &[Object]) {
    for one in resources {
        person.set_policy(one, "skip").await.admitted();
    }
}

/// Step 3: applies them where they are to be live from now on, each as soon as it may be. What
/// ASO in `person`'s cluster writes from here on is let by Azure's diary.
pub async fn taken_over(person: &Kubectl, azure: &Azure, story: &Story<'_>, resources: &[Object]) {
    azure.takeover(&story.resource_group_id("rg"));
    applied_once_free(person, resources).await;
    for one in resources {
        ready(person, one).await;
    }
}

/// Applies each as soon as it may be, and does not wait for ASO.
pub async fn applied_once_free(person: &Kubectl, resources: &[Object]) {
    for one in resources {
        eventually(&format!("{one} to be free"), async || {
            Ok(person.apply(one).await.map(drop)?)
        })
        .await;
    }
}

/// Step 4: deletes the parked copies, children first, and waits until they are gone.
pub async fn deleted(person: &Kubectl, resources: &[Object]) {
    for one in resources.iter().rev() {
        person.delete(one).await.admitted();
    }
    for one in resources {
        person.gone(one, PATIENCE).await.unwrap();
    }
}
