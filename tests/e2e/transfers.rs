//! While a transfer is open, its four steps go through, and nothing else does.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::time::Duration;

use serde_json::json;

use crate::GUARD;
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};
use crate::shared_lab;

/// How long the members' guards may take to look after a transfer that nobody started by hand.
const ROUNDS: Duration = Duration::from_mins(1);

/// A storage account in a resource group: what the stories move.
fn resources(story: &Story<'_>) -> [Object; 2] {
    let account = Object::of("StorageAccount", "data")
        .azure_name(&story.azure_name("data"))
        .owner("rg");
    [story.resource_group("rg"), account]
}

/// `aso-guard transfer …` against the hub.
async fn transfer(story: &Story<'_>, args: &[&str]) -> anyhow::Result<String> {
    let registry = format!("kubernetes:{}", story.lab.hub().kubeconfig().display());
    let mut all = vec!["transfer"];
    all.extend(args);
    all.extend(["--registry", &registry]);
    Plan::enforce(GUARD).print(&all).await
}

fn declared(name: &str, from: &str, to: &str) -> Object {
    let ends = json!({
        "from": {"member": "a", "namespace": from},
        "to": {"member": "b", "namespace": to},
    });
    Object::new("asoguard.io/v1alpha1", "Transfer", name).with("/spec", ends)
}

async fn refused_to_finish(story: &Story<'_>, name: &str, words: &str) {
    let error = transfer(story, &["finish", name]).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains(words), "{error}");
}

#[tokio::test]
async fn the_four_steps_of_a_transfer_and_every_mistake_on_the_way() {
    let story = Story::begin(shared_lab().await, "transfer").await;
    let third = story.namespace(&story.b, "transfer-third").await;
    let resources = resources(&story);
    for resource in &resources {
        story.a.create(resource).await.admitted_silently();
    }
    let ends = ["--from", "a/transfer", "--to", "b/transfer"];
    let start = [&["start", "transfer"][..], &ends].concat();
    eventually("the two resources to be claimed", async || {
        let said = transfer(&story, &start).await?;
        anyhow::ensure!(said.contains("2 resources of a/transfer"), "{said}");
        Ok(())
    })
    .await;

    // The source is live: nobody deletes it, and nobody goes live beside it.
    for resource in &resources {
        let refusal = story.a.delete(resource).await.refused();
        refusal
            .because("would delete")
            .because("transfer transfer moves")
            .because("aso-guard transfer status transfer")
            .with_code(403);
    }
    // What is inside of the group would be taken for another resource before its owner is there.
    let group = &resources[0];
    let refusal = story.b.create(group).await.refused();
    refusal.because("it is live in cluster a as transfer/");
    let refusal = third.create(group).await.refused();
    refusal.because("would go against transfer transfer");
    // 1. Park. It stays parked: taking skip off would cross the transfer.
    for resource in &resources {
        story.a.set_policy(resource, "skip").await.admitted();
    }
    for resource in &resources {
        eventually("the parked resource to be seen", async || {
            let refusal = story.a.clear_policy(resource).await.refused();
            anyhow::ensure!(
                refusal.message.contains("would go against transfer"),
                "{refusal}"
            );
            Ok(())
        })
        .await;
    }
    let refusal = third.create(group).await.refused();
    refusal.because("may be live only there until the transfer ends");
    third.create(&group.clone().policy("skip")).await.admitted();
    third.delete(group).await.admitted();
    // 3. Apply in the target.
    for resource in &resources {
        eventually("the parked resource to be free", async || {
            story.b.apply(resource).await.map_err(Into::into)
        })
        .await;
    }
    for resource in &resources {
        let refusal = story.b.delete(resource).await.refused();
        refusal.because("transfer transfer moves");
    }
    refused_to_finish(&story, "transfer", "2 of 2 resources have not arrived").await;
    // 4. Delete the copies in the source: Azure is not touched.
    for resource in resources.iter().rev() {
        story.a.delete(resource).await.admitted();
    }
    eventually("all to have arrived", async || {
        let shown = transfer(&story, &["status", "transfer", "-o", "json"]).await?;
        let shown: serde_json::Value = serde_json::from_str(&shown)?;
        anyhow::ensure!(shown["counts"]["done"] == 2, "{shown}");
        Ok(())
    })
    .await;
    // Nobody else has it, but the transfer is still open.
    for resource in &resources {
        let refusal = story.b.delete(resource).await.refused();
        refusal.because("transfer transfer moves");
    }
    refused_to_finish(&story, "nope", "there is no transfer nope").await;
    transfer(&story, &["finish", "transfer"]).await.unwrap();
    for resource in resources.iter().rev() {
        story.b.delete(resource).await.admitted();
    }
    let listed = transfer(&story, &["list"]).await.unwrap();
    assert!(listed.contains("Finished"), "{listed}");
}

