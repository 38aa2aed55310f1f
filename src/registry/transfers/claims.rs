//! What a transfer does to claims: they are reserved for it, and given free.

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use super::is_declared_alike;
use crate::arm::Identity;
use crate::claim::{Record, TransferName, reserve, unreserve};
use crate::registry::{
    ClaimScope, PutOutcome, RecordList, Registry, RegistryError, UnreadableRecord, Versioned,
};
use crate::transfer::Transfer;

/// How many claims are changed together.
const AT_ONCE: usize = 16;

pub(super) async fn reserved(
    registry: &dyn Registry,
    name: &TransferName,
) -> Result<RecordList<Record>, RegistryError> {
    registry
        .claims(&ClaimScope::Reserved(Some(name.clone())))
        .await
}

/// Reserves the claims in a scope that are wanted. Gives those that another transfer has.
pub(super) async fn reserve_in(
    registry: &dyn Registry,
    scope: &ClaimScope,
    transfer: &Transfer,
    wanted: impl Fn(&Record) -> bool,
    unreadable: &mut Vec<UnreadableRecord>,
) -> Result<Vec<(Identity, TransferName)>, RegistryError> {
    let mut taken = Vec::new();
    let mut page = registry.claims_page(scope, None).await?;
    loop {
        unreadable.append(&mut page.unreadable);
        page.claims.retain(|known| wanted(&known.record));
        let reserved = stream::iter(page.claims)
            .map(|known| reserve_one(registry, known, transfer))
            .buffer_unordered(AT_ONCE);
        let reserved: Vec<_> = reserved.try_collect().await?;
        taken.extend(reserved.into_iter().flatten());
        let Some(at) = page.next else {
            return Ok(taken);
        };
        page = registry.claims_page(scope, Some(&at)).await?;
    }
}

/// Reserves a claim. Gives who has it, if another transfer does.
///
/// Whether the transfer is still declared as it was is asked **after** the claim was read:
/// one may have been deleted and declared otherwise under its name meanwhile, and what that
/// has reserved is not to be turned back.
pub(super) async fn reserve_one(
    registry: &dyn Registry,
    known: Versioned<Record>,
    transfer: &Transfer,
) -> Result<Option<(Identity, TransferName)>, RegistryError> {
    let identity = known.record.identity.clone();
    let mut now = Some(known);
    while let Some(known) = now {
        let next = match reserve(&known.record, &transfer.reservation()) {
            Err(other) => return Ok(Some((identity, other.transfer.clone()))),
            Ok(None) => return Ok(None),
            Ok(Some(next)) => next,
        };
        if !is_declared(registry, transfer).await? {
            return Ok(None);
        }
        if registry.put_claim(&next, Some(&known.version)).await? != PutOutcome::Conflict {
            return Ok(None);
        }
        now = registry.claim(&identity).await?;
    }
    Ok(None)
}

/// The claims that are reserved for a transfer, all of them as it is declared: what somebody
/// reserved otherwise, who opened it before it was turned round or declared anew, is turned.
pub(super) async fn reserved_alike(
    registry: &dyn Registry,
    transfer: &Transfer,
) -> Result<RecordList<Record>, RegistryError> {
    let way = transfer.reservation();
    loop {
        let listed = reserved(registry, &transfer.name).await?;
        let strays = listed.records.iter();
        let strays: Vec<_> = strays
            .filter(|known| known.record.reserved.as_ref() != Some(&way))
            .cloned()
            .collect();
        if strays.is_empty() || !is_declared(registry, transfer).await? {
            return Ok(listed);
        }
        stream::iter(strays)
            .map(|known| reserve_one(registry, known, transfer))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
    }
}

/// Whether a transfer is still declared as it was.
async fn is_declared(registry: &dyn Registry, transfer: &Transfer) -> Result<bool, RegistryError> {
    let declared = registry.transfer(&transfer.name).await?;
    Ok(declared.is_some_and(|known| is_declared_alike(&known.record, transfer)))
}

/// Gives all claims of a transfer free that is over or gone, and gives how many.
///
/// Whether it is over is asked **after** the claims were read, and a claim that was changed
/// since is read again before that is: one may have been declared under its name meanwhile,
/// and what that reserved is not free.
pub(super) async fn give_free(
    registry: &dyn Registry,
    name: &TransferName,
) -> Result<usize, RegistryError> {
    let mut freed = 0;
    loop {
        let claims = reserved(registry, name).await?.records;
        let known = registry.transfer(name).await?;
        if known.is_some_and(|known| known.record.reserves()) {
            return Ok(freed);
        }
        let puts = stream::iter(claims)
            .map(|known| free_one(registry, known, name))
            .buffer_unordered(AT_ONCE);
        let puts: Vec<bool> = puts.try_collect().await?;
        let free = puts.iter().filter(|&&is_free| is_free).count();
        freed += free;
        if free == puts.len() {
            return Ok(freed);
        }
    }
}

/// Whether it could: not where the claim was changed since it was read.
pub(super) async fn free_one(
    registry: &dyn Registry,
    known: Versioned<Record>,
    name: &TransferName,
) -> Result<bool, RegistryError> {
    let Some(next) = unreserve(&known.record, name) else {
        return Ok(true);
    };
    let put = registry.put_claim(&next, Some(&known.version)).await?;
    Ok(put != PutOutcome::Conflict)
}

/// Which of these are being deleted, or inside of what is.
pub(super) async fn being_deleted(
    registry: &dyn Registry,
    claims: &[Versioned<Record>],
) -> Result<Vec<Identity>, RegistryError> {
    let own: BTreeSet<&Identity> = claims.iter().map(|known| &known.record.identity).collect();
    let above = own.iter().flat_map(|identity| identity.ancestors());
    let above: BTreeSet<Identity> = above
        .filter(|one| !one.is_subscription() && !own.contains(one))
        .collect();
    let above = stream::iter(above)
        .map(|identity| async move {
            match registry.claim(&identity).await {
                // It says nothing of a delete that can be read.
                Err(RegistryError::Corrupt(_)) => Ok(None),
                known => known,
            }
        })
        .buffer_unordered(AT_ONCE);
    let above: Vec<Option<Versioned<Record>>> = above.try_collect().await?;
    let going = claims.iter().chain(above.iter().flatten());
    let going = going.filter(|known| known.record.being_deleted().is_some());
    let going: Vec<&Identity> = going.map(|known| &known.record.identity).collect();
    let is_doomed = |identity: &Identity| {
        going
            .iter()
            .any(|top| identity == *top || identity.is_below(top))
    };
    Ok(own
        .into_iter()
        .filter(|one| is_doomed(one))
        .cloned()
        .collect())
}
