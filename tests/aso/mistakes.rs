//! The two mistakes that ASO's guide warns of: with aso-guard, and what they cost without.

use serde_json::json;
use tokio::time::sleep;

use crate::lab::azure::diary::Entry;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, eventually};
use crate::team;
use crate::world::{SYNC, guarded, unguarded};

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn a_second_live_copy_is_refused_and_azure_hears_nothing_of_it() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "twins").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    let refused = story.b.apply(&resources[0]).await.refused();
    assert!(refused.message.contains("cluster a"), "{refused}");
    // What the others stand for cannot be told without their owner: they may be let through, and
    // ASO sends nothing for them.
    for one in &resources[1..] {
        let _ = story.b.apply(one).await;
    }
    sleep(2 * SYNC).await;
    let diary = world.diary(&story);
    assert!(diary.calls().all(|call| call.who == "aso-a"), "{diary}");
    world.ends_well(&story, &[]).await;
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn without_a_guard_two_live_copies_write_by_turns() {
    let world = unguarded().await;
    let story = Story::begin(&world.lab, "twins").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    team::applied(&story.b, &resources).await;
    sleep(3 * SYNC).await;
    let diary = world.diary(&story);
    assert!(diary.switches().len() > resources.len(), "{diary}");
    // Nothing of it is seen in either status.
    for person in [&story.a, &story.b] {
        for one in &resources {
            team::ready(person, one).await;
        }
    }
    println!("without a guard, twins: {}", diary.summary());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn tidying_up_what_a_peer_has_taken_over_is_refused_and_deletes_nothing_in_azure() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "tidy").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    team::parked(&story.a, &resources).await;
    team::taken_over(&story.b, &world.azure, &story, &resources).await;
    // The copies in a are taken for what counts, and woken to be deleted properly.
    for one in &resources {
        story.a.clear_policy(one).await.refused();
    }
    // The copies in b are taken for leftovers.
    for one in resources.iter().rev() {
        story.b.delete(one).await.refused();
    }
    world.ends_well(&story, &[]).await;
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn without_a_guard_tidying_up_deletes_in_azure_what_the_peer_still_has() {
    let world = unguarded().await;
    let story = Story::begin(&world.lab, "tidy").await;
    let resources = team::resources(&story);
    let (group, id) = (&resources[0], story.resource_group_id("rg"));
    team::applied(&story.a, &resources).await;
    // Skip was forgotten.
    team::applied(&story.b, &resources).await;
    story.a.delete(group).await.admitted();
    story.a.gone(group, PATIENCE).await.unwrap();
    let diary = world.diary(&story);
    let by_a = |call: &&Entry| call.who == "aso-a" && call.path.eq_ignore_ascii_case(&id);
    let deletes = diary.of("DELETE").into_iter().filter(by_a);
    assert_eq!(deletes.count(), 1, "{diary}");
    // And b makes it again, empty at first.
    eventually("b to make the group again", async || {
        anyhow::ensure!(world.azure.get(&id).is_some(), "it is gone");
        Ok(())
    })
    .await;
    println!("without a guard, tidy: {}", diary.summary());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn tidying_up_a_group_whose_network_was_forgotten_is_refused() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "forgotten").await;
    let [group, network] = [story.resource_group("rg"), team::network(&story)];
    team::applied(&story.a, &[group.clone(), network.clone()]).await;
    let moved = [group];
    team::parked(&story.a, &moved).await;
    team::taken_over(&story.b, &world.azure, &story, &moved).await;
    let refused = story.a.delete(&moved[0]).await.refused();
    refused.because("VirtualNetwork/net");
    team::ready(&story.a, &network).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-a"), 1);
    assert_eq!(world.written_by(&story, "aso-b"), 1);
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn without_a_guard_a_parked_group_takes_the_forgotten_network_along() {
    let world = unguarded().await;
    let story = Story::begin(&world.lab, "forgotten").await;
    let [group, network] = [story.resource_group("rg"), team::network(&story)];
    team::applied(&story.a, &[group.clone(), network.clone()]).await;
    team::parked(&story.a, std::slice::from_ref(&group)).await;
    team::applied(&story.b, std::slice::from_ref(&group)).await;
    story.a.delete(&group).await.admitted();
    story.a.gone(&network, PATIENCE).await.unwrap();
    let diary = world.diary(&story);
    let name = network.text("/spec/azureName").to_lowercase();
    let of_network = |call: &&Entry| call.path.to_lowercase().ends_with(&name);
    let deletes = diary.of("DELETE").into_iter().filter(of_network);
    assert_eq!(deletes.count(), 1, "{diary}");
    println!("without a guard, forgotten: {}", diary.summary());
}

/// A group, which is live in `a`, and an account in it, which is live in `b` alone.
async fn with_a_child_elsewhere(story: &Story<'_>) -> [Object; 2] {
    let group = story.resource_group("rg");
    team::applied(&story.a, std::slice::from_ref(&group)).await;
    let mut account = team::account(story);
    account.0["spec"]["owner"] = json!({"armId": story.resource_group_id("rg")});
    team::applied(&story.b, std::slice::from_ref(&account)).await;
    [group, account]
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn tidying_up_a_group_in_which_another_cluster_has_an_account_is_refused() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "child").await;
    let [group, account] = with_a_child_elsewhere(&story).await;
    let refused = story.a.delete(&group).await.refused();
    refused.because("cluster b").because("StorageAccount/data");
    team::ready(&story.b, &account).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), 1);
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn without_a_guard_a_group_takes_along_what_another_cluster_has_in_it() {
    let world = unguarded().await;
    let story = Story::begin(&world.lab, "child").await;
    let [group, account] = with_a_child_elsewhere(&story).await;
    story.a.delete(&group).await.admitted();
    story.a.gone(&group, PATIENCE).await.unwrap();
    eventually("b to be told that there is nothing", async || {
        let stored = story.b.get(&account).await?.object;
        anyhow::ensure!(!team::is_ready(&stored), "it is ready");
        Ok(())
    })
    .await;
    let (id, diary) = (story.resource_group_id("rg"), world.diary(&story));
    let deletes = diary.of("DELETE");
    assert!(
        deletes.len() == 1 && deletes[0].path.eq_ignore_ascii_case(&id),
        "{diary}"
    );
    let group = format!("{id}/").to_lowercase();
    let inside = world.azure.ids().into_iter();
    let inside = inside.filter(|id| id.to_lowercase().starts_with(&group));
    assert_eq!(inside.count(), 0, "{diary}");
    println!("without a guard, child: {}", diary.summary());
}
