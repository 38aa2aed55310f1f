//! A bad line to the hub: slow, cut, answers lost after the work was done, silent.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::proxy::{Proxy, Weather};
use crate::table::{conclude, say};
use crate::traffic;
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 4;

#[tokio::test]
async fn a_line_that_delays_cuts_and_loses() {
    let mut trial = Trial::begin("hub-slow").await;
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
