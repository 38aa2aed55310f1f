//! Registries by the rules for all of them, see `tests/conformance`: the one in this process, the
//! one in Azure Blob Storage, on Azurite and over bad lines to it, and those of several shards. The
//! one in an API server is held to them end to end.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is all tests, though few of its functions are marked so"
)]

#[path = "../conformance/mod.rs"]
mod conformance;
#[path = "../lab/mod.rs"]
mod lab;

mod azure;
mod line;
mod many;
mod sharded;

use std::sync::Arc;

use aso_guard::registry::memory::MemoryRegistry;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_registry_in_memory_keeps_the_contract() {
    conformance::all(Arc::new(MemoryRegistry::new())).await;
}
