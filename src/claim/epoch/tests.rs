use std::collections::BTreeSet;

use rstest::rstest;

use super::*;

fn name(name: &str) -> MemberName {
    name.parse().unwrap()
}

fn epoch(id: &str, round: u32) -> Epoch {
    Epoch {
        id: id.into(),
        round,
    }
}

/// `a=Enrolled b=Awaited`
fn record(id: &str, round: u32, members: &str) -> EpochRecord {
    let members = members.split_whitespace().map(|one| {
        let (member, state) = one.split_once('=').unwrap();
        (name(member), EpochMember::from_word(state).unwrap())
    });
    EpochRecord {
        epoch: epoch(id, round),
        members: members.collect(),
        ..EpochRecord::default()
    }
}

fn remembered(id: &str, round: u32, writes: u32, companions: &[&str]) -> Memory {
    Memory::Known(Remembered {
        epoch: epoch(id, round),
        writes,
        companions: companions.iter().map(|one| name(one)).collect(),
    })
}

/// What `a` does about a registry that says this.
fn after(memory: Memory, seen: Option<EpochRecord>, writes: Option<u32>) -> Enrolment<u32> {
    let mut way = Enrolment::new(name("a"));
    way.answer(EnrolmentAnswer::Recalled(memory));
    way.answer(EnrolmentAnswer::Read(seen.map(|seen| (seen, 7)), writes));
    way
}

fn put(way: &Enrolment<u32>) -> (EpochRecord, Option<u32>) {
    match way.call() {
        EnrolmentCall::Put(record, version) => (record.clone(), version.copied()),
        call => panic!("{call:?}"),
    }
}

#[test]
fn the_first_of_all_members_awaits_nobody() {
    let mut way = after(Memory::Fresh, None, None);
    assert_eq!(way.call(), EnrolmentCall::Members);
    way.answer(EnrolmentAnswer::Members(BTreeSet::new()));
    assert_eq!(put(&way), (record("", 0, "a=Enrolled"), None));
}

/// Its companions come from what it remembers, and from records of another epoch that are left.
#[rstest]
#[case::it_remembers(remembered("e1", 0, 3, &["b"]), &["c"], "a=Awaited b=Awaited c=Awaited")]
#[case::it_cannot_remember(Memory::Unavailable, &["c"], "a=Awaited c=Awaited")]
#[case::it_is_new(Memory::Fresh, &["a", "b"], "a=Enrolled b=Awaited")]
fn who_makes_the_record_anew_awaits_all_that_it_knows_of(
    #[case] memory: Memory,
    #[case] named: &[&str],
    #[case] members: &str,
) {
    let mut way = after(memory, None, None);
    let named = named.iter().map(|one| name(one)).collect();
    way.answer(EnrolmentAnswer::Members(named));
    assert_eq!(put(&way), (record("", 0, members), None));
}

#[rstest]
#[case::emptied_and_it_is_awaited("e2", 0, "a=Awaited b=Awaited")]
#[case::set_back_by_another("e1", 1, "a=Awaited b=Awaited")]
fn who_is_awaited_waits_and_brings_its_copies_in(
    #[case] id: &str,
    #[case] round: u32,
    #[case] members: &str,
) {
    let seen = record(id, round, members);
    let mut way = after(remembered("e1", 0, 3, &["b"]), Some(seen.clone()), Some(1));
    assert_eq!(way.call(), EnrolmentCall::WaitOut(&seen.epoch));
    way.answer(EnrolmentAnswer::WaitedOut);
    assert_eq!(way.call(), EnrolmentCall::BringIn);
    way.answer(EnrolmentAnswer::BroughtIn);
    assert_eq!(way.call(), EnrolmentCall::Read);
    way.answer(EnrolmentAnswer::Read(Some((seen.clone(), 8)), Some(2)));
    let Memory::Known(remembers) = remembered(id, round, 2, &["b"]) else {
        unreachable!()
    };
    assert_eq!(way.call(), EnrolmentCall::Remember(&remembers));
    way.answer(EnrolmentAnswer::Remembered);
    let enrolled = record(id, round, "a=Enrolled b=Awaited");
    assert_eq!(put(&way), (enrolled.clone(), Some(8)));
    way.answer(EnrolmentAnswer::Stored);
    way.answer(EnrolmentAnswer::Read(Some((enrolled, 9)), Some(2)));
    // The other one is still awaited.
    assert_eq!(way.call(), EnrolmentCall::Done(None));
}

