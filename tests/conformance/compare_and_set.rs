//! A put holds only against the version it expects.

use std::collections::HashSet;
use std::sync::Arc;

use aso_guard::claim::Record;
use aso_guard::registry::{PutOutcome, Registry};

use super::fixtures::{Place, member_record, read, refused, store};

pub async fn a_claim_is_created_once(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let record = place.parked(&place.group(), "a");
    store(&registry, &record, None).await;
    let before = read(&registry, &record.identity).await;
    refused(&registry, &record, None).await;
    refused(&registry, &place.parked(&place.group(), "b"), None).await;
    assert_eq!(read(&registry, &record.identity).await, before);
}

pub async fn a_stale_version_changes_nothing(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let [first, second, third] = ["a", "b", "c"].map(|member| place.parked(&place.group(), member));
    let old = store(&registry, &first, None).await;
    store(&registry, &second, Some(&old)).await;
    let before = read(&registry, &first.identity).await;
    refused(&registry, &third, Some(&old)).await;
    refused(&registry, &second, Some(&old)).await;
    assert_eq!(read(&registry, &first.identity).await, before);
    assert_eq!(before.unwrap().record, second);
}

/// Else a writer that slept through a removal would believe that nothing happened.
pub async fn no_version_comes_twice(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let record = place.parked(&place.group(), "a");
    let empty = Record::new(record.identity.clone());
    let mut seen = HashSet::new();
    for _ in 0..5 {
        let created = store(&registry, &record, None).await;
        let other = place.parked(&record.identity, "b");
        let changed = store(&registry, &other, Some(&created)).await;
        let again = store(&registry, &record, Some(&changed)).await;
        for version in [created, changed, again.clone()] {
            assert!(seen.insert(version.to_string()), "{version} came twice");
        }
        let removed = registry.put_claim(&empty, Some(&again)).await.unwrap();
        assert_eq!(removed, PutOutcome::Stored(None));
        refused(&registry, &record, Some(&again)).await;
        assert_eq!(read(&registry, &record.identity).await, None);
    }
    let created = store(&registry, &record, None).await;
    assert!(seen.insert(created.to_string()), "{created} came twice");
}

pub async fn a_record_without_copies_is_removed(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let record = place.parked(&place.group(), "a");
    let empty = Record::new(record.identity.clone());
    // Nothing is there, and nothing is wanted there.
    let put = registry.put_claim(&empty, None).await.unwrap();
    assert_eq!(put, PutOutcome::Stored(None));
    assert_eq!(read(&registry, &record.identity).await, None);

    let version = store(&registry, &record, None).await;
    let put = registry.put_claim(&empty, Some(&version)).await.unwrap();
    assert_eq!(put, PutOutcome::Stored(None));
    assert_eq!(read(&registry, &record.identity).await, None);
    store(&registry, &record, None).await;
}

pub async fn removal_needs_the_version_too(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let record = place.parked(&place.group(), "a");
    let empty = Record::new(record.identity.clone());
    let old = store(&registry, &record, None).await;
    let other = place.parked(&record.identity, "b");
    let new = store(&registry, &other, Some(&old)).await;
    let before = read(&registry, &record.identity).await;
    refused(&registry, &empty, Some(&old)).await;
    refused(&registry, &empty, None).await;
    assert_eq!(read(&registry, &record.identity).await, before);

    let put = registry.put_claim(&empty, Some(&new)).await.unwrap();
    assert_eq!(put, PutOutcome::Stored(None));
    // What is gone has no version any more.
    refused(&registry, &empty, Some(&new)).await;
    refused(&registry, &other, Some(&new)).await;
    assert_eq!(read(&registry, &record.identity).await, None);
}

pub async fn a_member_is_changed_by_the_same_rule(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let first = member_record(place.member("a"));
    let mut second = first.clone();
    second.cluster = "another".into();
    let PutOutcome::Stored(Some(old)) = registry.put_member(&first, None).await.unwrap() else {
        panic!("nobody else writes this member");
    };
    let put = registry.put_member(&second, None).await.unwrap();
    assert_eq!(put, PutOutcome::Conflict);
    let known = registry.member(&first.name).await.unwrap().unwrap();
    assert_eq!((&known.record, &known.version), (&first, &old));

    let put = registry.put_member(&second, Some(&old)).await.unwrap();
    assert!(matches!(put, PutOutcome::Stored(Some(new)) if new != old));
    let put = registry.put_member(&first, Some(&old)).await.unwrap();
    assert_eq!(put, PutOutcome::Conflict);
    let known = registry.member(&first.name).await.unwrap().unwrap();
    assert_eq!(known.record, second);

    let mut never = first.clone();
    never.name = place.member("never");
    let put = registry.put_member(&never, Some(&old)).await.unwrap();
    assert_eq!(put, PutOutcome::Conflict);
    assert_eq!(registry.member(&never.name).await.unwrap(), None);
}

pub async fn a_member_is_removed_by_the_same_rule(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let first = member_record(place.member("a"));
    let mut second = first.clone();
    second.cluster = "another".into();
    let PutOutcome::Stored(Some(old)) = registry.put_member(&first, None).await.unwrap() else {
        panic!("nobody else writes this member");
    };
    let PutOutcome::Stored(Some(new)) = registry.put_member(&second, Some(&old)).await.unwrap()
    else {
        panic!("nobody else writes this member");
    };
    let removed = registry.remove_member(&first.name, &old).await.unwrap();
    assert_eq!(removed, PutOutcome::Conflict);
    assert!(registry.member(&first.name).await.unwrap().is_some());

    let removed = registry.remove_member(&first.name, &new).await.unwrap();
    assert_eq!(removed, PutOutcome::Stored(None));
    assert_eq!(registry.member(&first.name).await.unwrap(), None);
    let again = registry.remove_member(&first.name, &new).await.unwrap();
    assert_eq!(again, PutOutcome::Conflict);
    // The name is free for another cluster.
    let put = registry.put_member(&second, None).await.unwrap();
    assert!(matches!(put, PutOutcome::Stored(Some(_))));
}
