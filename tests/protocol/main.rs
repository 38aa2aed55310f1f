//! The claim protocol under every order of events: a model checker drives the
//! functions that the product runs.
//!
//! `cargo test --test protocol -- --nocapture` prints how much was explored;
//! `cargo run --release --example model` explores more.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::struct_excessive_bools,
    clippy::trivially_copy_pass_by_ref,
    reason = "this is all tests, though few of its functions are marked so"
)]

mod bites;
mod migration;
mod model;
mod schedules;

use std::time::Duration;

use aso_guard::policy::Policy::{Manage, Skip};
use model::bounds::{
    ALL, ALONE, Bounds, CHILDREN, FAMILY, PASTED, TWO, budget, explore, with_fences, with_force,
    with_losses, with_moves, with_operations, with_recalls,
};
use model::checked::PROPERTIES;
use model::coverage::Coverage::{
    self, Activated, Adopted, AncestorDeleting, AnswerLost, Arrived, ChildrenDepend, Collected,
    Expired, GivenUp, GuardDied, HandedOver, LandedLate, LetThrough, LiveElsewhere, Outdated,
    Outrun, PeersDepend, Proven, Rejected, Released, Repeated, ReplicaDied, TakenBack, TwoReplicas,
    Unheard,
};
use model::losses::Loss;
use model::places::Place::{ChildA, ParentA, ParentB};
use model::rules::Rules;
use model::steps::Step::{self, Ask, Call, Confirm, Enrol, Lose, Store};
use model::world::Kind;
use rstest::rstest;
use stateright::HasDiscoveries;

/// Longer than any of these takes anywhere, on a machine that is very busy too.
const PATIENCE: Duration = Duration::from_hours(1);

/// A check, and what it must have come across to mean anything.
struct Case {
    bounds: Bounds,
    sees: &'static [Coverage],
}

const fn case(bounds: Bounds, sees: &'static [Coverage]) -> Case {
    Case { bounds, sees }
}

