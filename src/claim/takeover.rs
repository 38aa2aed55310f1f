//! Releasing what a fenced member held, one claim at a time: the order of the reads and the write,
//! without the calls themselves.

use jiff::Timestamp;

use crate::arm::Identity;

use super::fence::Fence;
use super::history_entry::{HistoryAction, HistoryEntry};
use super::names::{CopyRef, MemberName};
use super::record::Record;

/// One claim, of which a fenced member's copies are taken out.
///
/// 1. The claim is read.
/// 2. The member's record is read **after** it. Whoever takes the fence off does so before the
///    member lets anything go live again: either that is seen here, or what went live meanwhile
///    has changed the claim since it was read, and the write fails.
/// 3. The claim is written on condition that it is the one that was read. Where it is not, all of
///    it begins again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Takeover<V> {
    identity: Identity,
    member: MemberName,
    fence: Fence,
    stage: TakeoverStage<V>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum TakeoverStage<V> {
    Claim,
    Member(Record, V),
    Put(Record, V, Vec<CopyRef>),
    Done(TakeoverOutcome),
}

/// A call that a [`Takeover`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeoverCall<'a, V> {
    /// Read the claim.
    Claim(&'a Identity),
    /// Read the member's record, and then the clock.
    Member(&'a MemberName),
    /// Store a record, on condition that the registry still holds this version of it.
    Put(&'a Record, &'a V),
    /// Make no more calls: this is what it came to.
    Done(&'a TakeoverOutcome),
}

/// What came of a [`TakeoverCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakeoverAnswer<V> {
    /// The claim, and its version.
    Claim(Option<(Record, V)>),
    /// What the member's record says, if it is there; and the time, by the clock of whoever
    /// releases.
    Member(Option<MemberSilence>, Timestamp),
    /// The record was stored.
    Stored,
    /// The registry holds another version; nothing was changed.
    Conflict,
}

/// What a member's record says of whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberSilence {
    /// Its fence.
    pub fence: Option<Fence>,
    /// Its last heartbeat, by its own clock.
    pub heard: Timestamp,
}

/// Why nothing may be released of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotReleased {
    /// It is not fenced, or not by the fence that was meant.
    NotFenced,
    /// It wrote a heartbeat since it was fenced: it is there.
    Speaks,
    /// Its ASO may have a token that is good still.
    TooEarly,
}

/// What a takeover came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TakeoverOutcome {
    /// These copies were taken out of the claim: none where the member had none in it.
    Released(Vec<CopyRef>),
    /// Nothing was changed.
    Not(NotReleased),
}

impl MemberSilence {
    /// Whether what the member held may be released at `now`, by this fence.
    ///
    /// # Errors
    /// Why it may not.
    pub fn allows(&self, fence: &Fence, now: Timestamp) -> Result<(), NotReleased> {
        if self.fence.as_ref() != Some(fence) {
            Err(NotReleased::NotFenced)
        } else if self.heard != fence.heard {
            Err(NotReleased::Speaks)
        } else if now < fence.until {
            Err(NotReleased::TooEarly)
        } else {
            Ok(())
        }
    }
}

impl<V: Clone> Takeover<V> {
    /// Takes what a member, fenced so, has in a claim.
    pub fn new(member: MemberName, fence: Fence, identity: Identity) -> Self {
        Self {
            identity,
            member,
            fence,
            stage: TakeoverStage::Claim,
        }
    }

