//! The registry says which contents it has, and who is awaited. There is one record of that: one
//! that is in use is left as it was found.

use std::sync::Arc;

use aso_guard::claim::{EpochMember, EpochRecord, MOVING, Migration};
use aso_guard::registry::{ClaimScope, PutOutcome, Registry, Versioned};

use super::fixtures::Place;

/// The record, made if there is none.
async fn known(registry: &dyn Registry) -> Versioned<EpochRecord> {
    if registry.epoch().await.unwrap().is_none() {
        let first = EpochRecord {
            shard: "one 0b7a1f7e-0000-4000-8000-00000000000a=one".parse().ok(),
            ..EpochRecord::default()
        };
        registry.put_epoch(&first, None).await.unwrap();
    }
    registry.epoch().await.unwrap().unwrap()
}

pub async fn it_is_made_once_and_keeps_its_id(registry: Arc<dyn Registry>) {
    let before = known(&*registry).await;
    assert!(!before.record.epoch.id.is_empty());
    let again = registry.put_epoch(&EpochRecord::default(), None).await;
    assert_eq!(again.unwrap(), PutOutcome::Conflict);
    assert_eq!(known(&*registry).await.record, before.record);
}

pub async fn it_is_changed_by_the_same_rule(registry: Arc<dyn Registry>) {
    let place = Place::new();
    let before = known(&*registry).await;
    let mut next = before.record.clone();
    next.epoch.round += 1;
    for (name, state) in [("e", EpochMember::Enrolled), ("f", EpochMember::Forgotten)] {
        next.members.insert(place.member(name), state);
    }
    let put = registry.put_epoch(&next, Some(&before.version)).await;
    assert!(matches!(put.unwrap(), PutOutcome::Stored(Some(_))));
    let after = known(&*registry).await;
    assert_eq!(after.record, next);
    assert_ne!(after.version, before.version);
    let stale = registry.put_epoch(&next, Some(&before.version)).await;
    assert_eq!(stale.unwrap(), PutOutcome::Conflict);
    let back = registry.put_epoch(&before.record, Some(&after.version));
    assert!(matches!(back.await.unwrap(), PutOutcome::Stored(_)));
    assert_eq!(known(&*registry).await.record, before.record);
}

/// Guards that know nothing of marks await somebody while one stands.
pub async fn it_says_how_it_stands_to_another_registry(registry: Arc<dyn Registry>) {
    let before = known(&*registry).await;
    let other = || "0b7a1f7e-0000-4000-8000-00000000000b".into();
    let marks = [
        Some(Migration::After {
            old: other(),
            since: None,
        }),
        Some(Migration::After {
            old: other(),
            since: Some(7),
        }),
        Some(Migration::ClosingTo(other())),
        Some(Migration::ClosedTo(other())),
        None,
    ];
    for migration in marks {
        let now = known(&*registry).await;
        let next = EpochRecord {
            migration,
            ..now.record
        };
        let put = registry.put_epoch(&next, Some(&now.version)).await;
        assert!(matches!(put.unwrap(), PutOutcome::Stored(Some(_))));
        assert_eq!(known(&*registry).await.record, next);
    }
    let after = known(&*registry).await;
    assert_eq!(after.record, before.record);
    assert!(
        after
            .record
            .members
            .keys()
            .all(|name| name.as_str() != MOVING)
    );
}

pub async fn it_is_no_claim(registry: Arc<dyn Registry>) {
    known(&*registry).await;
    let below = "/subscriptions/0".parse().unwrap();
    let scopes = [ClaimScope::Below(below), ClaimScope::All];
    for scope in scopes {
        let listed = registry.claims(&scope).await.unwrap();
        let is_it = |name: &str| name == "/subscriptions/0";
        let mut claims = listed.records.iter();
        assert!(!claims.any(|one| is_it(one.record.identity.as_str())));
        let mut unreadable = listed.unreadable.iter();
        assert!(!unreadable.any(|one| one.name == "0"));
    }
}
