//! Azure Service Operator itself in both clusters, and what arrives in Azure: see `tests/lab`.
//!
//! `tests/aso/run` runs all of it, and builds ASO the first time. `cargo test` passes it over,
//! for that build takes some twenty minutes.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod credentials;
mod driven;
mod identities;
mod kinds;
mod manifests;
mod mistakes;
mod moves;
mod outages;
mod team;
mod transfers;
mod world;

/// The binary under test.
const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");

/// Builds ASO, while something else is being tested.
#[tokio::test]
#[ignore = "tests/aso/run builds ASO, which takes twenty minutes"]
async fn aso_is_built() {
    lab::binaries::aso().await.unwrap();
}
