//! A bad line to the hub: slow, cut, answers lost after the work was done, silent.

use std::time::Duration;

use rstest::rstest;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::diary::Diary;
use crate::lab::guard;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::load::{BUSY, Conditions};
use crate::proxy::{Proxy, Weather};
use crate::table::{conclude, say};
use crate::traffic::{self, Resource};
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 4;

#[rstest]
#[case::calm(Conditions::Calm)]
#[case::under_load(BUSY)]
#[tokio::test]
async fn a_line_that_delays_cuts_and_loses(#[case] conditions: Conditions) {
    let mut trial = Trial::begin("hub-slow").await;
    trial.put_in(conditions, SEED).await;
    let (to_a, to_b) = (
        Proxy::to_hub(&trial, "a").await,
        Proxy::to_hub(&trial, "b").await,
    );
    let registries = [&*to_a.registry(), &*to_b.registry()];
    trial.guard([&plan(), &plan()], registries).await;
    let resources = traffic::resources(&trial, 12);
    let stop = CancellationToken::new();
    let weather = async {
        let slow = Weather::Slow(Duration::from_millis(200));
        for (in_a, in_b) in [
            (slow, Weather::Fair),
            (Weather::Cutting, Weather::Cutting),
            (Weather::LosingAnswers, Weather::LosingAnswers),
            (Weather::Silent, slow),
            (Weather::Fair, Weather::Fair),
        ] {
            let damage = to_a.damage() + to_b.damage();
            to_a.set(in_a);
            to_b.set(in_b);
            sleep(Duration::from_secs(4)).await;
            let damage = to_a.damage() + to_b.damage() - damage;
            say(&format!(
                "{in_a:?} to A, {in_b:?} to B: {damage} connections damaged"
            ));
            let damaging = [Weather::Cutting, Weather::LosingAnswers, Weather::Silent];
            assert_eq!(damage > 0, damaging.contains(&in_a));
        }
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), weather);
    let fault = "the line to the hub slow, cut, losing answers, silent, 4 s each";
    conclude(&trial, fault, &resources, &diary, DEADLINE * 4).await;
}

/// What a guard asked for on a connection that died silently is asked for again.
#[tokio::test]
async fn a_line_that_falls_silent_keeps_nothing_waiting_for_ever() {
    let mut trial = Trial::begin("silence").await;
    let (to_a, to_b) = (Proxy::to_hub(&trial, "a").await, trial.registry());
    let one = guard::Plan {
        replicas: 1,
        ..plan()
    };
    trial.guard([&one, &one], [&to_a.registry(), &to_b]).await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let resources = ["rg-1", "rg-2", "rg-3"].map(|name| Resource {
        id: trial.resource_group_id(name),
        copy: trial.resource_group(name),
    });
    for resource in &resources {
        a.create(&resource.copy).await.admitted();
        trial.claim_becomes(&resource.id, "Live").await;
    }
    to_a.set(Weather::Silent);
    for resource in &resources {
        a.set_policy(&resource.copy, "skip").await.admitted();
        b.create(&resource.copy)
            .await
            .refused()
            .because("live in cluster a");
    }
    sleep(Duration::from_secs(1)).await;
    assert!(to_a.damage() > 0);
    to_a.set(Weather::Fair);
    for resource in &resources {
        eventually("what was parked to be free", async || {
            b.create(&resource.copy).await.map_err(Into::into)
        })
        .await;
    }
    let fault = "connections to the hub that died without a word";
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 4).await;
}
