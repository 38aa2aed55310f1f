//! Between the protocol's records and the objects that hold them.

mod transfer;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use kube::api::ObjectMeta;
use sha2::{Digest as _, Sha256};

use crate::arm::Identity;
use crate::claim::{
    ClaimState, CopyRef, HistoryAction, HistoryEntry, InFlight, Justification, MemberCopy,
    PolicyChange, Proof, Record, RequestUid, Reservation, StoredCopy,
};
use crate::object::text::printable;
use crate::policy::Policy;
use crate::registry::{ClaimScope, CopyFilter, MemberRecord, RecordVersion, Sample};

use super::crd::{
    Claim, ClaimCopy, ClaimEntry, ClaimRenaming, ClaimRequest, ClaimSpec, ClaimStatus, ClaimStored,
    ClaimTransfer, Condition, Member, MemberPolicyChange, MemberSample, MemberSpec, MemberState,
    MemberStatus,
};

pub(super) use transfer::{from_transfer, patch_transfer, to_transfer};

const SUBSCRIPTION_LABEL: &str = "asoguard.io/subscription";
const RESOURCE_GROUP_LABEL: &str = "asoguard.io/resource-group";
/// `true` on claims with more than one live copy.
const CONFLICT_LABEL: &str = "asoguard.io/conflict";
/// The open transfer that a claim is reserved for.
const TRANSFER_LABEL: &str = "asoguard.io/transfer";
/// `true` on claims whose copies are all parked.
const ORPHANED_LABEL: &str = "asoguard.io/orphaned";
/// Followed by a member's name; the value says whether a request of it is under way.
const MEMBER_LABEL_PREFIX: &str = "member.asoguard.io/";
/// The longest text that is taken over from a record, in characters.
const NAME: usize = 256;
const IN_FLIGHT: &str = "in-flight";
const SETTLED: &str = "settled";

/// The name of an identity's Claim: what the resource is called, for people, and
/// a hash of the whole identity, to tell apart.
pub(super) fn claim_name(identity: &Identity) -> String {
    let mut slug: String = identity
        .name()
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    slug = slug.trim_matches('-').to_owned();
    if slug.is_empty() {
        slug.push('c');
    }
    format!("{slug}-{}", short_hash(&identity.key()))
}

fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest[..10].iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// A label's value for this text, which may be no label value itself: names in
/// ARM are longer and wilder than labels. Two texts may share a value.
///
/// The hub's policy (`deploy/hub/claims.yaml`) computes the same.
fn label_value(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let plain = text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text.chars().all(inner);
    if plain {
        return text;
    }
    let spelt = text.chars().map(|c| if inner(c) { c } else { '_' });
    format!("x{}x", spelt.take(61).collect::<String>())
}

/// The label selector that finds (at least) the claims in a scope.
pub(super) fn selector(scope: &ClaimScope) -> String {
    match scope {
        ClaimScope::All => String::new(),
        ClaimScope::Below(identity) => below(identity),
        ClaimScope::InConflict => format!("{CONFLICT_LABEL}=true"),
        ClaimScope::Reserved(None) => TRANSFER_LABEL.to_owned(),
        ClaimScope::Reserved(Some(transfer)) => format!("{TRANSFER_LABEL}={transfer}"),
        ClaimScope::Orphaned(member) => {
            format!("{ORPHANED_LABEL}=true,{MEMBER_LABEL_PREFIX}{member}")
        }
        ClaimScope::Of(member, CopyFilter::AnyCopy) => format!("{MEMBER_LABEL_PREFIX}{member}"),
        ClaimScope::Of(member, CopyFilter::InFlight) => {
            format!("{MEMBER_LABEL_PREFIX}{member}={IN_FLIGHT}")
        }
    }
}

/// The label selector that finds (at least) the claims below an identity. What is below
/// something outside of resource groups, or of subscriptions, is outside of them, too.
fn below(identity: &Identity) -> String {
    let one = |label: &str, value: Option<&str>| match value {
        Some(value) => format!("{label}={}", label_value(value)),
        None => format!("!{label}"),
    };
    let in_subscription = one(SUBSCRIPTION_LABEL, identity.subscription());
    if identity.is_subscription() {
        return in_subscription;
    }
    let in_group = one(RESOURCE_GROUP_LABEL, identity.resource_group());
    format!("{in_subscription},{in_group}")
}

