//! The claim protocol under every order of events: a model checker drives the
//! functions that the product runs.
//!
//! `cargo test --test protocol -- --nocapture` prints how much was explored.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::struct_excessive_bools,
    clippy::trivially_copy_pass_by_ref,
    reason = "this is all tests, though few of its functions are marked so"
)]

mod model;

use std::time::{Duration, Instant};

use model::checked::{Protocol, TWINS};
use model::places::Place::{self, ChildB, ParentA, ParentB};
use model::rules::Rules;
use model::world::{Budget, World};
use rstest::rstest;
use stateright::{Checker, HasDiscoveries, Model};

/// The resource alone.
const TWO: &[Place] = &[ParentA, ParentB];
/// The resource in one cluster, its child in the other.
const FAMILY: &[Place] = &[ParentA, ChildB];
/// Both.
const ALL: &[Place] = &[ParentA, ParentB, ChildB];

/// No case may take longer.
const PATIENCE: Duration = Duration::from_mins(5);

fn budget(asks: u8, acts: u8, ticks: u8, faults: u8, adoptions: u8) -> Budget {
    Budget {
        asks,
        acts,
        ticks,
        faults,
        adoptions,
    }
}

fn protocol(places: &'static [Place], replicas: usize, left: Budget) -> Protocol {
    Protocol {
        rules: Rules::ALL,
        places,
        replicas,
        begins: vec![World::empty(left).with_live(ParentA)],
    }
}

/// The name of the case that runs.
fn title() -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    name.rsplit("::").next().unwrap_or(name).to_owned()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

fn report(title: &str, checker: &impl Checker<Protocol>, begun: Instant) {
    println!(
        "{title}: {} states, {} of them different, up to {} steps deep, in {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed().as_secs_f32(),
    );
}

fn holds(title: &str, model: Protocol) {
    let begun = Instant::now();
    let left = model.begins[0].left;
    let title = format!("{title} ({} replicas, {left:?})", model.replicas);
    let checker = model.checker().threads(threads()).spawn_bfs().join();
    report(&title, &checker, begun);
    checker.assert_properties();
}

#[rstest]
#[case::two_replicas(TWO, 2, budget(2, 1, 1, 0, 0))]
#[case::faults(TWO, 2, budget(2, 0, 1, 1, 1))]
#[case::faults_and_parking(TWO, 2, budget(2, 1, 0, 1, 1))]
#[case::family_with_faults(FAMILY, 2, budget(2, 0, 1, 1, 1))]
#[case::all(ALL, 1, budget(2, 1, 1, 0, 0))]
fn the_protocol_holds(
    #[case] places: &'static [Place],
    #[case] replicas: usize,
    #[case] left: Budget,
) {
    holds(&title(), protocol(places, replicas, left));
}

#[rstest]
#[case::release_on_observation(Rules { release_on_observation: false, ..Rules::ALL }, budget(1, 1, 0, 0, 0))]
#[case::record_before_object(Rules { record_before_object: false, ..Rules::ALL }, budget(2, 1, 1, 0, 0))]
#[case::deadline_before_object(Rules { deadline_before_object: false, ..Rules::ALL }, budget(2, 1, 1, 0, 0))]
#[case::keep_pending(Rules { keep_pending: false, ..Rules::ALL }, budget(2, 1, 1, 0, 0))]
fn without_a_rule_there_are_twins(#[case] rules: Rules, #[case] left: Budget) {
    let begun = Instant::now();
    let model = Protocol {
        rules,
        ..protocol(TWO, 1, left)
    };
    let until = HasDiscoveries::AnyOf([TWINS].into());
    let checker = model
        .checker()
        .threads(threads())
        .timeout(PATIENCE)
        .finish_when(until);
    let checker = checker.spawn_bfs().join();
    report(&title(), &checker, begun);
    let path = checker.assert_any_discovery(TWINS);
    println!("{TWINS}: not so after {:?}", path.into_actions());
}
