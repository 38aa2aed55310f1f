//! Moving resources from one cluster or namespace to another, by ASO's four steps.
//!
//! [`look()`] finds what is to be moved and what stands in its way; [`reserve()`] claims it for the
//! transfer; [`TransferDriver::drive`] takes the steps. Any of it can be cut off and done again.

mod call;
mod drive;
mod endpoint;
mod item;
mod obstacles;
mod preflight;
mod progress;
mod rehearsal;
mod reserve;
mod selection;
mod served;
mod state;
mod steps;
mod stored;
mod troubles;
mod unread;

pub use call::CallError;
pub use drive::{DriveOutcome, TransferDriver};
pub use endpoint::Endpoint;
pub use item::TransferItem;
pub use obstacles::{Obstacle, ObstacleKind, ObstacleSeverity, Obstacles};
pub use preflight::look;
pub use progress::{ProgressCounts, ProgressSink};
pub use reserve::reserve;
pub use state::TransferState;
pub use troubles::troubles;

use crate::registry::RegistryError;

/// Why nobody can tell what a transfer finds.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A cluster did not answer, or refused.
    #[error(transparent)]
    Cluster(#[from] CallError),
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
