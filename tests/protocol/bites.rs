//! The check bites: each rule that the protocol needs, when it is taken out, is
//! missed within seconds.

use std::time::Duration;

use aso_guard::policy::Policy::{Manage, Skip};
use rstest::rstest;
use stateright::HasDiscoveries;

use super::model::bounds::{
    ALONE, Bounds, FAMILY, PASTED, TWO, budget, explore, with_fences, with_force, with_losses,
    with_moves, with_operations, with_recalls,
};
use super::model::checked::{CONFLICT, COVER, HARM, PROTECT, REST};
use super::model::losses::Loss;
use super::model::places::Place::{ParentA, ParentB};
use super::model::rules::Rules;
use super::model::steps::Step::{Ask, Begin, Call, Confirm, GoOnWith, Lose, Store, Undeclare};
use super::model::transfers::{Declared, Task};
use super::model::world::{Budget, Kind};

/// Longer than any of these takes anywhere.
const PATIENCE: Duration = Duration::from_hours(1);

/// The resource is live in a, and there is room for it in b.
const MOVE: Bounds = Bounds {
    name: "a move",
    places: TWO,
    begin: &[(ParentA, Manage)],
    namespace: &[],
    moved: None,
    together: 2,
    story: &[],
    replicas: 1,
    left: budget(2, 1, 1, 0, 0),
};
/// The resource is live in a by its namespace, which was parked once.
const INHERITED: Bounds = Bounds {
    name: "inherited",
    namespace: &[Manage, Skip],
    ..MOVE
};
/// The resource is live in a, and b may have an object that was pasted with its ID.
const PASTE: Bounds = Bounds {
    name: "pasted",
    places: PASTED,
    ..MOVE
};
/// The resource is nowhere.
const NOTHING: Bounds = Bounds {
    name: "nothing",
    begin: &[],
    ..MOVE
};
/// The resource is parked in both clusters.
const PARKED: Bounds = Bounds {
    name: "parked",
    begin: &[(ParentA, Skip), (ParentB, Skip)],
    ..MOVE
};
/// The resource is live in a, and b may have something inside.
const INSIDE: Bounds = Bounds {
    name: "inside",
    places: FAMILY,
    ..MOVE
};

/// Two creates of one object in a, after a client that tried again: the API server
/// holds the first one still, and has stored the second.
const HELD: Bounds = Bounds {
    name: "held",
    story: &[
        Ask(ParentA, Kind::Create),
        Call(1),
        Ask(ParentA, Kind::Create),
        Call(2),
        Call(2),
        Store(2),
    ],
    ..NOTHING
};

/// Looks for a state in which the property does not hold.
fn caught(property: &'static str, bounds: Bounds, rules: Rules, left: Budget) {
    let bounds = Bounds { left, ..bounds };
    let until = HasDiscoveries::AnyOf([property].into());
    let explored = explore(bounds.protocol(rules), until, 1, PATIENCE);
    println!("{}: {explored}", bounds.name);
    let path = explored.path(property);
    println!("  {property}: not so after {}", path.expect("a violation"));
}

/// The namespace of a's copies is parked, and the resource is nowhere.
const WAKING: Bounds = Bounds {
    name: "waking",
    places: ALONE,
    namespace: &[Skip],
    ..NOTHING
};
/// It is live, and was parked before.
const WAS_PARKED: Bounds = Bounds {
    name: "was parked",
    namespace: &[Manage, Skip],
    ..NOTHING
};

#[test]
fn where_a_namespace_is_believed_parked_there_is_a_conflict() {
    let rules = Rules {
        inherited_from_store: false,
        ..Rules::ALL
    };
    caught(CONFLICT, WAS_PARKED, rules, budget(2, 0, 0, 0, 0));
}

#[rstest]
#[case::register_before_changes(Rules { register_before_changes: false, ..Rules::ALL })]
#[case::changes_before_namespace(Rules { changes_before_namespace: false, ..Rules::ALL })]
#[case::last_as_the_change(Rules { last_as_the_change: false, ..Rules::ALL })]
#[case::change_before_look(Rules { change_before_look: false, ..Rules::ALL })]
#[case::in_flight_before_objects(Rules { in_flight_before_objects: false, ..Rules::ALL })]
fn without_a_rule_a_change_of_a_namespace_wakes_what_no_claim_holds(#[case] rules: Rules) {
    caught(COVER, WAKING, rules, budget(2, 0, 0, 0, 0));
}

