//! What is to be done next for one resource of a transfer: a function of its claim and of
//! its two copies as they are stored.
//!
//! Nothing else decides, and nothing is remembered between two decisions. So whoever was cut
//! off goes on by asking again.

use crate::claim::{CopyRef, MemberCopy, Record, Reservation};

use super::progress::{TransferStage, stage};

/// A copy as its own API server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all combinations occur"
)]
pub struct ObservedCopy {
    /// Whether it is live, by its effective policy.
    pub live: bool,
    /// Whether it has a deletion timestamp.
    pub terminating: bool,
    /// Whether ASO has reconciled it in its present generation.
    pub reconciled: bool,
    /// Whether it may be deleted once the resource is live at the other end. What a transfer
    /// found at its target, it leaves there when it is undone.
    pub removable: bool,
}

/// What is to be done next for one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferStep {
    /// Set `skip` on the copy at the source.
    Park,
    /// Wait until the claim says that the source is parked, and that nothing is under way in
    /// Azure.
    AwaitParked,
    /// Create a live copy at the target.
    Create,
    /// Take `skip` off the copy at the target.
    Wake,
    /// Wait until the claim says that the target is live.
    AwaitLive,
    /// Wait until ASO says that it reconciled the copy at the target. Till then nobody might.
    AwaitReconciled,
    /// Delete the parked copy at the source.
    Delete,
    /// Wait until the claim says that the source is gone.
    AwaitGone,
    /// Nothing.
    Done,
    /// A person has to look.
    Stuck(StuckReason),
}

/// Why a resource does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StuckReason {
    /// Its claim is not reserved for this transfer, in this direction.
    NotReserved,
    /// It is live in a place that the transfer does not lead to, or at both ends.
    Conflict,
    /// It is being deleted in Azure.
    Deleting,
    /// Neither end has a copy.
    Lost,
}

impl StuckReason {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotReserved => "its claim is not reserved for this transfer",
            Self::Conflict => "it is live in another place, or in both",
            Self::Deleting => "it is being deleted in Azure",
            Self::Lost => "neither the source nor the target has a copy of it",
        }
    }
}

/// What is to be done next on the way that a reservation leads.
///
/// A copy is parked whatever its claim says, for that is always safe. A copy goes live only
/// once the claim says that the other end is parked and idle, and one is deleted only while
/// it is parked, the claim says that the other end was seen live, and ASO reconciled it there.
pub fn next(
    way: &Reservation,
    claim: Option<&Record>,
    source: Option<ObservedCopy>,
    target: Option<ObservedCopy>,
) -> TransferStep {
    let Some(claim) = claim.filter(|claim| claim.reserved.as_ref() == Some(way)) else {
        return TransferStep::Stuck(StuckReason::NotReserved);
    };
    match stage(way, claim).stage {
        TransferStage::Deleting => return TransferStep::Stuck(StuckReason::Deleting),
        TransferStage::Conflict => return TransferStep::Stuck(StuckReason::Conflict),
        _ => {}
    }
    let from = HeldBySide::of(claim, |copy| way.from.has(copy));
    let to = HeldBySide::of(claim, |copy| way.to.has(copy));
    match (source, target) {
        (Some(source), Some(target)) if source.live && target.live => {
            TransferStep::Stuck(StuckReason::Conflict)
        }
        (Some(source), _) if source.live && source.terminating => {
            TransferStep::Stuck(StuckReason::Deleting)
        }
        (Some(source), _) if source.live => TransferStep::Park,
        (_, Some(target)) if target.terminating && target.live => {
            TransferStep::Stuck(StuckReason::Deleting)
        }
        (_, Some(target)) if target.terminating => TransferStep::AwaitGone,
        (Some(_), _) if from.is_live() || from.is_busy() => TransferStep::AwaitParked,
        (Some(_), None) => TransferStep::Create,
        (None, Some(target)) if !target.live && from.is_live() => TransferStep::AwaitGone,
        (_, Some(target)) if !target.live => TransferStep::Wake,
        (_, Some(_)) if !to.is_seen_live() => TransferStep::AwaitLive,
        (Some(source), _) if source.terminating => TransferStep::AwaitGone,
        (Some(source), Some(target)) if source.removable && !target.reconciled => {
            TransferStep::AwaitReconciled
        }
        (Some(source), _) if source.removable => TransferStep::Delete,
        (None, Some(_)) if from.is_known() => TransferStep::AwaitGone,
        (_, Some(_)) => TransferStep::Done,
        (None, None) if from.is_known() || to.is_known() => TransferStep::AwaitGone,
        (None, None) => TransferStep::Stuck(StuckReason::Lost),
    }
}

/// The copies at one end, as a claim has them.
struct HeldBySide<'a>(Vec<&'a MemberCopy>);

impl<'a> HeldBySide<'a> {
    fn of(claim: &'a Record, here: impl Fn(&CopyRef) -> bool) -> Self {
        let copies = claim.copies.iter().filter(|(copy, _)| here(copy));
        Self(copies.map(|(_, copy)| copy).collect())
    }

    fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether one is live, or may become so.
    fn is_live(&self) -> bool {
        self.0.iter().any(|copy| copy.is_live())
    }

    /// Whether one was seen stored as live.
    fn is_seen_live(&self) -> bool {
        self.0.iter().any(|copy| copy.stored_live())
    }

    /// Whether ASO has something under way in Azure.
    fn is_busy(&self) -> bool {
        let mut stored = self.0.iter().filter_map(|copy| copy.stored.as_ref());
        stored.any(|stored| stored.busy)
    }
}

#[cfg(test)]
mod tests;
