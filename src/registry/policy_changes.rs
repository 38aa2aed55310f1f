//! The changes of namespaces' policies that are under way, in their member's record.

use crate::claim::{MemberName, PolicyChange, RequestUid};

use super::{MemberRecord, PutOutcome, Registry, RegistryError};

/// The changes of a member's namespaces that are under way, as far as is known. A member
/// without a record has none.
///
/// # Errors
/// The registry did not answer.
pub async fn of(
    registry: &dyn Registry,
    member: &MemberName,
) -> Result<Vec<PolicyChange>, RegistryError> {
    let known = registry.member(member).await?;
    Ok(known.map_or_else(Vec::new, |known| known.record.policy_changes))
}

/// Adds a change to its member's record. Gives whether it stands there now: not where the
/// member has no record, nor where the registry's CRDs are too old to keep it.
///
/// # Errors
/// The registry did not answer.
pub async fn add(
    registry: &dyn Registry,
    member: &MemberName,
    change: &PolicyChange,
) -> Result<bool, RegistryError> {
    edit(registry, member, |record| {
        let is_new = !record.policy_changes.contains(change);
        if is_new {
            record.policy_changes.push(change.clone());
        }
        is_new
    })
    .await?;
    Ok(of(registry, member).await?.contains(change))
}

/// Removes the changes of these requests from their member's record.
///
/// # Errors
/// The registry did not answer.
pub async fn remove(
    registry: &dyn Registry,
    member: &MemberName,
    requests: &[RequestUid],
) -> Result<(), RegistryError> {
    edit(registry, member, |record| {
        let before = record.policy_changes.len();
        record
            .policy_changes
            .retain(|change| !requests.contains(&change.request));
        record.policy_changes.len() != before
    })
    .await
}

/// Changes a member's record, where there is one and `change` says that it did.
async fn edit(
    registry: &dyn Registry,
    member: &MemberName,
    change: impl Fn(&mut MemberRecord) -> bool,
) -> Result<(), RegistryError> {
    while let Some(mut known) = registry.member(member).await? {
        if !change(&mut known.record) {
            break;
        }
        let put = registry.put_member(&known.record, Some(&known.version));
        if put.await? != PutOutcome::Conflict {
            break;
        }
    }
    Ok(())
}
