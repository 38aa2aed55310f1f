use super::*;
use crate::claim::testing::{Story, account_copy, copy, creating, group, reservation};
use crate::policy::Policy::{DetachOnDelete, Manage, Skip};

fn member() -> MemberName {
    "a".parse().unwrap()
}

/// A copy in this cluster's namespace `team`, with its policy as an annotation of its own.
fn state(copy: &CopyRef, policy: Policy, identity: &Identity) -> ObjectState {
    let mut object = ObjectFacts::named(copy.object.clone());
    object.uid = "uid-1".into();
    object.annotations.policy = Some(policy.as_str().into());
    ObjectState {
        object: Arc::new(object),
        policy,
        default_policy: Manage,
        identities: vec![identity.clone()],
        owner: None,
    }
}

/// The same, its policy inherited.
fn inheriting(mut state: ObjectState) -> ObjectState {
    let mut object = (*state.object).clone();
    object.annotations.policy = None;
    state.object = Arc::new(object);
    state
}

fn known(records: impl IntoIterator<Item = Record>) -> KnownClaims {
    let mut known = KnownClaims::new(member());
    for record in records {
        known.take(record);
    }
    known
}

fn protection(
    objects: &[ObjectState],
    records: impl IntoIterator<Item = Record>,
) -> NamespaceProtection {
    of_namespace(&member(), objects, &known(records), false)
}

const GROUP: &str = "resources.azure.com/ResourceGroup/rg";

#[test]
fn what_nobody_shares_needs_no_protection() {
    let alone = Story::default().found(&copy("a"), Manage);
    let found = protection(
        &[state(&copy("a"), Manage, &group())],
        [alone.record().clone()],
    );
    assert!(found.kept.is_empty() && found.held.is_empty());
    assert_eq!(found.whole.kept.own, "");
    assert_eq!(found.kinds.len(), 1);
}

#[test]
fn a_copy_with_a_peer_is_kept_whatever_its_policy_is_just_now() {
    for policy in [Manage, DetachOnDelete, Skip] {
        let story = Story::default()
            .found(&copy("a"), policy)
            .found(&copy("b"), Skip);
        let found = protection(
            &[state(&copy("a"), policy, &group())],
            [story.record().clone()],
        );
        let kept = &found.kept[GROUP];
        assert!(kept.resource.as_ref().unwrap().contains('b'), "{kept:?}");
        assert_eq!((&*kept.uid, &*kept.default_policy), ("uid-1", "manage"));
        assert_eq!(found.whole.kept.own.is_empty(), policy != Manage);
    }
}

#[test]
fn a_parked_copy_is_held_while_another_is_live() {
    for (peer, held) in [(Manage, true), (DetachOnDelete, true), (Skip, false)] {
        let story = Story::default()
            .found(&copy("a"), Skip)
            .found(&copy("b"), peer);
        let one = state(&copy("a"), Skip, &group());
        let found = protection(std::slice::from_ref(&one), [story.record().clone()]);
        assert_eq!(found.held.contains_key(GROUP), held);
        assert_eq!(found.whole.held, "", "its policy is its own");
        let found = protection(&[inheriting(one)], [story.record().clone()]);
        assert_eq!(found.whole.held.is_empty(), !held);
    }
}

#[test]
fn a_copy_that_may_yet_be_stored_counts() {
    let story = Story::default().found(&copy("a"), Skip);
    let story = story.acquires(&creating(&copy("b"), "r", "u", 0));
    let found = protection(
        &[state(&copy("a"), Skip, &group())],
        [story.record().clone()],
    );
    assert!(found.held.contains_key(GROUP) && found.kept.contains_key(GROUP));
}

#[test]
fn what_a_transfer_moves_is_kept() {
    let mut record = Story::default().found(&copy("a"), Manage).record().clone();
    record.reserved = Some(reservation());
    let found = protection(&[state(&copy("a"), Manage, &group())], [record]);
    assert!(
        found.kept[GROUP]
            .resource
            .as_ref()
            .unwrap()
            .contains("move-it")
    );
}

#[test]
fn an_owner_takes_its_children_along() {
    let inside = crate::claim::testing::account();
    let theirs = crate::claim::acquire(None, &inside, &creating(&account_copy("b"), "r", "u", 0));
    let mut record = theirs.unwrap();
    let own =
        crate::claim::acquire_by_force(None, &inside, &creating(&account_copy("a"), "q", "v", 0));
    record.copies.extend(own.copies);
    let child = ObjectState {
        owner: Some(copy("a").object),
        ..state(&account_copy("a"), Manage, &inside)
    };
    let parent = state(
        &copy("a"),
        Manage,
        &"/subscriptions/other/resourceGroups/x".parse().unwrap(),
    );
    let found = protection(&[parent.clone(), child.clone()], [record.clone()]);
    let kept = &found.kept[GROUP];
    assert_eq!(kept.resource, None);
    assert!(
        kept.children
            .as_ref()
            .unwrap()
            .contains("team/StorageAccount/data")
    );
    assert!(kept.live_children.is_some());
    // A parked child goes without a trace in Azure.
    let parked = ObjectState {
        policy: Skip,
        ..child
    };
    let found = protection(&[parent, parked], [record]);
    assert!(!found.kept.contains_key(GROUP));
}

#[test]
fn a_reason_that_was_used_lets_no_delete_through() {
    let mut record = Story::default()
        .found(&copy("a"), Manage)
        .found(&copy("b"), Skip)
        .record()
        .clone();
    record.history.push(crate::claim::HistoryEntry {
        at: Timestamp::UNIX_EPOCH,
        by: "alice".into(),
        copy: copy("a"),
        action: crate::claim::HistoryAction::Create,
        why: crate::claim::Justification::new("hub is gone").unwrap(),
        refusal: "".into(),
    });
    let found = protection(&[state(&copy("a"), Manage, &group())], [record]);
    assert_eq!(found.kept[GROUP].used_reasons, ["hub is gone"]);
}

#[test]
fn owners_in_a_circle_come_to_an_end() {
    let one = ObjectState {
        owner: Some(account_copy("a").object),
        ..state(&copy("a"), Manage, &group())
    };
    let other = ObjectState {
        owner: Some(copy("a").object),
        ..state(&account_copy("a"), Manage, &group())
    };
    let found = protection(&[one, other], []);
    assert_eq!(found.kept.len(), 2, "each takes the other along");
}

#[test]
fn what_somebody_protects_is_told_to_the_policies_that_read_it() {
    let mut one = state(&copy("a"), Manage, &group());
    let plain = of_namespace(&member(), std::slice::from_ref(&one), &known([]), true);
    assert!(plain.protected && plain.kept.is_empty());
    assert_eq!(
        plain.whole.live.own,
        "it deletes team/ResourceGroup/rg in Azure"
    );
    let mut object = (*one.object).clone();
    object.annotations.protect = Some("".into());
    one.object = Arc::new(object);
    let found = protection(&[one], []);
    // Of the object itself, policies read the annotation.
    assert!(found.protected && found.kept.is_empty());
    assert!(found.whole.kept.own.contains("asoguard.io/protect"));
}
