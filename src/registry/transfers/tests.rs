use crate::claim::{
    Acquire, Delete, Proof, Reason, RequestUid, StoredCopy, acquire, arrive, mark_deleting,
};
use crate::object::ObjectKey;
use crate::policy::Policy;
use crate::registry::memory::MemoryRegistry;
use crate::transfer::{Selection, TransferStage};

use super::*;

pub(super) fn identity(name: &str) -> Identity {
    format!("/subscriptions/s/resourceGroups/{name}")
        .parse()
        .unwrap()
}

fn copy(place: &str, name: &str) -> CopyRef {
    let (member, namespace) = place.split_once('/').unwrap();
    CopyRef {
        member: member.parse().unwrap(),
        object: ObjectKey::new("resources.azure.com", "ResourceGroup", namespace, name),
    }
}

pub(super) fn ask(place: &str, name: &str) -> Acquire {
    Acquire {
        copy: copy(place, name),
        request: RequestUid::new(&format!("{place}-{name}")),
        proof: Proof::Deadline,
        deadline: Timestamp::MAX,
        at: Timestamp::UNIX_EPOCH,
        by: "alice".into(),
        assumed: false,
    }
}

pub(super) fn deletion(place: &str, name: &str) -> Delete {
    Delete {
        copy: copy(place, name),
        stored: StoredCopy {
            uid: "u".into(),
            policy: Policy::Manage,
            terminating: false,
            busy: false,
        },
        wakes: false,
        request: RequestUid::new("d"),
        proof: Proof::Deadline,
        deadline: Timestamp::MAX,
        at: Timestamp::UNIX_EPOCH,
        by: "bob".into(),
    }
}

/// A registry in which `a/team` has these, parked, and `a/other` has `theirs`.
pub(super) async fn registry(names: &[&str]) -> MemoryRegistry {
    let registry = MemoryRegistry::new();
    let mine = names.iter().map(|name| ("a/team", *name));
    for (place, name) in mine.chain([("a/other", "theirs")]) {
        let record = arrive(None, &identity(name), &ask(place, name));
        registry.put_claim(&record, None).await.unwrap();
    }
    registry
}

pub(super) fn wanted(name: &str) -> Transfer {
    let place = |text: &str| text.parse().unwrap();
    let selection = Selection::default();
    Transfer::new(
        name.parse().unwrap(),
        place("a/team"),
        place("b/team"),
        selection,
    )
}

fn said(action: TransferAction) -> TransferHistoryEntry {
    entry(action, "alice", None)
}

/// Starts a transfer and opens it.
pub(super) async fn opened_on(registry: &dyn Registry, wanted: &Transfer) -> OpenedTransfer {
    let transfer = start(registry, wanted, &said(TransferAction::Start))
        .await
        .unwrap();
    open(registry, &transfer.name, &|_| true).await.unwrap()
}

async fn opened(registry: &MemoryRegistry, name: &str) -> OpenedTransfer {
    opened_on(registry, &wanted(name)).await
}

