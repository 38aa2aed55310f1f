//! ASO converts its objects between versions. Where it is gone, nobody does.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::time::Duration;

use serde_json::json;

use crate::GUARD;
use crate::certificates::Guarded;
use crate::lab::aso::AtWork;
use crate::lab::crds::{self, SUBSCRIPTION};
use crate::lab::guard::Plan;
use crate::lab::object::{Object, POLICY};
use crate::lab::process::said;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};

const PLAIN: &str = "v1api20230701";
const STORED: &str = "v1api20230701storage";

/// A vault, written in the version in which it is stored.
fn vault() -> Object {
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-conversion");
    Object::of("Vault", "vault")
        .version(STORED)
        .azure_name("kv-conversion")
        .owner_arm_id(&group)
}

/// The CRD of vaults, which nobody converts, stored in this version from now on.
fn nobody_converts(stored: &str) -> Object {
    let of_vaults = |crd: &Object| crd.text("/spec/names/kind") == "Vault";
    let mut crd = crds::all().into_iter().find(of_vaults).unwrap();
    for version in crd.0["spec"]["versions"].as_array_mut().unwrap() {
        version["storage"] = json!(version["name"] == stored);
    }
    let webhook = json!({
        "conversionReviewVersions": ["v1"],
        "clientConfig": {"url": "https://127.0.0.1:1/convert"},
    });
    crd.with(
        "/spec/conversion",
        json!({"strategy": "Webhook", "webhook": webhook}),
    )
}

/// Waits until nobody can read the vault in this version.
async fn cannot_be_read(guarded: &Guarded, version: &str) {
    let vault = vault().version(version);
    eventually(&format!("nobody to convert to {version}"), async || {
        let read = guarded.kubectl.get(&vault).await;
        anyhow::ensure!(read.is_err_and(|error| error.message.contains("conversion webhook")));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_parked_is_released_and_the_guard_starts_while_nobody_converts_its_kind() {
    let guarded = Guarded::start("conversion", &Plan::enforce(GUARD)).await;
    let person = &guarded.kubectl;
    person.apply(&Object::namespace("other")).await.admitted();
    let other = person.in_namespace("other");
    person.create(&vault()).await.admitted();
    let live = async || other.create(&vault()).await;
    eventually_refused("two ASOs write to", live).await;

    person.apply(&nobody_converts(STORED)).await.admitted();
    cannot_be_read(&guarded, PLAIN).await;
    person.set_policy(&vault(), "skip").await.admitted();
    eventually("the vault to be free", async || {
        Ok(other.create(&vault()).await.map(drop)?)
    })
    .await;

    // Started anew, it knows of the kind as before.
    let guard = &guarded.guard.replicas()[0];
    guard.stop().await.unwrap();
    guard.start_again().await.unwrap();
    let awake = async || person.clear_policy(&vault()).await;
    eventually_refused("other/Vault/vault", awake).await;
}

#[tokio::test]
async fn a_kind_that_cannot_be_read_keeps_the_guard_from_no_other() {
    let guarded = Guarded::start("unread", &Plan::enforce(GUARD)).await;
    let person = &guarded.kubectl;
    person.apply(&Object::namespace("other")).await.admitted();
    let group = Object::of("ResourceGroup", "rg").azure_name("rg-unread");
    person.create(&vault()).await.admitted();
    person.create(&group).await.admitted();
    let parked = ["with-vault", "without"].map(|name| Object::namespace(name).policy("skip"));
    for namespace in &parked {
        person.apply(namespace).await.admitted();
        let inside = person.in_namespace(namespace.name());
        let own = group.clone().azure_name(namespace.name());
        inside.create(&own).await.admitted();
    }
    let inside = person.in_namespace(parked[0].name());
    inside.create(&vault()).await.admitted();
    // What is stored is of another version than what is stored from now on.
    person.apply(&nobody_converts(PLAIN)).await.admitted();
    cannot_be_read(&guarded, PLAIN).await;

    let guard = &guarded.guard.replicas()[0];
    guard.stop().await.unwrap();
    guard.start_again().await.unwrap();
    let twin = async || person.in_namespace("other").create(&group).await;
    eventually_refused("default/ResourceGroup/rg", twin).await;
    let [with_vault, without] = &parked;
    person.clear_policy(without).await.admitted();
    let wake = async || person.clear_policy(with_vault).await;
    eventually_refused("with-vault/Vault/vault", wake)
        .await
        .because("conversion webhook")
        .because("get vault.keyvault.azure.com vault");
    eventually("the kind to be told", async || {
        let (_, metrics) = guard.ops("/metrics").await?;
        let told = metrics.contains("\naso_guard_unwatched_kinds 1\n");
        anyhow::ensure!(told, "{metrics}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_a_transfer_cannot_list_stays_with_what_it_may_belong_to_and_the_rest_is_moved() {
    let guarded = Guarded::start("unlisted", &Plan::enforce(GUARD)).await;
    let person = &guarded.kubectl;
    let target = person.in_namespace("target");
    person.apply(&Object::namespace("target")).await.admitted();
    let group = Object::of("ResourceGroup", "rg").azure_name("rg-unlisted");
    let account = Object::of("StorageAccount", "data")
        .azure_name("unlisted")
        .owner("rg");
    let kinds = &["ResourceGroup", "StorageAccount"];
    let _aso = AtWork::begin(&target, kinds, "azureserviceoperator-system");
    for object in [&vault(), &group, &account] {
        person.create(object).await.admitted();
    }
    person.apply(&nobody_converts(PLAIN)).await.admitted();
    cannot_be_read(&guarded, PLAIN).await;

    let kubeconfig = guarded.plane.kubeconfig();
    let kubeconfig = kubeconfig.display();
    let transfer = async |verb: &str, more: &[&str]| {
        let mut args = vec![
            "transfer".to_owned(),
            verb.to_owned(),
            "unlisted".to_owned(),
        ];
        args.push("--from=unlisted/default".to_owned());
        args.push("--to=unlisted/target".to_owned());
        args.push(format!("--from-kubeconfig={kubeconfig}"));
        args.push(format!("--to-kubeconfig={kubeconfig}"));
        args.push(format!("--registry=kubernetes:{kubeconfig}"));
        args.extend(more.iter().map(ToString::to_string));
        said(GUARD.as_ref(), &args, Duration::from_mins(5))
            .await
            .unwrap()
    };
    let told = eventually("the rest to be registered", async || {
        let (code, told) = transfer("plan", &[]).await;
        anyhow::ensure!(code == Some(1) && !told.contains("unregistered"), "{told}");
        Ok(told)
    })
    .await;
    let blocks = "blocks unread: Vault.keyvault.azure.com cannot be listed in";
    assert!(told.contains(blocks), "{told}");
    let (code, told) = transfer("plan", &["--kind=StorageAccount", "--accept=tool"]).await;
    let warns = "warns unread: Vault.keyvault.azure.com cannot be listed in";
    assert!(told.contains(warns) && code.is_some(), "{told}");

    let (code, told) = transfer("run", &["--yes", "--accept=unread"]).await;
    assert_eq!(code, Some(1), "{told}");
    let stays = "ResourceGroup/rg: its parked copy stays, for Vault.keyvault.azure.com";
    assert!(told.contains(stays), "{told}");
    assert!(person.get(&account).await.is_err());
    let kept = person.get(&group).await.unwrap().object;
    assert_eq!(kept.annotation(POLICY), Some("skip"), "{kept}");
    for moved in [&group, &account] {
        let moved = target.get(moved).await.unwrap().object;
        assert_eq!(moved.annotation(POLICY), None, "{moved}");
    }
}
