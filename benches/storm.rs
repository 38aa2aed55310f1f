//! A cluster's objects are all made live at once, as a tool does that takes the skip annotation off a
//! whole repository, through a real API server and a hub: `cargo bench --bench storm`.
//! `ASO_GUARD_OBJECTS=500` for fewer.

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
#[path = "support/memory.rs"]
mod memory;
#[path = "support/row.rs"]
mod row;

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use tokio::time::sleep;

use lab::guard::Plan;
use lab::object::Object;
use lab::verdict::Verdict as _;
use lab::world::{self, Cluster, Lab};
use row::row;

const OBJECTS: usize = 2_000;
/// As many as an API server takes at a time of what changes things, by default.
const AT_ONCE: usize = 200;
/// Between two tries of what was not let through.
const PAUSE: Duration = Duration::from_millis(500);
/// Nobody tries more often.
const TRIES: usize = 100;
/// The observer is at rest when nothing was written for so long.
const QUIET: Duration = Duration::from_secs(8);
const COMMAND: &str = "cargo bench --bench storm";

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(measure());
    }
}

async fn measure() {
    let objects = std::env::var("ASO_GUARD_OBJECTS").map_or(OBJECTS, |one| one.parse().unwrap());
    let plan = world::Plan {
        guard: Some(Plan::enforce(env!("CARGO_BIN_EXE_aso-guard"))),
        ..world::Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let person = lab.a.control_plane.kubectl("default").await.unwrap();
    let groups: Vec<Object> = (0..objects)
        .map(|number| format!("rg-{number}"))
        .map(|name| Object::of("ResourceGroup", &name).azure_name(&name))
        .collect();
    stream::iter(&groups)
        .map(|group| group.clone().policy("skip"))
        .map(|group| {
            let person = &person;
            async move { drop(person.create(&group).await.admitted()) }
        })
        .buffer_unordered(16)
        .for_each(async |()| ())
        .await;
    sleep(QUIET).await;
    let before = resident(&lab.a);

    let person = person.trying_once();
    let began = Instant::now();
    let mut tries: Vec<(Duration, usize)> = stream::iter(&groups)
        .map(async |group| {
            let due = Instant::now();
            let mut again = 0;
            while let Err(refusal) = person.set_policy(group, "manage").await {
                again += 1;
                assert!(again < TRIES, "{refusal}");
                sleep(PAUSE).await;
            }
            (due.elapsed(), again)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let all = began.elapsed();
    sleep(QUIET).await;
    let after = resident(&lab.a);

    let refused: usize = tries.iter().map(|(_, again)| again).sum();
    tries.sort_unstable();
    let at = |percent: usize| tries[(objects - 1) * percent / 100].0.as_secs_f64();
    println!(
        "\n{objects} parked resource groups are made live, {AT_ONCE} at once; seconds until each is let, \
         tries again included:\n\n| all | p50 | p99 | longest | tried again | MiB before | after |\n\
         | --: | --: | --: | --: | --: | --: | --: |\n\
         | {:.1} | {:.2} | {:.2} | {:.2} | {refused} | {before:.1} | {after:.1} |",
        all.as_secs_f64(),
        at(50),
        at(99),
        at(100),
    );
    let what = format!("a storm: {objects} objects made live at once");
    let row = |of: &str, promise, seen| row(&format!("{what}, {of}"), promise, seen, COMMAND);
    row("objects a second", "", objects as f64 / all.as_secs_f64());
    row("requests that had to be sent again", "≤ 0", refused as f64);
    row("memory afterwards, MiB", "", after);
}

/// The memory of a cluster's guard, in MiB.
fn resident(cluster: &Cluster) -> f64 {
    let pid = cluster.guard().replicas()[0].process.pid().unwrap();
    memory::mib(&pid.to_string(), "VmRSS")
}
