//! Why a registry did not do what was asked.

use thiserror::Error;

use super::UnreadableRecord;

/// Why a registry did not do what was asked.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// It did not answer, or not in time, or said it cannot now. A write may or
    /// may not have been carried out.
    #[error("the registry {registry} did not answer: {why}")]
    Unavailable {
        /// Which registry, as a person would name it.
        registry: String,
        /// What happened.
        why: String,
    },
    /// It answered that this member may not do that.
    #[error("the registry {registry} refused: {why}")]
    Forbidden {
        /// Which registry.
        registry: String,
        /// Its words.
        why: String,
    },
    /// It holds a record that cannot be read, and the answer rests on it.
    #[error(transparent)]
    Corrupt(#[from] UnreadableRecord),
}
