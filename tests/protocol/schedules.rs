//! Longer runs than can be exhausted: random schedules of the same steps, hundreds of them, in
//! more places, with more replicas and more requests under way together.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::model::bounds::{Bounds, with_force, with_losses};
use super::model::checked::{CONFLICT, COVER, HARM, Protocol, REST};
use super::model::coverage::{Coverage, Tally};
use super::model::places;
use super::model::rules::Rules;
use super::model::steps::Step;
use super::model::world::{Budget, Phase, World};

/// How long a run is.
const STEPS: usize = 400;
/// How many requests are under way together at most.
const TOGETHER: usize = 8;
/// After how many steps it is checked that all would come to rest.
const PAUSE: usize = 40;
/// More steps than a request has left.
const CALLS: usize = 32;

const EVERYWHERE: Bounds = Bounds {
    name: "everywhere",
    places: &places::ALL,
    begin: &[],
    namespace: &[],
    moved: None,
    together: 2,
    story: &[],
    replicas: 4,
    // Where claims are lost all the time, little else is to be seen.
    left: with_losses(Budget::PLENTY, 0),
};

/// Who takes the next step, as often as it stands here.
const TURNS: [Turn; 16] = [
    Turn::User,
    Turn::Guard,
    Turn::Observer,
    Turn::Guard,
    Turn::User,
    Turn::Observer,
    Turn::Guard,
    Turn::Store,
    Turn::Observer,
    Turn::User,
    Turn::Guard,
    Turn::Store,
    Turn::Observer,
    Turn::User,
    Turn::Store,
    Turn::Trouble,
];

#[derive(Clone, Copy, PartialEq)]
enum Turn {
    User,
    Guard,
    Store,
    Observer,
    Trouble,
}

fn turn(step: Step) -> Turn {
    match step {
        Step::Ask(..)
        | Step::Force(..)
        | Step::Park(_)
        | Step::ParkInVain(_)
        | Step::CreateParked(_)
        | Step::DeleteParked(_)
        | Step::ParkNamespace
        | Step::Spare(_)
        | Step::Begin(_)
        | Step::Undeclare
        | Step::Fence(_)
        | Step::TakeOver(_)
        | Step::GoOnTakingOver
        | Step::Touch(_) => Turn::User,
        Step::Call(_) | Step::Confirm(_) | Step::GoOnWith(_) => Turn::Guard,
        Step::Store(_)
        | Step::Reject(_)
        | Step::Collect(_)
        | Step::Gone(_)
        | Step::Operate(_)
        | Step::Finish(_) => Turn::Store,
        Step::Look(..)
        | Step::Recall(..)
        | Step::GoOn(..)
        | Step::Adopt(..)
        | Step::SettleChanges
        | Step::Enrol(_) => Turn::Observer,
        Step::LoseAnswer(_)
        | Step::Repeat(_)
        | Step::Die(_)
        | Step::Tick(_)
        | Step::Abandon(_)
        | Step::Lose(_)
        | Step::ForgetEnrolment(_)
        | Step::Crash(_) => Turn::Trouble,
    }
}

/// The step that a number stands for: whose turn it is, and which one of theirs.
fn pick(protocol: &Protocol, world: &World, number: u32) -> Option<Step> {
    let mut possible = Vec::new();
    world.steps(protocol, &mut possible);
    if world.requests.len() >= TOGETHER {
        possible.retain(|step| {
            !matches!(
                step,
                Step::Ask(..)
                    | Step::Force(..)
                    | Step::Collect(_)
                    | Step::CreateParked(_)
                    | Step::Spare(_)
            )
        });
    }
    let [first, second, rest @ ..] = number.to_le_bytes();
    let wanted = TURNS[usize::from(first) % TURNS.len()];
    let theirs: Vec<Step> = possible
        .iter()
        .copied()
        .filter(|&step| turn(step) == wanted)
        .collect();
    let among = if theirs.is_empty() {
        &possible
    } else {
        &theirs
    };
    let which = usize::from(u16::from_le_bytes([second, rest[0]]));
    among.get(which % among.len().max(1)).copied()
}

/// Nothing new begins, and what is under way ends one way or another.
fn ended(protocol: &Protocol, mut world: World) -> World {
    for _ in 0..CALLS {
        let Some(request) = world.requests.first() else {
            break;
        };
        let step = match request.phase {
            Phase::Admitted if request.number % 2 == 0 => Step::Reject(request.number),
            Phase::Admitted => Step::Store(request.number),
            _ => Step::Call(request.number),
        };
        world = world.after(&protocol.rules, step);
    }
    while !world.looks.is_empty() {
        world = world.after(&protocol.rules, Step::GoOn(0, 0));
    }
    world
}

fn violated(protocol: &Protocol, world: &World) -> Option<&'static str> {
    let checks = [
        (CONFLICT, world.has_no_conflict()),
        (HARM, world.takes_nothing_from_others()),
        (COVER, world.claims_cover_the_truth()),
        (
            REST,
            world.comes_to_rest(&protocol.rules, protocol.places, &protocol.tally),
        ),
    ];
    let mut broken = checks.into_iter().filter(|(_, holds)| !holds);
    broken.next().map(|(property, _)| property)
}

