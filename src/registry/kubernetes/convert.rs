//! Between the protocol's records and the objects that hold them.

mod epoch;
mod labels;
mod member;
mod transfer;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::ObjectMeta;

use crate::arm::Identity;
use crate::claim::{
    ClaimState, CopyRef, HistoryAction, HistoryEntry, InFlight, Justification, MemberCopy, Proof,
    Record, RequestUid, Reservation, StoredCopy,
};
use crate::object::text::printable;
use crate::policy::Policy;
use crate::registry::RecordVersion;

use super::crd::{
    Claim, ClaimCopy, ClaimEntry, ClaimRenaming, ClaimRequest, ClaimSpec, ClaimStatus, ClaimStored,
    ClaimTransfer, Condition,
};

use labels::labels;

pub(in crate::registry) use epoch::{from_epoch, to_epoch};
pub(super) use labels::{claim_name, selector};
pub(in crate::registry) use member::{from_member, to_member};
pub(super) use transfer::patch_transfer;
pub(in crate::registry) use transfer::{from_transfer, to_transfer};

/// The longest text that is taken over from a record, in characters.
const NAME: usize = 256;

/// `rg-prod/storageAccounts/st1`: an identity without what all have in common.
fn display(identity: &Identity) -> String {
    let mut segments = identity.as_str().split('/').filter(|s| !s.is_empty());
    let mut names = Vec::new();
    while let Some(segment) = segments.next() {
        match segment.to_ascii_lowercase().as_str() {
            "subscriptions" | "providers" => {
                segments.next();
            }
            "resourcegroups" => {}
            _ => names.push(segment),
        }
    }
    names.join("/")
}

fn listed<'a>(copies: impl Iterator<Item = (&'a CopyRef, &'a MemberCopy)>) -> Option<String> {
    let names: Vec<String> = copies.map(|(copy, _)| copy.to_string()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The object that holds a record.
pub(in crate::registry) fn to_claim(
    record: &Record,
    version: Option<&RecordVersion>,
    now: Timestamp,
) -> Claim {
    let identity = &record.identity;
    Claim {
        metadata: ObjectMeta {
            name: Some(claim_name(identity)),
            labels: Some(labels(record)),
            ..metadata_of(version)
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
            epoch: None,
        }),
    }
}

/// What the metadata of a claim begins with that replaces this version, or none.
fn metadata_of(version: Option<&RecordVersion>) -> ObjectMeta {
    ObjectMeta {
        resource_version: version.map(|version| version.as_str().to_owned()),
        // API servers keep who wrote which field, for those that apply, which nobody does with
        // claims. Let go of it: each write costs them less then, and a claim is smaller. See
        // "Clearing managedFields" in
        // https://kubernetes.io/docs/reference/using-api/server-side-apply.
        managed_fields: version.map(|_| vec![ManagedFieldsEntry::default()]),
        ..ObjectMeta::default()
    }
}

fn to_entry(entry: &HistoryEntry) -> ClaimEntry {
    let object = &entry.copy.object;
    ClaimEntry {
        at: entry.at,
        by: entry.by.to_string(),
        action: Some(entry.action.as_str().to_owned()),
        deed: None,
        why: entry.why.as_str().to_owned(),
        refusal: (!entry.refusal.is_empty()).then(|| entry.refusal.to_string()),
        against: None,
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
pub(in crate::registry) fn from_claim(claim: &Claim) -> Result<Record, String> {
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
    let refusal = entry.refusal.as_ref().or(entry.against.as_ref());
    Ok(HistoryEntry {
        at: entry.at,
        by: person(&entry.by),
        copy: copy.map_err(|why| format!("status.history: {why}"))?,
        action: action(
            entry.action.as_ref(),
            entry.deed.as_ref(),
            HistoryAction::from_word,
        )?,
        why: Justification::new(&entry.why).ok_or("status.history.why is empty")?,
        refusal: printable(refusal.map_or("", String::as_str), NAME).into(),
    })
}

/// What an entry of a history says was done, under the field's name or the deprecated one.
fn action<T>(
    action: Option<&String>,
    deed: Option<&String>,
    from_word: impl Fn(&str) -> Option<T>,
) -> Result<T, String> {
    let word = action.or(deed).ok_or("status.history.action is missing")?;
    from_word(word).ok_or_else(|| format!("status.history.action: {word:?} is none"))
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
