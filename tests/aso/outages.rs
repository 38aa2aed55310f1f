//! What is away for a while, or takes its time.

use std::time::Duration;

use tokio::time::sleep;

use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, eventually};
use crate::team;
use crate::transfers::{BOUND, Move, planned, run};
use crate::world::{SYNC, guarded, guarded_alone};

/// By which ASO knows its operation in Azure.
const TOKEN: &str = "serviceoperator.azure.com/poller-resume-token";
/// How much longer Azure takes for an answer where it is slow.
const SLOW: Duration = Duration::from_secs(1);

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn a_copy_parked_in_the_middle_of_an_operation_is_taken_over_and_nothing_is_deleted() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "middle").await;
    let (group, account) = (story.resource_group("rg"), team::account(&story));
    team::applied(&story.a, std::slice::from_ref(&group)).await;
    let path = format!("/storageaccounts/{}", account.text("/spec/azureName"));
    world.azure.takes_its_time("PUT", &path);
    story.a.apply(&account).await.admitted();
    eventually("ASO to be in the middle of it", async || {
        let stored = story.a.get(&account).await?.object;
        anyhow::ensure!(stored.annotation(TOKEN).is_some(), "{stored}");
        Ok(())
    })
    .await;
    let resources = [group, account];
    team::parked(&story.a, &resources).await;
    world.azure.takeover(&story.resource_group_id("rg"));
    team::applied_once_free(&story.b, &resources).await;
    sleep(SYNC).await;
    world.azure.gets_done(&path);
    for one in &resources {
        team::ready(&story.b, one).await;
    }
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn aso_killed_in_the_middle_of_a_move_goes_on_where_it_was() {
    let world = guarded_alone().await;
    let story = Story::begin(&world.lab, "killed").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    team::parked(&story.a, &resources).await;
    world.azure.takeover(&story.resource_group_id("rg"));
    // Its webhooks are away with it, so nothing is applied before it is back.
    team::applied_once_free(&story.b, &resources[..1]).await;
    world.b[0].process.kill();
    world.b[0].start_again().await.unwrap();
    team::applied_once_free(&story.b, &resources).await;
    for one in &resources {
        team::ready(&story.b, one).await;
    }
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn while_the_guard_is_away_aso_goes_on_and_people_are_refused() {
    let world = guarded_alone().await;
    let story = Story::begin(&world.lab, "away").await;
    let resources = team::resources(&story);
    let (first, later) = resources.split_at(2);
    team::applied(&story.b, first).await;
    let guard = &world.lab.b.guard().replicas()[0];
    guard.process.kill();
    let gone = world.diary(&story).of("PUT").len();
    let person = story.b.trying_once();
    for refused in [
        person.apply(&later[0]).await,
        person.delete(&first[1]).await,
    ] {
        refused.unwrap_err().because("failed calling webhook");
    }
    sleep(12 * SYNC).await;
    // ASO goes on with what it has, twice and more each, and writes to their status.
    let diary = world.diary(&story);
    assert!(diary.of("PUT").len() >= gone + 2 * first.len(), "{diary}");
    for one in first {
        let stored = story.b.get(one).await.admitted().object;
        assert!(team::is_ready(&stored), "{stored}");
    }
    guard.start_again().await.unwrap();
    team::applied(&story.b, later).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn an_operation_that_aso_never_heard_of_is_left_alone_by_a_parked_copy() {
    let world = guarded_alone().await;
    let story = Story::begin(&world.lab, "unheard").await;
    let (group, account) = (story.resource_group("rg"), team::account(&story));
    team::applied(&story.a, std::slice::from_ref(&group)).await;
    // Azure begins, and ASO is killed before it hears of the operation.
    let path = format!("/storageaccounts/{}", account.text("/spec/azureName"));
    world.azure.takes_its_time_for("aso-a", "PUT", &path);
    world.azure.is_slow("PUT", &path, BOUND);
    story.a.apply(&account).await.admitted();
    let of_account = || {
        let ids = world.azure.ids();
        ids.into_iter()
            .find(|id| id.to_lowercase().ends_with(&path))
    };
    eventually("Azure to have begun", async || {
        of_account().ok_or_else(|| anyhow::anyhow!("nothing of {path}"))
    })
    .await;
    let resources = [group, account];
    team::parked(&story.a, &resources).await;
    world.a[0].process.kill();
    // As it is stored, for nobody converts it now.
    let stored = resources[1].clone().version("v20250601storage");
    let stored = story.a.get(&stored).await.admitted().object;
    assert_eq!(stored.annotation(TOKEN), None, "{stored}");
    let puts = world.diary(&story).of("PUT").len();
    world.a[0].start_again().await.unwrap();
    sleep(2 * SYNC).await;
    assert_eq!(world.diary(&story).of("PUT").len(), puts);
    // Azure lets nobody else write before its operation is over.
    world.azure.gets_done(&path);
    world.azure.refuses("aso-b", "PUT", &path, 409, 2);
    team::taken_over(&story.b, &world.azure, &story, &resources).await;
    let diary = world.diary(&story);
    let conflicts = diary.calls().filter(|call| call.status == 409);
    assert_eq!(conflicts.count(), 2, "{diary}");
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn while_azure_refuses_forgets_and_is_slow_a_transfer_deletes_nothing() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "moody").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    let transfer = planned(Move::to_b(&story)).await;
    let [account, network, subnet] = [1, 2, 3].map(|at| {
        let name = resources[at].text("/spec/azureName");
        format!("/{name}").to_lowercase()
    });
    // Once each: ASO waits longer after each time, for minutes soon.
    for (path, status) in [(&account, 429), (&subnet, 404), (&network, 409)] {
        world.azure.refuses("aso-b", "PUT", path, status, 1);
        // And to a, whose copies are parked, it says that there is nothing.
        world.azure.refuses("aso-a", "GET", path, 404, 3);
    }
    let group = story.resource_group_id("rg").to_lowercase();
    world.azure.is_slow("PUT", &group, SLOW);
    world.azure.takeover(&group);
    let (code, said) = run(&transfer.arguments("run")).await;
    assert_eq!(code, Some(0), "{said}");
    let diary = world.diary(&story);
    for status in [429, 404, 409] {
        let by_b = diary
            .of("PUT")
            .into_iter()
            .filter(|call| call.who == "aso-b");
        let refused = by_b.filter(|call| call.status == status);
        assert_eq!(refused.count(), 1, "{status}:\n{diary}");
    }
    for one in &resources {
        team::ready(&story.b, one).await;
        story.a.gone(one, PATIENCE).await.unwrap();
    }
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}