/// `rg-prod/storageAccounts/st1`: an identity without what all have in common.
fn display(identity: &Identity) -> String {
    let mut segments = identity.as_str().split('/').filter(|s| !s.is_empty());
    let mut shown = Vec::new();
    while let Some(segment) = segments.next() {
        match segment.to_ascii_lowercase().as_str() {
            "subscriptions" | "providers" => {
                segments.next();
            }
            "resourcegroups" => {}
            _ => shown.push(segment),
        }
    }
    shown.join("/")
}

fn listed<'a>(copies: impl Iterator<Item = (&'a CopyRef, &'a MemberCopy)>) -> Option<String> {
    let names: Vec<String> = copies.map(|(copy, _)| copy.to_string()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The object that holds a record.
pub(super) fn to_claim(record: &Record, version: Option<&RecordVersion>, now: Timestamp) -> Claim {
    let identity = &record.identity;
    let mut labels = BTreeMap::new();
    if let Some(subscription) = identity.subscription() {
        labels.insert(SUBSCRIPTION_LABEL.to_owned(), label_value(subscription));
    }
    if let Some(group) = identity.resource_group() {
        labels.insert(RESOURCE_GROUP_LABEL.to_owned(), label_value(group));
    }
    for (copy, held) in &record.copies {
        let label = labels
            .entry(format!("{MEMBER_LABEL_PREFIX}{}", copy.member))
            .or_insert_with(|| SETTLED.to_owned());
        if held.next_deadline().is_some() {
            IN_FLIGHT.clone_into(label);
        }
    }
    if let Some(held) = &record.reserved {
        labels.insert(TRANSFER_LABEL.to_owned(), held.transfer.to_string());
    }
    let finding = match record.state() {
        ClaimState::Conflict => Some(CONFLICT_LABEL),
        ClaimState::Parked => Some(ORPHANED_LABEL),
        _ => None,
    };
    labels.extend(finding.map(|label| (label.to_owned(), "true".to_owned())));
    Claim {
        metadata: ObjectMeta {
            name: Some(claim_name(identity)),
            labels: Some(labels),
            resource_version: version.map(|version| version.as_str().to_owned()),
            ..ObjectMeta::default()
        },
        spec: ClaimSpec {
            identity: identity.as_str().to_owned(),
        },
        status: Some(ClaimStatus {
            resource: display(identity),
            state: record.state().as_str().to_owned(),
            holder: listed(record.live()),
            parked_in: listed(record.parked()),
            last_heard: Some(now),
            conditions: conditions(record, now),
            copies: record.copies.iter().map(to_copy).collect(),
            transfer: record.reserved.as_ref().map(|held| ClaimTransfer {
                name: held.transfer.to_string(),
                from: transfer::to_place(&held.from),
                to: transfer::to_place(&held.to),
            }),
            history: record.history.iter().map(to_entry).collect(),
        }),
    }
}

fn to_entry(entry: &HistoryEntry) -> ClaimEntry {
    let object = &entry.copy.object;
    ClaimEntry {
        at: entry.at,
        by: entry.by.to_string(),
        deed: entry.deed.as_str().to_owned(),
        why: entry.why.as_str().to_owned(),
        against: entry.against.to_string(),
        member: entry.copy.member.to_string(),
        namespace: object.namespace.to_string(),
        group: object.group.to_string(),
        kind: object.kind.to_string(),
        name: object.name.to_string(),
    }
}

/// What `kubectl wait --for=condition=Conflict=False` waits for. Each changed when the last
/// of the copies came to be what it is.
fn conditions(record: &Record, now: Timestamp) -> Vec<Condition> {
    let state = record.state();
    let reason = match record.live().count() {
        0 => "NoLiveCopy",
        1 => "OneLiveCopy",
        _ => "SeveralLiveCopies",
    };
    let condition = |kind: &str, holds, message| Condition {
        kind: kind.to_owned(),
        status: status(holds).to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: record.since().unwrap_or(now),
    };
    let orphaned = state == ClaimState::Parked;
    let parked = orphaned.then(|| record.parked_words());
    vec![
        condition(
            "Conflict",
            state == ClaimState::Conflict,
            record.live_words(),
        ),
        condition("Orphaned", orphaned, parked.unwrap_or_default()),
    ]
}

/// How conditions say yes and no.
fn status(holds: bool) -> &'static str {
    if holds { "True" } else { "False" }
}

