//! What is read of a registry, to know whether it is the one that it was.

use std::sync::Arc;

use crate::claim::{EpochRecord, MemberName};
use crate::registry::{Registry, RegistryError};

/// The epoch's record, and how often a member wrote its own; `None`: there is none.
pub(super) type EpochRead = (Option<Arc<EpochRecord>>, Option<u32>);

/// Reads both.
///
/// # Errors
/// The registry did not answer.
pub(super) async fn read_epoch(
    registry: Arc<dyn Registry>,
    member: MemberName,
) -> Result<EpochRead, RegistryError> {
    let writes = writes_of(&*registry, &member);
    let (seen, writes) = tokio::try_join!(registry.epoch(), writes)?;
    Ok((seen.map(|seen| Arc::new(seen.record)), writes))
}

/// How often a member wrote its own record; `None`: there is none.
///
/// # Errors
/// The registry did not answer.
pub(super) async fn writes_of(
    registry: &dyn Registry,
    member: &MemberName,
) -> Result<Option<u32>, RegistryError> {
    match registry.member(member).await {
        Ok(known) => Ok(known.map(|known| known.record.writes)),
        // That somebody made it unreadable does not say that it went back in time.
        Err(RegistryError::Corrupt(_)) => Ok(Some(u32::MAX)),
        Err(error) => Err(error),
    }
}
