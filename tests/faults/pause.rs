//! Replicas that stand still for longer than a request may be under way, and then go on as if
//! nothing had happened.

use std::time::Duration;

use rstest::rstest;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::load::{BUSY, Conditions};
use crate::table::conclude;
use crate::traffic;
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 2;

#[rstest]
#[case::calm(Conditions::Calm)]
#[case::under_load(BUSY)]
#[tokio::test]
async fn one_of_two_replicas_stands_still_for_longer_than_the_deadline(
    #[case] conditions: Conditions,
) {
    let trial = Trial::guarded_in(conditions, SEED, "pause", &plan()).await;
    let resources = traffic::resources(&trial, 12);
    let stop = CancellationToken::new();
    let stand_still = async {
        sleep(Duration::from_secs(2)).await;
        let replicas = [
            &trial.a.guard().replicas()[0],
            &trial.b.guard().replicas()[1],
        ];
        for replica in replicas {
            replica.process.pause().unwrap();
        }
        sleep(DEADLINE + Duration::from_secs(3)).await;
        for replica in replicas {
            replica.process.resume().unwrap();
        }
        sleep(Duration::from_secs(3)).await;
        stop.cancel();
    };
    let work = traffic::work(&trial, &resources, SEED, &stop);
    let (diary, ()) = futures::join!(work, stand_still);
    let fault = "SIGSTOP of one of two replicas in both clusters, for 11 s (deadline 8 s)";
    conclude(&trial, fault, &resources, &diary, DEADLINE * 4).await;
}
