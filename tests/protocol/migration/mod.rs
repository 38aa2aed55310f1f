//! A fleet's move from one registry to another one under every order of events that chance finds:
//! people create, wake, park and delete, guards are restarted with one registry or with both, and
//! an operator runs any command at any time.

mod clusters;
mod enrolments;
mod operator;
mod registries;
mod requests;
mod world;

use rstest::rstest;

use world::{Bounds, Dice, Rules, Tally, World};

/// In how many orders each bound is tried, and where a rule is taken out at most.
const ORDERS: u64 = 2_000;
const BITES: u64 = 5_000;
/// Of how many orders one is followed to the end of the move.
const ENDS: u64 = 20;
/// How long each is.
const STEPS: usize = 300;

/// Guards know both registries, the operator is careful, and nobody dies.
const CAREFUL: Bounds = Bounds {
    name: "careful",
    both: true,
    in_order: false,
    ready: true,
    crashes: false,
    cancels: true,
    back: false,
    replicas: 1,
    losses: [false; 2],
};
/// The same, with two replicas of each guard that die, and the fleet may move back.
const THERE_AND_BACK: Bounds = Bounds {
    name: "there and back",
    crashes: true,
    back: true,
    replicas: 2,
    ..CAREFUL
};
/// Guards are restarted with any registries, and the operator waits for nobody.
const CARELESS: Bounds = Bounds {
    name: "careless",
    both: false,
    ready: false,
    crashes: true,
    ..CAREFUL
};
/// The same, with late replicas.
const LATE: Bounds = Bounds {
    name: "late replicas",
    replicas: 2,
    ..CARELESS
};
/// The same, with no way back from closing.
const STEADY: Bounds = Bounds {
    name: "steady",
    cancels: false,
    ..LATE
};
/// All of it, in both directions.
const ANYTHING: Bounds = Bounds {
    name: "anything",
    back: true,
    ..LATE
};

/// Guards know both registries, and the new one loses what it knows.
const NEW_IS_LOST: Bounds = Bounds {
    name: "the new one is lost",
    losses: [false, true],
    back: false,
    ..THERE_AND_BACK
};
/// The same of the old one.
const OLD_IS_LOST: Bounds = Bounds {
    name: "the old one is lost",
    losses: [true, false],
    ..NEW_IS_LOST
};
/// The same of both, and the fleet may move back.
const BOTH_ARE_LOST: Bounds = Bounds {
    name: "both are lost",
    losses: [true, true],
    ..THERE_AND_BACK
};
/// The same, with guards that are restarted as the operator is told.
const LOST_IN_ORDER: Bounds = Bounds {
    name: "lost in order",
    both: false,
    in_order: true,
    back: false,
    ..BOTH_ARE_LOST
};

/// Tries one order of events.
fn play(bounds: &Bounds, rules: Rules, seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let mut world = World::new(bounds, rules);
    for _ in 0..STEPS {
        world.step(&mut dice);
        if let Some(wrong) = world.wrong.take() {
            return Err(format!("order {seed}: {wrong}, after {:#?}", world.story));
        }
    }
    tally.add(&world.tally);
    if !seed.is_multiple_of(ENDS) || world.tally.lost > 0 {
        return Ok(());
    }
    world
        .end(&mut dice)
        .map_err(|wrong| format!("order {seed}: {wrong}, after {:#?}", world.story))
}

#[rstest]
#[case::careful(CAREFUL)]
#[case::there_and_back(THERE_AND_BACK)]
#[case::careless(CARELESS)]
#[case::late_replicas(LATE)]
#[case::steady(STEADY)]
#[case::anything(ANYTHING)]
fn a_fleet_moves_and_is_guarded_all_the_while(#[case] bounds: Bounds) {
    let mut tally = Tally::default();
    for seed in 0..ORDERS {
        let outcome = play(&bounds, Rules::ALL, seed, &mut tally);
        assert_eq!(outcome, Ok(()), "{}", bounds.name);
    }
    println!("{}: {tally:?}", bounds.name);
    assert!(tally.is_worth_it(), "{tally:?}");
}

#[rstest]
#[case::new(NEW_IS_LOST)]
#[case::old(OLD_IS_LOST)]
#[case::both(BOTH_ARE_LOST)]
#[case::in_order(LOST_IN_ORDER)]
fn what_a_registry_loses_makes_nothing_live_twice(#[case] bounds: Bounds) {
    let mut tally = Tally::default();
    for seed in 0..ORDERS {
        let outcome = play(&bounds, Rules::ALL, seed, &mut tally);
        assert_eq!(outcome, Ok(()), "{}", bounds.name);
    }
    println!("{}: {tally:?}", bounds.name);
    assert!(tally.lost > 100 && tally.is_worth_it(), "{tally:?}");
}

/// `from`: the first order that is tried; the rarest takes some thousands.
#[rstest]
#[case::written_in_both(0, Rules { written_in_both: false, ..Rules::ALL })]
#[case::all_are_awaited(0, Rules { all_are_awaited: false, ..Rules::ALL })]
#[case::awaited_in_this_round(2_000, Rules { awaited_in_this_round: false, ..Rules::ALL })]
#[case::a_mark_begins_a_round(0, Rules { a_mark_begins_a_round: false, ..Rules::ALL })]
#[case::marks_are_heeded(0, Rules { marks_are_heeded: false, ..Rules::ALL })]
#[case::closed_before_opened(0, Rules { closed_before_opened: false, ..Rules::ALL })]
fn without_a_rule_some_order_ends_badly(#[case] from: u64, #[case] rules: Rules) {
    let mut tally = Tally::default();
    let bounds = [CAREFUL, THERE_AND_BACK, STEADY, ANYTHING];
    let mut tries = (from..from + BITES).flat_map(|seed| bounds.map(|bounds| (bounds, seed)));
    let found = tries.find_map(|(bounds, seed)| play(&bounds, rules, seed, &mut tally).err());
    let found = found.expect("an order that ends badly");
    println!("{}", found.lines().next().unwrap_or_default());
}
