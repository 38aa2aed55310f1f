//! What a person does to all copies of one member at once, in one claim.

use std::sync::Arc;

use jiff::Timestamp;

use super::history_entry::{HistoryAction, HistoryEntry};
use super::names::{CopyRef, MemberName, RequestUid};
use super::record::{InFlight, MemberCopy, Proof, Record, add_in_flight};

impl Record {
    /// The record with a member's copies, and what its history says of them, under the member's
    /// new name. `None` where it says nothing of it.
    ///
    /// All that a copy says stays: the truth that it covers is the same cluster's. Where the
    /// new name has a copy of the same object already, the two are one: its observer looked at the
    /// object last, and the requests under way are those of both.
    #[must_use]
    pub fn with_member_renamed(&self, from: &MemberName, to: &MemberName) -> Option<Self> {
        let mut next = self.clone();
        let copies = std::mem::take(&mut next.copies);
        let (renamed, others) = copies
            .into_iter()
            .partition::<Vec<_>, _>(|(copy, _)| copy.member == *from);
        next.copies = others.into_iter().collect();
        for (mut copy, mut held) in renamed {
            copy.member = to.clone();
            if let Some(there) = next.copies.remove(&copy) {
                held.unite(there);
            }
            next.copies.insert(copy, held);
        }
        for entry in &mut next.history {
            if entry.copy.member == *from {
                entry.copy.member = to.clone();
            }
        }
        (next != *self).then_some(next)
    }

    /// The record without a member's copies, whatever of them is under way, and those copies; its
    /// history says so of each.
    pub(super) fn without_member(
        &self,
        member: &MemberName,
        entry: impl Fn(&CopyRef, HistoryAction) -> HistoryEntry,
    ) -> (Self, Vec<CopyRef>) {
        let mut next = self.clone();
        let mut gone = Vec::new();
        next.copies.retain(|copy, held| {
            let is_its = copy.member == *member;
            if is_its {
                gone.push((copy.clone(), held.is_live()));
            }
            !is_its
        });
        for (copy, was_live) in &gone {
            let action = if *was_live {
                HistoryAction::Failover
            } else {
                HistoryAction::Release
            };
            if let Ok(with) = next.with_entry(&entry(copy, action)) {
                next = with;
            }
        }
        (next, gone.into_iter().map(|(copy, _)| copy).collect())
    }

    /// The record with the copy that a failover took out of it, as one that may be live: its own
    /// cluster's observer says whether it is, once it is there. `None` where none was taken out
    /// since `fenced`, or somebody else may be live by now.
    #[must_use]
    pub fn given_back(
        &self,
        member: &MemberName,
        fenced: Timestamp,
        now: Timestamp,
        deadline: Timestamp,
        by: &str,
    ) -> Option<Self> {
        let mut history = self.history.iter().rev();
        let last = history.find(|one| one.copy.member == *member && one.at >= fenced)?;
        let is_taken = self.live().next().is_some() || self.being_deleted().is_some();
        let is_free = !is_taken && self.reserved.is_none();
        if last.action != HistoryAction::Failover || !is_free {
            return None;
        }
        let by: Arc<str> = by.into();
        let mut next = self.clone();
        let request = InFlight {
            request: RequestUid::new("failover-undo"),
            proof: Proof::Deadline,
            deadline,
            to: None,
        };
        add_in_flight(&mut next.entry(&last.copy, now, &by).acquiring, request);
        let entry = HistoryEntry {
            at: now,
            by,
            action: HistoryAction::FailoverUndo,
            ..last.clone()
        };
        next.with_entry(&entry).ok()
    }
}

impl MemberCopy {
    /// Takes in what is known of the same copy under another name, where its observer has
    /// looked since.
    fn unite(&mut self, mut newer: Self) {
        for (own, theirs) in self
            .in_flight_lists()
            .into_iter()
            .zip(newer.in_flight_lists())
        {
            for request in theirs.drain(..) {
                add_in_flight(own, request);
            }
        }
        self.stored = newer.stored.or(self.stored.take());
        self.assumed |= newer.assumed;
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Story, activating, at, copy, creating, of_version};
    use crate::policy::Policy::{Manage, Skip};

    #[test]
    fn a_renamed_member_keeps_all_that_its_copies_say() {
        let (old, new) = (copy("a"), copy("c"));
        let story = Story::default()
            .found(&old, Skip)
            .acquires(&activating(&old, "r1", of_version("1"), 0))
            .found(&copy("b"), Skip);
        let before = story.record();
        let after = before
            .with_member_renamed(&old.member, &new.member)
            .unwrap();
        assert_eq!(after.copies[&new], before.copies[&old]);
        assert_eq!(after.copies[&copy("b")], before.copies[&copy("b")]);
        assert_eq!(after.copies.len(), 2);
        assert_eq!(after.state(), before.state());
        assert_eq!(after.with_member_renamed(&old.member, &new.member), None);
        assert_eq!(
            after.with_member_renamed(&new.member, &old.member).as_ref(),
            Some(before)
        );
    }

    /// The guard was started under its new name before all claims had it.
    #[test]
    fn one_object_under_both_names_is_one_copy_with_the_requests_of_both() {
        let (old, new) = (copy("a"), copy("c"));
        let story = Story::default()
            .acquires(&creating(&old, "r1", "uid-1", 0))
            .found(&new, Manage);
        let before = story.record();
        assert_eq!(before.live().count(), 2);
        let after = before
            .with_member_renamed(&old.member, &new.member)
            .unwrap();
        let united = &after.copies[&new];
        assert_eq!(after.live().count(), 1);
        assert_eq!(united.acquiring.len(), 1);
        assert!(united.stored_live());
        assert_eq!((united.since, united.newcomer), (at(0), 0));
    }
}
