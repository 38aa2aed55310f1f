use rstest::rstest;

use super::super::testing::{Story, at, copy, creating, group, observed, of_version};
use super::super::{Proof, testing::activating};
use super::*;
use crate::policy::Policy::{Manage, Skip};

type Subject = Look<u32, &'static str>;

/// A look at the copy of the group in `a`.
fn look() -> Subject {
    Look::new(copy("a"), group())
}

/// The object as an API server tells of it.
fn object(policy: Policy) -> LookAnswer<u32, &'static str> {
    let read = ObservedObject {
        held: None,
        ..observed(policy)
    };
    LookAnswer::Object(Some((read, "the object")))
}

fn claim(story: &Story) -> LookAnswer<u32, &'static str> {
    LookAnswer::Claim(story.0.clone().map(|record| (record, 7)), at(10))
}

fn resolved(policy: Policy, is_own_policy: bool) -> LookAnswer<u32, &'static str> {
    LookAnswer::Resolved(ObservedResolution {
        identities: vec![group()],
        is_complete: true,
        assumed: false,
        policy,
        is_own_policy,
    })
}

/// `is_complete`: else it cannot be worked out.
fn resolved_to_nothing(is_complete: bool) -> LookAnswer<u32, &'static str> {
    LookAnswer::Resolved(ObservedResolution {
        identities: Vec::new(),
        is_complete,
        assumed: false,
        policy: Manage,
        is_own_policy: false,
    })
}

/// The calls that a look asks for, where these are the answers, and what it then is.
fn calls(answers: impl IntoIterator<Item = LookAnswer<u32, &'static str>>) -> (String, Subject) {
    let mut look = look();
    let mut calls = vec![name(&look)];
    for answer in answers {
        look.answer(answer);
        calls.push(name(&look));
    }
    (calls.join(", "), look)
}

fn name(look: &Subject) -> &'static str {
    match look.call() {
        LookCall::Begin(_) => "begin",
        LookCall::Claim(_) => "claim",
        LookCall::Uids => "uids",
        LookCall::Object => "object",
        LookCall::Resolve(_, Freshness::Store) => "resolve from the store",
        LookCall::Resolve(..) => "resolve",
        LookCall::Put(..) => "put",
        LookCall::Done(_) => "done",
    }
}

fn live_in_a() -> Story {
    Story::default().found(&copy("a"), Manage)
}

/// The claim as this replica wrote it last.
fn written(story: &Story) -> LookAnswer<u32, &'static str> {
    LookAnswer::Written(story.record().clone(), 6, at(10))
}

fn no_uids() -> LookAnswer<u32, &'static str> {
    LookAnswer::Uids(Vec::new())
}

#[test]
fn the_record_comes_first_then_the_uids_then_the_object() {
    let parked = [
        claim(&live_in_a()),
        no_uids(),
        object(Skip),
        resolved(Skip, true),
        LookAnswer::Stored,
    ];
    let (calls, _) = calls(parked);
    assert_eq!(calls, "begin, uids, object, resolve, put, done");
}

#[test]
fn what_says_what_the_claim_says_is_not_written() {
    let same = [
        claim(&live_in_a()),
        no_uids(),
        object(Manage),
        resolved(Manage, false),
    ];
    assert_eq!(calls(same).0, "begin, uids, object, resolve, done");
    let gone = [
        claim(&Story::default()),
        no_uids(),
        LookAnswer::Object(None),
    ];
    assert_eq!(calls(gone).0, "begin, uids, object, done");
}

#[test]
fn an_answer_to_another_call_changes_nothing() {
    let (calls, _) = calls([
        no_uids(),
        claim(&live_in_a()),
        LookAnswer::Object(None),
        no_uids(),
        LookAnswer::Stored,
        LookAnswer::Object(None),
    ]);
    assert_eq!(calls, "begin, begin, uids, uids, object, object, put");
}

#[rstest]
#[case::parked_from_outside(resolved(Skip, false))]
#[case::another_resource_than_it_was(resolved_to_nothing(true))]
fn what_would_release_a_copy_is_worked_out_from_the_store(
    #[case] known: LookAnswer<u32, &'static str>,
) {
    let (calls, look) = calls([
        claim(&live_in_a()),
        no_uids(),
        object(Manage),
        known,
        resolved(Manage, false),
    ]);
    assert_eq!(
        calls,
        "begin, uids, object, resolve, resolve from the store, done"
    );
    let LookCall::Done(looked) = look.call() else {
        panic!("not done");
    };
    assert_eq!(
        (&looked.record, looked.changed),
        (live_in_a().record(), false)
    );
}