#[rstest]
#[case::release_on_observation(Rules { release_on_observation: false, ..Rules::ALL }, MOVE, budget(1, 1, 0, 0, 0))]
#[case::record_before_object(Rules { record_before_object: false, ..Rules::ALL }, MOVE, budget(2, 1, 1, 0, 0))]
#[case::uids_before_object(Rules { uids_before_object: false, ..Rules::ALL }, NOTHING, budget(2, 0, 0, 0, 0))]
#[case::release_on_store(Rules { release_on_store: false, ..Rules::ALL }, INHERITED, budget(1, 0, 0, 0, 0))]
#[case::every_identity(Rules { every_identity: false, ..Rules::ALL }, PASTE, budget(1, 0, 0, 0, 0))]
#[case::deadline_before_object(Rules { deadline_before_object: false, ..Rules::ALL }, MOVE, budget(2, 1, 1, 0, 0))]
#[case::keep_pending(Rules { keep_pending: false, ..Rules::ALL }, MOVE, budget(2, 1, 1, 0, 0))]
#[case::deadline_covers_request(Rules { deadline_covers_request: false, ..Rules::ALL }, NOTHING, budget(2, 0, 0, 0, 0))]
#[case::compare_on_create(Rules { compare: false, ..Rules::ALL }, NOTHING, budget(2, 0, 0, 0, 0))]
#[case::compare_on_activation(Rules { compare: false, ..Rules::ALL }, PARKED, budget(2, 0, 0, 0, 0))]
fn without_a_rule_there_is_a_conflict(
    #[case] rules: Rules,
    #[case] bounds: Bounds,
    #[case] left: Budget,
) {
    caught(CONFLICT, bounds, rules, left);
}

#[rstest]
#[case::match_proof(Rules { match_proof: false, ..Rules::ALL })]
fn a_create_that_the_api_server_holds_lands_after_the_second_one_is_gone(#[case] rules: Rules) {
    caught(CONFLICT, HELD, rules, budget(1, 2, 0, 0, 0));
}

#[rstest]
#[case::mark_before_children(Rules { mark_before_children: false, ..Rules::ALL })]
#[case::claim_before_ancestors(Rules { claim_before_ancestors: false, ..Rules::ALL })]
fn without_a_rule_a_delete_takes_what_others_have_inside(#[case] rules: Rules) {
    caught(HARM, INSIDE, rules, budget(2, 0, 0, 0, 0));
}

#[rstest]
#[case::register_parked(Rules { register_parked: false, ..Rules::ALL })]
#[case::keep_pending(Rules { keep_pending: false, ..Rules::ALL })]
fn without_a_rule_a_delete_takes_what_a_parked_copy_depends_on(#[case] rules: Rules) {
    caught(HARM, MOVE, rules, budget(1, 1, 0, 0, 0));
}

/// The resource is live in a, and a transfer may move it. Nobody observes.
const TRANSFER: Bounds = Bounds {
    name: "transfer",
    moved: Some(0),
    replicas: 0,
    ..MOVE
};
/// The same, and nobody asks for it.
const TRANSFERS: Bounds = Bounds {
    name: "transfers",
    places: ALONE,
    ..TRANSFER
};

#[rstest]
#[case::heed_reservations(Rules { heed_reservations: false, ..Rules::ALL })]
#[case::look_after_reserving(Rules { look_after_reserving: false, ..Rules::ALL })]
fn without_a_rule_a_request_takes_what_a_transfer_moves(#[case] rules: Rules) {
    let left = with_moves(budget(1, 0, 0, 0, 0), 1);
    caught(PROTECT, TRANSFER, rules, left);
}

/// A transfer was opened, and its record deleted by hand.
const ORPHANED: Bounds = Bounds {
    name: "orphaned",
    story: &[
        Begin(Task::Declare(Declared::new(0, ParentB))),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        GoOnWith(0),
        Undeclare,
    ],
    ..TRANSFERS
};

#[rstest]
#[case::over_after_claims(Rules { over_after_claims: false, ..Rules::ALL })]
#[case::start_gives_free(Rules { start_gives_free: false, ..Rules::ALL })]
fn without_a_rule_a_transfer_that_is_declared_again_is_tidied_up(#[case] rules: Rules) {
    let left = with_moves(budget(0, 0, 0, 0, 0), 2);
    caught(PROTECT, ORPHANED, rules, left);
}

#[rstest]
#[case::declared_after_claim(Rules { declared_after_claim: false, ..Rules::ALL })]
#[case::compare(Rules { compare: false, ..Rules::ALL })]
fn without_a_rule_what_is_left_of_a_transfer_undoes_its_successor(#[case] rules: Rules) {
    let left = with_moves(budget(0, 0, 0, 0, 0), 3);
    caught(PROTECT, TRANSFERS, rules, left);
}

#[test]
fn where_nobody_tidies_up_what_was_reserved_stays_so() {
    let rules = Rules {
        tidy: false,
        ..Rules::ALL
    };
    let left = with_moves(budget(0, 0, 0, 0, 0), 2);
    caught(REST, TRANSFERS, rules, left);
}

