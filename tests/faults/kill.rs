//! Replicas that are killed, at any moment and in the worst ones.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::diary::Diary;
use crate::lab::guard::{self, Replica};
use crate::lab::verdict::{Outcome, Verdict};
use crate::lab::wait::eventually;
use crate::proxy::{Proxy, Weather};
use crate::random::Random;
use crate::table::conclude;
use crate::traffic;
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 1;
const TIMES: usize = 8;

#[tokio::test]
async fn replicas_are_killed_at_random_while_both_clusters_work() {
    let trial = Trial::guarded("kill", &plan()).await;
    let resources = traffic::resources(&trial, 12);
    let stop = CancellationToken::new();
    let kill = async {
        let mut random = Random::new(SEED);
        let replicas: Vec<&Replica> = [&trial.a, &trial.b]
            .into_iter()
            .flat_map(|side| side.guard().replicas())
            .collect();
        for _ in 0..TIMES {
            sleep(random.millis(200, 1_500)).await;
            let replica = random.one_of(&replicas);
            replica.process.kill();
            sleep(random.millis(0, 800)).await;
            replica.start_again().await.unwrap();
        }
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), kill);
    let fault = format!("kill -9 of one of four replicas, {TIMES} times");
    conclude(&trial, &fault, &resources, &diary, DEADLINE * 4).await;
}

/// Between the claim and the yes: the guard dies before it hears that its mark was written.
#[tokio::test]
async fn a_replica_dies_after_its_claim_and_before_its_yes() {
    let mut trial = Trial::begin("dying").await;
    let proxy = Proxy::to_hub(&trial, "a").await;
    let registries = [&*proxy.registry(), &*trial.registry()];
    let one = guard::Plan {
        replicas: 1,
        ..plan()
    };
    trial.guard([&one, &one], registries).await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let [created, woken, deleted] = ["created", "woken", "deleted"].map(|name| traffic::Resource {
        id: trial.resource_group_id(name),
        copy: trial.resource_group(name),
    });
    a.create(&woken.copy.clone().policy("skip"))
        .await
        .admitted();
    a.create(&deleted.copy).await.admitted();
    trial.claim_becomes(&woken.id, "Parked").await;
    trial.claim_becomes(&deleted.id, "Live").await;

    dies_during(
        &trial,
        &proxy,
        a.delete(&deleted.copy),
        &deleted.id,
        "deleting",
    )
    .await;
    dies_during(
        &trial,
        &proxy,
        a.clear_policy(&woken.copy),
        &woken.id,
        "acquiring",
    )
    .await;
    dies_during(
        &trial,
        &proxy,
        a.create(&created.copy),
        &created.id,
        "acquiring",
    )
    .await;
    // For all anybody knows, the API server may yet store it: B must wait.
    let refusal = b.create(&created.copy).await.refused();
    refusal.because("going live in cluster a");

    let fault = "kill -9 between claim and yes: of a delete, an un-skip, a create";
    let resources = [created.clone(), woken.clone(), deleted.clone()];
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 3).await;
    b.create(&created.copy).await.admitted();
    a.clear_policy(&woken.copy).await.admitted();
    a.delete(&deleted.copy).await.admitted();
    eventually("the deleted resource to be free", async || {
        b.create(&deleted.copy).await.map_err(Into::into)
    })
    .await;
}

/// Has A's replica die when a request has left its mark on the hub, and start again.
async fn dies_during(
    trial: &Trial,
    proxy: &Proxy,
    request: impl Future<Output = Outcome>,
    id: &str,
    mark: &str,
) {
    warm_up(trial).await;
    proxy.set(Weather::SlowAnswers(Duration::from_millis(1_200)));
    let replica = &trial.a.guard().replicas()[0];
    let death = async {
        eventually(&format!("the mark on {id}"), async || {
            let claim = trial.hub_claim(id).await;
            let claim = claim.ok_or_else(|| anyhow::anyhow!("there is no claim"))?;
            let marks = claim.0["status"]["copies"][0][mark].as_array();
            anyhow::ensure!(marks.is_some(), "{}", claim.0["status"]);
            Ok(())
        })
        .await;
        replica.process.kill();
    };
    let (outcome, ()) = futures::join!(request, death);
    let refusal = outcome.unwrap_err();
    assert!(
        refusal.message.contains("failed calling webhook"),
        "{refusal}"
    );
    proxy.set(Weather::Fair);
    replica.start_again().await.unwrap();
}

/// Has A's guard open some connections to the hub, for on the slow line it would take too long.
pub async fn warm_up(trial: &Trial) {
    let person = trial.a.person.dry_run();
    let probes: Vec<_> = (0..8)
        .map(|number| trial.resource_group(&format!("probe-{number}")))
        .collect();
    let asked = futures::future::join_all(probes.iter().map(|probe| person.create(probe))).await;
    for outcome in asked {
        outcome.admitted();
    }
}
