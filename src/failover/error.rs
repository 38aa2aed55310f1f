//! Why a member's copies are not given on.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
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
    /// It was heard from too lately to be declared lost.
    #[error("{name} was heard from at {heard} by its own clock, less than {} min ago", .silence.as_secs() / 60)]
    TooLately {
        /// The member.
        name: MemberName,
        /// When, by its own clock.
        heard: Timestamp,
        /// For how long it must not have been heard from.
        silence: SignedDuration,
    },
    /// It is fenced already, otherwise than is asked.
    #[error("{0} is fenced already")]
    Fenced(MemberName),
    /// It is not fenced.
    #[error("{0} is not fenced: nobody said that its ASO does not write any more")]
    NotFenced(MemberName),
    /// Its ASO may have a token that is good still.
    #[error(
        "nothing of {name} is released before {until}: until then what it was admitted or has a token for may be under way"
    )]
    TooEarly {
        /// The member.
        name: MemberName,
        /// When that is over, by the clock of the machine where it was fenced.
        until: Timestamp,
    },
    /// Transfers from or to it are under way.
    #[error("{name} has a part in transfers that are not over: {}", .transfers.join(", "))]
    InTransfer {
        /// The member.
        name: MemberName,
        /// The transfers' names.
        transfers: Vec<String>,
    },
    /// The fleet moves from the registry, or to it.
    #[error(
        "the fleet moves from this registry to another one, or from another one to this: give that up \
         first (aso-guard registry move --cancel), or wait until it is over"
    )]
    Moving,
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
