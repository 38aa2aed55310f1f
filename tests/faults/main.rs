//! Faults, on real control planes: processes killed and paused, a hub that is gone, slow or
//! lossy, history that is compacted, clocks that differ, credentials that end, and thousands of
//! objects at once; some of them again under load. After each, an independent checker compares
//! what both clusters have stored with the claims, and prints a row of what it found.
//!
//! `cargo test --test faults` runs all, one after the other, in five minutes on two cores, those
//! under load not counted;
//! `cargo test --test faults -- name` runs one. `ASO_GUARD_LAB_KEEP=1` keeps logs and data,
//! `ASO_GUARD_ENROL=10000` has ten thousand objects enrolled instead of fifteen hundred.
//! `tests/faults/soak/run` has all faults at once, for as long as is wished.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a story expects of the guard fails its test otherwise"
)]

#[path = "../lab/mod.rs"]
mod lab;
#[path = "../../benches/support/row.rs"]
mod row;

mod api_proxy;
mod checker;
mod diary;
mod known;
mod load;
mod person;
mod proxy;
mod random;
mod second_webhook;
#[cfg(target_os = "linux")]
mod shifted_clock;
mod table;
mod tenant;
mod traffic;
mod trial;

#[cfg(target_os = "linux")]
mod clock;
mod compaction;
#[cfg(target_os = "linux")]
mod credentials;
mod enrolment;
mod failover;
mod given_on;
mod hub_gone;
mod hub_slow;
mod kill;
mod late_answers;
mod pause;
mod phases;
mod sight;
mod soak;
mod unguarded;
mod wiped;

/// The binary under test.
const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");
