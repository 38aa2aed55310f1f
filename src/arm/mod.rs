//! Which Azure resource an ASO object stands for: ARM IDs, the table of kinds,
//! and the walk from an object and its owners to its [`Identity`].
//!
//! Everything here is pure: the caller looks objects up, this module says which
//! one to look up next and what follows from what was found.

mod chain;
pub mod fold;
pub mod id;
pub mod identity;
pub mod kinds;
pub mod learn;
mod name;
pub mod resolve;
pub mod unresolved;

pub use chain::{MAX_LINKS, OwnerLink};
pub use fold::{fold, folded, same_name};
pub use id::{ArmId, ArmIdError};
pub use identity::Identity;
pub use kinds::{Kind, Kinds, Naming, Scope};
pub use learn::{CrdFacts, LearnError, learn};
pub use resolve::{IdentitySource, NextOwner, Resolution, needs_subscription, next_owner, resolve};
pub use unresolved::Unresolved;
