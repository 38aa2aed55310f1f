//! What the tests of this module have in common.

use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{
    CopyRef, MemberName, Observation, ObservedHold, ObservedObject, Record, observe,
};
use crate::object::ObjectKey;
use crate::policy::Policy;
use crate::registry::memory::MemoryRegistry;
use crate::registry::{MemberRecord, Registry as _, Sample};

pub(super) fn name(member: &str) -> MemberName {
    member.parse().unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(second)
}

pub(super) fn group(name: &str) -> Identity {
    format!("/subscriptions/s/resourceGroups/{name}")
        .parse()
        .unwrap()
}

/// A copy of [`group`] of this name.
pub(super) fn copy(member: &str, rg: &str) -> CopyRef {
    CopyRef {
        member: name(member),
        object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", rg),
    }
}

/// Writes a member's record, last heard from at this second.
pub(super) async fn heard(registry: &MemoryRegistry, member: &str, cluster: &str, second: i64) {
    let before = registry.member(&name(member)).await.unwrap();
    let record = MemberRecord {
        name: name(member),
        cluster: cluster.into(),
        version: "0".into(),
        enrolling: false,
        heard: at(second),
        mode: "enforce".into(),
        unresolved: Sample::default(),
        unwatched: Sample::default(),
        webhook_gaps: Sample::default(),
        second_line: None,
        hub_token_expires: None,
        fence: None,
        policy_changes: Vec::new(),
        writes: 1,
        epoch: "".into(),
        next: None,
    };
    let version = before.map(|before| before.version);
    registry
        .put_member(&record, version.as_ref())
        .await
        .unwrap();
}

/// A member's observer has found a copy of a group with this policy.
pub(super) async fn has(registry: &MemoryRegistry, member: &str, rg: &str, policy: Policy) {
    let (copy, identity) = (copy(member, rg), group(rg));
    let known = registry.claim(&identity).await.unwrap();
    let (before, version) = known.map(|known| (known.record, known.version)).unzip();
    let seen = Observation {
        copy: &copy,
        judged_at: at(0),
        object: Some(ObservedObject {
            uid: format!("{member}-{rg}").as_str().into(),
            resource_version: "1".into(),
            terminating: false,
            busy: false,
            held: Some(ObservedHold {
                policy,
                assumed: false,
            }),
        }),
        seen_uids: &[],
    };
    let next = observe(before.as_ref(), &identity, &seen).record;
    registry.put_claim(&next, version.as_ref()).await.unwrap();
}

/// The claim of a group.
pub(super) async fn claim(registry: &MemoryRegistry, rg: &str) -> Option<Record> {
    let known = registry.claim(&group(rg)).await.unwrap();
    known.map(|known| known.record)
}