fn to_copy((copy, held): (&CopyRef, &MemberCopy)) -> ClaimCopy {
    ClaimCopy {
        member: copy.member.to_string(),
        namespace: copy.object.namespace.to_string(),
        group: copy.object.group.to_string(),
        kind: copy.object.kind.to_string(),
        name: copy.object.name.to_string(),
        since: held.since,
        by: held.by.to_string(),
        assumed: held.assumed,
        newcomer: held.newcomer,
        stored: held.stored.as_ref().map(|stored| ClaimStored {
            uid: stored.uid.to_string(),
            policy: stored.policy.to_string(),
            terminating: stored.terminating,
            busy: stored.busy,
        }),
        acquiring: held.acquiring.iter().map(to_request).collect(),
        arriving: held.arriving.iter().map(to_request).collect(),
        renaming: held.renaming.iter().map(to_renaming).collect(),
        deleting: held.deleting.iter().map(to_request).collect(),
    }
}

fn to_request(request: &InFlight) -> ClaimRequest {
    let (uid, resource_version) = match &request.proof {
        Proof::Uid(uid) => (Some(uid.to_string()), None),
        Proof::ResourceVersion(version) => (None, Some(version.to_string())),
        Proof::Owner | Proof::Deadline => (None, None),
    };
    ClaimRequest {
        request: request.request.as_str().to_owned(),
        uid,
        resource_version,
        owner: request.proof == Proof::Owner,
        deadline: request.deadline,
    }
}

fn to_renaming(request: &InFlight) -> ClaimRenaming {
    ClaimRenaming {
        to: request.to.as_ref().map(ToString::to_string),
        request: to_request(request),
    }
}

/// The record that an object holds.
///
/// # Errors
/// What is wrong with it, for a person who edited it.
pub(super) fn from_claim(claim: &Claim) -> Result<Record, String> {
    let identity: Identity = claim
        .spec
        .identity
        .parse()
        .map_err(|error| format!("spec.identity: {error}"))?;
    let status = claim.status.as_ref().ok_or("it has no status")?;
    let mut record = Record::new(identity);
    for copy in &status.copies {
        let (copy, held) = from_copy(copy)?;
        record.copies.insert(copy, held);
    }
    if let Some(held) = &status.transfer {
        record.reserved = Some(from_reservation(held)?);
    }
    let history: Result<_, _> = status.history.iter().map(from_entry).collect();
    record.history = history?;
    Ok(record)
}

fn from_reservation(held: &ClaimTransfer) -> Result<Reservation, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("status.transfer: {error}");
    Ok(Reservation {
        transfer: held.name.parse().map_err(|error| wrong(&error))?,
        from: transfer::from_place(&held.from).map_err(|error| wrong(&error))?,
        to: transfer::from_place(&held.to).map_err(|error| wrong(&error))?,
    })
}

fn from_entry(entry: &ClaimEntry) -> Result<HistoryEntry, String> {
    let (member, namespace) = (&entry.member, &entry.namespace);
    let copy = CopyRef::read(member, namespace, &entry.group, &entry.kind, &entry.name);
    Ok(HistoryEntry {
        at: entry.at,
        by: person(&entry.by),
        copy: copy.map_err(|why| format!("status.history: {why}"))?,
        deed: HistoryAction::from_word(&entry.deed)
            .ok_or_else(|| format!("status.history.deed: {:?} is none", entry.deed))?,
        why: Justification::new(&entry.why).ok_or("status.history.why is empty")?,
        against: printable(&entry.against, NAME).into(),
    })
}

fn from_copy(copy: &ClaimCopy) -> Result<(CopyRef, MemberCopy), String> {
    let (member, namespace) = (&copy.member, &copy.namespace);
    let named = CopyRef::read(member, namespace, &copy.group, &copy.kind, &copy.name)
        .map_err(|why| format!("status.copies: {why}"))?;
    let stored = match &copy.stored {
        None => None,
        Some(stored) => Some(StoredCopy {
            uid: stored.uid.as_str().into(),
            policy: policy(&stored.policy)?,
            terminating: stored.terminating,
            busy: stored.busy,
        }),
    };
    let held = MemberCopy {
        stored,
        acquiring: copy.acquiring.iter().map(from_request).collect(),
        arriving: copy.arriving.iter().map(from_request).collect(),
        renaming: copy.renaming.iter().map(from_renaming).collect(),
        deleting: copy.deleting.iter().map(from_request).collect(),
        assumed: copy.assumed,
        newcomer: copy.newcomer,
        since: copy.since,
        by: person(&copy.by),
    };
    Ok((named, held))
}

