use rstest::rstest;

use crate::claim::{Epoch, EpochMember, KnownEpoch};

use super::*;

/// `old 3 closing to new: a=Enrolled b=Awaited`; `-`: there is none.
fn record(text: &str) -> Option<EpochRecord> {
    if text == "-" {
        return None;
    }
    let (head, members) = text.split_once(':').unwrap_or((text, ""));
    let mut words = head.splitn(3, ' ');
    let epoch = Epoch {
        id: words.next().unwrap().into(),
        round: words.next().unwrap().parse().unwrap(),
    };
    let members = members.split_whitespace().map(|one| {
        let (member, state) = one.split_once('=').unwrap();
        let state = EpochMember::from_word(state).unwrap();
        (member.parse().unwrap(), state)
    });
    Some(EpochRecord {
        epoch,
        members: members.collect(),
        migration: words.next().map(|mark| mark.parse().unwrap()),
        ..EpochRecord::default()
    })
}

fn known(text: &str) -> EpochRecord {
    record(text).unwrap()
}

fn next(old: &str, new: &str) -> Result<MigrationStep, MigrationError> {
    next_step(record(old).as_ref(), record(new).as_ref())
}

#[rstest]
#[case("after e1")]
#[case("after e1 7")]
#[case("closing to e1")]
#[case("closed to e1")]
fn a_mark_is_read_as_it_was_written(#[case] text: &str) {
    let mark: Migration = text.parse().unwrap();
    assert_eq!(mark.to_string(), text);
}

#[rstest]
#[case("")]
#[case("after")]
#[case("after e1 soon")]
#[case("closing e1")]
#[case("after e1 7 8")]
fn what_is_no_mark_is_not_taken_for_one(#[case] text: &str) {
    text.parse::<Migration>().unwrap_err();
}

#[rstest]
#[case::not_prepared("old 1", "-", Judge::Old)]
#[case::prepared("old 1", "new 1 after old", Judge::Old)]
#[case::cancelled("old 3", "new 2 after old 2", Judge::Old)]
#[case::left_once("old 1", "new 9 closed to old", Judge::Old)]
#[case::closing("old 2 closing to new", "new 1 after old", Judge::Both)]
#[case::all_awaited("old 2 closing to new", "new 2 after old 2: a=Awaited", Judge::Both)]
#[case::closed("old 3 closed to new", "new 2 after old 2", Judge::New)]
#[case::moved("old 3 closed to new", "new 3", Judge::New)]
#[case::to_be_moved_back_to("old 4 after new", "new 3", Judge::New)]
fn one_of_two_registries_judges(#[case] old: &str, #[case] new: &str, #[case] expected: Judge) {
    let (old, new) = (record(old), record(new));
    assert_eq!(judge(old.as_ref(), new.as_ref()), Ok(expected));
}

#[rstest]
#[case::the_old_one_is_gone("-", "new 3")]
#[case::the_old_one_was_emptied_after_the_move("old2 0", "new 3")]
#[case::the_old_one_was_emptied_meanwhile("old2 0", "new 2 after old 2")]
#[case::the_new_one_is_gone("old 2 closing to new", "-")]
#[case::the_new_one_was_emptied("old 2 closing to new", "new2 0 after old")]
#[case::the_new_one_lost_its_mark("old 2 closing to new", "new 2")]
#[case::the_new_one_was_emptied_after_the_move("old 3 closed to new", "new2 0")]
#[case::the_new_one_moves_on("old 3 closed to new", "new 4 closing to third")]
#[case::the_old_one_is_next("old 4 after new", "new 5 closing to old")]
fn nobody_judges_where_the_two_do_not_fit(#[case] old: &str, #[case] new: &str) {
    let (old, new) = (record(old), record(new));
    judge(old.as_ref(), new.as_ref()).unwrap_err();
}

#[test]
fn a_fleet_moves_step_by_step() {
    let (old, members) = ("old 1: a=Enrolled b=Enrolled c=Forgotten", "a=Enrolled");
    let mut first = known("x 1 after old");
    first.epoch.id = Arc::default();
    assert_eq!(next(old, "-"), Ok(MigrationStep::Prepare(first)));
    let closing = "old 2 closing to new: a=Enrolled b=Enrolled c=Forgotten";
    let prepared = format!("new 1 after old: {members}");
    let close = MigrationStep::Close(known(closing));
    assert_eq!(next(old, &prepared), Ok(close));
    let awaiting = "new 2 after old 2: a=Awaited b=Awaited c=Forgotten";
    let awaits = MigrationStep::Await(known(awaiting));
    assert_eq!(next(closing, &prepared), Ok(awaits));
    let all = ["a", "b"].map(|name| name.parse().unwrap());
    assert_eq!(next(closing, awaiting), Ok(MigrationStep::Wait(all.into())));
    let whole = "new 2 after old 2: a=Enrolled b=Enrolled c=Forgotten";
    let closed = "old 3 closed to new: a=Enrolled b=Enrolled c=Forgotten";
    assert_eq!(
        next(closing, whole),
        Ok(MigrationStep::Finish(known(closed)))
    );
    let alone = "new 3: a=Enrolled b=Enrolled c=Forgotten";
    assert_eq!(next(closed, whole), Ok(MigrationStep::Open(known(alone))));
    assert_eq!(next(closed, alone), Ok(MigrationStep::Done));
}