#[tokio::test]
async fn a_transfer_that_was_only_declared_is_looked_after_by_the_members() {
    let story = Story::begin(shared_lab().await, "declared").await;
    let [group, account] = resources(&story);
    let account = account.labelled("app", "shop");
    for resource in [&group, &account] {
        story.a.create(resource).await.admitted_silently();
    }
    let kept = ["metadata/labels", "kustomize.toolkit.fluxcd.io/name"];
    let by_labels = declared("declared", "declared", "declared")
        .with("/spec/resources", json!({"labels": "app=shop"}))
        .labelled(kept[1], "apps");
    story.hub.apply(&by_labels).await.admitted();
    let status = async || -> anyhow::Result<Object> { Ok(story.hub.get(&by_labels).await?.object) };
    until("the guard of a to open it", ROUNDS, async || {
        let status = status().await?;
        anyhow::ensure!(status.text("/status/state") == "Open", "{}", status.0);
        Ok(())
    })
    .await
    .unwrap();
    let opened = status().await.unwrap();
    assert_eq!(
        opened.0["status"]["covered"], 1,
        "only what has the label: {}",
        opened.0
    );
    assert_eq!(opened.0["metadata"]["labels"][kept[1]], "apps");
    // The account is protected, and so is the group around it, which is not moved itself.
    for resource in [&group, &account] {
        let refusal = story.a.delete(resource).await.refused();
        refusal.because("transfer declared moves");
    }
    story.a.set_policy(&account, "skip").await.admitted();
    until(
        "a member to write down that it is parked",
        ROUNDS,
        async || {
            let status = status().await?;
            anyhow::ensure!(status.0["status"]["counts"]["parked"] == 1, "{}", status.0);
            Ok(())
        },
    )
    .await
    .unwrap();
    // Deleted, it protects nothing any more.
    story.hub.delete(&by_labels).await.admitted();
    until(
        "the members to give the claims free",
        ROUNDS * 2,
        async || story.a.clear_policy(&account).await.map_err(Into::into),
    )
    .await
    .unwrap();
    story.a.delete(&account).await.admitted();
}

#[tokio::test]
async fn a_transfer_to_where_it_is_already_is_none() {
    let story = Story::begin(shared_lab().await, "nowhere").await;
    let spec = json!({"member": "a", "namespace": "x"});
    let circle = declared("nowhere", "x", "x").with("/spec/to", spec);
    let refusal = story.hub.create(&circle).await.unwrap_err();
    let words = "a transfer leads from one place to another one";
    assert!(refusal.message.contains(words), "{refusal}");
    let error = transfer(&story, &["start", "x", "--from", "a/x", "--to", "z/x"]).await;
    let error = format!("{:#}", error.unwrap_err());
    assert!(
        error.contains("no cluster called z is in the registry"),
        "{error}"
    );
    eventually("the source to be known whole", async || {
        let error = transfer(&story, &["start", "x", "--from", "a/x", "--to", "b/x"]).await;
        let error = format!("{:#}", error.unwrap_err());
        anyhow::ensure!(error.contains("nothing in a/x is meant by: all"), "{error}");
        Ok(())
    })
    .await;
}
