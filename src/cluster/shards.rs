//! What a guard knows of each shard of its registry.

use std::sync::Arc;

use crate::registry::Registry;

use super::enrolment::RegistryEpoch;
use super::fence::KnownFence;

/// One of the registries that a registry is made of, and what is known of it.
#[derive(Clone)]
pub struct KnownShard {
    /// The registry.
    pub registry: Arc<dyn Registry>,
    /// Whether it is the one that this member has brought its copies into.
    pub epoch: Arc<RegistryEpoch>,
    /// Whether a person has declared this cluster lost, by the member's record there.
    pub fence: Arc<KnownFence>,
}
