//! The Helm chart in `deploy/chart`, with real Helm: see `tests/lab/binaries.rs`.
//!
//! `INSTA_UPDATE=always cargo test --test chart` writes what is generated anew: the chart's
//! files, its README's table and the snapshots of each topology.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test expects fails it otherwise, in its helpers too"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod check;
mod cluster;
mod generated;
mod helm;
mod hub;
mod image;
mod installed;
mod least;
mod neighbours;
mod refusals;
mod release;
mod rendered;
mod topologies;
mod values;

/// The binary under test.
const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");