#[test]
fn what_was_awaited_for_an_earlier_close_does_not_count() {
    let again = MigrationStep::Await(known("new 3 after old 4: a=Awaited"));
    let (closing, whole) = ("old 4 closing to new", "new 2 after old 2: a=Enrolled");
    assert_eq!(next(closing, whole), Ok(again));
}

#[test]
fn a_fleet_moves_back() {
    let prepared = known("old 4 after new: a=Enrolled");
    let step = next("new 3: a=Enrolled", "old 3 closed to new: a=Enrolled");
    assert_eq!(step, Ok(MigrationStep::Prepare(prepared)));
}

#[rstest]
#[case::of_nothing("-", "-", MigrationError::NoEpoch(Place::Old))]
#[case::into_another_fleets("old 1", "new 3: z=Enrolled", MigrationError::InUse)]
#[case::after_another("old 1", "new 3 after old0", MigrationError::AfterAnother("old0".into()))]
#[case::of_one_that_is_next(
    "old 1 after older",
    "new 1 after old",
    MigrationError::OldIsNext("older".into())
)]
#[case::to_another("old 2 closing to third", "new 1 after old", MigrationError::ToAnother("third".into()))]
#[case::the_new_one_is_gone("old 2 closing to new", "-", MigrationError::NoEpoch(Place::New))]
fn some_fleets_cannot_move(#[case] old: &str, #[case] new: &str, #[case] why: MigrationError) {
    assert_eq!(next(old, new), Err(why));
}

#[test]
fn a_move_is_given_up_until_it_is_over() {
    let closing = known("old 2 closing to new: a=Enrolled");
    assert_eq!(cancelled(&closing), Ok(Some(known("old 3: a=Enrolled"))));
    assert_eq!(cancelled(&known("old 3: a=Enrolled")), Ok(None));
    let closed = known("old 3 closed to new");
    assert_eq!(cancelled(&closed), Err(MigrationError::Closed));
}

/// What a guard with both knows while the old one is closing.
fn closing() -> PairKnown {
    let old = known("old 2 closing to new: a=Enrolled");
    PairKnown {
        old_known: Some(KnownEpoch {
            epoch: old.epoch.clone(),
            writes: 1,
            migration: old.migration.clone(),
        }),
        old: Some(old),
        new: record("new 2 after old 2: a=Awaited"),
        new_known: None,
    }
}

/// Between the last write and that, nobody can have judged by the new one alone.
#[test]
fn what_both_hold_is_confirmed_by_the_old_one_after_all_else() {
    let mut way = PairVerdict::default();
    way.answer(PairAnswer::Known(Box::new(closing())));
    assert!(matches!(way.call(), PairCall::Judge(Place::Old, _)));
    way.answer(PairAnswer::Admitted { by_claims: true });
    assert_eq!(way.call(), PairCall::Write);
    way.answer(PairAnswer::Written);
    assert!(matches!(way.call(), PairCall::IsSame(epoch) if *epoch.id == *"new"));
    way.answer(PairAnswer::Same);
    assert!(matches!(way.call(), PairCall::Confirm(Place::Old, _)));
    way.answer(PairAnswer::Same);
    assert_eq!(way.call(), PairCall::Done(&PairOutcome::Of(Place::Old)));
}

#[rstest]
#[case::the_new_one_has_another_epoch(&[PairAnswer::Written, PairAnswer::Unconfirmed])]
#[case::the_old_one_has_another_epoch(&[PairAnswer::Written, PairAnswer::Same, PairAnswer::Unconfirmed])]
fn what_a_step_of_the_move_overtakes_is_judged_anew(#[case] answers: &[PairAnswer]) {
    let mut way = PairVerdict::default();
    way.answer(PairAnswer::Known(Box::new(closing())));
    way.answer(PairAnswer::Admitted { by_claims: true });
    for answer in answers {
        way.answer(answer.clone());
    }
    assert_eq!(way.call(), PairCall::Look);
}

#[test]
fn what_the_new_one_did_not_take_down_is_not_admitted() {
    let mut way = PairVerdict::default();
    way.answer(PairAnswer::Known(Box::new(closing())));
    way.answer(PairAnswer::Admitted { by_claims: true });
    way.answer(PairAnswer::Failed);
    assert_eq!(way.call(), PairCall::Done(&PairOutcome::NotWritten));
}
