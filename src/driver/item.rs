//! One resource of a transfer.

use crate::arm::Identity;
use crate::claim::Record;
use crate::object::ObjectKey;
use crate::transfer::{Ready, TransferStep};

use super::stored::StoredObject;

/// One resource of a transfer, with its copies.
#[derive(Clone, Debug)]
pub struct TransferItem {
    /// Which it is.
    pub identity: Identity,
    /// The name of its copy at the source.
    pub source_key: ObjectKey,
    /// The name of its copy at the target.
    pub target_key: ObjectKey,
    pub(super) source: Option<StoredObject>,
    pub(super) target: Option<StoredObject>,
    /// Which resource the object at the target stands for.
    pub(super) target_identity: Option<Result<Identity, String>>,
    pub(super) claim: Option<Record>,
    /// Its owner among the items.
    pub(super) owner: Option<usize>,
    /// Its owner's name, where that is an object.
    pub(super) owner_key: Option<ObjectKey>,
    /// An object at the source that belongs to it and is not moved.
    pub(super) child_left: Option<ObjectKey>,
    /// A kind that the source does not give, whose objects may belong to it.
    pub(super) may_own: Option<String>,
    /// What went wrong in this run.
    pub(super) failed: Option<String>,
    /// How often it was parked in this run.
    pub(super) parked: u32,
}

impl TransferItem {
    /// Whether its copy at the source has to stay: something that is not moved belongs to it, or
    /// may do so.
    pub(super) fn is_kept(&self) -> bool {
        self.child_left.is_some() || self.may_own.is_some()
    }

    /// What an item waits for, for a person.
    pub(super) fn awaited(&self, step: TransferStep) -> String {
        let words = match step {
            TransferStep::AwaitParked => {
                "the source's guard to see it parked, and Azure to be done with it"
            }
            TransferStep::AwaitLive => "the target's guard to see it live",
            TransferStep::AwaitReconciled => return self.awaited_of_aso(),
            TransferStep::AwaitGone if self.source.is_none() => {
                "a request that was cut off, and that may yet make a copy; a guard gives it up after \
                 90 s (--claim-deadline)"
            }
            TransferStep::AwaitGone => "the copy to be gone; ASO takes its finalizer off",
            _ => "what it belongs to",
        };
        words.to_owned()
    }

    fn awaited_of_aso(&self) -> String {
        let place = &self.target_key.namespace;
        match self.target.as_ref().map(|target| Ready::of(&target.value)) {
            Some(Ready::No(said)) => format!("ASO in the target, which says of it: {said}"),
            _ => format!(
                "ASO in the target, which has not looked at it: see that it runs there, and that it \
                 watches namespace {place} (AZURE_TARGET_NAMESPACES)"
            ),
        }
    }
}
