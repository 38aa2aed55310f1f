//! `aso-guard transfer list`.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;

use crate::transfer::{Progress, Stage, Transfer};

use crate::cli::claims::view::age;
use crate::cli::output::{Entry, List, ListOutputArgs};
use crate::cli::registry::{RegistryArgs, Stop};
use crate::cli::terminal::Paint;

use super::{status, view};

/// How to list transfers.
#[derive(Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    output: ListOutputArgs,
}

pub(super) async fn run(args: &ListArgs, out: &mut impl Write) -> Result<(), Stop> {
    let registry = args.registry.open().await?;
    let find = async || {
        let listed = registry.transfers().await?;
        let now = Timestamp::now();
        let mut entries = Vec::new();
        for known in listed.records {
            let progress = status::of(&*registry, &known.record).await?;
            entries.push(entry(&known.record, &progress, now));
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(List {
            nothing: "No transfers.",
            columns: vec!["STATE", "NAME", "FROM", "TO", "DONE", "PROGRESS", "STARTED"],
            entries,
            paint,
            unreadable: listed.unreadable,
        })
    };
    args.output.write(find, out).await
}

fn entry(transfer: &Transfer, progress: &Progress, now: Timestamp) -> Entry {
    let tally = &progress.tally;
    let started = transfer.started();
    Entry {
        name: transfer.name.to_string(),
        json: view::summary(transfer, tally),
        row: vec![
            transfer.state().to_owned(),
            transfer.name.to_string(),
            transfer.from.to_string(),
            transfer.to.to_string(),
            format!("{}/{}", tally.at(Stage::Done), tally.total()),
            tally.words(),
            started.map_or_else(|| "-".to_owned(), |entry| age(entry.at, now)),
        ],
    }
}

fn paint(word: &str) -> Option<Paint> {
    match word {
        "Open" => Some(Paint::Good),
        "Opening" | "Closing" | "Undoing" => Some(Paint::Doubtful),
        _ => None,
    }
}
