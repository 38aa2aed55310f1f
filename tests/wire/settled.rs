//! What the observer reads and writes of claims that its own replica wrote a moment ago.

use std::sync::Arc;

use aso_guard::registry::metered::{MeteredRegistry, RegistryMetrics};

use super::object::{Object, group};
use super::tampered::Trouble;
use super::world::{Member, SETTINGS, World, key};

const CREATES: usize = 64;

/// A replica of cluster `a` as it is served: what it writes is remembered.
fn served(world: &World) -> Member {
    let metered = MeteredRegistry::new(world.registry.clone(), RegistryMetrics::default());
    let cluster = world.a.cluster.clone();
    let member = Member::around("a", Arc::new(metered), SETTINGS, cluster.clone(), cluster);
    world.registry.calls();
    member
}

/// The calls on claims since this was asked last.
fn calls(world: &World) -> Vec<&'static str> {
    let mut calls = world.registry.calls();
    calls.retain(|call| ["claim", "put_claim"].contains(call));
    calls
}

#[tokio::test]
async fn a_burst_of_creates_costs_two_writes_each_and_no_read() {
    let world = World::new();
    let member = served(&world);
    let groups: Vec<Object> = (0..CREATES)
        .map(|one| group(&format!("rg-{one}")))
        .collect();
    for group in &groups {
        member.ask(&group.create()).await.admitted();
    }
    assert_eq!(calls(&world), ["put_claim"; CREATES], "while they come");
    for group in &groups {
        member.store(group).await;
    }
    assert_eq!(calls(&world), ["put_claim"; CREATES], "afterwards");
    let record = world.record("/resourceGroups/rg-0").await.unwrap();
    let copy = record.copies.values().next().unwrap();
    assert!(copy.stored_live() && copy.acquiring.is_empty());
}

#[tokio::test]
async fn what_another_replica_settled_before_is_read() {
    let world = World::new();
    let member = served(&world);
    let group = group("rg");
    member.ask(&group.create()).await.admitted();
    world.a.store(&group).await;
    let settled = world.record("/resourceGroups/rg").await;
    calls(&world);
    member.store(&group).await;
    assert_eq!(calls(&world), ["put_claim", "claim"]);
    assert_eq!(world.record("/resourceGroups/rg").await, settled);
}

#[tokio::test]
async fn what_a_peer_wrote_in_between_is_kept() {
    let world = World::new();
    let member = served(&world);
    let group = group("rg");
    member.ask(&group.create()).await.admitted();
    world.b.create(&group.clone().policy("skip")).await;
    calls(&world);
    member.store(&group).await;
    assert_eq!(calls(&world), ["put_claim", "claim", "put_claim"]);
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.copies.len(), 2);
    assert!(record.copies.values().all(|copy| copy.acquiring.is_empty()));
}

/// Nothing proves that the claim is still as it was written.
#[tokio::test]
async fn where_nothing_came_of_a_create_yet_its_claim_is_read() {
    let world = World::new();
    let member = served(&world);
    let group = group("rg");
    member.ask(&group.create()).await.admitted();
    calls(&world);
    member.observer.look(&key(&group)).await.unwrap();
    assert_eq!(calls(&world), ["claim"]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_remembered() {
    let world = World::new();
    let member = served(&world);
    let group = group("rg");
    world.registry.set(Trouble::LosesAnswers);
    member
        .ask(&group.create())
        .await
        .refused(503, "RegistryUnavailable");
    world.registry.set(Trouble::None);
    calls(&world);
    member.store(&group).await;
    assert_eq!(calls(&world), ["claim", "put_claim"]);
}

/// The registry may be another one when it answers again.
#[tokio::test]
async fn after_an_outage_claims_are_read() {
    let world = World::new();
    let member = served(&world);
    let group = group("rg");
    member.ask(&group.create()).await.admitted();
    world.registry.set(Trouble::Unreachable);
    assert!(member.guard.registry.members().await.is_err());
    world.registry.set(Trouble::None);
    calls(&world);
    member.store(&group).await;
    assert_eq!(calls(&world), ["claim", "put_claim"]);
}

#[tokio::test]
async fn a_verdict_reads_the_claim_whoever_wrote_it_last() {
    let world = World::new();
    let member = served(&world);
    member.ask(&group("rg").create()).await.admitted();
    calls(&world);
    let elsewhere = group("rg").in_namespace("elsewhere");
    let answer = member.ask(&elsewhere.create()).await;
    answer.refused(403, "LiveElsewhere");
    assert!(calls(&world).contains(&"claim"));
}
