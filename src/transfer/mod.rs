//! Declared moves of many resources from one place to another.
//!
//! A [`Transfer`] says what is moved, and how far that is. What protects the resources
//! while it is open stands in their claims: a
//! [`Reservation`](crate::claim::Reservation) each. So an admission decides by the one
//! record that it reads anyway, and [`progress`] is told from claims alone.
//!
//! Its life: [`Opening`](Phase::Opening) while the claims are being reserved, then
//! [`Open`](Phase::Open), [`Closing`](Phase::Closing) while they are given free, and
//! [`Finished`](Phase::Finished). A transfer that is undone is
//! [turned round](Transfer::turn): what was its target is its source from then on.

pub mod copy;
mod history;
mod next;
pub mod order;
mod progress;
mod ready;
mod record;
mod selection;

pub use history::{MAX_HISTORY, TransferAction, TransferHistoryEntry};
pub use next::{ObservedCopy, StuckReason, TransferStep, next};
pub use progress::{
    ResourceProgress, StageCounts, TransferProgress, TransferStage, progress, stage,
};
pub use ready::Ready;
pub use record::{Transfer, TransferCounts, TransferPhase};
pub use selection::Selection;
