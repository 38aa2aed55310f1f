//! A fleet's move from one registry to another one: who judges meanwhile, and what comes next.
//!
//! Both registries' epochs say how far it is, each by a mark. The old registry decides: the one
//! write that closes it for good ends its verdicts, and only after that the new one's count alone.
//!
//! 1. The new one says that it comes [after](Migration::After) the old one. Nobody judges by it
//!    alone from then on. Guards that know both keep their copies in it, too.
//! 2. The old one is [closing](Migration::ClosingTo): a verdict is still its own, and stands only
//!    where what it admits was written in the new one as well, before the old one's epoch is
//!    asked for at the end. Guards that have the old one alone judge nothing.
//! 3. All members are awaited in the new one, by a write that names the old one's round: each
//!    waits until nothing is under way that it admitted before, and brings all its copies in.
//! 4. Nobody is awaited any more, and the old one is in the same round: it is
//!    [closed](Migration::ClosedTo).
//! 5. The new one's mark comes off.
//!
//! Every change of a mark begins another round, so that nothing stands that was judged before it.

mod pair;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::claim::names::MemberName;

use super::{EpochMember, EpochRecord};

pub use pair::{PairAnswer, PairCall, PairKnown, PairOutcome, PairVerdict};

/// The member that is awaited while a mark stands: guards that are older than marks heed this.
/// It is in no record that was read.
pub const MOVING: &str = "registry-is-moving";

/// How a registry stands to another one that the fleet moves from or to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Migration {
    /// It comes after another one, and may not be judged by alone.
    After {
        /// The `id` of the old one's epoch.
        old: Arc<str>,
        /// The round of the old one, closing, in which all members were awaited here; `None`
        /// before that.
        since: Option<u32>,
    },
    /// Its verdicts stand only together with what is written in this one.
    ClosingTo(Arc<str>),
    /// Nothing is judged by it any more, but by this one.
    ClosedTo(Arc<str>),
}

impl fmt::Display for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After { old, since: None } => write!(f, "after {old}"),
            Self::After {
                old,
                since: Some(round),
            } => write!(f, "after {old} {round}"),
            Self::ClosingTo(new) => write!(f, "closing to {new}"),
            Self::ClosedTo(new) => write!(f, "closed to {new}"),
        }
    }
}

impl FromStr for Migration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let since = |round: &str| round.parse().map(Some);
        let read = match words[..] {
            ["after", old] => Ok((old, None)),
            ["after", old, round] => since(round).map(|since| (old, since)),
            ["closing", "to", new] => return Ok(Self::ClosingTo(new.into())),
            ["closed", "to", new] => return Ok(Self::ClosedTo(new.into())),
            _ => return Err(format!("{text:?} says nothing of a move")),
        };
        let (old, since) = read.map_err(|_| format!("{text:?} names no round"))?;
        let old = old.into();
        Ok(Self::After { old, since })
    }
}

/// Who gives the verdicts of a guard that knows the old registry and the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Judge {
    /// The old one.
    Old,
    /// The old one, after what it admits was written in the new one, too.
    Both,
    /// The new one.
    New,
}

/// Why nobody can tell who judges, or what comes next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum MigrationError {
    /// A registry has no epoch.
    #[error("the {0} registry has no claims of this fleet, or was emptied")]
    NoEpoch(Place),
    /// The new one is used by itself already.
    #[error(
        "the new registry is in use, and does not come after the old one: claims of two fleets \
         cannot be joined by a move"
    )]
    InUse,
    /// The new one comes after some other one.
    #[error(
        "the new registry comes after another one ({0}): that is another fleet's, or the old one \
         as it was before it was emptied"
    )]
    AfterAnother(Arc<str>),
    /// The old one comes after some other one itself.
    #[error("the old registry comes after another one ({0}): the fleet is still moving to it")]
    OldIsNext(Arc<str>),
    /// The old one closes or closed to some other one.
    #[error("the old registry moves to another one ({0}), or that was emptied meanwhile")]
    ToAnother(Arc<str>),
    /// It is over.
    #[error("the old registry is closed for good: the new one judges alone")]
    Closed,
}

/// One of the two registries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The one that the fleet leaves.
    Old,
    /// The one that it goes to.
    New,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Old => "old",
            Self::New => "new",
        })
    }
}

/// Who judges, for a guard that knows both registries, by the records of their epochs that it
/// read last; `None`: there is none.
///
/// # Errors
/// The two do not say the same of each other: nothing may be judged by claims.
pub fn judge(
    old: Option<&EpochRecord>,
    new: Option<&EpochRecord>,
) -> Result<Judge, MigrationError> {
    let old = old.ok_or(MigrationError::NoEpoch(Place::Old))?;
    let is_after = |new: &EpochRecord| match &new.migration {
        Some(Migration::After { old: id, .. }) if *id == old.epoch.id => Ok(()),
        Some(Migration::After { old: id, .. }) => Err(MigrationError::AfterAnother(id.clone())),
        _ => Err(MigrationError::InUse),
    };
    match (&old.migration, new) {
        (None, None) => Ok(Judge::Old),
        (None, Some(new)) => match &new.migration {
            // It was left for the old one once, and is to be moved to again.
            Some(Migration::ClosedTo(_)) => Ok(Judge::Old),
            _ => is_after(new).map(|()| Judge::Old),
        },
        (Some(_), None) => Err(MigrationError::NoEpoch(Place::New)),
        (Some(Migration::ClosingTo(id)), Some(new)) if *id == new.epoch.id => {
            is_after(new).map(|()| Judge::Both)
        }
        (Some(Migration::ClosedTo(id)), Some(new)) if *id == new.epoch.id => match &new.migration {
            None => Ok(Judge::New),
            Some(_) => is_after(new).map(|()| Judge::New),
        },
        (Some(Migration::ClosingTo(id) | Migration::ClosedTo(id)), _) => {
            Err(MigrationError::ToAnother(id.clone()))
        }
        // It is to be moved back to, and that has not begun to close.
        (Some(Migration::After { old: id, .. }), Some(new))
            if *id == new.epoch.id && new.migration.is_none() =>
        {
            Ok(Judge::New)
        }
        (Some(Migration::After { old: id, .. }), _) => Err(MigrationError::OldIsNext(id.clone())),
    }
}

