//! CREATE of a parked copy: it counts for its peers from its admission on, and is never kept
//! waiting for that.

use std::time::Duration;

use aso_guard::claim::Proof;
use rstest::rstest;
use serde_json::json;
use tokio::time::Instant;

use super::object::{account, dry, group};
use super::tampered::Trouble;
use super::world::World;

#[tokio::test]
async fn a_delete_right_after_a_peers_parked_create_is_refused() {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    let parked = group("rg").policy("skip");
    world.b.ask(&parked.create()).await.admitted();
    // Its observer has not seen it, and its API server may not even have stored it.
    let answer = world.a.ask(&live.delete()).await;
    let message = answer.refused(403, "PeersDepend");
    for words in [
        "it is being created parked in cluster b as team/ResourceGroup/rg",
        "  kubectl --context b -n team delete resourcegroup.resources.azure.com/rg",
        "If the request for a copy that is being created failed, try again after ",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let record = world.record("/resourceGroups/rg").await.unwrap();
    let arriving = record.parked().next().unwrap().1;
    let uid = parked.text("/metadata/uid");
    assert_eq!(arriving.arriving[0].proof, Proof::Uid(uid.into()));

    // Once it is seen, it is parked like any other, and its delete frees the peer.
    let stored = world.b.store(&parked).await;
    let message = world.a.ask(&live.delete()).await;
    let message = message.refused(403, "PeersDepend");
    assert!(message.contains("still parked in cluster b"), "{message}");
    world.b.remove(&stored).await;
    world.a.ask(&live.delete()).await.admitted();
}

#[tokio::test]
async fn so_is_one_of_what_a_parked_child_is_inside_of() {
    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    world
        .b
        .store(&group("rg").named("rg-b").policy("skip"))
        .await;
    world
        .a
        .ask(&live.delete())
        .await
        .refused(403, "PeersDepend");

    let world = World::new();
    let live = world.a.create(&group("rg")).await;
    let parked = account("data", "rg").policy("skip");
    world.b.ask(&parked.create()).await.admitted();
    let answer = world.a.ask(&live.delete()).await;
    answer.refused(403, "ChildrenDepend");
}

#[tokio::test]
async fn nobody_is_kept_from_going_live() {
    let world = World::new();
    world
        .b
        .ask(&group("rg").policy("skip").create())
        .await
        .admitted();
    world.a.ask(&group("rg").create()).await.admitted();
}

/// Whichever of the two comes first: a delete that is let through was there before.
#[tokio::test(start_paused = true)]
async fn a_delete_that_races_a_parked_create_is_refused_or_was_first() {
    let trip = Duration::from_millis(10);
    for pause in 0..8 {
        let world = World::new();
        let live = world.a.create(&group("rg")).await;
        world.registry.set(Trouble::Slow(trip));
        let parked = group("rg").policy("skip").create();
        let (create, delete) = (world.b.ask(&parked), async {
            tokio::time::sleep(trip * pause / 2).await;
            world.a.ask(&live.delete()).await
        });
        let (created, deleted) = tokio::join!(create, delete);
        created.admitted();
        let record = world.record("/resourceGroups/rg").await.unwrap();
        assert_eq!(record.copies.len(), 2, "both are in the claim");
        if record.being_deleted().is_none() {
            deleted.refused(403, "PeersDepend");
        } else {
            deleted.admitted();
            assert!(pause < 4, "the create was registered by then");
        }
    }
}

#[rstest]
#[case::away(Trouble::Unreachable)]
#[case::silent(Trouble::Hangs)]
#[case::losing_answers(Trouble::LosesAnswers)]
#[case::slow(Trouble::Slow(Duration::from_secs(20)))]
#[tokio::test(start_paused = true)]
async fn a_registry_in_trouble_holds_up_no_parked_create(
    #[case] trouble: Trouble,
    #[values("1s", "10s", "30s")] timeout: &str,
) {
    let world = World::new();
    world.registry.set(trouble);
    let asked = Instant::now();
    let review = group("rg").policy("skip").create();
    world.a.ask_within(timeout, &review).await.admitted();
    assert!(asked.elapsed() <= Duration::from_secs(1));
}

/// Whose limits run out all at once, so that nothing is left of the time for the verdict.
#[tokio::test]
async fn a_busy_machine_refuses_no_parked_create() {
    let world = World::new();
    let more_than_there_is = Duration::from_millis(600);
    world.registry.set(Trouble::Starved(more_than_there_is));
    // Children on their way take it for something else, so they are looked for in the registry.
    let parked = group("rg")
        .policy("skip")
        .with("/spec/azureName", json!("other"));
    world.a.ask_within("1s", &parked.create()).await.admitted();
}

#[tokio::test]
async fn a_dry_run_registers_nothing() {
    let world = World::new();
    let review = dry(group("rg").policy("skip").create());
    world.a.ask(&review).await.admitted();
    assert_eq!(world.record("/resourceGroups/rg").await, None);
    assert!(world.registry.calls().is_empty());
}
