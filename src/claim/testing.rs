//! What the tests of this module have in common: a resource group, a storage
//! account inside it, and copies of them in clusters named by a letter.

use jiff::Timestamp;

use crate::arm::Identity;
use crate::object::ObjectKey;
use crate::policy::Policy;

use super::{
    Acquire, CopyRef, Delete, Observation, ObservedHold, ObservedObject, Proof, Record, RequestUid,
    Reservation, StoredCopy, acquire, acquire_by_force, mark_deleting, observe,
};

/// How long after it was admitted a request is over, in seconds.
pub(super) const GIVEN: i64 = 90;

/// A resource group.
pub(super) fn group() -> Identity {
    "/subscriptions/s/resourceGroups/rg-prod".parse().unwrap()
}

/// A storage account in [`group`].
pub(super) fn account() -> Identity {
    "/subscriptions/s/resourceGroups/rg-prod/providers/Microsoft.Storage/storageAccounts/data"
        .parse()
        .unwrap()
}

/// A copy of [`group`]: `a`, or `a/other-namespace`.
pub(super) fn copy(place: &str) -> CopyRef {
    copy_of(place, "resources.azure.com", "ResourceGroup", "rg")
}

/// A copy of [`account`].
pub(super) fn account_copy(place: &str) -> CopyRef {
    copy_of(place, "storage.azure.com", "StorageAccount", "data")
}

fn copy_of(place: &str, group: &str, kind: &str, name: &str) -> CopyRef {
    let (member, namespace) = place.split_once('/').unwrap_or((place, "team"));
    CopyRef {
        member: member.parse().unwrap(),
        object: ObjectKey::new(group, kind, namespace, name),
    }
}

/// The transfer `move-it`, from [`copy`]'s namespace in `a` to the one in `b`.
pub(super) fn reservation() -> Reservation {
    Reservation {
        transfer: "move-it".parse().unwrap(),
        from: "a/team".parse().unwrap(),
        to: "b/team".parse().unwrap(),
    }
}

/// So many seconds into the test, by the one clock that it has.
pub(super) fn at(second: i64) -> Timestamp {
    "2026-03-01T03:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
}

/// A CREATE of the object with this uid, asked by call `request` at `second`.
pub(super) fn creating(copy: &CopyRef, request: &str, uid: &str, second: i64) -> Acquire {
    activating(copy, request, Proof::Uid(uid.into()), second)
}

/// A request that would make the copy live.
pub(super) fn activating(copy: &CopyRef, request: &str, proof: Proof, second: i64) -> Acquire {
    Acquire {
        copy: copy.clone(),
        request: RequestUid::new(request),
        proof,
        deadline: at(second + GIVEN),
        at: at(second),
        by: "alice".into(),
        assumed: false,
    }
}

/// A destructive DELETE computed on a resourceVersion.
pub(super) fn deleting(copy: &CopyRef, request: &str, version: &str, second: i64) -> Delete {
    Delete {
        copy: copy.clone(),
        stored: stored(Policy::Manage),
        wakes: false,
        request: RequestUid::new(request),
        proof: of_version(version),
        deadline: at(second + GIVEN),
        at: at(second),
        by: "bob".into(),
    }
}

pub(super) fn of_version(version: &str) -> Proof {
    Proof::ResourceVersion(version.into())
}

pub(super) fn stored(policy: Policy) -> StoredCopy {
    StoredCopy {
        uid: "uid-1".into(),
        policy,
        terminating: false,
        busy: false,
    }
}

/// An object `uid-1` at resourceVersion 1.
pub(crate) fn observed(policy: Policy) -> ObservedObject {
    ObservedObject {
        uid: "uid-1".into(),
        resource_version: "1".into(),
        terminating: false,
        busy: false,
        held: Some(ObservedHold {
            policy,
            assumed: false,
        }),
    }
}

/// A look at a copy of [`group`] whose deadlines were judged at `second`.
pub(super) fn look(copy: &CopyRef, object: Option<ObservedObject>, second: i64) -> Observation<'_> {
    Observation {
        copy,
        judged_at: at(second),
        object,
        seen_uids: &[],
    }
}

/// A record of [`group`], made by the protocol's own steps.
#[derive(Clone, Debug, Default)]
pub(super) struct Story(pub(super) Option<Record>);

impl Story {
    pub(super) fn record(&self) -> &Record {
        self.0.as_ref().unwrap()
    }

    /// This copy's entry.
    pub(super) fn held(&self, copy: &CopyRef) -> &super::MemberCopy {
        &self.record().copies[copy]
    }

    pub(super) fn acquires(self, ask: &Acquire) -> Self {
        let next = acquire(self.0.as_ref(), &group(), ask).unwrap();
        self.then(&ask.copy, next)
    }

    /// Let through whatever the record says.
    pub(super) fn forces(self, ask: &Acquire) -> Self {
        let next = acquire_by_force(self.0.as_ref(), &group(), ask);
        self.then(&ask.copy, next)
    }

    pub(super) fn deletes(self, ask: &Delete) -> Self {
        let next = mark_deleting(self.0.as_ref(), &group(), ask).unwrap();
        self.then(&ask.copy, next)
    }

    /// A copy that its observer found, with this policy.
    pub(super) fn found(self, copy: &CopyRef, policy: Policy) -> Self {
        self.sees(&look(copy, Some(observed(policy)), 0))
    }

    pub(super) fn sees(self, seen: &Observation<'_>) -> Self {
        let observed = observe(self.0.as_ref(), &group(), seen);
        self.then(seen.copy, observed.record)
    }

    /// A hub lets a member change its own copies only, so no step changes another one.
    fn then(self, own: &CopyRef, next: Record) -> Self {
        let others = |record: &Record| {
            let others = record.others(own);
            others
                .map(|(copy, held)| (copy.clone(), held.clone()))
                .collect::<Vec<_>>()
        };
        let before = self.0.as_ref().map(others).unwrap_or_default();
        assert_eq!(others(&next), before, "changed by a step of {own}");
        Self((!next.copies.is_empty()).then_some(next))
    }
}
