//! A cluster was rebuilt, and has its name still.
//!
//! Its copies stay in their claims: the new cluster's guard, when it starts, looks at each of
//! them, keeps what is there and releases what is not, as it does with any object that is gone.

use std::sync::Arc;

use crate::claim::MemberName;
use crate::registry::{MemberRecord, PutOutcome, Registry, Sample};

use super::FailoverError;
use super::moving::not_moving;
use super::silence::{known, silent, speaks};

/// What replacing a member's cluster came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// The record is the new cluster's now.
    Now,
    /// It was before.
    Before,
}

/// Gives a member's name to another cluster: the one whose namespace `kube-system` has this UID.
///
/// # Errors
/// There is no such member, it writes heartbeats, or the registry did not answer.
pub async fn replace(
    registry: &dyn Registry,
    name: &MemberName,
    cluster: &Arc<str>,
) -> Result<Replaced, FailoverError> {
    not_moving(registry).await?;
    if known(registry, name).await?.record.cluster == *cluster {
        return Ok(Replaced::Before);
    }
    let old = silent(registry, name).await?;
    let since = old.record.heard;
    let none = Sample {
        since,
        ..Sample::default()
    };
    let next = MemberRecord {
        cluster: cluster.clone(),
        enrolling: true,
        unresolved: none.clone(),
        unwatched: none.clone(),
        webhook_gaps: none,
        second_line: None,
        hub_token_expires: None,
        // It was the old cluster that was lost.
        fence: None,
        // Those were requests to an API server that is no more.
        policy_changes: Vec::new(),
        ..old.record
    };
    match registry.put_member(&next, Some(&old.version)).await? {
        PutOutcome::Stored(_) => Ok(Replaced::Now),
        PutOutcome::Conflict => Err(speaks(&known(registry, name).await?.record)),
    }
}

#[cfg(test)]
mod tests;