#[test]
fn what_cannot_be_worked_out_is_what_it_was() {
    let answers = || [no_uids(), object(Manage), resolved_to_nothing(false)];
    let (_, was_held) = calls([claim(&live_in_a())].into_iter().chain(answers()));
    assert!(matches!(was_held.call(), LookCall::Done(looked) if !looked.changed));
    let (_, was_not) = calls([claim(&Story::default())].into_iter().chain(answers()));
    assert!(matches!(was_not.call(), LookCall::Done(looked) if looked.record.is_empty()));
}

/// Nobody saw it stored as that resource, and what would make it so may come to nothing.
#[test]
fn what_only_a_request_on_its_owner_would_make_it_ends_with_that() {
    let ask = activating(&copy("a"), "r", Proof::Owner, 0);
    let story = Story::default().acquires(&ask);
    let known = story.0.clone().map(|record| (record, 7));
    for (second, is_over) in [(90, false), (91, true)] {
        let (_, look) = calls([
            LookAnswer::Claim(known.clone(), at(second)),
            no_uids(),
            object(Manage),
            resolved_to_nothing(false),
        ]);
        let is_gone = matches!(look.call(), LookCall::Put(record, _) if record.is_empty());
        assert_eq!(is_gone, is_over, "{:?}", look.call());
    }
}

#[test]
fn where_somebody_was_quicker_it_begins_again() {
    let gone = |story| [claim(story), no_uids(), LookAnswer::Object(None)];
    let story = live_in_a();
    let quicker = story
        .clone()
        .acquires(&activating(&copy("a"), "r", Proof::Deadline, 10));
    let (calls, look) = calls(
        gone(&story)
            .into_iter()
            .chain([LookAnswer::Conflict])
            .chain(gone(&quicker)),
    );
    assert_eq!(calls, "begin, uids, object, put, claim, uids, object, put");
    let LookCall::Put(record, version) = look.call() else {
        panic!("nothing is written");
    };
    assert!(record.copies[&copy("a")].is_live(), "one is under way");
    assert_eq!(version, Some(&7));
}

#[rstest]
#[case::seen_before_the_object_was_read(&["uid-1"], true)]
#[case::never_seen(&[], false)]
fn a_create_is_over_by_the_uids_that_were_seen_before_the_object_was_read(
    #[case] uids: &[&str],
    #[case] over: bool,
) {
    let story = Story::default().acquires(&creating(&copy("a"), "r", "uid-1", 0));
    let uids = uids.iter().map(|&uid| uid.into()).collect();
    let (calls, _) = calls([
        claim(&story),
        LookAnswer::Uids(uids),
        LookAnswer::Object(None),
    ]);
    assert_eq!(calls.ends_with("put"), over, "{calls}");
}

#[test]
fn deadlines_are_judged_when_the_record_was_read() {
    let story = Story::default().acquires(&activating(&copy("a"), "r", of_version("0"), 0));
    let known = story.0.clone().map(|record| (record, 7));
    for (second, is_over) in [(90, false), (91, true)] {
        let answers = [
            LookAnswer::Claim(known.clone(), at(second)),
            no_uids(),
            LookAnswer::Object(Some((
                ObservedObject {
                    resource_version: "0".into(),
                    ..observed(Skip)
                },
                "the object",
            ))),
            resolved(Skip, true),
        ];
        let (_, look) = calls(answers);
        let LookCall::Put(record, _) = look.call() else {
            panic!("nothing is written");
        };
        assert_eq!(record.copies[&copy("a")].acquiring.is_empty(), is_over);
    }
}

#[test]
fn what_is_remembered_is_written_where_there_is_no_record_and_else_the_look_begins_anew() {
    let remembered = ObservedResolution {
        identities: vec![group()],
        is_complete: true,
        assumed: true,
        policy: Skip,
        is_own_policy: false,
    };
    let mut look = Subject::adopting(copy("a"), group(), observed(Skip), remembered, at(0));
    let LookCall::Put(record, None) = look.call() else {
        panic!("nothing is written");
    };
    assert!(record.copies[&copy("a")].assumed);
    let mut adopted = look.clone();
    adopted.answer(LookAnswer::Stored);
    assert_eq!(name(&adopted), "done");
    look.answer(LookAnswer::Conflict);
    assert_eq!(name(&look), "claim");
}

/// A create in `a` that this replica has admitted.
fn admitted() -> Story {
    Story::default().acquires(&creating(&copy("a"), "r", "uid-1", 0))
}