/// Plays a schedule, and says what went wrong after which steps.
fn play(protocol: &Protocol, numbers: &[u32]) -> Result<(), String> {
    let mut world = protocol.begins[0].clone();
    let mut steps = Vec::new();
    for (at, &number) in numbers.iter().enumerate() {
        let Some(step) = pick(protocol, &world, number) else {
            break;
        };
        world = world.after(&protocol.rules, step);
        protocol.tally.add(world.noted);
        steps.push(step);
        let mut broken = violated(protocol, &world);
        if broken.is_none() && at % PAUSE == PAUSE - 1 {
            broken = violated(protocol, &ended(protocol, world.clone()));
        }
        if let Some(property) = broken {
            return Err(format!("{property}: not so after {steps:?}"));
        }
    }
    Ok(())
}

fn schedules() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(any::<u32>(), STEPS / 4..STEPS)
}

/// `shrinks`: how much is tried to make a schedule that ends badly shorter.
fn run(bounds: Bounds, rules: Rules, cases: u32, shrinks: u32) -> (Result<(), String>, Tally) {
    let protocol = bounds.protocol(rules);
    let config = Config {
        cases,
        // What is found is a path of steps, told by the test itself.
        failure_persistence: None,
        max_shrink_iters: shrinks,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&schedules(), |numbers| {
        play(&protocol, &numbers).map_err(TestCaseError::fail)
    });
    (outcome.map_err(|error| error.to_string()), protocol.tally)
}

#[test]
fn the_protocol_holds_in_long_random_schedules() {
    let (outcome, tally) = run(EVERYWHERE, Rules::ALL, 400, 2_000);
    println!("{tally:?}");
    assert_eq!(outcome, Ok(()));
    let mut missing = tally.missing();
    // Two steps in a row that chance seldom takes.
    missing.retain(|coverage| *coverage != Coverage::Activated);
    // No namespace is parked here.
    let elsewhere = [
        Coverage::Doubted,
        Coverage::UnderChange,
        Coverage::ActivatedByNamespace,
    ];
    missing.retain(|coverage| !elsewhere.contains(coverage));
    // No transfer is declared, and ASO has nothing under way in Azure.
    missing.retain(|coverage| (*coverage as u8) < Coverage::InTransfer as u8);
    assert_eq!(missing, [Coverage::Forced, Coverage::Unheard]);
}

#[test]
fn the_protocol_holds_where_some_is_let_through_by_force() {
    let bounds = Bounds {
        left: with_force(EVERYWHERE.left, 12),
        ..EVERYWHERE
    };
    let (outcome, tally) = run(bounds, Rules::ALL, 200, 2_000);
    println!("{tally:?}");
    assert_eq!(outcome, Ok(()));
    assert!(tally.count(Coverage::Forced) > 0 && tally.count(Coverage::Unheard) > 0);
}

#[test]
fn the_protocol_holds_where_the_registry_loses_what_it_knew() {
    let bounds = Bounds {
        left: with_losses(Budget::PLENTY, 3),
        ..EVERYWHERE
    };
    let (outcome, tally) = run(bounds, Rules::ALL, 200, 2_000);
    println!("{tally:?}");
    assert_eq!(outcome, Ok(()));
    for seen in [Coverage::Emptied, Coverage::SetBack, Coverage::WholeAgain] {
        assert!(tally.count(seen) > 0, "{tally:?}");
    }
}

/// Random schedules bite too, without being led: all but those rules that it takes some
/// steps in the one order to miss (`match_proof`, `mark_before_children`,
/// `claim_before_ancestors`, and `deadline_before_object`, which takes a thousand schedules).
/// Of the others the rarest takes some 120, so that chance misses it in 2,000 once in ten
/// million runs.
#[rstest::rstest]
#[case::release_on_observation(Rules { release_on_observation: false, ..Rules::ALL })]
#[case::record_before_object(Rules { record_before_object: false, ..Rules::ALL })]
#[case::uids_before_object(Rules { uids_before_object: false, ..Rules::ALL })]
#[case::keep_pending(Rules { keep_pending: false, ..Rules::ALL })]
#[case::compare(Rules { compare: false, ..Rules::ALL })]
#[case::deadline_covers_request(Rules { deadline_covers_request: false, ..Rules::ALL })]
#[case::register_parked(Rules { register_parked: false, ..Rules::ALL })]
#[case::deadlines_end(Rules { deadlines_end: false, ..Rules::ALL })]
fn without_a_rule_a_random_schedule_ends_badly(#[case] rules: Rules) {
    let (outcome, _) = run(EVERYWHERE, rules, 2_000, 0);
    let found = outcome.expect_err("a schedule that ends badly");
    println!("{}", found.lines().next().unwrap_or_default());
}
