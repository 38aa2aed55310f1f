//! Whether a member is there. Clocks are not compared: its record is looked at twice.

use std::time::Duration;

use crate::claim::MemberName;
use crate::registry::{MemberRecord, Registry, Versioned};

use super::FailoverError;

/// For how long a member's record is watched: longer than from one heartbeat to the next.
pub const LISTENED: Duration = Duration::from_secs(20);

/// The record of a member that writes no heartbeat for [`LISTENED`].
///
/// # Errors
/// [`FailoverError::NoMember`], or [`FailoverError::Speaks`].
pub(super) async fn silent(
    registry: &dyn Registry,
    name: &MemberName,
) -> Result<Versioned<MemberRecord>, FailoverError> {
    let before = known(registry, name).await?;
    tokio::time::sleep(LISTENED).await;
    let after = known(registry, name).await?;
    if before.record.heard != after.record.heard {
        return Err(speaks(&after.record));
    }
    Ok(after)
}

pub(super) async fn known(
    registry: &dyn Registry,
    name: &MemberName,
) -> Result<Versioned<MemberRecord>, FailoverError> {
    let known = registry.member(name).await?;
    known.ok_or_else(|| FailoverError::NoMember(name.clone()))
}

pub(super) fn speaks(member: &MemberRecord) -> FailoverError {
    FailoverError::Speaks {
        name: member.name.clone(),
        heard: member.heard,
    }
}

/// Whether a member has not written since its record was read.
///
/// # Errors
/// [`FailoverError::Speaks`].
pub(super) async fn still_silent(
    registry: &dyn Registry,
    before: &Versioned<MemberRecord>,
) -> Result<(), FailoverError> {
    match registry.member(&before.record.name).await? {
        Some(now) if now.version != before.version => Err(speaks(&now.record)),
        _ => Ok(()),
    }
}
