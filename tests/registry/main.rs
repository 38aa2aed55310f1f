//! The registries that need nothing but this process, by the rules for all:
//! see `tests/conformance`. The others are held to them end to end.

#[path = "../conformance/mod.rs"]
mod conformance;

use std::sync::Arc;

use aso_guard::registry::memory::MemoryRegistry;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_registry_in_memory_keeps_the_contract() {
    conformance::all(Arc::new(MemoryRegistry::new())).await;
}
