//! How often, and how many times one after the other, the registry is asked. The last time is for
//! its epoch: both calls go side by side.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::object::{Object, account, dry, group, object};
use super::tampered::Trouble;
use super::world::World;

const TRIP: Duration = Duration::from_millis(100);

/// The calls that a review costs, and how many of them wait for another.
async fn trips(world: &World, review: &Value) -> (Vec<&'static str>, u128) {
    world.registry.calls();
    world.registry.set(Trouble::Slow(TRIP));
    let asked = Instant::now();
    world.a.ask(review).await.admitted();
    let trips = asked.elapsed().as_millis() / TRIP.as_millis();
    world.registry.set(Trouble::None);
    (world.registry.calls(), trips)
}

fn subnet() -> Object {
    let spec = json!({"owner": {"name": "net"}});
    object("network.azure.com", "VirtualNetworksSubnet", "inner", spec)
}

#[tokio::test(start_paused = true)]
async fn a_create_that_finds_no_record_is_two_trips() {
    let world = World::new();
    let found = trips(&world, &group("rg").create()).await;
    assert_eq!(found, (vec!["put_claim", "epoch", "member"], 2));
}

#[tokio::test(start_paused = true)]
async fn its_ancestors_are_one_more_trip_however_many() {
    let world = World::new();
    world.a.store(&group("rg")).await;
    let found = trips(&world, &account("st", "rg").create()).await;
    assert_eq!(found, (vec!["put_claim", "claim", "epoch", "member"], 3));

    let spec = json!({"owner": {"name": "rg"}});
    let network = object("network.azure.com", "VirtualNetwork", "net", spec);
    world.a.store(&network).await;
    let found = trips(&world, &subnet().create()).await;
    let calls = vec!["put_claim", "claim", "claim", "epoch", "member"];
    assert_eq!(found, (calls, 3));
}

#[tokio::test(start_paused = true)]
async fn a_create_that_finds_a_parked_peer_is_four_trips() {
    let world = World::new();
    world.b.store(&group("rg").policy("skip")).await;
    let found = trips(&world, &group("rg").create()).await;
    let calls = vec!["put_claim", "claim", "put_claim", "epoch", "member"];
    assert_eq!(found, (calls, 4));
}

#[tokio::test(start_paused = true)]
async fn the_safe_steps_cost_none() {
    let world = World::new();
    let live = world.a.store(&group("rg")).await;
    let parked = live.clone().policy("skip");
    for review in [live.update(&parked), parked.delete()] {
        assert_eq!(trips(&world, &review).await, (vec![], 0));
    }
}

/// It is registered, so that its peers' deletes see it.
#[tokio::test(start_paused = true)]
async fn a_parked_create_costs_two() {
    let world = World::new();
    let found = trips(&world, &group("rg").policy("skip").create()).await;
    assert_eq!(found, (vec!["claim", "put_claim"], 2));
}

#[tokio::test(start_paused = true)]
async fn the_other_verdicts_cost_little() {
    let world = World::new();
    let live = world.a.store(&group("rg")).await;
    let parked = live.clone().policy("skip");
    world.a.store(&parked).await;
    let found = trips(&world, &parked.update(&live)).await;
    assert_eq!(found, (vec!["claim", "put_claim", "epoch", "member"], 3));
    let found = trips(&world, &live.delete()).await;
    let calls = vec!["claim", "put_claim", "claims", "epoch", "member"];
    assert_eq!(found, (calls, 4));
    let found = trips(&world, &dry(group("new").create())).await;
    assert_eq!(found, (vec!["claim", "epoch", "member"], 2));
}
