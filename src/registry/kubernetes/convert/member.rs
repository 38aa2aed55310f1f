//! Between a member's record and the object that holds it.

use std::sync::Arc;

use jiff::Timestamp;
use kube::api::ObjectMeta;

use crate::claim::{Fence, FenceProof, Justification, MemberName, PolicyChange, RequestUid};
use crate::object::text::printable;
use crate::registry::kubernetes::crd::{
    Condition, Member, MemberFence, MemberNext, MemberPolicyChange, MemberSample, MemberSecondLine,
    MemberSpec, MemberState, MemberStatus,
};
use crate::registry::{MemberRecord, NextRegistry, RecordVersion, Sample, SecondLine};

use super::{NAME, status};

/// The object that holds a member's record.
pub(in crate::registry) fn to_member(
    member: &MemberRecord,
    version: Option<&RecordVersion>,
) -> Member {
    Member {
        metadata: ObjectMeta {
            name: Some(member.name.to_string()),
            resource_version: version.map(|version| version.as_str().to_owned()),
            ..ObjectMeta::default()
        },
        spec: MemberSpec {
            cluster: member.cluster.to_string(),
            state: if member.enrolling {
                MemberState::Enrolling
            } else {
                MemberState::Ready
            },
            last_heard: member.heard,
            version: member.version.to_string(),
            unresolved: Some(to_sample(&member.unresolved)),
            unwatched: Some(to_sample(&member.unwatched)),
            webhook_gaps: Some(to_sample(&member.webhook_gaps)),
            second_line: member.second_line.as_ref().map(to_second_line),
            hub_token_expires: member.hub_token_expires,
            mode: Some(member.mode.to_string()).filter(|mode| !mode.is_empty()),
            fence: member.fence.as_ref().map(to_fence),
            policy_changes: member.policy_changes.iter().map(to_change).collect(),
            writes: Some(member.writes),
            epoch: Some(member.epoch.to_string()).filter(|epoch| !epoch.is_empty()),
            next: member.next.as_ref().map(|next| MemberNext {
                id: next.id.to_string(),
                since: next.since,
            }),
        },
        status: Some(MemberStatus {
            conditions: [
                unresolved(&member.unresolved),
                unwatched(&member.unwatched),
                webhook_gaps(&member.webhook_gaps),
            ]
            .into_iter()
            .chain(member.second_line.as_ref().map(second_line_stale))
            .chain(hub_token_expires(member))
            .chain(
                member
                    .fence
                    .as_ref()
                    .map(|fence| fenced(&member.name, fence)),
            )
            .collect(),
        }),
    }
}

/// What nobody can place has no claim: its member's record shows it.
fn unresolved(found: &Sample) -> Condition {
    let (reason, message) = match found.count {
        0 => ("AllResolved", String::new()),
        _ => (
            "SomeUnresolved",
            format!(
                "nobody can tell which Azure resources these are, so nobody guards them: {}",
                named(found)
            ),
        ),
    };
    shows("Unresolved", found, reason, message)
}

/// What becomes of the objects of these kinds, no claim shows.
fn unwatched(found: &Sample) -> Condition {
    let (reason, message) = match found.count {
        0 => ("AllWatched", String::new()),
        _ => (
            "SomeUnwatched",
            format!(
                "the guard may not read these kinds, so what becomes of their objects goes unseen: \
                 {}. Grant it get, list and watch on their groups (the chart's rbac.moreApiGroups); \
                 where it has that, start ASO, which converts their objects",
                named(found)
            ),
        ),
    };
    shows("Unwatched", found, reason, message)
}

/// What goes past the guard, it cannot refuse.
fn webhook_gaps(found: &Sample) -> Condition {
    let (reason, message) = match found.count {
        0 => ("AskedAboutAll", String::new()),
        _ => (
            "NotAskedAboutAll",
            format!(
                "API servers do not ask the guard about everything: {}. Put its webhook \
                 configuration back: helm upgrade, or aso-guard webhook … | kubectl apply -f -",
                named(found)
            ),
        ),
    };
    shows("WebhookGaps", found, reason, message)
}