async fn claim(registry: &MemoryRegistry, name: &str) -> Versioned<Record> {
    registry.claim(&identity(name)).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_at_the_source_is_covered_and_nothing_else() {
    let registry = registry(&["one", "two"]).await;
    let opened = opened(&registry, "t").await;
    assert_eq!(
        (opened.transfer.phase, opened.transfer.covered),
        (TransferPhase::Open, 2)
    );
    assert!(opened.taken.is_empty() && opened.deleting.is_empty());
    assert!(claim(&registry, "one").await.record.reserved.is_some());
    assert_eq!(claim(&registry, "theirs").await.record.reserved, None);
    assert_eq!(opened.progress.tally.at(TransferStage::Parked), 2);
}

#[tokio::test]
async fn only_what_is_chosen_where_claims_cannot_tell() {
    let registry = registry(&["one", "two"]).await;
    let transfer = start(&registry, &wanted("t"), &said(TransferAction::Start))
        .await
        .unwrap();
    let chosen = |copy: &CopyRef| *copy.object.name == *"two";
    let opened = open(&registry, &transfer.name, &chosen).await.unwrap();
    assert_eq!(opened.transfer.covered, 1);
    assert_eq!(claim(&registry, "one").await.record.reserved, None);
}

#[tokio::test]
async fn started_again_it_takes_in_what_came_later() {
    let registry = registry(&["one"]).await;
    opened(&registry, "t").await;
    let late = arrive(None, &identity("late"), &ask("a/team", "late"));
    registry.put_claim(&late, None).await.unwrap();
    let again = opened(&registry, "t").await;
    assert_eq!(again.transfer.covered, 2);
    let other = Transfer {
        to: "c/team".parse().unwrap(),
        ..wanted("t")
    };
    let error = start(&registry, &other, &said(TransferAction::Start))
        .await
        .unwrap_err();
    assert!(matches!(error, TransferError::Differs { .. }), "{error}");
}

#[tokio::test]
async fn two_transfers_do_not_move_the_same() {
    let registry = registry(&["one", "two"]).await;
    opened(&registry, "first").await;
    let second = opened(&registry, "second").await;
    assert_eq!(second.transfer.covered, 0);
    assert_eq!(second.taken.len(), 2);
    assert_eq!(second.taken[0].1, "first".parse().unwrap());
    close(&registry, &"first".parse().unwrap(), None)
        .await
        .unwrap();
    assert_eq!(opened(&registry, "second").await.transfer.covered, 2);
}

#[tokio::test]
async fn a_delete_that_was_admitted_before_is_told_of() {
    let registry = registry(&["one", "two"]).await;
    let known = claim(&registry, "one").await;
    let ask = deletion("a/team", "one");
    let marked = mark_deleting(Some(&known.record), &identity("one"), &ask).unwrap();
    registry
        .put_claim(&marked, Some(&known.version))
        .await
        .unwrap();
    let opened = opened(&registry, "t").await;
    assert_eq!(opened.deleting, [identity("one")]);
    assert_eq!(opened.progress.tally.at(TransferStage::Deleting), 1);
    // And one that comes later is refused.
    let known = claim(&registry, "two").await;
    let ask = deletion("a/team", "two");
    let refusal = mark_deleting(Some(&known.record), &identity("two"), &ask).unwrap_err();
    assert_eq!(refusal.reason(), Reason::TransferDepends);
}

#[tokio::test]
async fn inside_of_what_is_being_deleted_is_doomed_too() {
    let registry = MemoryRegistry::new();
    let group = identity("rg");
    let ask = deletion("c/team", "rg");
    registry
        .put_claim(&mark_deleting(None, &group, &ask).unwrap(), None)
        .await
        .unwrap();
    let inside: Identity = format!("{group}/providers/P/t/n").parse().unwrap();
    let record = arrive(None, &inside, &super::tests::ask("a/team", "n"));
    registry.put_claim(&record, None).await.unwrap();
    assert_eq!(opened(&registry, "t").await.deleting, [inside]);
}

#[tokio::test]
async fn turned_round_it_may_go_live_at_its_source_only() {
    let registry = registry(&["one"]).await;
    opened(&registry, "t").await;
    let name = "t".parse().unwrap();
    let may = async |place: &str| {
        let known = claim(&registry, "one").await.record;
        acquire(Some(&known), &identity("one"), &ask(place, "one")).is_ok()
    };
    assert!(!may("a/team").await && may("b/team").await);
    let turned = turn(&registry, &name, &said(TransferAction::Undo))
        .await
        .unwrap();
    assert_eq!(
        (turned.transfer.state(), turned.transfer.phase),
        ("Undoing", TransferPhase::Open)
    );
    assert!(may("a/team").await && !may("b/team").await);
    // Turned once, it is not started in its first direction any more.
    let error = start(&registry, &wanted("t"), &said(TransferAction::Start)).await;
    assert!(matches!(error, Err(TransferError::Differs { .. })));
}

#[tokio::test]
async fn ended_it_leaves_its_claims_as_they_were() {
    let registry = registry(&["one"]).await;
    let before = claim(&registry, "one").await.record;
    opened(&registry, "t").await;
    let name: TransferName = "t".parse().unwrap();
    for _ in 0..2 {
        close(&registry, &name, Some(&said(TransferAction::Finish)))
            .await
            .unwrap();
        assert_eq!(claim(&registry, "one").await.record, before);
    }
    let known = registry.transfer(&name).await.unwrap().unwrap().record;
    let finishes = known
        .history
        .iter()
        .filter(|one| one.action == TransferAction::Finish);
    assert_eq!(
        (known.phase, finishes.count()),
        (TransferPhase::Finished, 1)
    );
    let error = open(&registry, &name, &|_| true).await.unwrap_err();
    assert!(matches!(error, TransferError::Over { .. }), "{error}");
    assert_eq!(claim(&registry, "one").await.record, before);
}

#[tokio::test]
async fn a_record_that_was_deleted_leaves_no_claim_reserved() {
    let registry = registry(&["one"]).await;
    opened(&registry, "t").await;
    let name: TransferName = "t".parse().unwrap();
    let member = |name: &str| name.parse().unwrap();
    assert_eq!(tidy(&registry, &member("a")).await.unwrap(), 0);
    let version = registry.transfer(&name).await.unwrap().unwrap().version;
    registry.remove_transfer(&name, &version).await.unwrap();
    assert_eq!(
        tidy(&registry, &member("c")).await.unwrap(),
        0,
        "not a part of it"
    );
    assert_eq!(tidy(&registry, &member("b")).await.unwrap(), 1);
    assert_eq!(claim(&registry, "one").await.record.reserved, None);
    let error = open(&registry, &name, &|_| true).await.unwrap_err();
    assert!(matches!(error, TransferError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn what_is_no_news_is_not_written() {
    let registry = registry(&["one"]).await;
    let name = opened(&registry, "t").await.transfer.name;
    let known = registry.transfer(&name).await.unwrap().unwrap();
    note(&registry, &known).await.unwrap();
    assert_eq!(registry.transfer(&name).await.unwrap(), Some(known.clone()));
    let held = claim(&registry, "one").await;
    let next = acquire(Some(&held.record), &identity("one"), &ask("b/team", "one")).unwrap();
    registry
        .put_claim(&next, Some(&held.version))
        .await
        .unwrap();
    let progress = note(&registry, &known).await.unwrap();
    assert_eq!(progress.tally.at(TransferStage::Coming), 1);
    let noted = registry.transfer(&name).await.unwrap().unwrap().record;
    assert_eq!(noted.status.unwrap().tally, progress.tally);
}