#[test]
fn where_a_claim_does_not_tell_what_is_under_way_in_azure_nobody_knows() {
    let rules = Rules {
        report_busy: false,
        ..Rules::ALL
    };
    let left = with_operations(budget(0, 1, 0, 0, 0), 1);
    caught(COVER, MOVE, rules, left);
}

#[rstest]
#[case::heed_fence(Rules { heed_fence: false, ..Rules::ALL }, 1)]
#[case::wait_out(Rules { wait_out: false, ..Rules::ALL }, 1)]
#[case::member_after_claim(Rules { member_after_claim: false, ..Rules::ALL }, 2)]
fn without_a_rule_a_takeover_makes_a_conflict(#[case] rules: Rules, #[case] fences: u16) {
    let left = with_fences(budget(2, 0, 1, 0, 0), fences);
    caught(CONFLICT, PARKED, rules, left);
}

#[test]
fn without_deadlines_what_was_rejected_is_held_for_ever() {
    let rules = Rules {
        deadlines_end: false,
        ..Rules::ALL
    };
    caught(REST, NOTHING, rules, budget(1, 0, 0, 0, 0));
}

#[test]
fn without_claims_by_force_claims_do_not_cover_what_was_overridden() {
    let rules = Rules {
        claim_by_force: false,
        ..Rules::ALL
    };
    caught(COVER, MOVE, rules, with_force(budget(0, 0, 0, 0, 0), 1));
}

#[test]
fn without_release_on_observation_claims_do_not_cover_the_truth() {
    let rules = Rules {
        release_on_observation: false,
        ..Rules::ALL
    };
    caught(COVER, MOVE, rules, budget(1, 1, 0, 0, 0));
}

/// What was admitted before the claims were lost lands after all have brought their copies in.
#[test]
fn what_was_admitted_before_claims_were_lost_is_waited_out() {
    let bounds = Bounds {
        story: &[
            Ask(ParentB, Kind::Create),
            Call(65),
            Confirm(65),
            Lose(Loss::Claims),
        ],
        replicas: 0,
        ..NOTHING
    };
    let rules = Rules {
        wait_out_epoch: false,
        ..Rules::ALL
    };
    caught(
        CONFLICT,
        bounds,
        rules,
        with_losses(budget(1, 0, 0, 0, 0), 1),
    );
}

#[rstest]
#[case::epoch_after_claims(Rules { epoch_after_claims: false, ..Rules::ALL })]
#[case::known_before(Rules { known_before: false, ..Rules::ALL })]
#[case::heed_awaited(Rules { heed_awaited: false, ..Rules::ALL })]
fn without_a_rule_lost_claims_make_a_conflict(#[case] rules: Rules) {
    let bounds = Bounds {
        name: "lost claims",
        replicas: 0,
        ..MOVE
    };
    caught(
        CONFLICT,
        bounds,
        rules,
        with_losses(budget(2, 0, 1, 0, 0), 1),
    );
}

/// A create of a's is admitted, and its guard remembers what it wrote.
const WRITTEN: Bounds = Bounds {
    name: "written",
    story: &[Ask(ParentA, Kind::Create), Call(1)],
    ..NOTHING
};

#[rstest]
#[case::overwritten(Rules { compare_written: false, ..Rules::ALL }, COVER, budget(1, 0, 1, 0, 0))]
#[case::forgotten(Rules { compare_written: false, ..Rules::ALL }, HARM, budget(1, 1, 0, 0, 0))]
#[case::read_after_all(Rules { read_after_all: false, ..Rules::ALL }, REST, budget(0, 1, 0, 0, 0))]
fn a_look_may_not_rely_on_what_was_written(
    #[case] rules: Rules,
    #[case] property: &'static str,
    #[case] left: Budget,
) {
    caught(property, WRITTEN, rules, with_recalls(left, 1));
}

/// Looks begin from what their replicas wrote wherever they may.
#[rstest]
#[case::record_before_object(Rules { record_before_object: false, ..Rules::ALL }, budget(2, 1, 1, 0, 0))]
#[case::uids_before_object(Rules { uids_before_object: false, ..Rules::ALL }, budget(1, 0, 0, 0, 0))]
#[case::deadline_before_object(Rules { deadline_before_object: false, ..Rules::ALL }, budget(1, 0, 1, 0, 0))]
#[case::keep_pending(Rules { keep_pending: false, ..Rules::ALL }, budget(1, 0, 0, 0, 0))]
fn without_a_rule_a_look_goes_wrong_that_begins_from_what_was_written(
    #[case] rules: Rules,
    #[case] left: Budget,
) {
    let rules = Rules {
        recall_first: true,
        ..rules
    };
    caught(CONFLICT, WRITTEN, rules, with_recalls(left, 9));
}