#[test]
fn what_was_brought_in_under_another_round_does_not_count() {
    let seen = record("e2", 0, "a=Awaited");
    let mut way = after(remembered("e1", 0, 3, &[]), Some(seen), Some(1));
    way.answer(EnrolmentAnswer::WaitedOut);
    way.answer(EnrolmentAnswer::BroughtIn);
    let later = record("e2", 1, "a=Awaited");
    way.answer(EnrolmentAnswer::Read(Some((later, 9)), Some(1)));
    assert_eq!(way.call(), EnrolmentCall::WaitOut(&epoch("e2", 1)));
}

#[rstest]
#[case::its_record_is_older(Some(2))]
#[case::its_record_is_gone(None)]
fn a_registry_that_went_back_awaits_everybody_in_another_round(#[case] writes: Option<u32>) {
    let seen = record("e1", 4, "a=Enrolled b=Enrolled d=Forgotten");
    let way = after(remembered("e1", 4, 3, &["b", "c"]), Some(seen), writes);
    let all = record("e1", 5, "a=Awaited b=Awaited c=Awaited d=Forgotten");
    assert_eq!(put(&way), (all, Some(7)));
}

/// It is set back before a round that this member has seen: whatever its own record says.
#[rstest]
#[case::it_was_enrolled("a=Enrolled b=Enrolled", "a=Awaited b=Awaited c=Awaited")]
#[case::it_was_awaited("a=Awaited b=Enrolled", "a=Awaited b=Awaited c=Awaited")]
#[case::it_was_not_there_yet("b=Enrolled", "a=Awaited b=Awaited c=Awaited")]
fn a_registry_of_an_earlier_round_awaits_everybody_in_a_round_above_both(
    #[case] seen: &str,
    #[case] all: &str,
) {
    let seen = record("e1", 2, seen);
    let way = after(remembered("e1", 4, 3, &["b", "c"]), Some(seen), Some(3));
    assert_eq!(put(&way), (record("e1", 5, all), Some(7)));
}

/// People closed it, or gave that up, before anybody had noticed: the round says nothing then.
#[test]
fn a_registry_that_went_back_and_was_marked_since_awaits_everybody() {
    let memory = remembered("e1", 4, 7, &["b"]);
    let seen = record("e1", 5, "a=Enrolled b=Enrolled");
    let way = after(memory.clone(), Some(seen.clone()), Some(6));
    let awaited = record("e1", 6, "a=Awaited b=Awaited");
    assert_eq!(put(&way), (awaited, Some(7)));

    let way = after(memory.clone(), Some(seen), Some(7));
    assert!(matches!(way.call(), EnrolmentCall::Remember(..)));
    // Somebody else has noticed, and this member is awaited since.
    let noticed = record("e1", 5, "a=Awaited b=Awaited");
    let way = after(memory, Some(noticed), Some(6));
    assert_eq!(way.call(), EnrolmentCall::WaitOut(&epoch("e1", 5)));
}

#[test]
fn whom_only_this_member_knows_of_is_awaited_too() {
    let seen = record("e2", 0, "a=Awaited b=Enrolled");
    let way = after(remembered("e1", 0, 3, &["b", "c"]), Some(seen), None);
    let all = record("e2", 1, "a=Awaited b=Enrolled c=Awaited");
    assert_eq!(put(&way), (all, Some(7)));
}

