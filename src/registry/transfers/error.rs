//! Why a step of a transfer is not taken.

use crate::claim::TransferName;
use crate::registry::{Registry, RegistryError};

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The registry did not do its part. What was done stays, and the step can be taken
    /// again.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no such transfer.
    #[error("there is no transfer {name}; see: aso-guard transfer list{flags}")]
    Missing {
        /// The name.
        name: TransferName,
        /// The flags by which people's `aso-guard` reaches the registry.
        flags: String,
    },
    /// There is one of that name, declared otherwise.
    #[error(
        "there is a transfer {name} already, and it is another one: {} of {from} to {to}, {state}",
        selection
    )]
    Differs {
        /// The name.
        name: TransferName,
        /// Which resources it moves, in words.
        selection: String,
        /// From where.
        from: String,
        /// To where.
        to: String,
        /// Its state, in a word.
        state: &'static str,
    },
    /// The fleet moves from the registry, or to it.
    #[error(
        "the fleet moves from this registry to another one, or from another one to this: no transfer \
         begins meanwhile. See how far it is: aso-guard registry status{flags}"
    )]
    Moving {
        /// The flags by which people's `aso-guard` reaches the registry.
        flags: String,
    },
    /// It is over, or about to be.
    #[error("transfer {name} is {state}; what it moved is free")]
    Over {
        /// The name.
        name: TransferName,
        /// Its state, in a word.
        state: &'static str,
    },
}

impl TransferError {
    /// There is none of that name in this registry.
    pub fn missing(name: &TransferName, registry: &dyn Registry) -> Self {
        Self::Missing {
            name: name.clone(),
            flags: registry.flags().to_owned(),
        }
    }
}
