//! Why a registry did not do what was asked, and records that nobody can read: each is its own
//! trouble, and no other record's.

use thiserror::Error;

use crate::arm::Identity;

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

/// A record that cannot be read. Nothing is decided on it, and nothing overwrites it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the registry {registry} holds a record that cannot be read, {kind} {name}: {why}")]
pub struct UnreadableRecord {
    /// Which registry, as a person would name it.
    pub registry: String,
    /// What kind of record it is: claim, member or transfer.
    pub kind: &'static str,
    /// The record's name there.
    pub name: String,
    /// What it says that it is about, where it is a claim and that much can be read.
    pub identity: Option<Identity>,
    /// What is wrong with it.
    pub why: String,
}
