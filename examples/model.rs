//! The model check of the claim protocol, further than the tests go: millions of states, and a
//! table of them.
//!
//! `cargo run --release --example model` takes some minutes; `-- late` only the rows with `late`
//! in their name. The tests' own bounds and the rules they take out are in `tests/protocol`.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::struct_excessive_bools,
    clippy::trivially_copy_pass_by_ref,
    dead_code,
    reason = "the model is a test's, and not all of it is used here"
)]

#[path = "../tests/protocol/model/mod.rs"]
mod model;

use std::process::ExitCode;
use std::time::Duration;

use aso_guard::policy::Policy::{Manage, Skip};
use model::bounds::{
    ALL, ALONE, Bounds, CHILDREN, FAMILY, PASTED, TWO, budget, explore, with_force, with_moves,
    with_operations,
};
use model::checked::PROPERTIES;
use model::places::Place::{ChildA, ParentA};
use model::rules::Rules;
use stateright::HasDiscoveries;

/// A row that takes longer ends early, and says so.
const PATIENCE: Duration = Duration::from_mins(5);

const BASE: Bounds = Bounds {
    name: "parking",
    places: TWO,
    begin: &[(ParentA, Manage)],
    namespace: &[],
    moved: None,
    together: 2,
    story: &[],
    replicas: 2,
    left: budget(2, 2, 1, 0, 0),
};
const ROWS: [Bounds; 15] = [
    BASE,
    Bounds {
        name: "late creates",
        begin: &[],
        replicas: 1,
        left: budget(3, 2, 0, 0, 0),
        ..BASE
    },
    Bounds {
        name: "faults",
        replicas: 1,
        left: budget(2, 1, 1, 1, 0),
        ..BASE
    },
    Bounds {
        name: "faults and parking",
        left: budget(2, 1, 0, 1, 1),
        ..BASE
    },
    Bounds {
        name: "family with faults",
        places: FAMILY,
        left: budget(2, 1, 1, 1, 0),
        ..BASE
    },
    Bounds {
        name: "everybody",
        places: ALL,
        replicas: 1,
        left: budget(2, 1, 1, 1, 1),
        ..BASE
    },
    Bounds {
        name: "garbage",
        places: CHILDREN,
        begin: &[(ParentA, Manage), (ChildA, Manage)],
        replicas: 1,
        left: budget(2, 2, 1, 0, 0),
        ..BASE
    },
    Bounds {
        name: "by force",
        left: with_force(budget(1, 1, 1, 1, 0), 1),
        ..BASE
    },
    Bounds {
        name: "family by force",
        places: FAMILY,
        left: with_force(budget(1, 1, 1, 1, 0), 1),
        ..BASE
    },
    Bounds {
        name: "inherited",
        namespace: &[Manage, Skip],
        ..BASE
    },
    Bounds {
        name: "pasted",
        places: PASTED,
        left: budget(2, 1, 1, 1, 1),
        ..BASE
    },
    Bounds {
        name: "transfer",
        moved: Some(0),
        replicas: 1,
        left: with_moves(budget(1, 1, 0, 1, 0), 1),
        ..BASE
    },
    Bounds {
        name: "one transfer after another",
        places: ALONE,
        moved: Some(0),
        replicas: 0,
        left: with_moves(budget(0, 0, 0, 1, 0), 4),
        ..BASE
    },
    Bounds {
        name: "three at one transfer",
        places: ALONE,
        moved: Some(0),
        together: 3,
        replicas: 0,
        left: with_moves(budget(0, 0, 0, 0, 0), 3),
        ..BASE
    },
    Bounds {
        name: "operations",
        left: with_operations(budget(2, 2, 0, 0, 0), 1),
        ..BASE
    },
];

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!("places: the copies there may be, those that are live at the start with a star;");
    println!(
        "asks: live creates, un-skips, destructive deletes; acts: parking, parked creates, safe deletes;"
    );
    println!(
        "ticks of a clock past all deadlines; faults: responses lost, guards that die; adoptions from a stale cache; \
         forced: asks that are let through whatever they come to; moves: steps of a transfer's life that are begun, \
         and deletes of its record; operations that ASO begins in Azure\n"
    );
    println!(
        "| bounds | places | observers a cluster | asks | acts | ticks | faults | adoptions | forced | moves | operations | states | different | deepest | s | holds |"
    );
    println!(
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: | --- |"
    );
    let mut all_hold = true;
    for bounds in ROWS.iter().filter(|bounds| bounds.name.contains(&wanted)) {
        all_hold &= row(bounds);
    }
    if all_hold {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn row(bounds: &Bounds) -> bool {
    let protocol = bounds.protocol(Rules::ALL);
    let explored = explore(protocol, HasDiscoveries::AllFailures, 2, PATIENCE);
    let violated: Vec<&str> = PROPERTIES
        .into_iter()
        .filter(|property| explored.path(property).is_some())
        .collect();
    let places = bounds.places.iter().map(|place| {
        let star = bounds.begin.iter().any(|(begin, _)| begin == place);
        format!("{place:?}{}", if star { "*" } else { "" })
    });
    let places: Vec<String> = places.collect();
    let holds = match (&violated[..], explored.took < PATIENCE) {
        ([], true) => "yes".to_owned(),
        ([], false) => "as far as it came".to_owned(),
        _ => format!("no: {}", violated.join(", ")),
    };
    let left = bounds.left;
    println!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} | {holds} |",
        bounds.name,
        places.join(" "),
        bounds.replicas,
        left.asks,
        left.acts,
        left.ticks,
        left.faults,
        left.adoptions,
        left.forced,
        left.moves,
        left.operations,
        explored.states,
        explored.different,
        explored.depth,
        explored.took.as_secs_f32(),
    );
    for property in violated.iter().copied() {
        println!("{property}: not so after {:?}", explored.path(property));
    }
    violated.is_empty()
}
