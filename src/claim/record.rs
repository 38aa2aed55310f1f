//! The record of one identity.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::arm::Identity;
use crate::object::ObjectFacts;
use crate::policy::Policy;

use super::history_entry::HistoryEntry;
use super::names::{CopyRef, NamespaceRef, RequestUid, TransferName};

/// How many requests of one kind a copy keeps apart. Beyond it, the oldest are
/// folded into one that only its deadline ends, so that a client that retries in
/// a loop cannot grow a record without bound.
pub const MAX_IN_FLIGHT: usize = 16;

/// The registry's truth about one identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// The resource in Azure.
    pub identity: Identity,
    /// Every copy of it that is stored or may yet be stored.
    pub copies: BTreeMap<CopyRef, MemberCopy>,
    /// The open transfer that moves the resource, where there is one.
    pub reserved: Option<Reservation>,
    /// What was done against the protocol's word, the latest last.
    pub history: Vec<HistoryEntry>,
}

/// What a claim says of the open transfer that moves its resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reservation {
    /// The transfer.
    pub transfer: TransferName,
    /// From where the resource is moved.
    pub from: NamespaceRef,
    /// To where: only there may it go live.
    pub to: NamespaceRef,
}

/// One copy, as far as the registry knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberCopy {
    /// What the observer last saw in its API server's store; `None` until it saw
    /// the object, and once it saw it gone.
    pub stored: Option<StoredCopy>,
    /// Admitted requests that may yet store this copy as live.
    pub acquiring: Vec<InFlight>,
    /// Admitted requests that may yet store this copy as parked: it counts for those who
    /// would delete the resource.
    pub arriving: Vec<InFlight>,
    /// Admitted requests on the object that make no copy of this resource: what has the object
    /// as its owner is taken for something inside it until they are stored, and for something
    /// elsewhere afterwards.
    pub renaming: Vec<InFlight>,
    /// Admitted requests that may yet delete this copy and the resource with it.
    pub deleting: Vec<InFlight>,
    /// Whether the identity rests on an owner that was not there: the owner's
    /// Kubernetes name was taken for its Azure name.
    pub assumed: bool,
    /// Whether it was found live while another copy was live: its turn among those, or 0.
    pub newcomer: u32,
    /// When this copy came to be in the record, by its own cluster's clock.
    pub since: Timestamp,
    /// The user whose request brought it here; empty when the observer found it.
    pub by: Arc<str>,
}

/// An object as its own cluster's observer saw it stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoredCopy {
    /// The object's uid.
    pub uid: Arc<str>,
    /// Its effective policy.
    pub policy: Policy,
    /// Whether it has a deletion timestamp.
    pub terminating: bool,
    /// Whether ASO has an operation under way for it in Azure
    /// (`serviceoperator.azure.com/poller-resume-token`).
    pub busy: bool,
}

/// A request that the webhook said yes to, and whose end has not been seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InFlight {
    /// The webhook's call.
    pub request: RequestUid,
    /// What shows that the request is over.
    pub proof: Proof,
    /// The API server has given the request up by then, by the clock of the replica
    /// that admitted it. For people: an observer has its own clock's time in its place
    /// when it judges, so clocks are never compared.
    pub deadline: Timestamp,
    /// Of a [renaming](MemberCopy::renaming) request: what those below are in afterwards, where
    /// that is known.
    pub to: Option<Identity>,
}

impl InFlight {
    /// Whether the request may yet be stored, by the object that was read after the request
    /// was found under way.
    pub(super) fn may_land(&self, object: Option<&ObjectFacts>) -> bool {
        match (&self.proof, object) {
            (Proof::Uid(uid), Some(object)) => *object.uid != **uid,
            (Proof::ResourceVersion(version), Some(object)) => {
                *object.resource_version == **version
            }
            (Proof::ResourceVersion(_), None) => false,
            (Proof::Uid(_), None) | (Proof::Owner | Proof::Deadline, _) => true,
        }
    }
}

/// What an observer's read must show for a request to be over before its deadline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// A CREATE: it is over once an object with this uid was seen stored.
    Uid(Arc<str>),
    /// An UPDATE or DELETE computed on this resourceVersion: it is over once the
    /// object has another one (stored, or dead by optimistic locking) or is gone.
    ResourceVersion(Arc<str>),
    /// The CREATE of an owner that the copy waits for, or an UPDATE of one that renames
    /// the copy: it is over once the copy was seen to be of the record's identity, with
    /// its owner in place.
    Owner,
    /// Nothing: only the deadline ends it.
    Deadline,
}

