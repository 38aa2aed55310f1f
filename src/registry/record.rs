//! What goes into a registry and comes out of it, besides the claims' own records.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::arm::Identity;
use crate::claim::{Fence, MemberName, PolicyChange, Record, TransferName};

use super::error::{RegistryError, UnreadableRecord};

/// The version of a stored record: opaque, and never used twice for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordVersion(Arc<str>);

impl RecordVersion {
    /// Takes a backend's version as it stands.
    pub fn new(version: &str) -> Self {
        Self(version.into())
    }

    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A part of a list of claims.
#[derive(Clone, Debug, Default)]
pub struct ClaimPage {
    /// The claims.
    pub claims: Vec<Versioned<Record>>,
    /// The claims in it that cannot be read, and may be in the scope.
    pub unreadable: Vec<UnreadableRecord>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<Cursor>,
}

/// Where a part of a list begins: known to the registry that gave it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(String);

impl Cursor {
    /// Takes a backend's token as it stands.
    pub fn new(token: String) -> Self {
        Self(token)
    }

    /// The token as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which of a list's parts a page is of, and where in that part it begins: at its beginning, where
    /// that is `None`. The first page has no cursor.
    pub(in crate::registry) fn position(at: Option<&Self>) -> (usize, Option<Self>) {
        let Some((part, rest)) = at.and_then(|at| at.as_str().split_once(' ')) else {
            return (0, None);
        };
        let rest = Some(rest).filter(|rest| !rest.is_empty());
        let rest = rest.map(|rest| Self::new(rest.to_owned()));
        (part.parse().unwrap_or_default(), rest)
    }

    /// Where the page after one of this part begins: in it, where it goes on at `rest`, else in the
    /// next one of so many parts.
    pub(in crate::registry) fn after(
        part: usize,
        rest: Option<&str>,
        parts: usize,
    ) -> Option<Self> {
        let next = match rest {
            Some(rest) => format!("{part} {rest}"),
            None if part + 1 < parts => format!("{} ", part + 1),
            None => return None,
        };
        Some(Self::new(next))
    }
}

/// A record and the version it has in the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The record.
    pub record: T,
    /// Its version.
    pub version: RecordVersion,
}

/// What became of a put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Stored, at this version; `None` where the record was removed.
    Stored(Option<RecordVersion>),
    /// The registry held something else than expected; nothing was changed.
    Conflict,
}

/// Which claims to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimScope {
    /// All.
    All,
    /// Those strictly below an identity, by ARM ID.
    Below(Identity),
    /// Those with more than one live copy. There are few, and this is cheap: it is asked
    /// for every few seconds.
    InConflict,
    /// Those that are reserved for this transfer, or, without a name, for any.
    Reserved(Option<TransferName>),
    /// Those whose copies are all parked, one of them a member's: nobody reconciles them.
    Orphaned(MemberName),
    /// Those with a copy of a member, further told apart by [`CopyFilter`].
    Of(MemberName, CopyFilter),
    /// Those in these subscriptions, in lower case, without a copy of a member.
    Beside(MemberName, BTreeSet<String>),
}

/// Which of a member's claims to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFilter {
    /// All with a copy of it.
    AnyCopy,
    /// Only those where a request through a copy of it is under way.
    InFlight,
}

