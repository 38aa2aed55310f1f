use rstest::rstest;

use super::*;
use crate::claim::{
    Acquire, Observation, ObservedHold, ObservedObject, Proof, RequestUid, acquire_by_force,
    observe,
};
use crate::object::ObjectKey;
use crate::policy::Policy::{self, DetachOnDelete, Manage, Skip};
use jiff::Timestamp;

fn way() -> Reservation {
    Reservation {
        transfer: "move-it".parse().unwrap(),
        from: "a/team".parse().unwrap(),
        to: "b/team".parse().unwrap(),
    }
}

fn copy(member: &str) -> CopyRef {
    CopyRef {
        member: member.parse().unwrap(),
        object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "rg"),
    }
}

/// What an observer saw of the copy in a member.
#[derive(Clone, Copy)]
struct Seen(&'static str, Policy, bool, bool);

fn parked(member: &'static str) -> Seen {
    Seen(member, Skip, false, false)
}

fn live(member: &'static str) -> Seen {
    Seen(member, Manage, false, false)
}

fn claim(seen: &[Seen], coming: Option<&str>) -> Record {
    let identity: Identity = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
    let mut record = Record::new(identity.clone());
    for &Seen(member, policy, busy, terminating) in seen {
        let copy = copy(member);
        let look = Observation {
            copy: &copy,
            judged_at: Timestamp::UNIX_EPOCH,
            object: Some(ObservedObject {
                uid: "u".into(),
                resource_version: "1".into(),
                terminating,
                busy,
                held: Some(ObservedHold {
                    policy,
                    assumed: false,
                }),
            }),
            seen_uids: &[],
        };
        record = observe(Some(&record), &identity, &look).record;
    }
    if let Some(member) = coming {
        let ask = Acquire {
            copy: copy(member),
            request: RequestUid::new("r"),
            proof: Proof::Deadline,
            deadline: Timestamp::MAX,
            at: Timestamp::UNIX_EPOCH,
            by: "".into(),
            assumed: false,
        };
        record = acquire_by_force(Some(&record), &identity, &ask);
    }
    record.reserved = Some(way());
    record
}

#[rstest]
#[case::not_begun(&[live("a")], None, TransferStage::Live)]
#[case::detached_is_live(&[Seen("a", DetachOnDelete, false, false)], None, TransferStage::Live)]
#[case::target_came_too_early(&[live("a"), parked("b")], None, TransferStage::Live)]
#[case::unparked_again(&[parked("a")], Some("a"), TransferStage::Live)]
#[case::busy(&[Seen("a", Skip, true, false)], None, TransferStage::Busy)]
#[case::parked(&[parked("a")], None, TransferStage::Parked)]
#[case::parked_in_both(&[parked("a"), parked("b")], None, TransferStage::Parked)]
#[case::source_going(&[Seen("a", Skip, false, true)], None, TransferStage::Parked)]
#[case::admitted(&[parked("a")], Some("b"), TransferStage::Coming)]
#[case::admitted_without_source(&[], Some("b"), TransferStage::Coming)]
#[case::busy_while_admitted(&[Seen("a", Skip, true, false)], Some("b"), TransferStage::Coming)]
#[case::moved(&[parked("a"), live("b")], None, TransferStage::Moved)]
#[case::done(&[live("b")], None, TransferStage::Done)]
#[case::as_cluster_api_does(&[parked("b")], None, TransferStage::Waiting)]
#[case::both_live(&[live("a"), live("b")], None, TransferStage::Conflict)]
#[case::a_third(&[parked("a"), live("c")], None, TransferStage::Conflict)]
#[case::being_deleted(&[Seen("a", Manage, false, true)], None, TransferStage::Deleting)]
#[case::target_being_deleted(&[parked("a"), Seen("b", Manage, false, true)], None, TransferStage::Deleting)]
#[case::a_parked_third_is_nobody(&[parked("c")], None, TransferStage::Lost)]
#[case::nobody(&[], None, TransferStage::Lost)]
fn a_claim_tells_how_far_its_resource_is(
    #[case] seen: &[Seen],
    #[case] coming: Option<&str>,
    #[case] expected: TransferStage,
) {
    let resource = stage(&way(), &claim(seen, coming));
    assert_eq!(resource.stage, expected, "{}", expected.words());
    let there = |member: &str| seen.iter().any(|seen| seen.0 == member) || coming == Some(member);
    assert_eq!(resource.source.is_some(), there("a"));
    assert_eq!(resource.target.is_some(), there("b"));
}

#[test]
fn turned_round_what_was_there_is_where_it_began() {
    let back = Reservation {
        from: way().to,
        to: way().from,
        ..way()
    };
    for (seen, there, then) in [
        (&[live("a")][..], TransferStage::Live, TransferStage::Done),
        (
            &[parked("a"), live("b")],
            TransferStage::Moved,
            TransferStage::Live,
        ),
        (
            &[parked("a"), parked("b")],
            TransferStage::Parked,
            TransferStage::Parked,
        ),
        (
            &[parked("a")],
            TransferStage::Parked,
            TransferStage::Waiting,
        ),
    ] {
        let claim = claim(seen, None);
        assert_eq!(stage(&way(), &claim).stage, there);
        assert_eq!(stage(&back, &claim).stage, then);
    }
}

#[test]
fn only_what_is_reserved_for_it_counts() {
    let mine = claim(&[live("b")], None);
    let mut free = claim(&[live("a")], None);
    free.reserved = None;
    let mut other = claim(&[live("a")], None);
    if let Some(held) = &mut other.reserved {
        held.transfer = "other".parse().unwrap();
    }
    let all = progress(&way(), [&mine, &free, &other]);
    assert_eq!(
        (all.tally.total(), all.tally.at(TransferStage::Done)),
        (1, 1)
    );
    assert_eq!(all.tally.unfinished(), 0);
}

#[test]
fn a_tally_counts_each_stage_once() {
    let mut tally = StageCounts::default();
    assert_eq!(tally.words(), "nothing");
    for (count, stage) in TransferStage::ALL.into_iter().enumerate() {
        assert_eq!(TransferStage::from_word(stage.as_str()), Some(stage));
        tally.add(stage, count);
    }
    assert_eq!(tally.total(), 45);
    assert_eq!((tally.live(), tally.parked()), (4 + 5, 2 + 3 + 6 + 9));
    assert_eq!((tally.trouble(), tally.unfinished()), (7 + 8 + 9, 40));
    let expected =
        "1 busy, 2 parked, 3 coming, 4 moved, 5 done, 6 waiting, 7 conflict, 8 deleting, 9 lost";
    assert_eq!(tally.words(), expected);
}
