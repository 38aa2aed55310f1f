//! aso-guard: a validating admission webhook for Azure Service Operator v2 (ASO).
//!
//! One Azure resource, one live reconciler.

pub mod admission;
pub mod arm;
pub mod board;
pub mod check;
pub mod claim;
pub mod cli;
pub mod cluster;
pub mod keeper;
pub mod object;
pub mod policy;
pub mod registry;
pub mod resolve;
pub mod server;
pub mod telemetry;
pub mod transfer;
