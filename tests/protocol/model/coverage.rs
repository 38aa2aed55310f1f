//! What the model is to come across: a check that never sees a lost response says
//! nothing about lost responses.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something worth having come across.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Refused: another copy is live.
    LiveElsewhere,
    /// A delete refused: another copy is there.
    PeersDepend,
    /// A delete refused: others have something inside.
    ChildrenDepend,
    /// Refused: what it is inside of is being deleted.
    AncestorDeleting,
    /// What was refused took back what it had written.
    TakenBack,
    /// The registry stored a write whose response was lost, and the guard gave up.
    AnswerLost,
    /// The same, and the guard tried again.
    Repeated,
    /// A guard died over a request.
    GuardDied,
    /// The API server rejected what was admitted.
    Rejected,
    /// The API server gave up an admitted request at its deadline.
    GivenUp,
    /// Optimistic locking ended an admitted request.
    Outdated,
    /// A create landed where an object of the same name had come and gone.
    LandedLate,
    /// A write of the guard or an observer found that another one was quicker.
    Outrun,
    /// A copy was released.
    Released,
    /// An observer ended a request because its deadline had passed.
    Expired,
    /// An observer ended a request because it saw how the request ended.
    Proven,
    /// Two replicas looked at one copy together.
    TwoReplicas,
    /// A replica died over its look.
    ReplicaDied,
    /// With nothing under way, claims were left out of date, and a replica that had
    /// seen nothing of what happened brought them up to date.
    HandedOver,
    /// A parked create landed that had been registered at its admission, or was to be.
    Arrived,
    /// A guard that died or had no answer let a parked create through, registered or not.
    LetThrough,
    /// A live object without a claim was adopted.
    Adopted,
    /// A safe delete under way became one that deletes the resource.
    Activated,
    /// Kubernetes' garbage collector asked to delete a child.
    Collected,
    /// A request was let through against a refusal.
    Forced,
    /// A request was let through though the guard died or had no answer.
    Unheard,
    /// Refused: the `resource-id` names what is live elsewhere.
    Foreign,
    /// What a replica remembered would have released a copy, so the store was asked.
    Doubted,
    /// A copy that is parked by nothing of its own was judged by a change of its namespace that
    /// was still under way.
    UnderChange,
    /// A change of a namespace woke a copy.
    ActivatedByNamespace,
    /// A look that began from what its replica had written, and nobody else since, came to a
    /// write.
    Recalled,
    /// One came to none, or somebody else had written, and the claim was read after all.
    ReadAfterAll,
    /// Refused: an open transfer brings the resource elsewhere.
    InTransfer,
    /// A delete refused: an open transfer moves what it would take.
    TransferDepends,
    /// A claim was reserved for a transfer.
    Reserved,
    /// A claim was given free.
    GivenFree,
    /// Whoever opened a transfer was told of a delete that was admitted before.
    DeletedBefore,
    /// A transfer was turned round, and opened the other way.
    Turned,
    /// Whoever was at a step of a transfer died over it.
    Abandoned,
    /// A parked copy's claim said that ASO has something under way in Azure.
    Busy,
    /// Refused: its cluster is fenced.
    Fenced,
    /// What a fenced cluster held was released.
    TakenOver,
    /// It was not, for the fence was taken off, or was too new.
    NotTakenOver,
    /// All claims were lost.
    Emptied,
    /// The registry went back to an earlier time.
    SetBack,
    /// A verdict did not stand, because claims may have been lost.
    Unconfirmed,
    /// A member could judge by the claims again.
    WholeAgain,
}

/// All of them, in the order of their numbers.
pub const ALL: [Coverage; 47] = [
    Coverage::LiveElsewhere,
    Coverage::PeersDepend,
    Coverage::ChildrenDepend,
    Coverage::AncestorDeleting,
    Coverage::TakenBack,
    Coverage::AnswerLost,
    Coverage::Repeated,
    Coverage::GuardDied,
    Coverage::Rejected,
    Coverage::GivenUp,
    Coverage::Outdated,
    Coverage::LandedLate,
    Coverage::Outrun,
    Coverage::Released,
    Coverage::Expired,
    Coverage::Proven,
    Coverage::TwoReplicas,
    Coverage::ReplicaDied,
    Coverage::HandedOver,
    Coverage::Arrived,
    Coverage::LetThrough,
    Coverage::Adopted,
    Coverage::Activated,
    Coverage::Collected,
    Coverage::Forced,
    Coverage::Unheard,
    Coverage::Foreign,
    Coverage::Doubted,
    Coverage::UnderChange,
    Coverage::ActivatedByNamespace,
    Coverage::Recalled,
    Coverage::ReadAfterAll,
    Coverage::InTransfer,
    Coverage::TransferDepends,
    Coverage::Reserved,
    Coverage::GivenFree,
    Coverage::DeletedBefore,
    Coverage::Turned,
    Coverage::Abandoned,
    Coverage::Busy,
    Coverage::Fenced,
    Coverage::TakenOver,
    Coverage::NotTakenOver,
    Coverage::Emptied,
    Coverage::SetBack,
    Coverage::Unconfirmed,
    Coverage::WholeAgain,
];

/// What one step came across. No part of the state: two worlds are the same however
/// they came about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noted(u64);

impl Noted {
    pub fn note(&mut self, coverage: Coverage) {
        self.0 |= 1 << coverage as u64;
    }
}

impl PartialEq for Noted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Noted {}

impl Hash for Noted {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// How many steps came across what, in all of a check.
#[derive(Clone)]
pub struct Tally(Arc<[AtomicU64; ALL.len()]>);

impl Default for Tally {
    fn default() -> Self {
        Self(Arc::new([const { AtomicU64::new(0) }; ALL.len()]))
    }
}

impl Tally {
    pub fn add(&self, noted: Noted) {
        let mut left = noted.0;
        while left != 0 {
            let at = left.trailing_zeros();
            self.count_one(ALL[at as usize]);
            left &= left - 1;
        }
    }

    pub fn count_one(&self, coverage: Coverage) {
        self.0[coverage as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self, coverage: Coverage) -> u64 {
        self.0[coverage as usize].load(Ordering::Relaxed)
    }

    /// What was never come across.
    pub fn missing(&self) -> Vec<Coverage> {
        ALL.into_iter()
            .filter(|&coverage| self.count(coverage) == 0)
            .collect()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(ALL.map(|coverage| (coverage, self.count(coverage))))
            .finish()
    }
}
