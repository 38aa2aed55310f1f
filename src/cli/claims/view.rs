//! A claim, as it is shown.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::claim::{
    ClaimState, CopyRef, HistoryEntry, Hold, Holder, InFlight, MemberCopy, Record, Reservation,
};
use crate::registry::Versioned;

use crate::cli::terminal::Emphasis;

/// All of a claim, for programs.
pub(in crate::cli) fn json(known: &Versioned<Record>) -> Value {
    let record = &known.record;
    json!({
        "resource": record.identity.to_string(),
        "state": record.state().as_str(),
        "version": known.version.as_str(),
        "transfer": record.reserved.as_ref().map(reservation_json),
        "copies": record.copies.iter().map(|(copy, held)| copy_json(copy, held)).collect::<Vec<_>>(),
        "history": record.history.iter().map(entry_json).collect::<Vec<_>>(),
    })
}

fn reservation_json(held: &Reservation) -> Value {
    json!({
        "name": held.transfer.as_str(),
        "from": held.from.to_string(),
        "to": held.to.to_string(),
    })
}

fn copy_json(copy: &CopyRef, held: &MemberCopy) -> Value {
    let mut value = object_json(copy);
    value["hold"] = hold_word(Holder::of(copy, held).hold).into();
    value["since"] = held.since.to_string().into();
    value["by"] = (&*held.by).into();
    value["assumed"] = held.assumed.into();
    if let Some(stored) = &held.stored {
        value["policy"] = stored.policy.as_str().into();
        value["terminating"] = stored.terminating.into();
        value["busy"] = stored.busy.into();
        value["uid"] = (&*stored.uid).into();
    }
    for (what, requests) in [("acquiring", &held.acquiring), ("deleting", &held.deleting)] {
        if !requests.is_empty() {
            value[what] = requests.iter().map(request_json).collect::<Vec<_>>().into();
        }
    }
    value
}

fn request_json(request: &InFlight) -> Value {
    json!({
        "request": request.request.as_str(),
        "deadline": request.deadline.to_string(),
    })
}

fn entry_json(entry: &HistoryEntry) -> Value {
    let mut value = object_json(&entry.copy);
    value["at"] = entry.at.to_string().into();
    value["by"] = (&*entry.by).into();
    value["action"] = entry.action.as_str().into();
    value["why"] = entry.why.as_str().into();
    value["refusal"] = (&*entry.refusal).into();
    value
}

fn object_json(copy: &CopyRef) -> Value {
    json!({
        "member": copy.member.as_str(),
        "namespace": &*copy.object.namespace,
        "group": &*copy.object.group,
        "kind": &*copy.object.kind,
        "name": &*copy.object.name,
    })
}

/// How a copy holds its resource, in a word.
pub(in crate::cli) fn hold_word(hold: Hold) -> &'static str {
    match hold {
        Hold::Live => "live",
        Hold::Pending(_) => "pending",
        Hold::Parked => "parked",
        Hold::Arriving(_) => "arriving",
        Hold::Deleting => "deleting",
    }
}

/// How long ago something was, short: `12s`, `5m`, `3h`, `8d`.
pub(in crate::cli) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).max(SignedDuration::ZERO).as_secs();
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The names of copies, separated by commas; a dash where there are none.
pub(in crate::cli) fn names<'a>(
    copies: impl Iterator<Item = (&'a CopyRef, &'a MemberCopy)>,
) -> String {
    let names: Vec<String> = copies.map(|(copy, _)| copy.to_string()).collect();
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(", ")
    }
}

/// The colour of a state's word.
pub(in crate::cli) fn paint(word: &str) -> Option<Emphasis> {
    let is = |state: ClaimState| word == state.as_str();
    if is(ClaimState::Conflict) {
        Some(Emphasis::Bad)
    } else if is(ClaimState::Live) {
        Some(Emphasis::Good)
    } else if is(ClaimState::Pending) || is(ClaimState::Deleting) {
        Some(Emphasis::Doubtful)
    } else {
        None
    }
}