fn seen() -> LookAnswer<u32, &'static str> {
    LookAnswer::Uids(vec!["uid-1".into()])
}

#[test]
fn what_this_replica_wrote_is_settled_without_a_read() {
    let (calls, look) = calls([
        written(&admitted()),
        seen(),
        object(Manage),
        resolved(Manage, false),
    ]);
    assert_eq!(calls, "begin, uids, object, resolve, put");
    let LookCall::Put(record, version) = look.call() else {
        panic!("nothing is written");
    };
    let settled = &record.copies[&copy("a")];
    assert!(settled.acquiring.is_empty() && settled.stored_live());
    assert_eq!(version, Some(&6), "on condition of what was written");
}

/// The object is read after the copy was claimed, and the write proves that nobody came between.
#[rstest]
#[case::gone(&[LookAnswer::Object(None)], "begin, uids, object, put, done")]
#[case::parked(
    &[object(Skip), resolved(Skip, true)],
    "begin, uids, object, resolve, put, done"
)]
fn what_this_replica_wrote_is_released(
    #[case] answers: &[LookAnswer<u32, &'static str>],
    #[case] expected: &str,
) {
    let begun = [written(&admitted()), seen()];
    let answers = begun.into_iter().chain(answers.iter().cloned());
    let (calls, look) = calls(answers.chain([LookAnswer::Stored]));
    assert_eq!(calls, expected);
    let LookCall::Done(looked) = look.call() else {
        panic!("not done");
    };
    let held = looked.record.copies.get(&copy("a"));
    assert!(held.is_none_or(|held| !held.is_live()));
}

#[test]
fn what_would_release_what_this_replica_wrote_is_worked_out_from_the_store() {
    let (calls, _) = calls([
        written(&live_in_a()),
        no_uids(),
        object(Manage),
        resolved(Skip, false),
        resolved(Skip, false),
        LookAnswer::Stored,
    ]);
    assert_eq!(
        calls,
        "begin, uids, object, resolve, resolve from the store, put, done"
    );
}

#[test]
fn where_a_peer_changed_what_this_replica_wrote_the_claim_is_read() {
    let landed = || [seen(), object(Manage), resolved(Manage, false)];
    let by_a_peer = admitted().found(&copy("b"), Skip);
    let answers = [written(&admitted())].into_iter().chain(landed());
    let answers = answers.chain([LookAnswer::Conflict, claim(&by_a_peer)]);
    let (calls, look) = calls(answers.chain(landed()));
    assert_eq!(
        calls,
        "begin, uids, object, resolve, put, claim, uids, object, resolve, put"
    );
    let LookCall::Put(record, version) = look.call() else {
        panic!("nothing is written");
    };
    assert!(record.copies.contains_key(&copy("b")), "it is kept");
    assert_eq!(version, Some(&7));
}

/// Without a write nothing proves that the claim is still as it was written, so what is taken
/// from it is taken after a read, and the object is read after that.
#[test]
fn where_nothing_is_to_be_written_the_claim_is_read_after_all() {
    let same = || [no_uids(), object(Manage), resolved(Manage, false)];
    let begun = |known| {
        [written(&live_in_a())]
            .into_iter()
            .chain(same())
            .chain(known)
    };
    let (unchanged, _) = calls(begun([claim(&live_in_a())]).chain(same()));
    assert_eq!(
        unchanged,
        "begin, uids, object, resolve, claim, uids, object, resolve, done"
    );
    let (changed, look) = calls(begun([claim(&Story::default())]).chain(same()));
    assert!(changed.ends_with("claim, uids, object, resolve, put"));
    assert!(matches!(look.call(), LookCall::Put(..)), "it was deleted");
}

#[test]
fn what_this_replica_wrote_is_heard_once() {
    let (calls, _) = calls([
        written(&live_in_a()),
        no_uids(),
        LookAnswer::Object(None),
        LookAnswer::Conflict,
        written(&live_in_a()),
    ]);
    assert_eq!(calls, "begin, uids, object, put, claim, claim");
}

#[test]
fn deadlines_of_what_was_written_are_judged_when_the_look_begins() {
    for (second, is_over) in [(90, false), (91, true)] {
        let record = admitted().record().clone();
        let (calls, _) = calls([
            LookAnswer::Written(record, 6, at(second)),
            no_uids(),
            LookAnswer::Object(None),
        ]);
        assert_eq!(calls.ends_with("put"), is_over, "{calls}");
    }
}
