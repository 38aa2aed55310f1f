//! A cluster goes by another name.
//!
//! Its guard is stopped meanwhile. A claim has a copy under the old name or under the new one at
//! any time, so the claims cover what the cluster has stored all along.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::claim::MemberName;
use crate::registry::{
    ClaimScope, CopyFilter, MemberRecord, PutOutcome, Registry, RegistryError, UnreadableRecord,
    edit,
};

use super::FailoverError;
use super::moving::not_moving;
use super::silence::{silent, still_silent};

/// How many claims are changed together.
const AT_ONCE: usize = 16;

/// What a rename came to.
#[derive(Clone, Debug)]
pub struct Renamed {
    /// How many claims were changed.
    pub claims: usize,
    /// Claims that cannot be read, and may be the member's. Where there are some, its record
    /// stays under the old name too.
    pub unreadable: Vec<UnreadableRecord>,
}

/// Gives all that a member has in the registry to the same cluster under a new name.
///
/// `on_claims` is told how many claims were changed so far.
///
/// # Errors
/// Another cluster has the name, the member writes heartbeats, or it has a part in a transfer that
/// is not over; or the registry did not answer. What was changed until then stays changed, and
/// another try goes on from there.
pub async fn rename(
    registry: &dyn Registry,
    old: &MemberName,
    new: &MemberName,
    on_claims: impl Fn(usize),
) -> Result<Renamed, FailoverError> {
    not_moving(registry).await?;
    let known = silent(registry, old).await?;
    has_no_transfer(registry, old).await?;
    register(registry, &known.record, new).await?;
    let mut claims = 0;
    let unreadable = loop {
        let (changed, unreadable) = rename_claims(registry, old, new, claims, &on_claims).await?;
        if changed == claims {
            break unreadable;
        }
        claims = changed;
        still_silent(registry, &known).await?;
    };
    edit::epoch(registry, |epoch| epoch.renamed(old, new)).await?;
    if unreadable.is_empty()
        && registry.remove_member(old, &known.version).await? == PutOutcome::Conflict
    {
        still_silent(registry, &known).await?;
    }
    Ok(Renamed { claims, unreadable })
}

/// A transfer names its clusters: it would lead to one that is none any more.
async fn has_no_transfer(registry: &dyn Registry, name: &MemberName) -> Result<(), FailoverError> {
    let transfers = registry.transfers().await?.whole()?;
    let mut open: Vec<String> = transfers
        .into_iter()
        .map(|known| known.record)
        .filter(|one| one.reserves() && [&one.from.member, &one.to.member].contains(&name))
        .map(|one| one.name.to_string())
        .collect();
    open.sort();
    if open.is_empty() {
        return Ok(());
    }
    Err(FailoverError::InTransfer {
        name: name.clone(),
        transfers: open,
    })
}

/// Writes the cluster's record under its new name, unless it is there.
async fn register(
    registry: &dyn Registry,
    old: &MemberRecord,
    new: &MemberName,
) -> Result<(), FailoverError> {
    edit::member(registry, new, |there| match there {
        Some(there) if there.cluster != old.cluster => Err(FailoverError::NameTaken {
            name: new.clone(),
            cluster: there.cluster.clone(),
        }),
        Some(_) => Ok(None),
        None => Ok(Some(MemberRecord {
            name: new.clone(),
            enrolling: true,
            ..old.clone()
        })),
    })
    .await
}

/// Goes through the claims once. Gives how many are changed by now, and what cannot be read.
async fn rename_claims(
    registry: &dyn Registry,
    old: &MemberName,
    new: &MemberName,
    mut changed: usize,
    on_claims: impl Fn(usize),
) -> Result<(usize, Vec<UnreadableRecord>), RegistryError> {
    let scope = ClaimScope::Of(old.clone(), CopyFilter::AnyCopy);
    let mut unreadable = Vec::new();
    let mut page = registry.claims_page(&scope, None).await?;
    loop {
        unreadable.append(&mut page.unreadable);
        let identities = page.claims.iter().map(|known| &known.record.identity);
        let edits = identities.map(|identity| {
            edit::claim(registry, identity, |known| {
                known?.with_member_renamed(old, new)
            })
        });
        let edits = stream::iter(edits).buffer_unordered(AT_ONCE);
        let done: Vec<()> = edits.try_collect().await?;
        changed += done.len();
        on_claims(changed);
        let Some(at) = page.next else {
            return Ok((changed, unreadable));
        };
        page = registry.claims_page(&scope, Some(&at)).await?;
    }
}

#[cfg(test)]
mod tests;
