//! A transfer, as it is shown.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::claim::{CopyRef, NamespaceRef};
use crate::cli::claims::view::age;
use crate::cli::terminal::{Emphasis, Style};
use crate::transfer::{
    ResourceProgress, StageCounts, Transfer, TransferHistoryEntry, TransferProgress, TransferStage,
};

/// All of a transfer, for programs.
pub(super) fn json(transfer: &Transfer, progress: &TransferProgress) -> Value {
    let mut value = summary(transfer, &progress.tally);
    let resources = progress.resources.iter().map(resource_json);
    value["resources"] = resources.collect();
    value["history"] = transfer.history.iter().map(entry_json).collect();
    value
}

/// A transfer without its resources, for programs.
pub(super) fn summary(transfer: &Transfer, tally: &StageCounts) -> Value {
    let mut counts = serde_json::Map::new();
    for stage in TransferStage::ALL {
        counts.insert(stage.as_str().to_owned(), tally.at(stage).into());
    }
    json!({
        "name": transfer.name.as_str(),
        "state": transfer.state(),
        "from": transfer.from.to_string(),
        "to": transfer.to.to_string(),
        "selection": transfer.selection.words(),
        "reason": transfer.why.as_ref().map(crate::claim::Justification::as_str),
        "covered": transfer.covered,
        "counts": counts,
    })
}

fn resource_json(resource: &ResourceProgress) -> Value {
    let name = |copy: &Option<CopyRef>| copy.as_ref().map(CopyRef::to_string);
    json!({
        "resource": resource.identity.to_string(),
        "stage": resource.stage.as_str(),
        "source": name(&resource.source),
        "target": name(&resource.target),
        "elsewhere": name(&resource.elsewhere),
    })
}

fn entry_json(entry: &TransferHistoryEntry) -> Value {
    json!({
        "at": entry.at.to_string(),
        "by": &*entry.by,
        "action": entry.action.as_str(),
        "why": entry.why.as_ref().map(crate::claim::Justification::as_str),
        "unfinished": entry.unfinished,
    })
}

/// How far a transfer is, for people: what is done is only counted, unless all is wanted.
pub(super) fn words(
    transfer: &Transfer,
    progress: &TransferProgress,
    all: bool,
    style: Style,
    now: Timestamp,
) -> String {
    let tally = &progress.tally;
    let way = transfer.reservation();
    let mut text = format!(
        "Transfer  {}, {}\nFrom      {}\nTo        {}\nMoves     {}\n",
        style.paint(Emphasis::Bold, transfer.name.as_str()),
        transfer.state(),
        way.from,
        way.to,
        transfer.selection.words(),
    );
    if let Some(why) = &transfer.why {
        text += &format!("Reason    {}\n", why.as_str());
    }
    if let Some(started) = transfer.started() {
        let by = if started.by.is_empty() {
            String::new()
        } else {
            format!(", by {}", started.by)
        };
        text += &format!("Started   {} ago{by}\n", age(started.at, now));
    }
    let total = tally.total();
    text += "\n";
    let bar = |step: &str, done: usize| format!("{step:<26}{} {done}/{total}\n", bar(done, total));
    text += &bar("1 parked in the source", tally.parked());
    text += &format!(
        "2 ASO runs in the target  ASO tells: {}\n",
        asks_aso(&way.to)
    );
    text += &bar("3 live in the target", tally.live());
    text += &bar("4 gone from the source", tally.at(TransferStage::Done));
    text += &resources(progress, all, style);
    if transfer.is_open() && tally.unfinished() == 0 {
        text += &format!(
            "\nAll is done. End it: aso-guard transfer finish {}\n",
            transfer.name
        );
    }
    text
}

/// What shows whether ASO reconciles what is in a place: the column `READY`.
fn asks_aso(place: &NamespaceRef) -> String {
    let (member, namespace) = (&place.member, &place.namespace);
    format!("kubectl --context {member} -n {namespace} get azure")
}

fn bar(done: usize, total: usize) -> String {
    const WIDTH: usize = 20;
    let filled = (done * WIDTH).checked_div(total).unwrap_or(WIDTH);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(WIDTH - filled))
}

fn resources(progress: &TransferProgress, all: bool, style: Style) -> String {
    let resources = progress.resources.iter();
    let resources = resources.filter(|one| all || one.stage != TransferStage::Done);
    let rows: Vec<Vec<String>> = resources.map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let style = Style {
        width: None,
        ..style
    };
    let columns = ["STAGE", "RESOURCE", "SOURCE", "TARGET", "WHERE IT IS"];
    format!("\n{}", style.table(&columns, rows, paint))
}

fn row(resource: &ResourceProgress) -> Vec<String> {
    let name = |copy: &Option<CopyRef>| {
        copy.as_ref()
            .map_or_else(|| "-".to_owned(), CopyRef::to_string)
    };
    let place = match &resource.elsewhere {
        Some(elsewhere) => format!("live in {elsewhere}"),
        None => resource.stage.words().to_owned(),
    };
    vec![
        resource.stage.as_str().to_owned(),
        resource.identity.last_pair().to_owned(),
        name(&resource.source),
        name(&resource.target),
        place,
    ]
}

/// The colour of a stage's word.
fn paint(word: &str) -> Option<Emphasis> {
    let stage = TransferStage::from_word(word)?;
    Some(match stage {
        TransferStage::Done | TransferStage::Moved => Emphasis::Good,
        TransferStage::Busy | TransferStage::Coming | TransferStage::Waiting => Emphasis::Doubtful,
        _ if stage.is_trouble() => Emphasis::Bad,
        _ => return None,
    })
}