#[rstest]
#[case::new(Memory::Fresh, "e1", 4, "a=Enrolled b=Enrolled")]
#[case::of_an_earlier_epoch(remembered("e0", 9, 3, &[]), "e1", 5, "a=Awaited b=Enrolled")]
#[case::without_a_memory(Memory::Unavailable, "e1", 5, "a=Awaited b=Enrolled")]
fn a_member_that_the_record_lacks_adds_itself(
    #[case] memory: Memory,
    #[case] id: &str,
    #[case] round: u32,
    #[case] members: &str,
) {
    let way = after(memory, Some(record("e1", 4, "b=Enrolled")), None);
    assert_eq!(put(&way), (record(id, round, members), Some(7)));
}

/// By another replica, or by itself before it was started again.
#[rstest]
#[case::of_an_earlier_epoch(remembered("e0", 0, 3, &["b"]))]
#[case::of_an_earlier_round(remembered("e1", 3, 3, &["b"]))]
#[case::new(Memory::Fresh)]
#[case::without_a_memory(Memory::Unavailable)]
fn a_member_that_is_enrolled_already_takes_the_epoch_over(#[case] memory: Memory) {
    let seen = record("e1", 4, "a=Enrolled b=Enrolled");
    let mut way = after(memory, Some(seen), Some(5));
    let Memory::Known(remembers) = remembered("e1", 4, 5, &["b"]) else {
        unreachable!()
    };
    assert_eq!(way.call(), EnrolmentCall::Remember(&remembers));
    way.answer(EnrolmentAnswer::Remembered);
    let known = KnownEpoch {
        epoch: epoch("e1", 4),
        writes: 5,
        migration: None,
    };
    assert_eq!(way.call(), EnrolmentCall::Done(Some(&known)));
}

#[rstest]
#[case::as_it_was("e1", 4, "a=Enrolled b=Enrolled", Some(5), true)]
#[case::another_one("e2", 4, "a=Enrolled b=Enrolled", Some(5), false)]
#[case::another_round("e1", 5, "a=Enrolled b=Enrolled", Some(5), false)]
#[case::somebody_is_awaited("e1", 4, "a=Enrolled b=Awaited", Some(5), false)]
#[case::it_went_back("e1", 4, "a=Enrolled b=Enrolled", Some(4), false)]
#[case::its_own_record_is_gone("e1", 4, "a=Enrolled b=Enrolled", None, false)]
#[case::one_is_gone_for_good("e1", 4, "a=Enrolled b=Forgotten", Some(6), true)]
fn a_verdict_stands_where_the_registry_is_the_same_and_whole(
    #[case] id: &str,
    #[case] round: u32,
    #[case] members: &str,
    #[case] writes: Option<u32>,
    #[case] stands: bool,
) {
    let before = KnownEpoch {
        epoch: epoch("e1", 4),
        writes: 5,
        migration: None,
    };
    let seen = record(id, round, members);
    let outcome = confirm(Some(&before), Some(&seen), writes);
    assert_eq!(outcome.is_ok(), stands);
    assert!(confirm(None, Some(&seen), writes).is_err());
    assert!(confirm(Some(&before), None, writes).is_err());
}

#[test]
fn a_refusal_names_who_is_awaited() {
    let seen = record("e1", 4, "c=Awaited a=Enrolled b=Awaited");
    let refused = confirm(None, Some(&seen), None).unwrap_err();
    assert_eq!(refused.awaited, [name("b"), name("c")]);
}

#[test]
fn a_member_by_another_name_is_as_far_as_it_was() {
    let seen = record("e1", 4, "a=Enrolled b=Awaited");
    let next = seen.renamed(&name("a"), &name("c")).unwrap();
    assert_eq!(next, record("e1", 4, "a=Forgotten b=Awaited c=Enrolled"));
    assert_eq!(next.renamed(&name("a"), &name("c")), None);
}

#[test]
fn whoever_is_gone_for_good_is_no_longer_awaited() {
    let seen = record("e1", 4, "a=Enrolled b=Awaited");
    let next = seen.forgetting(&name("b")).unwrap();
    assert_eq!(next, record("e1", 4, "a=Enrolled b=Forgotten"));
    assert!(next.is_whole());
    assert_eq!(next.forgetting(&name("b")), None);
    assert_eq!(seen.forgetting(&name("c")), None);
}