/// A person's name as it is shown: administrators may have written anything.
fn person(name: &str) -> Arc<str> {
    printable(name, NAME).into()
}

fn policy(text: &str) -> Result<Policy, String> {
    text.parse()
        .map_err(|_| format!("status.copies.stored.policy: {text:?} is no policy of ASO"))
}

fn from_request(request: &ClaimRequest) -> InFlight {
    InFlight {
        request: RequestUid::new(&request.request),
        proof: match (&request.uid, &request.resource_version, request.owner) {
            (Some(uid), None, _) => Proof::Uid(uid.as_str().into()),
            (None, Some(version), _) => Proof::ResourceVersion(version.as_str().into()),
            (None, None, true) => Proof::Owner,
            // None, or several by somebody's hand: what only the deadline ends is safe.
            _ => Proof::Deadline,
        },
        deadline: request.deadline,
        to: None,
    }
}

/// A name that cannot be read is none: whoever wants to know it waits for the deadline.
fn from_renaming(renaming: &ClaimRenaming) -> InFlight {
    let to = renaming.to.as_deref().and_then(|to| to.parse().ok());
    InFlight {
        to,
        ..from_request(&renaming.request)
    }
}

/// The object that holds a member's record.
pub(super) fn to_member(member: &MemberRecord, version: Option<&RecordVersion>) -> Member {
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
            hub_token_expires: member.hub_token_expires,
            mode: Some(member.mode.to_string()).filter(|mode| !mode.is_empty()),
            policy_changes: member.policy_changes.iter().map(to_change).collect(),
        },
        status: Some(MemberStatus {
            conditions: [unresolved(&member.unresolved), unwatched(&member.unwatched)]
                .into_iter()
                .chain(hub_token_expires(member))
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
pub(super) fn from_member(member: &Member) -> Result<MemberRecord, String> {
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
        hub_token_expires: member.spec.hub_token_expires,
        policy_changes: member.spec.policy_changes.iter().map(from_change).collect(),
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
    #[case::in_a_group(
        "/subscriptions/s/resourceGroups/RG/providers/P.Q/t/n",
        "asoguard.io/subscription=s,asoguard.io/resource-group=rg"
    )]
    #[case::in_a_subscription(
        "/subscriptions/s/providers/P.Q/t/n",
        "asoguard.io/subscription=s,!asoguard.io/resource-group"
    )]
    #[case::a_subscription("/subscriptions/s", "asoguard.io/subscription=s")]
    #[case::in_the_tenant(
        "/providers/P.Q/t/n",
        "!asoguard.io/subscription,!asoguard.io/resource-group"
    )]
    fn what_is_below_a_resource_is_listed_without_the_rest(
        #[case] identity: &str,
        #[case] expected: &str,
    ) {
        let scope = ClaimScope::Below(identity.parse().unwrap());
        assert_eq!(selector(&scope), expected);
    }

    #[rstest]
    #[case::far(Some("2026-03-09T12:00:00Z"), false)]
    #[case::within_a_week(Some("2026-03-08T11:59:59Z"), true)]
    #[case::past(Some("2026-02-01T12:00:00Z"), true)]
    #[case::never_or_unknown(None, false)]
    fn a_hub_token_is_a_condition_from_a_week_before_its_end(
        #[case] expires: Option<&str>,
        #[case] shown: bool,
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
            hub_token_expires: expires.map(|at| at.parse().unwrap()),
            policy_changes: Vec::new(),
        };
        let stored = to_member(&member, None);
        assert_eq!(from_member(&stored).unwrap(), member);
        let conditions = stored.status.unwrap().conditions;
        let mut conditions = conditions.iter();
        let found = conditions.find(|one| one.kind == "HubTokenExpires");
        assert_eq!(found.map(|one| &*one.status), shown.then_some("True"));
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
