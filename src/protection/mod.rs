//! What must not be deleted or made live in a namespace, by what the claims say.
//!
//! A cluster's guard writes it down where its API server can read it, and policies of the API
//! server refuse by it while no guard answers. Every word of it comes of the functions by which
//! the guard itself judges: a refusal by it is one that the guard would have given then.

mod known;
mod namespace;
mod text;

pub use known::{KnownClaims, ToProtect};
pub use namespace::{MAX_ENTRIES, ObjectState, of_namespace};
pub use spec::{HeldCopy, KeptCopy, NamespaceProtection, Naming, Whole, WholeText};

mod spec;
