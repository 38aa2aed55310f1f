//! GitOps and Cluster API for real: Flux' kustomize-controller in both clusters of the lab, the
//! engine by which Argo CD syncs, and `clusterctl move` between them, with the guard in front of
//! each.
//!
//! source-controller is played, see [`repository`]; so are Argo CD's application controller, ASO,
//! and the Azure provider of Cluster API. `cargo test --test gitops` builds Flux, Argo CD's engine
//! and clusterctl the first time.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test expects fails it otherwise, in its helpers too"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod application;
mod argo_cd;
mod by_hand;
mod capi;
mod cluster_api;
mod fleet;
mod flux;
mod moves;
mod prune;
mod repository;
mod shop;
mod transfer;
mod world;

/// The binary under test.
const GUARD: &str = env!("CARGO_BIN_EXE_aso-guard");
