//! A registry's records into a file and out of it, in memory.

use super::*;
use crate::claim::MemberName;
use crate::registry::memory::MemoryRegistry;
use crate::registry::{MemberRecord, Sample};

fn member(name: &str) -> MemberRecord {
    let none = Sample::default();
    let text = serde_json::json!({
        "apiVersion": "asoguard.io/v1alpha1", "kind": "Member", "metadata": {"name": name},
        "spec": {
            "cluster": "c", "state": "Ready", "lastHeard": "2026-03-01T12:00:00Z",
            "version": "0.1.0"
        }
    });
    let object = from_json(&text.to_string()).unwrap();
    let record = convert::from_member(&object).unwrap();
    assert_eq!(record.unresolved.count, none.count);
    record
}

fn claim(name: &str) -> Record {
    let identity = format!("/subscriptions/s/resourceGroups/{name}");
    let mut record = Record::new(identity.parse().unwrap());
    let copy = crate::claim::CopyRef {
        member: "west".parse().unwrap(),
        object: crate::object::ObjectKey::new("g.azure.com", "Kind", "team", name),
    };
    let copies = serde_json::json!({
        "apiVersion": "asoguard.io/v1alpha1", "kind": "Claim", "metadata": {"name": name},
        "spec": {"identity": identity},
        "status": {
            "resource": name, "state": "Parked", "history": [], "conditions": [],
            "copies": [{
                "member": "west", "namespace": "team", "group": "g.azure.com", "kind": "Kind",
                "name": name, "since": "2026-03-01T12:00:00Z", "by": "",
                "stored": {"uid": "u", "policy": "skip"}
            }]
        }
    });
    let read = convert::from_claim(&from_json(&copies.to_string()).unwrap()).unwrap();
    record.copies.extend(read.copies);
    assert!(record.copies.contains_key(&copy));
    record
}

/// Nobody looks.
fn quietly(_: usize) {}

async fn filled() -> MemoryRegistry {
    let registry = MemoryRegistry::new();
    registry.put_member(&member("west"), None).await.unwrap();
    for name in ["a", "b", "c"] {
        registry.put_claim(&claim(name), None).await.unwrap();
    }
    registry
}

async fn file(registry: &MemoryRegistry) -> Vec<u8> {
    let mut file = Vec::new();
    let exported = export(registry, &mut file, quietly).await.unwrap();
    assert_eq!((exported.members, exported.transfers), (1, 0));
    assert!(exported.unreadable.is_empty());
    file
}

#[tokio::test]
async fn what_is_written_is_read_into_another_registry_and_is_the_same() {
    let file = file(&filled().await).await;
    let other = MemoryRegistry::new();
    let compared = verify(&other, &*file, quietly).await.unwrap();
    assert_eq!((compared.missing.count, compared.same), (4, 0));
    let compared = import(&other, &*file, quietly).await.unwrap();
    assert_eq!((compared.added, compared.same), (4, 0));
    let compared = import(&other, &*file, quietly).await.unwrap();
    assert_eq!((compared.added, compared.same), (0, 4));
    let compared = verify(&other, &*file, quietly).await.unwrap();
    assert_eq!((compared.same, compared.missing.count), (4, 0));
}

#[tokio::test]
async fn what_is_there_otherwise_is_told_and_left_as_it_is() {
    let file = file(&filled().await).await;
    let other = MemoryRegistry::new();
    let mut changed = claim("b");
    changed
        .copies
        .values_mut()
        .for_each(|copy| copy.newcomer = 1);
    other.put_claim(&changed, None).await.unwrap();
    for compared in [
        import(&other, &*file, quietly).await.unwrap(),
        verify(&other, &*file, quietly).await.unwrap(),
    ] {
        assert_eq!(
            compared.different.first,
            [format!("claim {}", changed.identity)]
        );
    }
    let kept = other.claim(&changed.identity).await.unwrap().unwrap();
    assert_eq!(kept.record, changed);
    let name: MemberName = "west".parse().unwrap();
    assert!(other.member(&name).await.unwrap().is_some());
}

#[tokio::test]
async fn a_line_that_is_no_record_is_named() {
    let mut file = file(&filled().await).await;
    file.extend_from_slice(b"{\"kind\": \"Secret\"}\n");
    let error = verify(&MemoryRegistry::new(), &*file, quietly)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 5: it is no Claim, Member or Transfer"
    );
}
