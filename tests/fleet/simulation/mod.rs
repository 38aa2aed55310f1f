//! A fleet in one process: the product's own guards, observers and enrolments for many clusters,
//! on simulated time, over a registry that has a service's latency, limits and outages.
//!
//! What is simulated: the registry's service, each cluster's API server, people and GitOps. What is
//! not: `Guard`, `Observer`, `RegistryEpoch`, `Membership`, `TransferController`, the claims. Time is
//! tokio's, paused: what the product waits for and measures deadlines by. It reads the wall clock
//! only for what people read (when a claim was made, when a member was heard from).

pub mod check;
pub mod fleet;
pub mod load;
pub mod member;
pub mod meter;
pub mod random;
pub mod registry;
pub mod resource;
pub mod scenarios;
pub mod scopes;
pub mod service;
