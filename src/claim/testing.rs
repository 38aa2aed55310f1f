//! What the tests of this module have in common: a resource group, a storage
//! account inside it, and copies of them in clusters named by a letter.

use jiff::Timestamp;

use crate::arm::Identity;
use crate::object::ObjectKey;
use crate::policy::Policy;

use super::{
    Acquire, CopyRef, Delete, FENCE_SETTLES, Fence, FenceProof, Justification, Observation,
    ObservedHold, ObservedObject, Proof, Record, RequestUid, Reservation, StoredCopy, acquire,
    acquire_by_force, mark_deleting, observe,
};

/// How long after it was admitted a request is over, in seconds.
pub(crate) const GIVEN: i64 = 90;

/// A resource group.
pub(crate) fn group() -> Identity {
    "/subscriptions/s/resourceGroups/rg-prod".parse().unwrap()
}

/// A storage account in [`group`].
pub(crate) fn account() -> Identity {
    "/subscriptions/s/resourceGroups/rg-prod/providers/Microsoft.Storage/storageAccounts/data"
        .parse()
        .unwrap()
}

/// A copy of [`group`]: `a`, or `a/other-namespace`.
pub(crate) fn copy(place: &str) -> CopyRef {
    copy_of(place, "resources.azure.com", "ResourceGroup", "rg")
}

/// A copy of [`account`].
pub(crate) fn account_copy(place: &str) -> CopyRef {
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
pub(crate) fn reservation() -> Reservation {
    Reservation {
        transfer: "move-it".parse().unwrap(),
        from: "a/team".parse().unwrap(),
        to: "b/team".parse().unwrap(),
    }
}

/// That `a` was fenced then, and last heard from 100 s before.
pub(crate) fn fence(then: Timestamp) -> Fence {
    Fence {
        at: then,
        by: "alice".into(),
        why: Justification::new("burnt down").unwrap(),
        proof: FenceProof::ClusterGone,
        until: then + FENCE_SETTLES,
        heard: then - jiff::SignedDuration::from_secs(100),
    }
}

/// So many seconds into the test, by the one clock that it has.
pub(crate) fn at(second: i64) -> Timestamp {
    "2026-03-01T03:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
}

/// A CREATE of the object with this uid, asked by call `request` at `second`.
pub(crate) fn creating(copy: &CopyRef, request: &str, uid: &str, second: i64) -> Acquire {
    activating(copy, request, Proof::Uid(uid.into()), second)
}

/// A request that would make the copy live.
pub(crate) fn activating(copy: &CopyRef, request: &str, proof: Proof, second: i64) -> Acquire {
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
pub(crate) fn deleting(copy: &CopyRef, request: &str, version: &str, second: i64) -> Delete {
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

pub(crate) fn of_version(version: &str) -> Proof {
    Proof::ResourceVersion(version.into())
}

pub(crate) fn stored(policy: Policy) -> StoredCopy {
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
pub(crate) fn look(copy: &CopyRef, object: Option<ObservedObject>, second: i64) -> Observation<'_> {
    Observation {
        copy,
        judged_at: at(second),
        object,
        seen_uids: &[],
    }
}

/// A record of [`group`], made by the protocol's own steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story(pub(crate) Option<Record>);

impl Story {
    pub(crate) fn record(&self) -> &Record {
        self.0.as_ref().unwrap()
    }

    /// This copy's entry.
    pub(crate) fn held(&self, copy: &CopyRef) -> &super::MemberCopy {
        &self.record().copies[copy]
    }

    pub(crate) fn acquires(self, ask: &Acquire) -> Self {
        let next = acquire(self.0.as_ref(), &group(), ask).unwrap();
        self.then(&ask.copy, next)
    }

    /// Let through whatever the record says.
    pub(crate) fn forces(self, ask: &Acquire) -> Self {
        let next = acquire_by_force(self.0.as_ref(), &group(), ask);
        self.then(&ask.copy, next)
    }

    pub(crate) fn deletes(self, ask: &Delete) -> Self {
        let next = mark_deleting(self.0.as_ref(), &group(), ask).unwrap();
        self.then(&ask.copy, next)
    }

    /// A copy that its observer found, with this policy.
    pub(crate) fn found(self, copy: &CopyRef, policy: Policy) -> Self {
        self.sees(&look(copy, Some(observed(policy)), 0))
    }

    pub(crate) fn sees(self, seen: &Observation<'_>) -> Self {
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
