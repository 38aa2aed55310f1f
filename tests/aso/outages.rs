//! What is away for a while, or takes its time.

use tokio::time::sleep;

use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::team;
use crate::world::{SYNC, guarded};

/// By which ASO knows its operation in Azure.
const TOKEN: &str = "serviceoperator.azure.com/poller-resume-token";

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
    for one in &resources {
        eventually(&format!("{one} to be free"), async || {
            Ok(story.b.apply(one).await.map(drop)?)
        })
        .await;
    }
    sleep(SYNC).await;
    world.azure.gets_done(&path);
    for one in &resources {
        team::ready(&story.b, one).await;
    }
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}