/// What was written down for API servers to refuse by is as good as its last writing.
fn second_line_stale(second_line: &SecondLine) -> Condition {
    let stale = &second_line.stale;
    let (reason, message) = match stale.count {
        0 => ("UpToDate", String::new()),
        _ => (
            "SomeStale",
            format!(
                "what API servers refuse by while no guard answers may be out of date in these \
                 namespaces: {}. The guard's log says why; it tries again by itself",
                named(stale)
            ),
        ),
    };
    shows("SecondLineStale", stale, reason, message)
}

/// A member whose token is refused is silent, and refuses what it cannot ask about.
fn hub_token_expires(member: &MemberRecord) -> Option<Condition> {
    let (end, soon) = (
        member.hub_token_expires?,
        member.hub_token_ends_soon_from()?,
    );
    (member.heard >= soon).then(|| Condition {
        kind: "HubTokenExpires".to_owned(),
        status: status(true).to_owned(),
        reason: "Soon".to_owned(),
        message: format!(
            "the token by which this member's guard asks the hub expires at {end}; after that it \
             refuses what it cannot ask about. Make it another one: aso-guard members add"
        ),
        last_transition_time: soon,
    })
}

/// What it held, others may have taken over.
fn fenced(name: &MemberName, fence: &Fence) -> Condition {
    Condition {
        kind: "Fenced".to_owned(),
        status: status(true).to_owned(),
        reason: "SaidByAPerson".to_owned(),
        message: format!(
            "{} said that its ASO does not write any more ({}): {}. Others may take over what it \
             holds, and its guard lets nothing go live. If it is there, keep its ASO stopped, and \
             say: aso-guard failover plan --member {name}",
            fence.by,
            fence.proof.as_str(),
            fence.why.as_str()
        ),
        last_transition_time: fence.at,
    }
}

fn to_fence(fence: &Fence) -> MemberFence {
    MemberFence {
        at: fence.at,
        by: fence.by.to_string(),
        why: fence.why.as_str().to_owned(),
        proof: fence.proof.as_str().to_owned(),
        until: fence.until,
        heard: fence.heard,
    }
}

/// What cannot be read must not pass for a member that is not fenced.
fn from_fence(fence: &MemberFence) -> Result<Fence, String> {
    let proof = FenceProof::from_word(&fence.proof);
    Ok(Fence {
        at: fence.at,
        by: printable(&fence.by, NAME).into(),
        why: Justification::new(&fence.why).ok_or("a fence without a reason")?,
        proof: proof.ok_or_else(|| format!("{:?} is no proof of a fence", fence.proof))?,
        until: fence.until,
        heard: fence.heard,
    })
}

fn shows(kind: &str, found: &Sample, reason: &str, message: String) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status(found.count > 0).to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: found.since,
    }
}

fn named(found: &Sample) -> String {
    let named = u32::try_from(found.some.len()).unwrap_or(u32::MAX);
    let more = match found.count.saturating_sub(named) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", found.some.join(", "))
}

fn to_sample(found: &Sample) -> MemberSample {
    MemberSample {
        count: found.count,
        some: found.some.clone(),
        since: found.since,
    }
}

fn to_second_line(second_line: &SecondLine) -> MemberSecondLine {
    MemberSecondLine {
        namespaces: second_line.namespaces,
        stale: to_sample(&second_line.stale),
    }
}

/// A record of before there was such a thing says nothing of it.
fn from_sample(found: Option<&MemberSample>, heard: Timestamp) -> Sample {
    found.map_or_else(
        || Sample {
            since: heard,
            ..Sample::default()
        },
        |found| Sample {
            count: found.count,
            some: found
                .some
                .iter()
                .map(|one| printable(one, 2 * NAME))
                .collect(),
            since: found.since,
        },
    )
}

