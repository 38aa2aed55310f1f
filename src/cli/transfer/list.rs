//! `aso-guard transfer list`.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use crate::transfer::{Progress, Stage, Transfer};

use crate::cli::claims::view::age;
use crate::cli::output::{Form, OutputArgs, yaml};
use crate::cli::registry::{RegistryArgs, Stop, all_were_read};
use crate::cli::terminal::{Paint, Style};

use super::{status, view};

/// How to list transfers.
#[derive(Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: &ListArgs, out: &mut impl Write) -> Result<(), Stop> {
    let registry = args.registry.open().await?;
    let mut found: Vec<(Transfer, Progress)> = Vec::new();
    let listed = registry.transfers().await?;
    for known in listed.records {
        let progress = status::of(&*registry, &known.record).await?;
        found.push((known.record, progress));
    }
    found.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let all = || -> Value {
        let shown = found.iter();
        shown
            .map(|(transfer, progress)| view::summary(transfer, &progress.tally))
            .collect()
    };
    match args.output.form {
        Form::Json => writeln!(out, "{:#}", all())?,
        Form::Yaml => yaml(&all(), out)?,
        Form::Table | Form::Wide => write!(out, "{}", table(&found, Timestamp::now()))?,
    }
    all_were_read(&listed.unreadable)
}

fn table(found: &[(Transfer, Progress)], now: Timestamp) -> String {
    if found.is_empty() {
        return "No transfers.\n".to_owned();
    }
    let rows = found.iter().map(|(transfer, progress)| {
        let tally = &progress.tally;
        let started = transfer.started();
        vec![
            transfer.state().to_owned(),
            transfer.name.to_string(),
            transfer.from.to_string(),
            transfer.to.to_string(),
            format!("{}/{}", tally.at(Stage::Done), tally.total()),
            tally.words(),
            started.map_or_else(|| "-".to_owned(), |entry| age(entry.at, now)),
        ]
    });
    let style = Style {
        width: None,
        ..Style::of_stdout()
    };
    let columns = ["STATE", "NAME", "FROM", "TO", "DONE", "PROGRESS", "STARTED"];
    style.table(&columns, rows.collect(), |word| match word {
        "Open" => Some(Paint::Good),
        "Opening" | "Closing" | "Undoing" => Some(Paint::Doubtful),
        _ => None,
    })
}
