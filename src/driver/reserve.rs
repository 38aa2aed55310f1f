//! Reserving what is moved, before anything is changed.

use crate::claim::CopyRef;
use crate::registry::Registry;
use crate::registry::transfers::{self, OpenedTransfer, TransferError};
use crate::transfer::{TransferHistoryEntry, TransferPhase};

use super::state::TransferState;

/// Starts the transfer, or takes in what came later; what is reserved stays so. `None` where all
/// is reserved already.
///
/// # Errors
/// The registry did not do its part, or the transfer is another one by now.
pub async fn reserve(
    registry: &dyn Registry,
    state: &TransferState,
    entry: &TransferHistoryEntry,
) -> Result<Option<OpenedTransfer>, TransferError> {
    let transfer = &state.transfer;
    let reserved = state.items.iter().all(|item| {
        let claim = item.claim.as_ref();
        claim.is_some_and(|claim| claim.reserved.as_ref() == Some(&state.way))
    });
    if transfer.phase == TransferPhase::Open && reserved {
        return Ok(None);
    }
    transfers::start(registry, transfer, entry).await?;
    let chosen = |copy: &CopyRef| {
        let mut items = state.items.iter();
        items.any(|item| item.source_key == copy.object)
    };
    Ok(Some(
        transfers::open(registry, &transfer.name, &chosen).await?,
    ))
}
