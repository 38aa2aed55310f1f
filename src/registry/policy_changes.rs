//! The changes of namespaces' policies that are under way, in their member's record.

use crate::claim::{MemberName, PolicyChange, RequestUid};

use super::{Registry, RegistryError, edit};

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
    change_all(registry, member, |changes| {
        if !changes.contains(change) {
            changes.push(change.clone());
        }
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
    change_all(registry, member, |changes| {
        changes.retain(|change| !requests.contains(&change.request));
    })
    .await
}

/// Changes the changes in a member's record, where there is one.
async fn change_all(
    registry: &dyn Registry,
    member: &MemberName,
    change: impl Fn(&mut Vec<PolicyChange>),
) -> Result<(), RegistryError> {
    edit::member(registry, member, |known| {
        let mut next = known.cloned();
        if let Some(next) = &mut next {
            change(&mut next.policy_changes);
        }
        Ok(next)
    })
    .await
}