/// What is to be done next to move a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MigrationStep {
    /// Store this in the new registry: it comes after the old one.
    Prepare(EpochRecord),
    /// As soon as every replica of every member has said that it knows the new registry, store
    /// this in the old one: it is closing.
    Close(EpochRecord),
    /// Store this in the new registry: all members are awaited.
    Await(EpochRecord),
    /// Wait until these have brought their copies into the new registry.
    Wait(Vec<MemberName>),
    /// As soon as no transfer is open, store this in the old registry: it is closed for good.
    Finish(EpochRecord),
    /// Store this in the new registry: it is judged by alone.
    Open(EpochRecord),
    /// Nothing: the fleet has moved.
    Done,
}

/// What is to be done next, by the epochs' records as they were read: the old one first. What is
/// to be stored is stored on condition that that record is as it was read.
///
/// # Errors
/// This fleet cannot move between these two.
pub fn next_step(
    old: Option<&EpochRecord>,
    new: Option<&EpochRecord>,
) -> Result<MigrationStep, MigrationError> {
    let known = old.ok_or(MigrationError::NoEpoch(Place::Old))?;
    let prepared = |new: &EpochRecord| {
        let after = Migration::After {
            old: known.epoch.id.clone(),
            since: None,
        };
        MigrationStep::Prepare(new.marked(Some(after)))
    };
    let Some(new) = new else {
        return match known.migration {
            None => Ok(prepared(&EpochRecord::default())),
            Some(_) => Err(MigrationError::NoEpoch(Place::New)),
        };
    };
    let is_left = matches!(new.migration, Some(Migration::ClosedTo(_)));
    let id = new.epoch.id.clone();
    if known.migration.is_none() && is_left {
        return Ok(prepared(new));
    }
    match (judge(old, Some(new))?, &new.migration) {
        (Judge::Old, _) => {
            let closing = known.marked(Some(Migration::ClosingTo(id)));
            Ok(MigrationStep::Close(closing))
        }
        (Judge::Both, Some(Migration::After { since, .. }))
            if *since == Some(known.epoch.round) =>
        {
            let awaited: Vec<MemberName> = new.awaited().cloned().collect();
            Ok(if awaited.is_empty() {
                MigrationStep::Finish(known.marked(Some(Migration::ClosedTo(id))))
            } else {
                MigrationStep::Wait(awaited)
            })
        }
        (Judge::Both, _) => Ok(MigrationStep::Await(all_awaited(known, new))),
        (Judge::New, Some(_)) => Ok(MigrationStep::Open(new.marked(None))),
        (Judge::New, None) if matches!(known.migration, Some(Migration::ClosedTo(_))) => {
            Ok(MigrationStep::Done)
        }
        // It has just been prepared to be moved back to.
        (Judge::New, None) => Err(MigrationError::OldIsNext(id)),
    }
}

/// The new registry's record, in which all members are awaited that either of the two knows.
fn all_awaited(old: &EpochRecord, new: &EpochRecord) -> EpochRecord {
    let is_gone = |name: &MemberName| old.members.get(name) == Some(&EpochMember::Forgotten);
    let all: BTreeSet<MemberName> = old
        .members
        .keys()
        .chain(new.members.keys())
        .cloned()
        .collect();
    let (gone, awaited): (Vec<_>, Vec<_>) = all.into_iter().partition(is_gone);
    let mut next = new.awaiting(awaited);
    let gone = gone.into_iter().map(|name| (name, EpochMember::Forgotten));
    next.members.extend(gone);
    next.migration = Some(Migration::After {
        old: old.epoch.id.clone(),
        since: Some(old.epoch.round),
    });
    next
}

/// The old registry's record where the move is given up; `None` where it has not begun to close.
///
/// # Errors
/// It is closed for good, or comes after another one.
pub fn cancelled(old: &EpochRecord) -> Result<Option<EpochRecord>, MigrationError> {
    match &old.migration {
        None => Ok(None),
        Some(Migration::ClosingTo(_)) => Ok(Some(old.marked(None))),
        Some(Migration::ClosedTo(_)) => Err(MigrationError::Closed),
        Some(Migration::After { old: id, .. }) => Err(MigrationError::OldIsNext(id.clone())),
    }
}

impl EpochRecord {
    /// The record with this mark, in a round of its own.
    fn marked(&self, migration: Option<Migration>) -> Self {
        let mut next = self.clone();
        next.epoch.round = next.epoch.round.saturating_add(1);
        next.migration = migration;
        next
    }
}

#[cfg(test)]
mod tests;
