//! Records that a registry holds and nobody can read: each is its own trouble, and no other
//! record's.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::arm::Identity;
use crate::claim::MemberName;

use super::{MemberRecord, RegistryError, Versioned};

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

/// What a list found: what can be read, and what cannot.
#[derive(Clone, Debug)]
pub struct RecordList<T> {
    /// The records, in no order.
    pub records: Vec<Versioned<T>>,
    /// What else is there.
    pub unreadable: Vec<UnreadableRecord>,
}

impl<T> RecordList<T> {
    /// The records, for an answer that rests on all of them.
    ///
    /// # Errors
    /// [`RegistryError::Corrupt`] where one of them cannot be read.
    pub fn whole(self) -> Result<Vec<Versioned<T>>, RegistryError> {
        match self.unreadable.into_iter().next() {
            Some(unreadable) => Err(unreadable.into()),
            None => Ok(self.records),
        }
    }
}

impl<T> FromIterator<Versioned<T>> for RecordList<T> {
    /// A list of which all can be read.
    fn from_iter<I: IntoIterator<Item = Versioned<T>>>(records: I) -> Self {
        Self {
            records: records.into_iter().collect(),
            unreadable: Vec::new(),
        }
    }
}

impl RecordList<MemberRecord> {
    /// Who is a member: a record that cannot be read is one all the same.
    pub fn names(&self) -> BTreeSet<MemberName> {
        let read = self.records.iter().map(|known| known.record.name.clone());
        let unreadable = self.unreadable.iter();
        read.chain(unreadable.filter_map(|one| one.name.parse().ok()))
            .collect()
    }
}
