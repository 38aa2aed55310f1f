//! `aso-guard transfer run` and `undo` to their ends.

use tokio::time::sleep;

use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, until};
use crate::lab::world::Cluster;
use crate::team;
use crate::transfers::{BOUND, Move, begun, planned, run};
use crate::world::{SYNC, guarded, guarded_alone};

/// A group and 49 resources in it.
fn fifty(story: &Story<'_>) -> Vec<Object> {
    let mut resources = vec![story.resource_group("rg")];
    resources.extend((1..=49).map(|number| {
        let network = team::network(story);
        let name = network.text("/spec/azureName").to_owned();
        let mut numbered = network.azure_name(&format!("{name}{number:02}"));
        numbered.0["metadata"]["name"] = format!("net{number:02}").into();
        numbered
    }));
    resources
}

/// How many requests a cluster's guard was asked about so far.
async fn asked(cluster: &Cluster) -> u64 {
    let (status, metrics) = cluster.guard().replicas()[0].ops("/metrics").await.unwrap();
    assert_eq!(status, 200, "{metrics}");
    let lines = metrics.lines();
    let counted = lines.filter(|line| line.starts_with("aso_guard_requests_total{"));
    counted
        .map(|line| {
            let count = line.rsplit(' ').next().unwrap_or_default();
            count.parse::<u64>().unwrap()
        })
        .sum()
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn nothing_of_fifty_is_deleted_at_the_source_before_the_targets_aso_has_taken_up_all() {
    let world = guarded_alone().await;
    let story = Story::begin(&world.lab, "fifty").await;
    let resources = fifty(&story);
    // With the first, the guard puts its label on the namespace, and is asked about that.
    team::applied(&story.a, &resources[..1]).await;
    let before = asked(&world.lab.a).await;
    team::applied(&story.a, &resources[1..]).await;
    // Each is asked about when it is applied, and when ASO first writes its `resource-id`.
    let calls = usize::try_from(asked(&world.lab.a).await - before).unwrap();
    assert_eq!(calls, 2 * resources[1..].len());
    let transfer = planned(Move::to_b(&story)).await;
    // Azure does not get done with the last one, when ASO in b comes to it.
    let last = &resources[49];
    let path = format!("/virtualnetworks/{}", last.text("/spec/azureName"));
    world.azure.takes_its_time_for("aso-b", "PUT", &path);
    world.azure.takeover(&story.resource_group_id("rg"));
    let running = begun(&transfer);
    for one in &resources[..49] {
        let ready = until("ASO in b to take it up", BOUND, async || {
            let stored = story.b.get(one).await?.object;
            anyhow::ensure!(team::is_ready(&stored), "{stored}");
            Ok(())
        });
        ready.await.unwrap();
    }
    sleep(2 * SYNC).await;
    assert_eq!(running.ended(), None, "{}", running.log_tail(20));
    for one in &resources {
        let parked = story.a.get(one).await.admitted().object;
        assert_eq!(parked.annotation(POLICY), Some("skip"), "{parked}");
        assert!(!parked.is_terminating(), "{parked}");
    }
    world.azure.gets_done(&path);
    let ended = until("the transfer to end", BOUND, async || {
        let ended = running.ended();
        ended.ok_or_else(|| anyhow::anyhow!("{}", running.log_tail(20)))
    });
    assert!(ended.await.unwrap().success(), "{}", running.log_tail(40));
    for one in &resources {
        story.a.gone(one, PATIENCE).await.unwrap();
        let stored = story.b.get(one).await.admitted().object;
        assert!(team::is_ready(&stored), "{stored}");
    }
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
    // What ASO does with its own from now on is no business of the guard's.
    let before = asked(&world.lab.b).await;
    sleep(10 * SYNC).await;
    assert_eq!(asked(&world.lab.b).await, before);
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn a_transfer_between_namespaces_of_one_cluster_leaves_the_resources_to_its_aso() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "within").await;
    let target = story.namespace(&story.a, "within-there").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    let transfer = planned(Move::within_a(&story, target.namespace())).await;
    let (code, said) = run(&transfer.arguments("run")).await;
    assert_eq!(code, Some(0), "{said}");
    for one in &resources {
        story.a.gone(one, PATIENCE).await.unwrap();
        let stored = target.get(one).await.admitted().object;
        assert!(team::is_ready(&stored), "{stored}");
    }
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-a"), resources.len());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn a_transfer_taken_back_half_way_leaves_one_writer() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "back").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    let transfer = planned(Move::to_b(&story)).await;
    // Azure does not get done with the account, when ASO in b comes to it: so it goes no further.
    let path = format!("/storageaccounts/{}", resources[1].text("/spec/azureName"));
    world.azure.takes_its_time_for("aso-b", "PUT", &path);
    world.azure.takeover(&story.resource_group_id("rg"));
    let running = begun(&transfer);
    let written = until("ASO in b to write to all", BOUND, async || {
        let count = world.written_by(&story, "aso-b");
        anyhow::ensure!(count == resources.len(), "{count}");
        Ok(())
    });
    written.await.unwrap();
    running.kill();
    world.azure.gets_done(&path);
    world.azure.takeover(&story.resource_group_id("rg"));
    let (code, said) = run(&transfer.arguments("undo")).await;
    assert_eq!(code, Some(0), "{said}");
    for one in &resources {
        team::ready(&story.a, one).await;
        story.b.gone(one, PATIENCE).await.unwrap();
    }
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-a"), resources.len());
}
