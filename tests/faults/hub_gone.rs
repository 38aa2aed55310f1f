//! A hub that is stopped, and comes back.

use std::time::Duration;

use rstest::rstest;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::load::{BUSY, Conditions};
use crate::table::conclude;
use crate::traffic;
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 3;

#[rstest]
#[case::calm(Conditions::Calm)]
#[case::under_load(BUSY)]
#[tokio::test]
async fn without_the_hub_only_the_safe_steps_are_admitted(#[case] conditions: Conditions) {
    let trial = Trial::guarded_in(conditions, SEED, "hub-gone", &plan()).await;
    let resources = traffic::resources(&trial, 8);
    let stop = CancellationToken::new();
    let outage = async {
        let (a, b) = (&trial.a.person, &trial.b.person);
        let (stays, parked) = (
            trial.resource_group("stays"),
            trial.resource_group("parked"),
        );
        let detached = trial.resource_group("detached");
        a.create(&stays).await.admitted();
        a.create(&detached.clone().policy("detach-on-delete"))
            .await
            .admitted();
        sleep(Duration::from_secs(1)).await;
        trial.lab.hub().stop();

        let refusal = b.create(&trial.resource_group("new")).await.refused();
        refusal
            .with_code(503)
            .because("cannot tell whether this is safe")
            .because("Try again once the registry answers");
        a.delete(&stays).await.refused().with_code(503);
        a.create(&parked.clone().policy("skip")).await.admitted();
        a.clear_policy(&parked).await.refused().with_code(503);
        a.set_policy(&stays, "skip").await.admitted();
        a.delete(&parked).await.admitted();
        a.delete(&detached).await.admitted();
        sleep(Duration::from_secs(3)).await;

        trial.lab.hub().start_again().await.unwrap();
        // What was parked meanwhile is free, and what was refused is not.
        for free in ["stays", "new", "parked", "detached"] {
            eventually(&format!("{free} to be free"), async || {
                b.create(&trial.resource_group(free))
                    .await
                    .map_err(Into::into)
            })
            .await;
        }
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), outage);
    let fault = "the hub stopped for 3 s and more, and started again";
    conclude(&trial, fault, &resources, &diary, DEADLINE * 4).await;
}