/// What a record says in one word; `kubectl get claims` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClaimState {
    /// One live copy, seen stored.
    Live,
    /// A copy was admitted as live and has not been seen stored.
    Pending,
    /// Only parked copies.
    Parked,
    /// No copies: the record is kept for its history, or for a transfer.
    Free,
    /// The copy that is live is being deleted, and the resource with it.
    Deleting,
    /// More than one live copy.
    Conflict,
}

impl ClaimState {
    /// All there are.
    pub const ALL: [Self; 5] = [
        Self::Live,
        Self::Pending,
        Self::Parked,
        Self::Deleting,
        Self::Conflict,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::Pending => "Pending",
            Self::Parked => "Parked",
            Self::Free => "Free",
            Self::Deleting => "Deleting",
            Self::Conflict => "Conflict",
        }
    }
}

impl Record {
    /// A record without copies.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            copies: BTreeMap::new(),
            reserved: None,
            history: Vec::new(),
        }
    }

    /// Whether it says nothing: there is no copy, nobody moves the resource, and nothing
    /// was done that is to be remembered. A registry keeps no such record.
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty() && self.reserved.is_none() && self.history.is_empty()
    }

    /// The copies that are live or may become so.
    pub fn live(&self) -> impl Iterator<Item = (&CopyRef, &MemberCopy)> {
        self.copies.iter().filter(|(_, copy)| copy.is_live())
    }

    /// The copies that are parked.
    pub fn parked(&self) -> impl Iterator<Item = (&CopyRef, &MemberCopy)> {
        self.copies.iter().filter(|(_, copy)| !copy.is_live())
    }

    /// Every copy but this one.
    pub fn others<'a>(
        &'a self,
        copy: &'a CopyRef,
    ) -> impl Iterator<Item = (&'a CopyRef, &'a MemberCopy)> {
        self.copies.iter().filter(move |(other, _)| *other != copy)
    }

    /// The copy whose deletion takes the resource with it, where there is one.
    pub fn being_deleted(&self) -> Option<(&CopyRef, &MemberCopy)> {
        self.copies.iter().find(|(_, copy)| copy.is_deleting())
    }

    /// The record in one word.
    pub fn state(&self) -> ClaimState {
        let mut live = self.live();
        match (live.next(), live.next()) {
            (Some(_), Some(_)) => ClaimState::Conflict,
            _ if self.being_deleted().is_some() => ClaimState::Deleting,
            (Some((_, copy)), None) if copy.stored_live() => ClaimState::Live,
            (Some(_), None) => ClaimState::Pending,
            (None, _) if self.copies.is_empty() => ClaimState::Free,
            (None, _) => ClaimState::Parked,
        }
    }

    /// When the last of its copies came to be what it is, by that copy's own cluster's
    /// clock.
    pub fn since(&self) -> Option<Timestamp> {
        self.copies.values().map(|copy| copy.since).max()
    }

    /// The record without a copy, whatever of it is under way: what a person does who
    /// knows that it is gone for good.
    #[must_use]
    pub fn without(&self, copy: &CopyRef) -> Self {
        let mut next = self.clone();
        next.copies.remove(copy);
        next
    }

    /// This copy's entry, made at `since` for `by` where it is not there yet.
    pub(super) fn entry(&mut self, copy: &CopyRef, since: Timestamp, by: &str) -> &mut MemberCopy {
        self.copies
            .entry(copy.clone())
            .or_insert_with(|| MemberCopy::new(since, by))
    }
}

impl MemberCopy {
    fn new(since: Timestamp, by: &str) -> Self {
        Self {
            stored: None,
            acquiring: Vec::new(),
            arriving: Vec::new(),
            renaming: Vec::new(),
            deleting: Vec::new(),
            assumed: false,
            newcomer: 0,
            since,
            by: by.into(),
        }
    }

    /// Whether ASO reconciles this copy, or may once an admitted request lands.
    pub fn is_live(&self) -> bool {
        self.stored_live() || !self.acquiring.is_empty()
    }

    /// Whether the copy was live when last seen.
    pub fn stored_live(&self) -> bool {
        self.stored.as_ref().is_some_and(|s| s.policy.is_live())
    }

