//! The webhook's rules follow the API groups of the kinds that are installed.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::GUARD;
use crate::certificates::{Guarded, configuration};
use crate::lab::crds;
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused, until};
use crate::shown::told;

/// A group that neither the guard's table nor the chart's roles know.
const NEWER: &str = "newer.azure.com";
/// One of AKS's, which has nothing to do with ASO.
const OF_AKS: &str = "clusterconfig.azure.com";

/// Within that a watch that was refused is tried again: after half a minute at most, on a busy
/// machine.
const RETRIED: Duration = Duration::from_mins(3);

/// The CRD of virtual networks in another group.
fn crd(group: &str) -> Object {
    let of_networks = |crd: &Object| crd.text("/spec/names/kind") == "VirtualNetwork";
    let crd = crds::all().into_iter().find(of_networks).unwrap();
    crd.with("/spec/group", group)
        .with("/metadata/name", format!("virtualnetworks.{group}"))
}

/// What lets the guard's account read a newer group.
fn rights(group: &str) -> [Object; 2] {
    let of = |kind| Object::new("rbac.authorization.k8s.io/v1", kind, "newer-group");
    let role = of("ClusterRole").with(
        "/rules",
        json!([{"apiGroups": [group], "resources": ["*"], "verbs": ["get", "list", "watch"]}]),
    );
    let binding = of("ClusterRoleBinding")
        .with(
            "/roleRef",
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "newer-group"}),
        )
        .with(
            "/subjects",
            json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:serviceaccounts"}]),
        );
    [role, binding]
}

#[tokio::test]
async fn a_newer_group_is_asked_about_and_keeps_the_guard_from_nothing() {
    let guarded = Guarded::start("groups", &Plan::enforce(GUARD)).await;
    let mut of_aks = crd(OF_AKS);
    // It has no versions of ASO's kind, and no descriptions like theirs.
    let versions = of_aks.0["spec"]["versions"].as_array_mut().unwrap();
    versions.retain(|version| !version["name"].as_str().unwrap().ends_with("storage"));
    for (at, version) in versions.iter_mut().enumerate() {
        version["storage"] = json!(at == 0);
        version["schema"]["openAPIV3Schema"]["description"] = json!("A configuration");
    }
    for crd in [&of_aks, &crd(NEWER)] {
        guarded.kubectl.apply(crd).await.admitted();
    }
    eventually("the rules to follow", async || {
        let stored = guarded.kubectl.get(&configuration()).await?.object;
        for webhook in stored.0["webhooks"].as_array().into_iter().flatten() {
            let of_objects = ["write", "parked", "delete"];
            let name = webhook["name"].as_str().unwrap_or_default();
            if of_objects
                .map(|name| format!("{name}.asoguard.io"))
                .contains(&name.to_owned())
            {
                let groups = webhook["rules"][0]["apiGroups"].as_array().unwrap();
                anyhow::ensure!(groups.contains(&json!(NEWER)), "{name}: {groups:?}");
                anyhow::ensure!(!groups.contains(&json!(OF_AKS)), "{name}: {groups:?}");
            }
        }
        Ok(())
    })
    .await;

    // Without a right to read its objects, the guard judges what it is asked about.
    let network = Object::of("VirtualNetwork", "net")
        .azure_name("net-newer")
        .owner("rg");
    let api_version = network.api_version().replace("network.azure.com", NEWER);
    let network = network.with("/apiVersion", api_version);
    eventually("the kind to be served", async || {
        Ok(guarded.kubectl.create(&network).await.map(drop)?)
    })
    .await;
    guarded
        .kubectl
        .apply(&Object::namespace("other"))
        .await
        .admitted();
    let other = guarded.kubectl.in_namespace("other");
    eventually_refused("two ASOs write to", async || {
        other.dry_run().create(&network).await
    })
    .await
    .because("and may read VirtualNetwork.newer.azure.com:");

    // Its member's record says what it does not see, until it may.
    let unwatched = async |wanted: &[&str]| {
        let member = Object::new("asoguard.io/v1alpha1", "Member", "groups");
        until(
            "the record to say what is not watched",
            RETRIED,
            async || {
                let member = guarded.kubectl.get(&member).await?.object;
                let unwatched = &member.0["spec"]["unwatched"];
                let named = unwatched["some"].as_array().cloned().unwrap_or_default();
                anyhow::ensure!(named == wanted, "{unwatched}");
                Ok(())
            },
        )
        .await
        .unwrap();
    };
    unwatched(&["VirtualNetwork.newer.azure.com"]).await;
    for right in rights(NEWER) {
        guarded.kubectl.apply(&right).await.admitted();
    }
    unwatched(&[]).await;
    for right in rights(NEWER) {
        guarded.kubectl.delete(&right).await.admitted();
    }

    // And starts.
    let replica = &guarded.guard.replicas()[0];
    replica.stop().await.unwrap();
    replica.start_again().await.unwrap();
    let log = std::fs::read_to_string(replica.process.log()).unwrap();
    assert!(log.contains("rbac.moreApiGroups"), "{log}");
    assert!(!log.contains(&format!("group={OF_AKS} \"may not")), "{log}");
    let group = Object::of("ResourceGroup", "rg");
    guarded.kubectl.create(&group).await.admitted();
    eventually_refused("live in this cluster", async || {
        other.dry_run().create(&group).await
    })
    .await;
}

/// A schema without its descriptions, as Cluster API strips them.
fn strip(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|name, value| name != "description" || !value.is_string());
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[tokio::test]
async fn a_kind_of_which_nobody_can_tell_what_it_is_in_azure_is_shown() {
    let guarded = Guarded::start("stripped", &Plan::enforce(GUARD)).await;
    let person = &guarded.kubectl;
    for right in rights(NEWER) {
        person.apply(&right).await.admitted();
    }
    let mut crd = crd(NEWER);
    strip(&mut crd.0["spec"]);
    person.apply(&crd).await.admitted();
    let network = Object::of("VirtualNetwork", "net").owner("rg");
    let api_version = network.api_version().replace("network.azure.com", NEWER);
    let network = network.with("/apiVersion", api_version);
    eventually("the guard to be asked about it", async || {
        let answer = person.dry_run().create(&network).await?;
        let told = answer.warnings.concat();
        anyhow::ensure!(told.contains("cannot tell which Azure resource"), "{told}");
        Ok(())
    })
    .await;
    person.create(&network).await.admitted();
    let (kind, note) = told(person, &network, "Unresolved").await;
    assert_eq!(kind, "Warning", "{note}");
    let member = Object::new("asoguard.io/v1alpha1", "Member", "stripped");
    eventually("the record to say that nobody guards it", async || {
        let member = person.get(&member).await?.object;
        let unresolved = &member.0["spec"]["unresolved"];
        let named = &unresolved["some"][0];
        anyhow::ensure!(named == "default/VirtualNetwork/net", "{unresolved}");
        Ok(())
    })
    .await;
    eventually("a guard to count it", async || {
        let (_, metrics) = guarded.guard.replicas()[0].ops("/metrics").await?;
        let counted = metrics.contains("\naso_guard_unresolved_objects 1\n");
        anyhow::ensure!(counted, "{metrics}");
        Ok(())
    })
    .await;
}
