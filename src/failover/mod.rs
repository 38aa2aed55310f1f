//! A cluster that is rebuilt, or goes by another name: its copies in the registry are given on.
//!
//! Each step can be cut off anywhere and done again: claims are changed by compare-and-set, and
//! a member's record is written first where something begins and last where it ends.

mod error;
mod rename;
mod replace;
mod silence;
#[cfg(test)]
mod testing;

pub use error::FailoverError;
pub use rename::{Renamed, rename};
pub use replace::{Replaced, replace};
pub use silence::LISTENED;