    /// The call to make.
    pub fn call(&self) -> TakeoverCall<'_, V> {
        match &self.stage {
            TakeoverStage::Claim => TakeoverCall::Claim(&self.identity),
            TakeoverStage::Member(..) => TakeoverCall::Member(&self.member),
            TakeoverStage::Put(record, version, _) => TakeoverCall::Put(record, version),
            TakeoverStage::Done(outcome) => TakeoverCall::Done(outcome),
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing. `entry`: what the
    /// history says of it, of a copy that was live, or was not.
    pub fn answer(
        &mut self,
        answer: TakeoverAnswer<V>,
        entry: impl Fn(&CopyRef, HistoryAction) -> HistoryEntry,
    ) {
        let stage = std::mem::replace(&mut self.stage, TakeoverStage::Claim);
        self.stage = match (stage, answer) {
            (TakeoverStage::Claim, TakeoverAnswer::Claim(Some((record, version))))
                if record.copies.keys().any(|copy| copy.member == self.member) =>
            {
                TakeoverStage::Member(record, version)
            }
            (TakeoverStage::Claim, TakeoverAnswer::Claim(_)) => {
                TakeoverStage::Done(TakeoverOutcome::Released(Vec::new()))
            }
            (TakeoverStage::Member(record, version), TakeoverAnswer::Member(known, now)) => {
                let allowed = known.map_or(Err(NotReleased::NotFenced), |known| {
                    known.allows(&self.fence, now)
                });
                match allowed {
                    Ok(()) => {
                        let (next, copies) = record.without_member(&self.member, entry);
                        TakeoverStage::Put(next, version, copies)
                    }
                    Err(why) => TakeoverStage::Done(TakeoverOutcome::Not(why)),
                }
            }
            (TakeoverStage::Put(_, _, copies), TakeoverAnswer::Stored) => {
                TakeoverStage::Done(TakeoverOutcome::Released(copies))
            }
            (TakeoverStage::Put(..), TakeoverAnswer::Conflict) => TakeoverStage::Claim,
            (stage, _) => stage,
        };
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::history_entry::Justification;
    use super::super::testing::{Story, at, copy, creating, fence, group};
    use super::*;
    use crate::policy::Policy::{Manage, Skip};

    fn entry(copy: &CopyRef, action: HistoryAction) -> HistoryEntry {
        HistoryEntry {
            at: at(2000),
            by: "alice".into(),
            copy: copy.clone(),
            action,
            why: Justification::new("burnt down").unwrap(),
            refusal: "".into(),
        }
    }

    fn silent() -> MemberSilence {
        MemberSilence {
            fence: Some(fence(at(1000))),
            heard: at(900),
        }
    }

    /// Takes `a`'s copies out of a claim, of whose member this is read. Gives the claim after.
    fn take(
        before: &Record,
        silence: Option<&MemberSilence>,
        second: i64,
    ) -> (Record, TakeoverOutcome) {
        let mut stored = before.clone();
        let mut way = Takeover::new(copy("a").member, fence(at(1000)), group());
        loop {
            let answer = match way.call() {
                TakeoverCall::Claim(_) => TakeoverAnswer::Claim(Some((stored.clone(), ()))),
                TakeoverCall::Member(_) => TakeoverAnswer::Member(silence.cloned(), at(second)),
                TakeoverCall::Put(next, ()) => {
                    stored = next.clone();
                    TakeoverAnswer::Stored
                }
                TakeoverCall::Done(outcome) => return (stored, outcome.clone()),
            };
            way.answer(answer, entry);
        }
    }

    #[test]
    fn what_a_fenced_member_held_is_free_and_its_history_says_so() {
        let (a, a2, b) = (copy("a"), copy("a/other"), copy("b"));
        let story = Story::default()
            .found(&a, Manage)
            .found(&a2, Skip)
            .found(&b, Skip);
        let (after, outcome) = take(story.record(), Some(&silent()), 1120);
        assert_eq!(
            outcome,
            TakeoverOutcome::Released(vec![a2.clone(), a.clone()])
        );
        assert_eq!(after.copies.keys().collect::<Vec<_>>(), [&b]);
        let said: Vec<_> = after
            .history
            .iter()
            .map(|one| (&one.copy, one.action))
            .collect();
        let expected = [(&a2, HistoryAction::Release), (&a, HistoryAction::Failover)];
        assert_eq!(said, expected);
    }

    #[rstest]
    #[case::forgotten(None, 1120, NotReleased::NotFenced)]
    #[case::not_fenced(Some(MemberSilence { fence: None, ..silent() }), 1120, NotReleased::NotFenced)]
    #[case::fenced_anew(Some(MemberSilence { fence: Some(Fence { at: at(1001), ..fence(at(1000)) }), ..silent() }), 1120, NotReleased::NotFenced)]
    #[case::it_speaks(Some(MemberSilence { heard: at(1030), ..silent() }), 1120, NotReleased::Speaks)]
    #[case::too_early(Some(silent()), 1119, NotReleased::TooEarly)]
    fn nothing_is_released_of_who_may_be_there(
        #[case] silence: Option<MemberSilence>,
        #[case] second: i64,
        #[case] why: NotReleased,
    ) {
        let story = Story::default().found(&copy("a"), Manage);
        let (after, outcome) = take(story.record(), silence.as_ref(), second);
        assert_eq!(outcome, TakeoverOutcome::Not(why));
        assert_eq!(after, *story.record());
    }

    #[test]
    fn what_was_released_and_nobody_took_is_given_back() {
        let (a, b) = (copy("a"), copy("b"));
        let story = Story::default().found(&a, Manage).found(&b, Skip);
        let (released, _) = take(story.record(), Some(&silent()), 1120);
        let undo = |record: &Record| {
            record.given_back(&a.member, fence(at(1000)).at, at(2100), at(2190), "bob")
        };
        let back = undo(&released).unwrap();
        assert!(back.copies[&a].is_live() && !back.copies[&b].is_live());
        assert_eq!(back.copies[&a].next_deadline(), Some(at(2190)));
        let last = back.history.last().unwrap();
        assert_eq!(
            (last.action, &*last.by),
            (HistoryAction::FailoverUndo, "bob")
        );
        assert_eq!(undo(&back), None);

        let taken = Story(Some(released)).acquires(&creating(&b, "r", "uid-2", 2000));
        assert_eq!(undo(taken.record()), None);
    }
}
