//! Whether a guard does what it is there for, and what to do where it does not: one look at a
//! cluster, its guard and its registry. It only reads, but for dry runs.
//!
//! - `facts` is what was read, each part by itself; `finding` is what is said of it;
//! - `checks` goes from one to the other: pure;
//! - `read` reads, with `registry` and `rights`, and `probe` calls the webhook, by `webhook_call` as
//!   an API server does.

mod calls;
pub mod checks;
pub mod facts;
pub mod finding;
pub mod probe;
mod read;
mod registry;
mod rights;
mod webhook_call;

pub use checks::{findings, worst};
pub use facts::{Facts, GuardFacts};
pub use finding::{Finding, Status, Topic};
pub use read::{Hub, Patient, examine};
