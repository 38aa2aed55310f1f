//! Whether a registry is the one that its members have brought their copies into.
//!
//! A registry that is new, was emptied, or went back to an earlier time knows too little: what it
//! does not list may be live all the same. So it has an identity of its own, its [`Epoch`], and a
//! list of the members that are awaited under it. An admission [stands](confirm) only where the
//! epoch is the same after its last call on claims as it was before its first one, and nobody was
//! awaited at either time.

mod enrolment;
mod migration;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::names::MemberName;
use super::shards::ShardNote;

pub use enrolment::{Enrolment, EnrolmentAnswer, EnrolmentCall, Memory};
pub use migration::{
    Judge, MOVING, Migration, MigrationError, MigrationStep, PairAnswer, PairCall, PairKnown,
    PairOutcome, PairVerdict, Place, cancelled, judge, next_step,
};

/// Which contents a registry has.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Given by the registry when the record was made; what was emptied and made anew has another
    /// one.
    pub id: Arc<str>,
    /// How often somebody was put on the list of those that are awaited: a registry that went
    /// back to an earlier time has the same `id`, and gets another round as soon as a member
    /// notices.
    pub round: u32,
}

/// The registry's epoch, and how far its members are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EpochRecord {
    /// The epoch. The `id` of a record that is yet to be made is empty: the registry gives it.
    pub epoch: Epoch,
    /// The members that are known under it.
    pub members: BTreeMap<MemberName, EpochMember>,
    /// Which shard it is, and of which map, where claims are sharded. It is said once, by who
    /// makes the record.
    pub shard: Option<ShardNote>,
    /// How it stands to another registry that the fleet moves from or to.
    pub migration: Option<Migration>,
}

/// How a member stands to an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EpochMember {
    /// Its copies may not all be in the registry: nobody knows what is live nowhere.
    Awaited,
    /// All its copies are there.
    Enrolled,
    /// A person has said that it is gone for good.
    Forgotten,
}

impl EpochMember {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Awaited, Self::Enrolled, Self::Forgotten];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Awaited => "Awaited",
            Self::Enrolled => "Enrolled",
            Self::Forgotten => "Forgotten",
        }
    }

    /// The one of this word; `None` for a word that is none.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word)
    }
}

impl EpochRecord {
    /// The members that are awaited, in the order of their names.
    pub fn awaited(&self) -> impl Iterator<Item = &MemberName> {
        let members = self.members.iter();
        members
            .filter(|(_, state)| **state == EpochMember::Awaited)
            .map(|(name, _)| name)
    }

    /// Whether nobody is awaited.
    pub fn is_whole(&self) -> bool {
        self.awaited().next().is_none()
    }

    /// The record after a person said that a member is gone for good; `None` where it says so
    /// already, or does not know of it.
    #[must_use]
    pub fn forgetting(&self, member: &MemberName) -> Option<Self> {
        let state = self.members.get(member)?;
        (*state != EpochMember::Forgotten).then(|| {
            let mut next = self.clone();
            next.members.insert(member.clone(), EpochMember::Forgotten);
            next
        })
    }

    /// The record after a member goes by another name; `None` where it does already, or is not
    /// known.
    #[must_use]
    pub fn renamed(&self, old: &MemberName, new: &MemberName) -> Option<Self> {
        let state = *self.members.get(old)?;
        (state != EpochMember::Forgotten).then(|| {
            let mut next = self.clone();
            next.members.insert(old.clone(), EpochMember::Forgotten);
            next.members.insert(new.clone(), state);
            next
        })
    }

    /// The others that are known under it, but for those that are gone for good.
    fn companions_of(&self, member: &MemberName) -> BTreeSet<MemberName> {
        let others = self
            .members
            .iter()
            .filter(|(name, state)| **name != *member && **state != EpochMember::Forgotten);
        others.map(|(name, _)| name.clone()).collect()
    }

    /// The record with these put on the list of those that are awaited, in a round of its own.
    fn awaiting(&self, names: impl IntoIterator<Item = MemberName>) -> Self {
        let mut next = self.clone();
        next.epoch.round = next.epoch.round.saturating_add(1);
        let names = names.into_iter().map(|name| (name, EpochMember::Awaited));
        next.members.extend(names);
        next
    }
}

/// What a member remembers of its registry, in its own cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remembered {
    /// The epoch under which all its copies are in the registry.
    pub epoch: Epoch,
    /// How often it wrote its own record, at least: a registry that counts fewer went back in
    /// time.
    pub writes: u32,
    /// The other members that it knows of: where the registry is emptied, they are awaited.
    pub companions: BTreeSet<MemberName>,
}

impl Remembered {
    /// Whether the registry has forgotten what this member has seen there: it went back to an
    /// earlier time. `own`: how the member stands to the epoch; `writes`: how often it wrote its own
    /// record, by that record.
    ///
    /// In a later round, too: people's steps of a move begin one without anybody being awaited, and
    /// may come before a member has noticed. Whoever is awaited there is so since it was noticed.
    fn is_ahead_of(&self, seen: &Epoch, own: Option<EpochMember>, writes: Option<u32>) -> bool {
        let is_behind = writes.unwrap_or_default() < self.writes;
        let is_ahead = match self.epoch.round.cmp(&seen.round) {
            Ordering::Greater => true,
            Ordering::Equal => is_behind,
            Ordering::Less => is_behind && own == Some(EpochMember::Enrolled),
        };
        self.epoch.id == seen.id && is_ahead
    }
}

/// What a guard knows of its registry when it begins to judge a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KnownEpoch {
    /// The epoch under which all copies of this member are in the registry.
    pub epoch: Epoch,
    /// How often its member wrote its own record, at least.
    pub writes: u32,
    /// How the registry stands to another one that the fleet moves from or to, in that epoch.
    pub migration: Option<Migration>,
}

/// Why a verdict that rests on claims does not stand.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rebuilding {
    /// Who is awaited, as far as that is known: in the order of their names.
    pub awaited: Vec<MemberName>,
    /// How the registry stands to another one that the fleet moves from or to.
    pub migration: Option<Migration>,
}

/// Whether a verdict stands that rests on claims.
///
/// `before`: what was known when the request came, before the first call on claims; `None` while
/// somebody was awaited. `seen` and `writes` were read after the last call on claims: the epoch's
/// record, and how often this member wrote its own record by that record (`None`: there is none).
///
/// Both ends are needed: a claim that was read while a member was awaited says too little, though
/// nobody is awaited any more at the end.
///
/// # Errors
/// Who is awaited.
pub fn confirm(
    before: Option<&KnownEpoch>,
    seen: Option<&EpochRecord>,
    writes: Option<u32>,
) -> Result<(), Rebuilding> {
    let awaited = || Rebuilding {
        awaited: seen
            .into_iter()
            .flat_map(EpochRecord::awaited)
            .cloned()
            .collect(),
        migration: seen.and_then(|seen| seen.migration.clone()),
    };
    let (Some(before), Some(seen)) = (before, seen) else {
        return Err(awaited());
    };
    let is_same = seen.epoch == before.epoch && writes.unwrap_or_default() >= before.writes;
    if is_same && seen.is_whole() {
        Ok(())
    } else {
        Err(awaited())
    }
}