const TWO_REPLICAS: Case = case(
    Bounds {
        name: "two replicas",
        places: TWO,
        begin: &[(ParentA, Manage)],
        namespace: &[],
        moved: None,
        together: 2,
        story: &[],
        replicas: 2,
        left: budget(2, 1, 1, 0, 0),
    },
    &[
        LiveElsewhere,
        PeersDepend,
        Rejected,
        GivenUp,
        Outdated,
        LandedLate,
        Outrun,
        Released,
        Expired,
        Proven,
        TwoReplicas,
        ReplicaDied,
        HandedOver,
        Activated,
    ],
);
const FAULTS: Case = case(
    Bounds {
        name: "faults",
        left: budget(2, 0, 1, 1, 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        LiveElsewhere,
        AnswerLost,
        Repeated,
        GuardDied,
        Rejected,
        GivenUp,
        Outdated,
        Outrun,
        Expired,
        Proven,
        TwoReplicas,
        HandedOver,
        Adopted,
    ],
);
const FAULTS_AND_PARKING: Case = case(
    Bounds {
        name: "faults and parking",
        replicas: 1,
        left: budget(2, 1, 0, 1, 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        LiveElsewhere,
        PeersDepend,
        AnswerLost,
        Repeated,
        GuardDied,
        Outdated,
        LandedLate,
        Outrun,
        Released,
        Proven,
        ReplicaDied,
        HandedOver,
        Arrived,
        LetThrough,
        Adopted,
        Activated,
    ],
);
const LATE: Case = case(
    Bounds {
        name: "late",
        begin: &[],
        // Two creates of one object, after a client that tried again: the API server has
        // stored the second one, and holds the first one still.
        story: &[
            Ask(ParentA, Kind::Create),
            Call(1),
            Ask(ParentA, Kind::Create),
            Call(2),
            Call(2),
            Store(2),
        ],
        replicas: 1,
        left: budget(1, 2, 1, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        LiveElsewhere,
        Rejected,
        GivenUp,
        LandedLate,
        Released,
        Expired,
        Proven,
    ],
);
const FAMILY_WITH_FAULTS: Case = case(
    Bounds {
        name: "family with faults",
        places: FAMILY,
        left: budget(2, 0, 1, 1, 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        ChildrenDepend,
        AncestorDeleting,
        TakenBack,
        AnswerLost,
        Repeated,
        GuardDied,
        GivenUp,
        Outrun,
        Expired,
        HandedOver,
        Adopted,
    ],
);
const EVERYBODY: Case = case(
    Bounds {
        name: "everybody",
        places: ALL,
        replicas: 1,
        left: budget(2, 1, 1, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        LiveElsewhere,
        PeersDepend,
        ChildrenDepend,
        AncestorDeleting,
        TakenBack,
        GivenUp,
        Released,
        Expired,
        Activated,
    ],
);
const GARBAGE: Case = case(
    Bounds {
        name: "garbage",
        places: CHILDREN,
        begin: &[(ParentA, Manage), (ChildA, Manage)],
        replicas: 1,
        left: budget(2, 1, 0, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        LiveElsewhere,
        PeersDepend,
        ChildrenDepend,
        AncestorDeleting,
        TakenBack,
        Collected,
        Activated,
    ],
);
const BY_FORCE: Case = case(
    Bounds {
        name: "by force",
        replicas: 1,
        left: with_force(budget(1, 1, 0, 1, 0), 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Forced,
        Unheard,
        LiveElsewhere,
        PeersDepend,
        Rejected,
        Outrun,
        Released,
        Proven,
        HandedOver,
        Activated,
    ],
);
const FAMILY_BY_FORCE: Case = case(
    Bounds {
        name: "family by force",
        places: FAMILY,
        replicas: 1,
        left: with_force(budget(1, 0, 1, 0, 0), 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Forced,
        ChildrenDepend,
        AncestorDeleting,
        TakenBack,
        GivenUp,
        Expired,
    ],
);
/// What is parked by its claim went live by force, and its guard died over that: it may be deleted
/// before an observer has seen it.
const UNHEARD: Case = case(
    Bounds {
        name: "unheard",
        begin: &[],
        story: &[
            Step::CreateParked(ParentA),
            Step::Force(ParentA, Kind::Create),
            Call(1),
            Step::Die(2),
            Store(2),
        ],
        replicas: 1,
        left: budget(2, 0, 1, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        LiveElsewhere,
        PeersDepend,
        Rejected,
        Outrun,
        Expired,
        HandedOver,
    ],
);
/// A copy that is live by its namespace, which was parked once and may be again.
const INHERITED: Case = case(
    Bounds {
        name: "inherited",
        namespace: &[Manage, Skip],
        replicas: 1,
        left: budget(1, 1, 1, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Doubted,
        LiveElsewhere,
        PeersDepend,
        Outrun,
        Released,
        Expired,
        Proven,
        HandedOver,
    ],
);
/// A namespace's `skip` is taken off, and copies that say nothing of their own are on their way
/// into it.
const WAKING: Case = case(
    Bounds {
        name: "waking",
        places: ALONE,
        begin: &[],
        namespace: &[Skip],
        replicas: 1,
        left: budget(2, 0, 1, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::UnderChange,
        Coverage::ActivatedByNamespace,
        Arrived,
        Proven,
    ],
);
/// The same, and a copy that the namespace parks is being deleted.
const SPARED: Case = case(
    Bounds {
        name: "spared",
        places: ALONE,
        begin: &[(ParentA, Skip)],
        namespace: &[Skip],
        replicas: 1,
        left: budget(1, 1, 1, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::UnderChange,
        Coverage::ActivatedByNamespace,
        Expired,
    ],
);
/// An object that names another one's resource besides its own.
const PASTE: Case = case(
    Bounds {
        name: "pasted",
        places: PASTED,
        replicas: 1,
        left: budget(1, 1, 1, 0, 0),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Foreign,
        PeersDepend,
        Released,
        Expired,
        HandedOver,
    ],
);
/// A resource is moved by a transfer, while it is asked for and deleted.
const TRANSFER: Case = case(
    Bounds {
        name: "transfer",
        moved: Some(0),
        replicas: 1,
        left: with_moves(budget(1, 0, 0, 0, 0), 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::InTransfer,
        Coverage::TransferDepends,
        Coverage::Reserved,
        Coverage::DeletedBefore,
        LiveElsewhere,
        Outrun,
    ],
);
/// A transfer is ended, turned round, or deleted by hand and declared again under its name.
const TRANSFERS: Case = case(
    Bounds {
        name: "transfers",
        places: ALONE,
        moved: Some(0),
        replicas: 0,
        left: with_moves(budget(0, 0, 0, 0, 0), 3),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Reserved,
        Coverage::GivenFree,
        Coverage::Turned,
        Outrun,
    ],
);
/// Whoever is at a step of a transfer may die over it.
const ABANDONED: Case = case(
    Bounds {
        name: "abandoned transfers",
        left: with_moves(budget(0, 0, 0, 1, 0), 2),
        ..TRANSFERS.bounds
    },
    &[Coverage::Abandoned],
);
/// ASO has something under way in Azure for what is parked.
const OPERATIONS: Case = case(
    Bounds {
        name: "operations",
        replicas: 1,
        left: with_operations(budget(1, 2, 0, 0, 0), 1),
        ..TWO_REPLICAS.bounds
    },
    &[Coverage::Busy, LiveElsewhere, Released, HandedOver],
);
/// A cluster is declared lost that is not, and what it held is released while it works.
const FENCED: Case = case(
    Bounds {
        name: "fenced",
        begin: &[(ParentA, Manage), (ParentB, Skip)],
        replicas: 1,
        left: with_fences(budget(2, 1, 1, 0, 0), 2),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Fenced,
        Coverage::TakenOver,
        Coverage::NotTakenOver,
        LiveElsewhere,
        PeersDepend,
        Released,
        HandedOver,
    ],
);
/// All claims are lost, or the registry goes back to an earlier time, while people create, wake and
/// delete.
const LOST: Case = case(
    Bounds {
        name: "lost claims",
        begin: &[(ParentA, Manage), (ParentB, Skip)],
        replicas: 0,
        left: with_losses(budget(2, 0, 1, 0, 0), 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Emptied,
        Coverage::SetBack,
        Coverage::Unconfirmed,
        Coverage::WholeAgain,
        LiveElsewhere,
        PeersDepend,
        TakenBack,
        GivenUp,
    ],
);
/// The same while a copy is parked and observers look at it.
const LOST_AND_OBSERVED: Case = case(
    Bounds {
        name: "lost claims under observers",
        begin: TWO_REPLICAS.bounds.begin,
        replicas: 1,
        left: with_losses(budget(1, 1, 0, 0, 0), 1),
        ..LOST.bounds
    },
    &[Released, LiveElsewhere, Coverage::WholeAgain],
);
/// The same, and guards die over it.
const LOST_AND_FORGOTTEN: Case = case(
    Bounds {
        name: "lost claims, and guards that die",
        left: with_losses(budget(1, 0, 1, 1, 0), 1),
        ..LOST.bounds
    },
    &[
        Coverage::Emptied,
        Coverage::SetBack,
        Coverage::Unconfirmed,
        Coverage::WholeAgain,
    ],
);
/// The registry goes back to an earlier time once more, before the round in which its members
/// brought their copies in after the first time.
const SET_BACK_AGAIN: Case = case(
    Bounds {
        name: "set back again",
        begin: &[],
        replicas: 0,
        story: &[
            Lose(Loss::SetBack),
            Enrol(0),
            Enrol(0),
            Enrol(0),
            Enrol(1),
            Enrol(1),
            Enrol(1),
            Enrol(0),
            Ask(ParentA, Kind::Create),
            Call(1),
            Confirm(1),
            Store(1),
        ],
        left: with_losses(budget(1, 0, 1, 0, 0), 1),
        ..LOST.bounds
    },
    &[
        Coverage::SetBack,
        Coverage::Unconfirmed,
        Coverage::WholeAgain,
        LiveElsewhere,
    ],
);
/// Observers begin from what their replicas wrote, whenever that was.
const WRITTEN: Case = case(
    Bounds {
        name: "what was written",
        replicas: 1,
        left: with_recalls(budget(2, 1, 0, 0, 0), 1),
        ..TWO_REPLICAS.bounds
    },
    &[
        Coverage::Recalled,
        Coverage::ReadAfterAll,
        LiveElsewhere,
        PeersDepend,
        Rejected,
        LandedLate,
        Outrun,
        Released,
        Proven,
        HandedOver,
        Activated,
    ],
);
/// The same, twice, and deadlines pass meanwhile.
const WRITTEN_LONG_AGO: Case = case(
    Bounds {
        name: "what was written long ago",
        left: with_recalls(budget(1, 1, 1, 0, 0), 2),
        ..WRITTEN.bounds
    },
    &[
        Coverage::Recalled,
        Coverage::ReadAfterAll,
        LiveElsewhere,
        GivenUp,
        Arrived,
        Released,
        Expired,
        HandedOver,
    ],
);
/// The same with answers that are lost and guards that die.
const WRITTEN_WITH_FAULTS: Case = case(
    Bounds {
        name: "what was written, with faults",
        begin: &[],
        left: with_recalls(budget(2, 0, 1, 1, 0), 2),
        ..WRITTEN.bounds
    },
    &[
        Coverage::Recalled,
        Coverage::ReadAfterAll,
        AnswerLost,
        Repeated,
        GuardDied,
        Expired,
        Proven,
    ],
);
/// The same while the registry loses what it knew.
const WRITTEN_AND_LOST: Case = case(
    Bounds {
        name: "what was written to a registry that lost it",
        left: with_recalls(with_losses(budget(1, 0, 0, 0, 0), 1), 1),
        ..LOST_AND_OBSERVED.bounds
    },
    &[
        Coverage::Recalled,
        Coverage::ReadAfterAll,
        Released,
        LiveElsewhere,
    ],
);
const CASES: [&Case; 27] = [
    &TWO_REPLICAS,
    &FAULTS,
    &FAULTS_AND_PARKING,
    &LATE,
    &FAMILY_WITH_FAULTS,
    &EVERYBODY,
    &GARBAGE,
    &BY_FORCE,
    &FAMILY_BY_FORCE,
    &UNHEARD,
    &INHERITED,
    &WAKING,
    &SPARED,
    &PASTE,
    &TRANSFER,
    &TRANSFERS,
    &ABANDONED,
    &OPERATIONS,
    &FENCED,
    &LOST,
    &LOST_AND_OBSERVED,
    &LOST_AND_FORGOTTEN,
    &SET_BACK_AGAIN,
    &WRITTEN,
    &WRITTEN_LONG_AGO,
    &WRITTEN_WITH_FAULTS,
    &WRITTEN_AND_LOST,
];

#[rstest]
#[case::two_replicas(&TWO_REPLICAS)]
#[case::faults(&FAULTS)]
#[case::faults_and_parking(&FAULTS_AND_PARKING)]
#[case::late(&LATE)]
#[case::family_with_faults(&FAMILY_WITH_FAULTS)]
#[case::everybody(&EVERYBODY)]
#[case::garbage(&GARBAGE)]
#[case::by_force(&BY_FORCE)]
#[case::family_by_force(&FAMILY_BY_FORCE)]
#[case::unheard(&UNHEARD)]
#[case::inherited(&INHERITED)]
#[case::waking(&WAKING)]
#[case::spared(&SPARED)]
#[case::pasted(&PASTE)]
#[case::transfer(&TRANSFER)]
#[case::transfers(&TRANSFERS)]
#[case::abandoned_transfers(&ABANDONED)]
#[case::operations(&OPERATIONS)]
#[case::fenced(&FENCED)]
#[case::lost(&LOST)]
#[case::lost_and_observed(&LOST_AND_OBSERVED)]
#[case::lost_and_forgotten(&LOST_AND_FORGOTTEN)]
#[case::set_back_again(&SET_BACK_AGAIN)]
#[case::written(&WRITTEN)]
#[case::written_long_ago(&WRITTEN_LONG_AGO)]
#[case::written_with_faults(&WRITTEN_WITH_FAULTS)]
#[case::written_and_lost(&WRITTEN_AND_LOST)]
fn the_protocol_holds(#[case] case: &Case) {
    let protocol = case.bounds.protocol(Rules::ALL);
    let tally = protocol.tally.clone();
    let explored = explore(protocol, HasDiscoveries::AllFailures, 2, PATIENCE);
    println!("{:?}: {explored}\n  {tally:?}", case.bounds);
    assert!(explored.took < PATIENCE, "cut off before all was seen");
    for property in PROPERTIES {
        let violation = explored.path(property);
        assert_eq!(violation, None, "{property}: not so");
    }
    let missed = tally.missing();
    let missed: Vec<&Coverage> = case
        .sees
        .iter()
        .filter(|one| missed.contains(one))
        .collect();
    assert!(missed.is_empty(), "never came across {missed:?}");
}

#[test]
fn everything_worth_seeing_is_asked_of_some_check() {
    let asked: Vec<&Coverage> = CASES.iter().flat_map(|case| case.sees).collect();
    let unasked: Vec<Coverage> = model::coverage::ALL
        .into_iter()
        .filter(|coverage| !asked.contains(&coverage))
        .collect();
    assert!(unasked.is_empty(), "{unasked:?}");
}
