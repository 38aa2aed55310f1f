//! Why resources did not arrive, and what those wait for that may yet, for a person.

use std::collections::BTreeSet;

use crate::transfer::order::due;
use crate::transfer::{StuckReason, TransferStep};

use super::drive::DriveOutcome;
use super::item::TransferItem;
use super::state::TransferState;

/// Why each item that did not arrive did not, by item.
pub fn troubles(state: &TransferState, end: &DriveOutcome) -> Vec<(usize, String)> {
    let rows = state.rows();
    let now = due(&rows);
    let held: BTreeSet<usize> = now.held.iter().copied().collect();
    let waited: BTreeSet<usize> = match end {
        DriveOutcome::Impatient(waited) => waited.iter().copied().collect(),
        DriveOutcome::Settled => BTreeSet::new(),
    };
    let why = |at: usize, item: &TransferItem| match (&item.failed, rows[at].step) {
        (Some(words), _) => Some(words.clone()),
        (None, TransferStep::Done) => None,
        (None, TransferStep::Stuck(StuckReason::NotReserved)) if item.claim.is_none() => {
            Some("the guard of the source has not registered it".to_owned())
        }
        (None, TransferStep::Stuck(trouble)) => Some(trouble.words().to_owned()),
        (None, step) if waited.contains(&at) => Some(format!("waited for {}", item.awaited(step))),
        (None, _) if item.child_left.is_some() => {
            Some("its parked copy stays, for something that is not moved belongs to it".to_owned())
        }
        (None, _) if item.may_own.is_some() => item.may_own.as_ref().map(|kind| {
            format!(
                "its parked copy stays, for {kind} cannot be listed at the source, and something \
                 of that may belong to it"
            )
        }),
        (None, step) if held.contains(&at) => Some(format!(
            "not {}, for another one that it belongs to, or that belongs to it, did not get so far",
            if matches!(step, TransferStep::Delete) {
                "deleted at the source"
            } else {
                "created"
            }
        )),
        (None, _) => Some("not reached yet".to_owned()),
    };
    let items = state.items.iter().enumerate();
    items
        .filter_map(|(at, item)| Some((at, why(at, item)?)))
        .collect()
}
