//! Whether a registry is the shard that a guard takes it for.

use crate::claim::{EpochRecord, ShardNote, shard_difference};
use crate::registry::{Registry, RegistryError};

/// That what a registry says of itself is what this guard takes it for: guards that go by
/// different maps look for one resource in different registries.
///
/// # Errors
/// It is another one: how they differ.
pub(super) fn check(
    ours: Option<&ShardNote>,
    record: Option<&EpochRecord>,
    registry: &dyn Registry,
) -> Result<(), RegistryError> {
    let theirs = record.map(|record| record.shard.as_ref());
    match theirs.and_then(|theirs| shard_difference(ours, theirs)) {
        None => Ok(()),
        Some(why) => Err(RegistryError::Forbidden {
            registry: format!("of this guard ({})", registry.flags().trim()),
            why: format!(
                "{why}. All guards have to have the same --registry: nothing is decided by claims \
                 here until they do"
            ),
        }),
    }
}

/// The record to store: one that is new says which shard the registry is.
pub(super) fn noted(record: &EpochRecord, is_new: bool, ours: Option<&ShardNote>) -> EpochRecord {
    let mut next = record.clone();
    if is_new {
        next.shard = ours.cloned();
    }
    next
}
