//! Between a transfer and the object that holds it.

use std::collections::BTreeMap;

use kube::api::ObjectMeta;
use serde_json::{Value, json};

use crate::claim::{Justification, MemberName, NamespaceRef};
use crate::registry::RecordVersion;
use crate::registry::kubernetes::crd;
use crate::transfer::{
    Selection, StageCounts, Transfer, TransferAction, TransferCounts, TransferHistoryEntry,
    TransferPhase, TransferStage,
};

pub(super) fn to_place(place: &NamespaceRef) -> crd::TransferPlace {
    crd::TransferPlace {
        member: place.member.to_string(),
        namespace: place.namespace.to_string(),
    }
}

pub(super) fn from_place(place: &crd::TransferPlace) -> Result<NamespaceRef, String> {
    let _: MemberName = place.member.parse().map_err(|error| format!("{error}"))?;
    let text = format!("{}/{}", place.member, place.namespace);
    text.parse().map_err(|error| format!("{error}"))
}

/// The object that holds a new transfer.
pub(in crate::registry) fn to_transfer(transfer: &Transfer) -> crd::Transfer {
    crd::Transfer {
        metadata: ObjectMeta {
            name: Some(transfer.name.to_string()),
            ..ObjectMeta::default()
        },
        spec: crd::TransferSpec {
            from: to_place(&transfer.from),
            to: to_place(&transfer.to),
            resources: to_resources(&transfer.selection),
            reason: transfer.why.as_ref().map(|why| why.as_str().to_owned()),
        },
        status: Some(to_status(transfer)),
    }
}

/// What changes an object of this version into one that holds the transfer: its status,
/// for what was declared stays.
pub(in super::super) fn patch_transfer(transfer: &Transfer, version: &RecordVersion) -> Value {
    let status = to_status(transfer);
    let mut patch = json!({
        "metadata": { "resourceVersion": version.as_str() },
        "status": status,
    });
    // What is left out of a merge patch stays as it was.
    for key in ["done", "progress", "counts", "counted"] {
        if patch["status"].get(key).is_none() {
            patch["status"][key] = Value::Null;
        }
    }
    patch
}

fn to_resources(selection: &Selection) -> Option<crd::TransferResources> {
    let texts = |list: &[std::sync::Arc<str>]| list.iter().map(|one| (**one).to_owned()).collect();
    (*selection != Selection::default()).then(|| crd::TransferResources {
        below: selection
            .below
            .iter()
            .map(|one| one.as_str().to_owned())
            .collect(),
        resource_groups: texts(&selection.resource_groups),
        kinds: texts(&selection.kinds),
        labels: selection.labels.as_deref().map(str::to_owned),
    })
}

fn to_status(transfer: &Transfer) -> crd::TransferStatus {
    let tally = transfer.status.as_ref().map(|status| &status.tally);
    crd::TransferStatus {
        state: transfer.state().to_owned(),
        from: transfer.from.to_string(),
        to: transfer.to.to_string(),
        selection: transfer.selection.words(),
        phase: transfer.phase.as_str().to_owned(),
        turned: transfer.turned,
        covered: number(transfer.covered),
        done: tally.map(|tally| format!("{}/{}", tally.at(TransferStage::Done), tally.total())),
        progress: tally.map(StageCounts::words),
        counts: tally.map(to_counts),
        counted: transfer.status.as_ref().map(|status| status.at),
        conditions: transfer
            .status
            .as_ref()
            .map(condition)
            .into_iter()
            .collect(),
        history: transfer.history.iter().map(to_entry).collect(),
    }
}

/// What `kubectl wait --for=condition=Complete` waits for.
fn condition(status: &TransferCounts) -> crd::Condition {
    let complete = status.tally.unfinished() == 0;
    let reason = match (complete, status.tally.trouble()) {
        (true, _) => "AllArrived",
        (false, 0) => "UnderWay",
        (false, _) => "InTrouble",
    };
    crd::Condition {
        kind: "Complete".to_owned(),
        status: super::status(complete).to_owned(),
        reason: reason.to_owned(),
        message: status.tally.words(),
        last_transition_time: status.at,
    }
}

fn to_counts(tally: &StageCounts) -> BTreeMap<String, u32> {
    let counts = TransferStage::ALL.into_iter();
    counts
        .map(|stage| (stage.as_str().to_owned(), number(tally.at(stage))))
        .collect()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn to_entry(entry: &TransferHistoryEntry) -> crd::TransferEntry {
    crd::TransferEntry {
        at: entry.at,
        by: entry.by.to_string(),
        action: Some(entry.action.as_str().to_owned()),
        deed: None,
        why: entry.why.as_ref().map(|why| why.as_str().to_owned()),
        unfinished: number(entry.unfinished),
    }
}

/// The transfer that an object holds: one without a status was only declared.
///
/// # Errors
/// What is wrong with it, for the person who wrote it.
pub(in crate::registry) fn from_transfer(object: &crd::Transfer) -> Result<Transfer, String> {
    let name = object.metadata.name.as_deref().unwrap_or_default();
    let name = name.parse().map_err(|error| format!("{error}"))?;
    let spec = &object.spec;
    let place = |at: &str, place| from_place(place).map_err(|error| format!("{at}: {error}"));
    let mut transfer = Transfer::new(
        name,
        place("spec.from", &spec.from)?,
        place("spec.to", &spec.to)?,
        spec.resources
            .as_ref()
            .map_or_else(|| Ok(Selection::default()), from_resources)?,
    );
    transfer.why = spec.reason.as_deref().and_then(Justification::new);
    if let Some(status) = &object.status {
        read_status(&mut transfer, status)?;
    }
    Ok(transfer)
}

fn from_resources(resources: &crd::TransferResources) -> Result<Selection, String> {
    let texts = |list: &[String]| list.iter().map(|one| one.as_str().into()).collect();
    let below = resources.below.iter().map(|text| {
        text.parse()
            .map_err(|error| format!("spec.resources.below: {error}"))
    });
    Ok(Selection {
        below: below.collect::<Result<_, _>>()?,
        resource_groups: texts(&resources.resource_groups),
        kinds: texts(&resources.kinds),
        labels: resources.labels.as_deref().map(Into::into),
    })
}

fn read_status(transfer: &mut Transfer, status: &crd::TransferStatus) -> Result<(), String> {
    transfer.phase = TransferPhase::from_word(&status.phase)
        .ok_or_else(|| format!("status.phase: {:?} is none", status.phase))?;
    transfer.turned = status.turned;
    transfer.covered = count(status.covered);
    if let (Some(at), Some(counts)) = (status.counted, &status.counts) {
        let mut tally = StageCounts::default();
        for (word, &number) in counts {
            let stage = TransferStage::from_word(word)
                .ok_or_else(|| format!("status.counts: {word:?} is no stage"))?;
            tally.add(stage, count(number));
        }
        transfer.status = Some(TransferCounts { at, tally });
    }
    let history: Result<_, String> = status.history.iter().map(from_entry).collect();
    transfer.history = history?;
    Ok(())
}

fn from_entry(entry: &crd::TransferEntry) -> Result<TransferHistoryEntry, String> {
    Ok(TransferHistoryEntry {
        at: entry.at,
        by: super::person(&entry.by),
        action: super::action(
            entry.action.as_ref(),
            entry.deed.as_ref(),
            TransferAction::from_word,
        )?,
        why: entry.why.as_deref().and_then(Justification::new),
        unfinished: count(entry.unfinished),
    })
}
