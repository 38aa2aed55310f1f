//! A cluster that is lost, rebuilt, or goes by another name: what it held in the registry is given
//! on.
//!
//! Each step can be cut off anywhere and done again: claims are changed by compare-and-set, and
//! a member's record is written first where something begins and last where it ends.

mod error;
mod fence;
mod moving;
mod plan;
mod release;
mod rename;
mod replace;
mod silence;
#[cfg(test)]
mod testing;
mod undo;

pub use error::FailoverError;
pub use fence::{FenceRequest, fence};
pub use plan::{HeldClaim, Plan, TargetCopy, plan};
pub use release::{Chosen, Released, Releasing, may_be_taken_over, release};
pub use rename::{Renamed, rename};
pub use replace::{Replaced, replace};
pub use silence::LISTENED;
pub use undo::{Undone, undo};
