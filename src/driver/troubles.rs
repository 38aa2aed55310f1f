//! Why resources did not arrive, and what those wait for that may yet, for a person.

use std::collections::BTreeSet;

use crate::transfer::order::due;
use crate::transfer::{Ready, StuckReason, TransferStep};

use super::drive::DriveOutcome;
use super::state::{TransferItem, TransferState};

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
        (None, step) if waited.contains(&at) => Some(format!("waited for {}", awaited(item, step))),
        (None, _) if item.child_left.is_some() => {
            Some("its parked copy stays, for something that is not moved belongs to it".to_owned())
        }
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

/// What an item waits for, for a person.
pub(super) fn awaited(item: &TransferItem, step: TransferStep) -> String {
    let words = match step {
        TransferStep::AwaitParked => {
            "the source's guard to see it parked, and Azure to be done with it"
        }
        TransferStep::AwaitLive => "the target's guard to see it live",
        TransferStep::AwaitReconciled => return awaited_of_aso(item),
        TransferStep::AwaitGone if item.source.is_none() => {
            "a request that was cut off, and that may yet make a copy; a guard gives it up after \
             90 s (--claim-deadline)"
        }
        TransferStep::AwaitGone => "the copy to be gone; ASO takes its finalizer off",
        _ => "what it belongs to",
    };
    words.to_owned()
}

fn awaited_of_aso(item: &TransferItem) -> String {
    let place = &item.target_key.namespace;
    match item.target.as_ref().map(|target| Ready::of(&target.value)) {
        Some(Ready::No(said)) => format!("ASO in the target, which says of it: {said}"),
        _ => format!(
            "ASO in the target, which has not looked at it: see that it runs there, and that it \
             watches namespace {place} (AZURE_TARGET_NAMESPACES)"
        ),
    }
}
