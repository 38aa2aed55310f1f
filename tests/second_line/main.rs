//! The second line: what an API server refuses by itself, by what a guard wrote down, while no
//! guard answers. On a real API server, and beside the guard's own verdicts.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test expects fails it otherwise"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod cases;
mod costs;
mod dice;
mod generated;
mod guard;
mod line;
mod rules;

/// The binary under test.
const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");
