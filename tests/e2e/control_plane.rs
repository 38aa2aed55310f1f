//! The ground that the stories stand on: does the lab do what a Kubernetes cluster does?

use std::time::Duration;

use serde_json::json;

use crate::lab::aso::{Aso, RESOURCE_ID};
use crate::lab::control_plane::{ControlPlane, Plan};
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::PATIENCE;
use crate::lab::world::ASO_NAMESPACE;
use crate::shared_lab;

/// Kubernetes itself waits five seconds before it looks at a namespace that was deleted.
const NAMESPACE_GOES: Duration = Duration::from_mins(1);

#[tokio::test]
async fn objects_are_created_applied_replaced_and_deleted() {
    let story = Story::begin(shared_lab().await, "verbs").await;
    let group = story.resource_group("rg");

    let created = story.a.create(&group).await.admitted_silently().object;
    assert_eq!(created.0["spec"]["azureName"], "rg-verbs");
    let twin = story.a.create(&group).await.unwrap_err();
    assert_eq!((twin.code, twin.reason.as_str()), (409, "AlreadyExists"));
    let other = group.clone().azure_name("other-verbs");
    story.b.create(&other).await.admitted();

    let applied = story
        .a
        .apply(&group.clone().policy("skip"))
        .await
        .admitted();
    assert_eq!(applied.object.uid(), created.uid());
    story.a.set_policy(&group, "manage").await.admitted();
    let stored = story.a.clear_policy(&group).await.admitted().object;
    assert_eq!(stored.annotation(POLICY), None);

    let tagged = stored.with("/spec/tags", json!({"team": "blue"}));
    story.a.replace(&tagged).await.admitted();
    let conflict = story.a.replace(&tagged).await.unwrap_err();
    assert_eq!((conflict.code, conflict.reason.as_str()), (409, "Conflict"));

    story.a.dry_run().delete(&group).await.admitted();
    assert_eq!(
        story.a.get(&group).await.admitted().object.uid(),
        created.uid()
    );
    story.a.delete(&group).await.admitted();
    story.a.gone(&group, PATIENCE).await.unwrap();
    story.b.get(&group).await.admitted();
}

#[tokio::test]
async fn each_kind_is_there_in_each_of_its_versions() {
    let story = Story::begin(shared_lab().await, "kinds").await;
    for kind in &crate::lab::crds::KINDS {
        let written = story
            .a
            .create(&Object::of(kind.kind, "one"))
            .await
            .admitted();
        for version in kind.versions {
            for served in [(*version).to_owned(), format!("{version}storage")] {
                let read = story.a.get(&written.object.clone().version(&served)).await;
                let read = read.admitted().object;
                assert_eq!(read.uid(), written.object.uid());
                assert_eq!(read.api_version(), format!("{}/{served}", kind.group));
            }
        }
    }
    let settings = Object::new("v1", "Secret", "aso-controller-settings");
    let secret = story.b.in_namespace(ASO_NAMESPACE).get(&settings).await;
    assert!(secret.admitted().object.0["data"]["AZURE_SUBSCRIPTION_ID"].is_string());
}

#[tokio::test]
async fn owned_objects_go_with_their_owner() {
    let story = Story::begin(shared_lab().await, "garbage").await;
    let group = story
        .a
        .create(&story.resource_group("rg"))
        .await
        .admitted()
        .object;
    let account = Object::of("StorageAccount", "data")
        .owner("rg")
        .owned_by(&group);
    let other = Object::of("StorageAccount", "other").owner("rg");
    story.a.create(&account).await.admitted();
    story.a.create(&other).await.admitted();

    story.a.delete(&group).await.admitted();
    story.a.gone(&account, PATIENCE).await.unwrap();
    story.a.get(&other).await.admitted();
}

#[tokio::test]
async fn a_namespace_takes_along_what_is_in_it() {
    let story = Story::begin(shared_lab().await, "leaving").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted();
    let namespace = Object::namespace("leaving");
    story.a.delete(&namespace).await.admitted();
    story.a.gone(&namespace, NAMESPACE_GOES).await.unwrap();
    story.a.get(&group).await.unwrap_err();
}

#[tokio::test]
async fn an_object_is_held_until_aso_lets_go_of_it() {
    let story = Story::begin(shared_lab().await, "finalizers").await;
    let aso = Aso(&story.a);
    let group = story.resource_group("rg");
    let id = story.resource_group_id("rg");
    story.a.create(&group).await.admitted();
    let reconciled = aso.reconciles(&group, &id).await.unwrap();
    assert_eq!(reconciled.text("/status/id"), id);
    assert_eq!(reconciled.annotation(RESOURCE_ID), Some(id.as_str()));

    aso.finishes_delete(&group).await.unwrap();
    story.a.delete(&group).await.admitted();
    let held = story.a.get(&group).await.admitted().object;
    assert!(!held.text("/metadata/deletionTimestamp").is_empty());
    aso.finishes_delete(&group).await.unwrap();
    story.a.gone(&group, PATIENCE).await.unwrap();
}

#[tokio::test]
async fn another_user_may_do_what_rbac_says() {
    let lab = shared_lab().await;
    let story = Story::begin(lab, "users").await;
    let kubeconfig = lab
        .a
        .control_plane
        .user_kubeconfig("mallory", None)
        .unwrap();
    let mallory = Kubectl::new(&kubeconfig, "users").await.unwrap();
    let refusal = mallory
        .create(&story.resource_group("rg"))
        .await
        .unwrap_err();
    assert_eq!((refusal.code, refusal.reason.as_str()), (403, "Forbidden"));
    assert!(refusal.message.contains("User \"mallory\""), "{refusal}");
}

#[tokio::test]
async fn a_cluster_comes_back_from_an_outage_with_what_it_knew() {
    let cluster = ControlPlane::start("outage", &Plan::default())
        .await
        .unwrap();
    let kubectl = cluster.kubectl("default").await.unwrap();
    let namespace = Object::namespace("kept");
    let before = kubectl.create(&namespace).await.admitted().object;

    cluster.stop();
    let nobody = kubectl.get(&namespace).await.unwrap_err();
    assert_eq!((nobody.code, nobody.reason.as_str()), (0, "NoAnswer"));

    cluster.start_again().await.unwrap();
    let after = kubectl.get(&namespace).await.admitted().object;
    assert_eq!(after.uid(), before.uid());
}
