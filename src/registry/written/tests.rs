use std::sync::Arc;

use super::super::memory::MemoryRegistry;
use super::super::metered::{MeteredRegistry, RegistryMetrics};
use super::super::{PutOutcome, Registry};
use super::*;
use crate::claim::testing::{Story, copy, creating, group};
use crate::policy::Policy::Manage;

/// A create in `a` that is under way.
fn under_way() -> Record {
    let ask = creating(&copy("a"), "r", "uid", 0);
    Story::default().acquires(&ask).record().clone()
}

/// The same of a resource group of its own.
fn numbered(number: usize) -> Record {
    let mut record = under_way();
    record.identity = identity(number);
    record
}

fn identity(number: usize) -> Identity {
    let id = format!("/subscriptions/sub/resourceGroups/rg-{number}");
    id.parse().unwrap()
}

fn version() -> RecordVersion {
    RecordVersion::new("1")
}

#[test]
fn a_claim_is_remembered_as_it_was_written_and_given_out_once() {
    let (written, now) = (WrittenClaims::default(), Instant::now());
    written.add(&under_way(), &version(), now);
    let known = written.take(&group(), now).unwrap();
    assert_eq!((known.record, known.version), (under_way(), version()));
    assert!(written.take(&group(), now).is_none());
}

#[test]
fn what_is_settled_is_not_remembered() {
    let (written, now) = (WrittenClaims::default(), Instant::now());
    let settled = Story::default().found(&copy("a"), Manage);
    written.add(settled.record(), &version(), now);
    assert!(written.take(&group(), now).is_none());
}

#[test]
fn a_claim_is_remembered_for_half_a_minute() {
    let (written, now) = (WrittenClaims::default(), Instant::now());
    written.add(&numbered(0), &version(), now);
    written.add(&numbered(1), &version(), now);
    assert!(written.take(&identity(0), now + LONGEST).is_some());
    let later = now + LONGEST + Duration::from_millis(1);
    assert!(written.take(&identity(1), later).is_none());
    assert!(written.0.lock().order.is_empty());
}

#[test]
fn what_is_written_again_is_remembered_from_then_on() {
    let (written, now) = (WrittenClaims::default(), Instant::now());
    written.add(&numbered(0), &version(), now);
    let then = now + LONGEST;
    written.add(&numbered(0), &RecordVersion::new("2"), then);
    let known = written.take(&identity(0), then + LONGEST).unwrap();
    assert_eq!(known.version, RecordVersion::new("2"));
}

#[test]
fn of_more_than_a_thousand_the_oldest_is_forgotten() {
    let (written, now) = (WrittenClaims::default(), Instant::now());
    for number in 0..=MOST {
        let moment = now + Duration::from_micros(number as u64);
        written.add(&numbered(number), &version(), moment);
    }
    let now = now + Duration::from_secs(1);
    assert!(written.take(&identity(0), now).is_none());
    assert!(written.take(&identity(1), now).is_some());
    assert!(written.take(&identity(MOST), now).is_some());
    let kept = written.0.lock();
    assert!(kept.order.len() <= MOST && kept.claims.len() < MOST);
}

fn metered(inner: &Arc<MemoryRegistry>) -> MeteredRegistry {
    MeteredRegistry::new(inner.clone(), RegistryMetrics::default())
}

/// Each of these writes comes after one that was stored.
#[tokio::test]
async fn what_a_conflict_shows_to_be_another_one_is_forgotten() {
    let registry = metered(&Arc::default());
    let stored = registry.put_claim(&under_way(), None).await.unwrap();
    assert!(matches!(stored, PutOutcome::Stored(Some(_))));
    let put = registry.put_claim(&under_way(), None).await.unwrap();
    assert_eq!(put, PutOutcome::Conflict);
    assert!(registry.take_written(&group()).is_none());
}

#[tokio::test]
async fn what_was_removed_is_forgotten() {
    let registry = metered(&Arc::default());
    let put = registry.put_claim(&under_way(), None).await.unwrap();
    let PutOutcome::Stored(version) = put else {
        panic!("{put:?}");
    };
    let nothing = Record::new(group());
    let put = registry.put_claim(&nothing, version.as_ref()).await;
    assert_eq!(put.unwrap(), PutOutcome::Stored(None));
    assert!(registry.take_written(&group()).is_none());
}

#[tokio::test]
async fn each_registry_remembers_what_was_written_to_it() {
    let [old, new] = [MemoryRegistry::new(), MemoryRegistry::new()].map(Arc::new);
    let [from, to] = [metered(&old), metered(&new)];
    from.put_claim(&under_way(), None).await.unwrap();
    assert!(to.take_written(&group()).is_none());
    let known = from.take_written(&group()).unwrap();
    let read = old.claim(&group()).await.unwrap().unwrap();
    assert_eq!((known.record, known.version), (read.record, read.version));
}
