//! How long it takes until a peer may have what was parked, through real API servers and a hub:
//! `cargo bench --bench release`. A copy is parked in one cluster; the other one tries to create its
//! own, again and again, until it is let.

#![allow(
    missing_docs,
    clippy::cast_precision_loss,
    clippy::panic,
    clippy::unwrap_used,
    unused_imports,
    reason = "a benchmark, for the developers of this package; the lab brings its tests along"
)]

#[path = "../tests/lab/mod.rs"]
mod lab;
#[path = "support/row.rs"]
mod row;

use std::time::{Duration, Instant};

use lab::guard::Plan;
use lab::object::Object;
use lab::verdict::Verdict as _;
use lab::world::{self, Lab};
use row::row;
use tokio::time::sleep;

const COPIES: usize = 100;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// Nothing takes longer.
const TRIES: usize = 3_000;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let plan = world::Plan {
        guard: Some(Plan::enforce(env!("CARGO_BIN_EXE_aso-guard"))),
        ..world::Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let a = lab.a.control_plane.kubectl("default").await.unwrap();
    let b = lab.b.control_plane.kubectl("default").await.unwrap();
    let mut took = Vec::new();
    for number in 0..COPIES {
        let name = format!("released-{number}");
        let copy = Object::of("ResourceGroup", &name).azure_name(&name);
        a.create(&copy).await.admitted();
        a.set_policy(&copy, "skip").await.admitted();
        let parked = Instant::now();
        let mut tries = 0;
        while let Err(refusal) = b.trying_once().create(&copy).await {
            tries += 1;
            assert!(tries < TRIES, "{refusal}");
            sleep(PAUSE).await;
        }
        took.push(parked.elapsed());
    }
    took.sort_unstable();
    let at = |percent: usize| took[(COPIES - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "\nFrom the answer to parking in one cluster to the create that is let in the other, {COPIES} \
         times, ms:\n\n| p50 | p90 | p99 |\n| --: | --: | --: |\n| {:.0} | {:.0} | {:.0} |",
        at(50),
        at(90),
        at(99)
    );
    row(
        "a peer may have what was parked, the create that is let included, ms at the median",
        "≤ 250",
        at(50),
        "cargo bench --bench release",
    );
}
