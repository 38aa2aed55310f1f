//! Records to put, and short ways to say what is done with them.

use std::sync::{Arc, Mutex};

use aso_guard::arm::Identity;
use aso_guard::claim::StoredCopy;
use aso_guard::claim::{
    Acquire, CopyRef, Fence, FenceProof, InFlight, Justification, MemberCopy, MemberName,
    PolicyChange, Proof, Record, RequestUid,
};
use aso_guard::object::ObjectKey;
use aso_guard::policy::Policy;
use aso_guard::registry::{
    ClaimScope, MemberRecord, NextRegistry, PutOutcome, RecordVersion, Registry, Sample,
    SecondLine, Versioned,
};
use jiff::Timestamp;

/// A place that no other case and no other run writes to.
pub struct Place {
    tag: String,
}

/// Subscriptions that places take before they take others.
static KNOWN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// So many subscriptions, of which the next places take one each: for a registry that is sharded by
/// them.
pub fn known_subscriptions(count: usize) -> Vec<String> {
    let new = std::iter::repeat_with(|| uuid::Uuid::new_v4().to_string());
    let new: Vec<String> = new.take(count).collect();
    KNOWN.lock().unwrap().extend(new.iter().cloned());
    new
}

impl Place {
    pub fn new() -> Self {
        let known = KNOWN.lock().unwrap().pop();
        Self {
            tag: known.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
        }
    }

    /// `/subscriptions/<this place>` and what follows.
    pub fn id(&self, rest: &str) -> Identity {
        identity(&format!("/subscriptions/{}{rest}", self.tag))
    }

    /// A resource outside all subscriptions.
    pub fn tenant_id(&self, rest: &str) -> Identity {
        let tag = &self.tag;
        identity(&format!(
            "/providers/Microsoft.Subscription/aliases/{tag}{rest}"
        ))
    }

    /// A resource group to work on.
    pub fn group(&self) -> Identity {
        self.id("/resourceGroups/rg")
    }

    /// A member of this place alone.
    pub fn member(&self, name: &str) -> MemberName {
        format!("{name}-{}", &self.tag[..13]).parse().unwrap()
    }

    /// A copy in the member `name`.
    pub fn copy(&self, name: &str) -> CopyRef {
        CopyRef {
            member: self.member(name),
            object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "rg"),
        }
    }

    /// A record with one parked copy in the member `name`.
    pub fn parked(&self, identity: &Identity, name: &str) -> Record {
        let mut record = Record::new(identity.clone());
        record.copies.insert(self.copy(name), parked());
        record
    }
}

pub fn identity(text: &str) -> Identity {
    text.parse().unwrap()
}

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A copy that is parked and settled.
pub fn parked() -> MemberCopy {
    MemberCopy {
        stored: Some(StoredCopy {
            uid: "8e1b4b8a-0000-4000-8000-000000000001".into(),
            policy: Policy::Skip,
            terminating: false,
            busy: false,
        }),
        acquiring: Vec::new(),
        arriving: Vec::new(),
        renaming: Vec::new(),
        deleting: Vec::new(),
        assumed: false,
        newcomer: 0,
        since: at("2026-03-01T12:00:00Z"),
        by: "".into(),
    }
}

/// A request that ends by this proof.
pub fn request(uid: &str, proof: Proof) -> InFlight {
    InFlight {
        request: RequestUid::new(uid),
        proof,
        deadline: at("2026-03-01T12:01:30.123456789Z"),
        to: None,
    }
}

/// A CREATE of this copy.
pub fn create(copy: &CopyRef, request: &str) -> Acquire {
    Acquire {
        copy: copy.clone(),
        request: RequestUid::new(request),
        proof: Proof::Uid(format!("object-of-{request}").into()),
        deadline: at("2026-03-01T12:01:30Z"),
        at: at("2026-03-01T12:00:00Z"),
        by: "alice".into(),
        assumed: false,
    }
}

pub fn member_record(name: MemberName) -> MemberRecord {
    MemberRecord {
        name,
        cluster: "0b7a1f7e-0000-4000-8000-000000000001".into(),
        version: "0.1.0".into(),
        enrolling: true,
        heard: at("2026-03-01T12:00:00.5Z"),
        mode: "audit".into(),
        unresolved: Sample {
            count: 7,
            some: vec!["team/ResourceGroup/rg".to_owned()],
            since: at("2026-03-01T11:00:00Z"),
        },
        unwatched: Sample {
            count: 1,
            some: vec!["Thing.new.azure.com".to_owned()],
            since: at("2026-03-01T11:30:00Z"),
        },
        webhook_gaps: Sample {
            count: 1,
            some: vec!["write.asoguard.io: failurePolicy is Ignore".to_owned()],
            since: at("2026-03-01T11:45:00Z"),
        },
        second_line: Some(SecondLine {
            namespaces: 12,
            stale: Sample {
                count: 1,
                some: vec!["team".to_owned()],
                since: at("2026-03-01T11:50:00Z"),
            },
        }),
        hub_token_expires: Some(at("2026-03-05T12:00:00Z")),
        fence: Some(Fence {
            at: at("2026-03-01T12:20:00Z"),
            by: "alice".into(),
            why: Justification::new("burnt down").unwrap(),
            proof: FenceProof::CredentialRevoked,
            until: at("2026-03-01T13:50:00Z"),
            heard: at("2026-03-01T12:00:00.5Z"),
        }),
        writes: 42,
        epoch: "0b7a1f7e-0000-4000-8000-000000000003".into(),
        next: Some(NextRegistry {
            id: "0b7a1f7e-0000-4000-8000-000000000004".into(),
            since: at("2026-03-01T11:55:00Z"),
        }),
        policy_changes: vec![
            PolicyChange {
                namespace: "team".into(),
                resource_version: "7".into(),
                request: RequestUid::new("r1"),
                policy: Some("manage".into()),
            },
            PolicyChange {
                namespace: "other".into(),
                resource_version: "".into(),
                request: RequestUid::new("r2"),
                policy: None,
            },
        ],
    }
}

/// What is stored about an identity.
pub async fn read(registry: &Arc<dyn Registry>, id: &Identity) -> Option<Versioned<Record>> {
    registry.claim(id).await.unwrap()
}

/// A put that must hold: gives the new version.
pub async fn store(
    registry: &Arc<dyn Registry>,
    record: &Record,
    expected: Option<&RecordVersion>,
) -> RecordVersion {
    match registry.put_claim(record, expected).await.unwrap() {
        PutOutcome::Stored(Some(version)) => version,
        other => panic!(
            "{} was to be stored, and it came to {other:?}",
            record.identity
        ),
    }
}

/// A put that must not hold.
pub async fn refused(
    registry: &Arc<dyn Registry>,
    record: &Record,
    expected: Option<&RecordVersion>,
) {
    let put = registry.put_claim(record, expected).await.unwrap();
    assert_eq!(put, PutOutcome::Conflict, "of {}", record.identity);
}

/// The identities in a scope, in order.
pub async fn listed(registry: &Arc<dyn Registry>, scope: &ClaimScope) -> Vec<String> {
    let found = registry.claims(scope).await.unwrap().whole().unwrap();
    let ids = found.iter().map(|known| known.record.identity.to_string());
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}
