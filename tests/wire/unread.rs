//! A kind that the API server does not give keeps nobody from the others: what is known of its
//! objects, or claimed, counts.

use std::sync::Arc;

use rstest::rstest;

use super::object::{Object, POLICY, account, group};
use super::stale::{Behind, Withheld, behind};
use super::surroundings::{definition, namespace};
use super::world::{Member, SETTINGS, World};

/// A replica of cluster `a` that remembers these objects, and whose API server withholds this.
pub fn replica(world: &World, remembered: &[&Object], withheld: Withheld) -> Member {
    let behind: Arc<Behind> = behind(world, remembered);
    behind.remembered.set_namespace_policy("team", Some("skip"));
    *behind.withheld.lock().unwrap() = Some(withheld);
    let (registry, cluster) = (world.registry.clone(), world.a.cluster.clone());
    Member::around("a", registry, SETTINGS, cluster, behind)
}

/// Namespace `team` of cluster `a` is parked, and has a group and an account.
async fn parked() -> World {
    let world = World::new();
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    world.a.store(&group("rg")).await;
    world.a.store(&account("st", "rg")).await;
    world
}

fn unparked() -> (Object, Object) {
    (namespace().annotated(POLICY, "skip"), namespace())
}

#[rstest]
#[case::by_its_watch(&[group("rg"), account("st", "rg")])]
#[case::by_its_claim(&[])]
#[tokio::test]
async fn what_is_not_listed_is_asked_for_one_by_one(#[case] remembered: &[Object]) {
    let world = parked().await;
    let remembered: Vec<&Object> = remembered.iter().collect();
    let replica = replica(&world, &remembered, Withheld::Lists("StorageAccount"));
    let peer = world.b.store(&account("st", "rg")).await;
    let (before, after) = unparked();
    let answer = replica.ask(&before.update(&after)).await;
    let message = answer.refused(403, "WakesChild");
    assert!(message.contains("team/StorageAccount/st"), "{message}");
    world.b.remove(&peer).await;
    replica.ask(&before.update(&after)).await.admitted();
    let twin = account("st", "rg").create();
    world.b.ask(&twin).await.refused(403, "LiveElsewhere");
}

#[rstest]
#[case::by_its_watch(&[group("rg"), account("st", "rg")])]
#[case::by_its_claim(&[])]
#[tokio::test]
async fn what_cannot_be_read_is_named_with_what_helps(#[case] remembered: &[Object]) {
    let world = parked().await;
    let remembered: Vec<&Object> = remembered.iter().collect();
    let replica = replica(&world, &remembered, Withheld::All("StorageAccount"));
    let (before, after) = unparked();
    let answer = replica.ask(&before.update(&after)).await;
    let message = answer.refused(503, "RegistryUnavailable");
    for words in [
        "did not answer for team/StorageAccount/st: conversion webhook for it failed",
        "Other kinds are not affected",
        "  kubectl --context a -n team get storageaccount.storage.azure.com st",
    ] {
        assert!(message.contains(words), "{message}");
    }
    // What was acquired for the others was taken back.
    world.b.ask(&group("rg").create()).await.admitted();
}

#[tokio::test]
async fn a_kind_of_which_the_namespace_has_nothing_is_not_missed() {
    let world = parked().await;
    let elsewhere = account("st", "rg").in_namespace("other");
    world.a.store(&elsewhere).await;
    let stored = account("st", "rg");
    world.a.remove(&stored).await;
    let remembered = [&group("rg"), &elsewhere];
    for withheld in [
        Withheld::All("StorageAccount"),
        Withheld::All("VirtualNetwork"),
    ] {
        let replica = replica(&world, &remembered, withheld);
        let (before, after) = unparked();
        replica.ask(&before.update(&after)).await.admitted();
    }
}

/// However it ends, the claims cover it.
#[tokio::test]
async fn what_is_claimed_as_live_needs_no_reading() {
    let world = parked().await;
    world.a.create(&account("st", "rg").policy("manage")).await;
    let replica = replica(&world, &[], Withheld::All("StorageAccount"));
    let (before, after) = unparked();
    replica.ask(&before.update(&after)).await.admitted();
}

#[tokio::test]
async fn a_crd_stays_as_long_as_claims_have_live_copies_of_its_kind() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    let replica = replica(&world, &[], Withheld::All("ResourceGroup"));
    let answer = replica.ask(&definition("ResourceGroup").delete()).await;
    let message = answer.refused(403, "KindInUse");
    assert!(message.contains("team/ResourceGroup/rg"), "{message}");
    world
        .a
        .update(&stored, &stored.clone().policy("skip"))
        .await;
    replica
        .ask(&definition("ResourceGroup").delete())
        .await
        .admitted();
}

/// What it is claimed as is what is deleted.
#[tokio::test]
async fn what_rests_on_an_owner_that_is_not_given_is_what_its_claim_says() {
    let world = World::new();
    world.a.create(&group("rg")).await;
    let stored = world.a.create(&account("st", "rg")).await;
    // The owner is known by no watch either.
    let replica = replica(&world, &[&stored], Withheld::All("ResourceGroup"));
    let deletes = [
        stored.clone().policy("manage").delete(),
        namespace().delete(),
    ];
    let peer = world.b.store(&account("st", "rg").policy("skip")).await;
    for delete in &deletes {
        let answer = replica.ask(delete).await;
        let message = &answer.status.message;
        assert!(message.contains("still parked in cluster b"), "{answer:#?}");
    }
    world.b.remove(&peer).await;
    for delete in &deletes {
        let answer = replica.ask(delete).await;
        assert!(answer.allowed, "{answer:#?}");
    }
}
