//! End to end, on real API servers: see `tests/lab`.
//!
//! `cargo test --test e2e` runs all; `cargo test --test e2e -- name` runs one.
//! `ASO_GUARD_LAB_KEEP=1` keeps the logs and the data of the clusters.

#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../lab/mod.rs"]
mod lab;

mod aftermath;
mod audit;
mod audit_log;
mod audited;
mod before;
mod board;
mod break_glass;
mod by_hand;
mod bypass;
mod certificates;
mod control_plane;
mod conversion;
mod credentials;
mod deletes;
mod deprecated_fields;
mod doctor;
mod driven;
mod family;
mod grammar;
mod groups;
mod in_shards;
mod late;
mod members;
mod metrics;
mod modes;
mod moves;
mod moving_the_registry;
mod race;
mod refusals;
mod registry;
mod replayed;
mod replayed_week;
mod rollout;
mod shown;
mod stolen;
mod surroundings;
mod transfers;
mod weakened;
mod without_hub;

use lab::guard;
use lab::world::{Lab, Plan, Shared};

/// The binary under test.
const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");

/// The lab with a guard in front of each cluster, that all stories share which don't break it.
async fn shared_lab() -> &'static Lab {
    static LAB: Shared = Shared::new();
    LAB.get(|| Plan {
        guard: Some(guard::Plan::enforce(GUARD)),
        ..Plan::default()
    })
    .await
}
