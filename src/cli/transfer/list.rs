//! `aso-guard transfer list`.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;

use crate::transfer::{Transfer, TransferProgress, TransferStage};

use crate::cli::claims::view::age;
use crate::cli::output::{ListEntry, ListOutput, ListOutputArgs};
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::cli::terminal::Emphasis;

use super::{status, view};

/// How to list transfers.
#[derive(Args)]
pub(super) struct ListTransfersArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    output: ListOutputArgs,
}

pub(super) async fn run(
    args: &ListTransfersArgs,
    out: &mut impl Write,
) -> Result<(), CommandError> {
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
        Ok(ListOutput {
            nothing: "No transfers.",
            columns: vec!["STATE", "NAME", "FROM", "TO", "DONE", "PROGRESS", "STARTED"],
            entries,
            paint,
            unreadable: listed.unreadable,
            kubectl_flags: registry.kubectl_flags().to_owned(),
        })
    };
    args.output.write(find, out).await
}

fn entry(transfer: &Transfer, progress: &TransferProgress, now: Timestamp) -> ListEntry {
    let tally = &progress.tally;
    let started = transfer.started();
    ListEntry {
        name: transfer.name.to_string(),
        json: view::summary(transfer, tally),
        row: vec![
            transfer.state().to_owned(),
            transfer.name.to_string(),
            transfer.from.to_string(),
            transfer.to.to_string(),
            format!("{}/{}", tally.at(TransferStage::Done), tally.total()),
            tally.words(),
            started.map_or_else(|| "-".to_owned(), |entry| age(entry.at, now)),
        ],
    }
}

fn paint(word: &str) -> Option<Emphasis> {
    match word {
        "Open" => Some(Emphasis::Good),
        "Opening" | "Closing" | "Undoing" => Some(Emphasis::Doubtful),
        _ => None,
    }
}
