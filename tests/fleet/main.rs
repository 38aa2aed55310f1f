//! A small fleet through everything that the simulation has: start, a day's work, outages, a
//! transfer. `cargo run --release --example fleet` has the large one.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    dead_code,
    reason = "this is all tests, though few of its functions are marked so; the example uses more"
)]

mod simulation;

use std::sync::Arc;
use std::time::Duration;

use aso_guard::cluster::member::HEARTBEAT;
use rstest::rstest;
use simulation::check::faults;
use simulation::fleet::{Fleet, Size};
use simulation::load::Users;
use simulation::meter::CallKind;
use simulation::scenarios::{enrol, outage, steady, wave};
use simulation::service::Backend;
use tokio::time::Instant;

const SMALL: Size = Size {
    clusters: 20,
    resources: 10,
    replicas: 2,
    backend: Backend::Blob,
    cores: 8.0,
    start_within: Duration::from_secs(10),
    seed: 1,
};

/// On simulated time, which passes as soon as there is nothing else to do.
fn simulate(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().start_paused(true).build();
    runtime.expect("it can be made").block_on(story);
}

#[rstest]
#[case::hub(Backend::Hub)]
#[case::blob(Backend::Blob)]
fn a_fleet_stays_whole_through_outages_and_a_transfer(#[case] backend: Backend) {
    simulate(async {
        let fleet = Fleet::start(Size { backend, ..SMALL });
        let enrolled = enrol(&fleet).await;
        assert!(enrolled.took.is_some(), "it did not end: {enrolled:?}");
        // Each says so with its next heartbeat.
        tokio::time::sleep(HEARTBEAT).await;
        assert_eq!(faults(&fleet).await, [""; 0]);
        let users = Arc::new(Users::new(SMALL.seed));
        let busy = (30.0, Duration::from_mins(6));
        let day = steady(&fleet, &users, busy.0, busy.1).await;
        assert_eq!(fleet.truth.lock().doubles, 0);
        assert!(day.count("admitted") > 30, "{day:?}");
        assert!(day.count("LiveElsewhere") > 3, "{day:?}");
        for regions in [&[0][..], &[0, 1, 2]] {
            let [away, back] = outage(&fleet, &users, regions, busy).await;
            assert!(away.count("RegistryUnavailable") > 20, "{away:?}");
            assert!(back.took.is_some(), "{regions:?}: {back:?}");
        }
        wave(&fleet, &users, SMALL.resources).await;
        // What was made meanwhile is deleted by then, and its last deadline is over.
        tokio::time::sleep(Duration::from_mins(13)).await;
        assert_eq!(faults(&fleet).await, [""; 0]);
        fleet.stop().await;
    });
}

/// Three hundred clusters read it 200 times a second, were each to do so every three seconds; one
/// blob takes 500, and there are verdicts too.
#[test]
fn the_record_that_all_read_is_read_less_often_by_each_the_more_there_are() {
    simulate(async {
        let fleet = Fleet::start(Size {
            clusters: 300,
            resources: 0,
            ..SMALL
        });
        assert!(enrol(&fleet).await.took.is_some());
        tokio::time::sleep(Duration::from_mins(1)).await;
        let quiet = Instant::now();
        tokio::time::sleep(Duration::from_mins(2)).await;
        let window = fleet.store.meter.since(quiet);
        assert_eq!(window.count(CallKind::Busy), 0, "{window:?}");
        let reads = window.per_second(window.count(CallKind::EpochRead));
        assert!((10.0..100.0).contains(&reads), "{reads}");
        fleet.stop().await;
    });
}