/// The member's record that an object holds.
pub(in crate::registry) fn from_member(member: &Member) -> Result<MemberRecord, String> {
    let name = member.metadata.name.as_deref().unwrap_or_default();
    Ok(MemberRecord {
        name: name.parse().map_err(|error| format!("{error}"))?,
        cluster: member.spec.cluster.as_str().into(),
        version: printable(&member.spec.version, NAME).into(),
        enrolling: member.spec.state == MemberState::Enrolling,
        heard: member.spec.last_heard,
        mode: printable(member.spec.mode.as_deref().unwrap_or_default(), NAME).into(),
        unresolved: from_sample(member.spec.unresolved.as_ref(), member.spec.last_heard),
        unwatched: from_sample(member.spec.unwatched.as_ref(), member.spec.last_heard),
        webhook_gaps: from_sample(member.spec.webhook_gaps.as_ref(), member.spec.last_heard),
        second_line: member.spec.second_line.as_ref().map(|stored| SecondLine {
            namespaces: stored.namespaces,
            stale: from_sample(Some(&stored.stale), member.spec.last_heard),
        }),
        hub_token_expires: member.spec.hub_token_expires,
        fence: member.spec.fence.as_ref().map(from_fence).transpose()?,
        policy_changes: member.spec.policy_changes.iter().map(from_change).collect(),
        writes: member.spec.writes.unwrap_or_default(),
        epoch: printable(member.spec.epoch.as_deref().unwrap_or_default(), NAME).into(),
        next: member.spec.next.as_ref().map(|next| NextRegistry {
            id: printable(&next.id, NAME).into(),
            since: next.since,
        }),
    })
}

fn to_change(change: &PolicyChange) -> MemberPolicyChange {
    MemberPolicyChange {
        namespace: change.namespace.to_string(),
        resource_version: change.resource_version.to_string(),
        request: change.request.as_str().to_owned(),
        policy: change.policy.as_deref().map(str::to_owned),
    }
}

fn from_change(change: &MemberPolicyChange) -> PolicyChange {
    PolicyChange {
        namespace: change.namespace.as_str().into(),
        resource_version: change.resource_version.as_str().into(),
        request: RequestUid::new(&change.request),
        policy: change.policy.as_deref().map(Arc::from),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::far(Some("2026-03-09T12:00:00Z"), false)]
    #[case::within_a_week(Some("2026-03-08T11:59:59Z"), true)]
    #[case::past(Some("2026-02-01T12:00:00Z"), true)]
    #[case::never_or_unknown(None, false)]
    fn a_hub_token_is_a_condition_from_a_week_before_its_end(
        #[case] expires: Option<&str>,
        #[case] expected: bool,
    ) {
        let member = MemberRecord {
            name: "west".parse().unwrap(),
            cluster: "uid".into(),
            version: "0".into(),
            enrolling: false,
            heard: "2026-03-01T12:00:00Z".parse().unwrap(),
            mode: "enforce".into(),
            unresolved: Sample::default(),
            unwatched: Sample::default(),
            webhook_gaps: Sample::default(),
            second_line: None,
            hub_token_expires: expires.map(|at| at.parse().unwrap()),
            fence: Some(crate::claim::testing::fence(
                "2026-03-01T12:00:00Z".parse().unwrap(),
            )),
            policy_changes: Vec::new(),
            writes: 7,
            epoch: "an epoch".into(),
            next: Some(NextRegistry {
                id: "another one".into(),
                since: "2026-03-01T03:00:00Z".parse().unwrap(),
            }),
        };
        let stored = to_member(&member, None);
        assert_eq!(from_member(&stored).unwrap(), member);
        let conditions = stored.status.unwrap().conditions;
        let mut conditions = conditions.iter();
        let found = conditions.find(|one| one.kind == "HubTokenExpires");
        assert_eq!(found.map(|one| &*one.status), expected.then_some("True"));
    }

    /// As guards wrote it that knew nothing of tokens.
    #[test]
    fn a_member_without_a_token_can_be_read() {
        let old = serde_json::json!({
            "apiVersion": "asoguard.io/v1alpha1", "kind": "Member", "metadata": {"name": "west"},
            "spec": {"cluster": "uid", "state": "Ready", "lastHeard": "2026-03-01T12:00:00Z",
                "version": "0"},
        });
        let old: Member = serde_json::from_value(old).unwrap();
        assert_eq!(from_member(&old).unwrap().hub_token_expires, None);
    }
}
