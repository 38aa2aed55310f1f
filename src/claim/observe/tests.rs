use rstest::rstest;

use super::super::record::ClaimState;
use super::super::testing::{
    GIVEN, Story, activating, at, copy, creating, deleting, group, look, observed, of_version,
};
use super::*;
use crate::policy::Policy::{DetachOnDelete, Manage, Skip};

/// An object with this uid, at this resourceVersion.
#[expect(clippy::unnecessary_wraps, reason = "what a read gives")]
fn object(uid: &str, version: &str, policy: Policy) -> Option<ObservedObject> {
    Some(ObservedObject {
        uid: uid.into(),
        resource_version: version.into(),
        ..observed(policy)
    })
}

/// The object stands for another resource now.
fn elsewhere(seen: Option<ObservedObject>) -> Option<ObservedObject> {
    seen.map(|object| ObservedObject {
        held: None,
        ..object
    })
}

#[rstest]
#[case::it_is_stored(object("new", "1", Manage), true)]
#[case::stored_and_parked_since(object("new", "9", Skip), true)]
#[case::stored_as_another_resource(elsewhere(object("new", "1", Manage)), true)]
#[case::not_there_yet(None, false)]
#[case::an_older_one_is_in_its_place(object("old", "7", Skip), false)]
#[case::an_older_one_of_another_resource(elsewhere(object("old", "7", Manage)), false)]
fn a_create_is_over_once_its_uid_was_seen(
    #[case] seen: Option<ObservedObject>,
    #[case] over: bool,
) {
    let a = copy("a");
    let story = Story::default().acquires(&creating(&a, "r1", "new", 0));
    let after = story.clone().sees(&look(&a, seen.clone(), GIVEN));
    let acquiring = after
        .0
        .map_or(0, |record| record.copies[&a].acquiring.len());
    assert_eq!(acquiring == 0, over);
    // Whatever is there, it is over after its deadline.
    let after = story.sees(&look(&a, seen, GIVEN + 1));
    assert!(
        after
            .0
            .is_none_or(|record| record.copies[&a].acquiring.is_empty())
    );
}

#[rstest]
#[case::the_version_it_was_computed_on("7", false)]
#[case::another_version("8", true)]
fn an_update_is_over_once_its_version_is_past(#[case] version: &str, #[case] over: bool) {
    let a = copy("a");
    for policy in [Skip, Manage, DetachOnDelete] {
        let story =
            Story::default()
                .found(&a, Skip)
                .acquires(&activating(&a, "r1", of_version("7"), 0));
        let seen = look(&a, object("uid-1", version, policy), GIVEN);
        let held = story.sees(&seen).held(&a).clone();
        assert_eq!(held.acquiring.is_empty(), over);
        assert_eq!(held.is_live(), policy.is_live() || !over);
    }
}

#[test]
fn an_update_of_what_is_gone_is_over() {
    let a = copy("a");
    let story =
        Story::default()
            .found(&a, Skip)
            .acquires(&activating(&a, "r1", of_version("7"), 0));
    assert_eq!(story.sees(&look(&a, None, 1)).0, None);
}

#[rstest]
#[case::there(object("uid-1", "1", Skip))]
#[case::gone(None)]
fn what_has_no_proof_ends_at_its_deadline_alone(#[case] seen: Option<ObservedObject>) {
    let a = copy("a");
    let story = Story::default().acquires(&activating(&a, "r1", Proof::Deadline, 0));
    for (second, live) in [(0, true), (GIVEN, true), (GIVEN + 1, false)] {
        let after = story.clone().sees(&look(&a, seen.clone(), second));
        let is_live = after.0.is_some_and(|record| record.copies[&a].is_live());
        assert_eq!(is_live, live, "at {second} s");
    }
}

#[test]
fn a_create_that_was_seen_stored_and_is_gone_is_over() {
    let a = copy("a");
    let story = Story::default().acquires(&creating(&a, "r1", "uid-1", 0));
    let seen_uids = ["uid-0".into(), "uid-1".into()];
    let seen = Observation {
        seen_uids: &seen_uids,
        ..look(&a, None, 1)
    };
    assert_eq!(story.sees(&seen).0, None);
}

#[test]
fn a_create_still_under_way_outlives_one_that_landed_before() {
    let a = copy("a");
    let story = Story::default()
        .acquires(&creating(&a, "r1", "first", 0))
        .acquires(&creating(&a, "r2", "second", 1))
        .sees(&look(&a, object("first", "1", Manage), 2))
        .sees(&look(&a, object("first", "2", Skip), 3))
        .sees(&look(&a, None, 4));
    assert!(story.held(&a).is_live(), "the second may land yet");
    let story = story.sees(&look(&a, None, 1 + GIVEN + 1));
    assert_eq!(story.0, None);
}

