//! Why a member's copies are not given on.

use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::claim::MemberName;
use crate::registry::RegistryError;

/// Why a member's copies are not given on. What was done until then stays, and another try goes
/// on from there.
#[derive(Debug, Error)]
pub enum FailoverError {
    /// There is no such member.
    #[error("no member is called {0}")]
    NoMember(MemberName),
    /// Another cluster has the name.
    #[error(
        "another cluster is registered as {name} (its kube-system namespace has UID {cluster})"
    )]
    NameTaken {
        /// The name.
        name: MemberName,
        /// The UID of that cluster's namespace `kube-system`.
        cluster: Arc<str>,
    },
    /// The member wrote its record meanwhile.
    #[error("{name} is there: its guard wrote at {heard} by its own clock")]
    Speaks {
        /// The member.
        name: MemberName,
        /// When, by its own clock.
        heard: Timestamp,
    },
    /// Transfers from or to it are under way.
    #[error("{name} has a part in transfers that are not over: {}", .transfers.join(", "))]
    InTransfer {
        /// The member.
        name: MemberName,
        /// The transfers' names.
        transfers: Vec<String>,
    },
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
