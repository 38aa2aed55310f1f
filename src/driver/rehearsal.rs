//! Creating the copies as a rehearsal: what the target, and ASO there, say to one of each kind
//! before anything is changed. Nothing is stored (`--dry-run=server`), and the copies are parked,
//! which no guard refuses.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use serde_json::Value;

use crate::object::{ObjectKey, POLICY_ANNOTATION};
use crate::transfer::TransferStep;

use super::call::CallError;
use super::item::TransferItem;
use super::obstacles::{ObstacleKind, Obstacles};
use super::state::{NewCopy, TransferState};

/// How many are tried at once.
const AT_ONCE: usize = 4;

/// Tries one copy of each kind that is to be made, and finds what would stand in its way.
pub async fn rehearse(state: &TransferState, found: &mut Obstacles) {
    if state.to.namespace != Some(true) {
        return;
    }
    let mut of_kinds: BTreeMap<(&str, &str), (&TransferItem, NewCopy)> = BTreeMap::new();
    for item in &state.items {
        let key = &item.source_key;
        let is_new = item.source.is_some() && item.target.is_none();
        let due = matches!(
            state.planned(item),
            TransferStep::Park | TransferStep::AwaitParked | TransferStep::Create
        );
        if is_new
            && due
            && let Ok(made) = state.made(item)
        {
            let of_kind = (&*key.group, &*key.kind);
            of_kinds.entry(of_kind).or_insert((item, made));
        }
    }
    let trials = stream::iter(of_kinds.into_values())
        .map(async |(item, made)| (&item.source_key, trial(state, made).await))
        .buffer_unordered(AT_ONCE);
    let trials: Vec<(&ObjectKey, Result<DefaultedName, CallError>)> = trials.collect().await;
    for (key, said) in trials {
        report(state, key, said, found);
    }
}

/// Whether ASO gave a copy the Azure name that it was tried without.
enum DefaultedName {
    Yes,
    No,
    /// It is not of a kind that is given one, or cannot be tried without.
    Unasked,
}

async fn trial(state: &TransferState, made: NewCopy) -> Result<DefaultedName, CallError> {
    let mut copy = made.value;
    copy["metadata"]["annotations"][POLICY_ANNOTATION] = "skip".into();
    let spec = copy["spec"].as_object_mut();
    let unnamed = spec.is_some_and(|spec| spec.remove("azureName").is_some());
    let made = state.to.would_create(&made.resource, &copy).await?;
    Ok(match made.value["spec"]["azureName"] {
        _ if !unnamed => DefaultedName::Unasked,
        Value::Null => DefaultedName::No,
        _ => DefaultedName::Yes,
    })
}

fn report(
    state: &TransferState,
    key: &ObjectKey,
    said: Result<DefaultedName, CallError>,
    found: &mut Obstacles,
) {
    let member = &state.to.place.member;
    match said {
        Ok(DefaultedName::Yes | DefaultedName::Unasked) => {}
        Ok(DefaultedName::No) => {
            let words = format!("no ASO answers in cluster {member}: its webhook names no copy");
            let advice = "see that ASO runs there; nothing is deleted at the source before it has \
                          reconciled the copies";
            found.advise(ObstacleKind::Aso, key, words, advice.to_owned());
        }
        Err(fault) => {
            let words = format!("cluster {member} would not take its copy: {}", fault.words);
            let advice = "see that ASO runs there, in the version of its CRDs, and that you may \
                          create it";
            found.advise(ObstacleKind::Untaken, key, words, advice.to_owned());
        }
    }
}