#[rstest]
#[case::parked(object("uid-1", "2", Skip))]
#[case::of_another_resource_now(elsewhere(object("uid-1", "2", Manage)))]
#[case::gone(None)]
fn a_copy_is_released_when_it_is_seen_not_live(#[case] seen: Option<ObservedObject>) {
    let a = copy("a");
    let story = Story::default().found(&a, Manage);
    let after = story.sees(&look(&a, seen, 7));
    let others = super::super::acquire(
        after.0.as_ref(),
        &group(),
        &creating(&copy("b"), "r", "u", 8),
    );
    assert!(others.is_ok());
    if let Some(record) = after.0 {
        assert_eq!(record.copies[&a].since, at(7));
    }
}

#[test]
fn a_delete_is_marked_until_it_shows_what_came_of_it() {
    let a = copy("a");
    let terminating = |policy| {
        Some(ObservedObject {
            terminating: true,
            ..object("uid-1", "8", policy).unwrap()
        })
    };
    let story = Story::default()
        .found(&a, Manage)
        .deletes(&deleting(&a, "r1", "7", 0));
    let stored = |seen| story.clone().sees(&look(&a, seen, 1));

    assert!(stored(object("uid-1", "7", Manage)).held(&a).is_deleting());
    assert!(!stored(object("uid-1", "8", Manage)).held(&a).is_deleting());
    let going = stored(terminating(Manage));
    assert!(going.held(&a).deleting.is_empty() && going.held(&a).is_deleting());
    // Parked while it goes, it takes nothing with it.
    assert!(!stored(terminating(Skip)).held(&a).is_deleting());
    assert_eq!(stored(None).0, None);
}

#[rstest]
#[case(Manage)]
#[case(DetachOnDelete)]
fn a_live_object_without_a_claim_is_adopted(#[case] policy: Policy) {
    let (a, b) = (copy("a"), copy("b"));
    let alone = Story::default().found(&a, policy);
    assert_eq!(alone.record().state(), ClaimState::Live);
    assert_eq!(&*alone.held(&a).by, "");

    let conflict = alone.found(&b, policy);
    assert_eq!(conflict.record().state(), ClaimState::Conflict);
    // Neither may be deleted, and no third one goes live.
    let third = creating(&copy("c"), "r", "u", 0);
    assert!(super::super::acquire(conflict.0.as_ref(), &group(), &third).is_err());
    let delete = deleting(&a, "r", "1", 0);
    assert!(super::super::mark_deleting(conflict.0.as_ref(), &group(), &delete).is_err());
    // It is over when one of them is parked.
    assert_eq!(conflict.found(&a, Skip).record().state(), ClaimState::Live);
}

#[test]
fn what_it_rests_on_and_what_it_does_in_azure_follow_the_object() {
    let a = copy("a");
    let seen = |assumed, busy| {
        let held = ObservedHold {
            policy: Skip,
            assumed,
        };
        Some(ObservedObject {
            busy,
            held: Some(held),
            ..observed(Skip)
        })
    };
    let story = Story::default().sees(&look(&a, seen(true, true), 0));
    assert!(story.held(&a).assumed && story.held(&a).stored.as_ref().unwrap().busy);
    let story = story.sees(&look(&a, seen(false, false), 1));
    assert!(!story.held(&a).assumed && !story.held(&a).stored.as_ref().unwrap().busy);
}

#[test]
fn looking_again_changes_nothing() {
    let (a, b) = (copy("a"), copy("b"));
    let known = Story::default().found(&b, Manage).found(&a, Skip);
    let seen = look(&a, Some(observed(Skip)), 9);
    let again = observe(known.0.as_ref(), &group(), &seen);
    assert!(!again.changed && again.recheck.is_none());
    assert_eq!(&again.record, known.record());
}

#[test]
fn nothing_there_and_nothing_known_makes_no_record() {
    let a = copy("a");
    for object in [None, elsewhere(object("uid-1", "1", Manage))] {
        let observed = observe(None, &group(), &look(&a, object, 0));
        assert!(!observed.changed && observed.record.copies.is_empty());
    }
}

#[test]
fn a_look_says_when_to_look_again() {
    let a = copy("a");
    let story = Story::default()
        .acquires(&creating(&a, "r1", "first", 0))
        .acquires(&creating(&a, "r2", "second", 5));
    let observed = observe(story.0.as_ref(), &group(), &look(&a, None, 1));
    assert_eq!(
        (observed.changed, observed.recheck),
        (false, Some(at(GIVEN)))
    );
    let later = look(&a, None, GIVEN + 1);
    let observed = observe(story.0.as_ref(), &group(), &later);
    assert_eq!(
        (observed.changed, observed.recheck),
        (true, Some(at(5 + GIVEN)))
    );
}