/// A member cluster, as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    /// Its name.
    pub name: MemberName,
    /// The cluster's own identity: the UID of its namespace `kube-system`. A
    /// second cluster under the same name has another one, and is refused.
    pub cluster: Arc<str>,
    /// The version of aso-guard that wrote last.
    pub version: Arc<str>,
    /// Whether the member still goes through objects that are older than its guard.
    pub enrolling: bool,
    /// When it last wrote, by its own clock.
    pub heard: Timestamp,
    /// The mode in force where a namespace sets none: enforce, audit or off. Empty in a
    /// record of a version that did not say.
    pub mode: Arc<str>,
    /// Its objects whose Azure resource cannot be worked out. No claim shows them, and
    /// nobody guards them.
    pub unresolved: Sample,
    /// The installed kinds that its guard may not read: what becomes of their objects goes
    /// unseen.
    pub unwatched: Sample,
    /// What its API servers do not ask its guard about though they should, by its webhook
    /// configuration.
    pub webhook_gaps: Sample,
    /// What it has written down for its API servers to refuse by while no guard answers; `None`
    /// where it writes nothing down.
    pub second_line: Option<SecondLine>,
    /// When the token expires by which its guard asks the hub; `None` where it does not, or where
    /// that is not known.
    pub hub_token_expires: Option<Timestamp>,
    /// What a person said who knows that its ASO does not write any more.
    pub fence: Option<Fence>,
    /// The changes of its namespaces' policies that may be under way.
    pub policy_changes: Vec<PolicyChange>,
    /// How often the member wrote this record: a registry that went back in time counts fewer
    /// than the member remembers.
    pub writes: u32,
    /// The `id` of the registry's epoch under which all its copies are there, as the member
    /// remembers it; empty where it remembers none, and in a record of a version that did not say.
    pub epoch: Arc<str>,
    /// The registry that all its replicas have as the next one, where they do.
    pub next: Option<NextRegistry>,
}

/// The registry that a member's guard has as the next one, to move to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextRegistry {
    /// The `id` of its epoch.
    pub id: Arc<str>,
    /// Since when every replica that wrote the record has said so, by the member's own clock.
    pub since: Timestamp,
}

/// How many of something a member has, and some of them by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many there are.
    pub count: u32,
    /// The first few by name.
    pub some: Vec<String>,
    /// Since when there have been some, or none, by the member's own clock.
    pub since: Timestamp,
}

/// What a member has written down for its API servers to refuse by while no guard answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondLine {
    /// In how many namespaces something is.
    pub namespaces: u32,
    /// Those in which it may be out of date.
    pub stale: Sample,
}

/// A member that wrote within this time is there.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// How a member stands, for people: no verdict rests on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberStanding {
    /// It was heard from, and all it has is in the registry.
    Ready,
    /// It was heard from, and still goes through objects that are older than its guard.
    Enrolling,
    /// It was not heard from for ten minutes. It still holds what it holds.
    Silent,
}

impl MemberStanding {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Enrolling => "Enrolling",
            Self::Silent => "Silent",
        }
    }
}

/// A token that still is not renewed so long before its end is worth a warning.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

impl MemberRecord {
    /// From when on its hub token is worth a warning; `None` where it does not end, or does not
    /// say.
    pub fn hub_token_ends_soon_from(&self) -> Option<Timestamp> {
        self.hub_token_expires?.checked_sub(EXPIRES_SOON).ok()
    }

    /// Whether its hub token ends soon, or has ended, looked at `now`.
    pub fn hub_token_ends_soon(&self, now: Timestamp) -> bool {
        let soon = self.hub_token_ends_soon_from();
        soon.is_some_and(|soon| now >= soon)
    }

    /// How it stands, looked at `now`.
    pub fn standing(&self, now: Timestamp) -> MemberStanding {
        if now.duration_since(self.heard) >= RECENT {
            MemberStanding::Silent
        } else if self.enrolling {
            MemberStanding::Enrolling
        } else {
            MemberStanding::Ready
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_where_the_one_before_it_ended() {
        let at = |text: &str| Cursor::new(text.to_owned());
        assert_eq!(Cursor::position(None), (0, None));
        let after = Cursor::after(0, Some("2!80!a b"), 2);
        let position = Cursor::position(after.as_ref());
        assert_eq!(position, (0, Some(at("2!80!a b"))));
        let after = Cursor::after(0, None, 2);
        assert_eq!(Cursor::position(after.as_ref()), (1, None));
        assert_eq!(Cursor::after(1, None, 2), None);
    }
}