    /// Whether the resource is being deleted through this copy, or may be once an
    /// admitted request lands.
    pub fn is_deleting(&self) -> bool {
        let destructive = |s: &StoredCopy| s.terminating && s.policy == Policy::Manage;
        !self.deleting.is_empty() || self.stored.as_ref().is_some_and(destructive)
    }

    /// Whether nothing is stored and nothing under way.
    pub(super) fn is_vacant(&self) -> bool {
        self.stored.is_none() && self.in_flight().next().is_none()
    }

    /// Every request under way.
    pub fn in_flight(&self) -> impl Iterator<Item = &InFlight> {
        self.on_copy().chain(&self.renaming)
    }

    /// Those that make something of a copy of this resource.
    fn on_copy(&self) -> impl Iterator<Item = &InFlight> {
        let lists = [&self.acquiring, &self.arriving, &self.deleting];
        lists.into_iter().flatten()
    }

    /// The same, to be changed.
    pub fn in_flight_mut(&mut self) -> impl Iterator<Item = &mut InFlight> {
        self.in_flight_lists().into_iter().flatten()
    }

    /// The requests under way, a list of each kind.
    pub(super) fn in_flight_lists(&mut self) -> [&mut Vec<InFlight>; 4] {
        [
            &mut self.acquiring,
            &mut self.arriving,
            &mut self.renaming,
            &mut self.deleting,
        ]
    }

    /// Whether a copy of this resource is there, or may be: not where all there is are
    /// requests that take others away from it.
    pub fn is_copy(&self) -> bool {
        self.stored.is_some() || self.on_copy().next().is_some()
    }

    /// Whether it is a copy of this resource by itself: not where only a request on an owner would
    /// make it one.
    pub(super) fn was_one(&self) -> bool {
        self.stored.is_some() || self.on_copy().any(|request| request.proof != Proof::Owner)
    }

    /// The earliest deadline of a request under way.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.in_flight().map(|request| request.deadline).min()
    }
}

/// Adds a request, once, and keeps the list short.
pub(super) fn add_in_flight(list: &mut Vec<InFlight>, new: InFlight) {
    if let Some(known) = list.iter_mut().find(|known| known.request == new.request) {
        known.deadline = known.deadline.max(new.deadline);
        if known.proof != new.proof {
            // Neither shows that the request is over as the other one takes it.
            known.proof = Proof::Deadline;
        }
        return;
    }
    if list.len() >= MAX_IN_FLIGHT {
        let (first, second) = (list.remove(0), list.remove(0));
        list.insert(
            0,
            InFlight {
                // A name no call has: taking one call back must not end the other.
                request: RequestUid::new(""),
                proof: Proof::Deadline,
                deadline: first.deadline.max(second.deadline),
                to: None,
            },
        );
    }
    list.push(new);
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::{Story, copy, creating, deleting};
    use super::*;
    use crate::policy::Policy::{DetachOnDelete, Manage, Skip};

    #[test]
    fn a_record_without_copies_is_kept_for_its_history() {
        let mut record = Record::new(super::super::testing::group());
        assert!(record.is_empty());
        assert_eq!(record.state(), ClaimState::Free);
        record.history.push(HistoryEntry {
            at: super::super::testing::at(0),
            by: "alice".into(),
            copy: copy("a"),
            action: super::super::HistoryAction::Delete,
            why: super::super::Justification::new("hub is gone").unwrap(),
            refusal: "PeersDepend".into(),
        });
        assert!(!record.is_empty());
    }

    #[rstest]
    #[case::nothing(Story::default().found(&copy("a"), Skip), ClaimState::Parked)]
    #[case::one(Story::default().found(&copy("a"), DetachOnDelete).found(&copy("b"), Skip), ClaimState::Live)]
    #[case::soon(Story::default().acquires(&creating(&copy("a"), "r", "u", 0)), ClaimState::Pending)]
    #[case::two(Story::default().found(&copy("a"), Manage).found(&copy("b"), Manage), ClaimState::Conflict)]
    #[case::going(Story::default().deletes(&deleting(&copy("a"), "r", "1", 0)), ClaimState::Deleting)]
    fn a_record_in_one_word(#[case] story: Story, #[case] state: ClaimState) {
        assert_eq!(story.record().state(), state, "{}", state.as_str());
        let copies = story.record().copies.len();
        let told_apart = story.record().live().count() + story.record().parked().count();
        assert_eq!(told_apart, copies);
    }
}
