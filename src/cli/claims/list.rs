//! `aso-guard claims list`.

use std::collections::HashMap;
use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use crate::claim::{MemberName, Record};
use crate::registry::{Listed, Versioned};

use crate::cli::output::{Form, OutputArgs, yaml};
use crate::cli::registry::{RegistryArgs, Stop, all_were_read};
use crate::cli::terminal::Style;

use super::filter::FilterArgs;
use super::show::heard;
use super::view;

/// Which claims to list, and how.
#[derive(Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: &ListArgs, out: &mut impl Write) -> Result<(), Stop> {
    let filter = args.filter.check()?;
    let registry = args.registry.open().await?;
    let Listed {
        records: found,
        unreadable,
    } = filter.apply(&*registry).await?;
    match args.output.form {
        Form::Json => writeln!(out, "{:#}", all(&found))?,
        Form::Yaml => yaml(&all(&found), out)?,
        Form::Table | Form::Wide => {
            let heard = heard(&*registry).await?;
            let wide = args.output.form == Form::Wide;
            write!(out, "{}", table(&found, &heard, wide, Timestamp::now()))?;
        }
    }
    all_were_read(&unreadable)
}

fn all(found: &[Versioned<Record>]) -> Value {
    found.iter().map(view::json).collect()
}

fn table(
    found: &[Versioned<Record>],
    heard: &HashMap<MemberName, Timestamp>,
    wide: bool,
    now: Timestamp,
) -> String {
    if found.is_empty() {
        return "No claims.\n".to_owned();
    }
    let mut columns = vec!["STATE", "RESOURCE", "HOLDER", "PARKED IN", "SINCE", "HEARD"];
    if wide {
        columns.extend(["BY", "VERSION", "ARM ID"]);
    }
    let rows = found.iter().map(|known| row(known, heard, wide, now));
    // A list is for one line each, however long.
    let style = Style {
        width: None,
        ..Style::of_stdout()
    };
    style.table(&columns, rows.collect(), view::paint)
}

fn row(
    known: &Versioned<Record>,
    heard: &HashMap<MemberName, Timestamp>,
    wide: bool,
    now: Timestamp,
) -> Vec<String> {
    let record = &known.record;
    let dash = || "-".to_owned();
    let first = record.live().next().or_else(|| record.copies.iter().next());
    let since = first.map_or_else(dash, |(_, held)| view::age(held.since, now));
    let last = first.and_then(|(copy, _)| heard.get(&copy.member));
    let mut row = vec![
        record.state().as_str().to_owned(),
        record.identity.last_pair().to_owned(),
        view::names(record.live()),
        view::names(record.parked()),
        since,
        last.map_or_else(dash, |last| view::age(*last, now)),
    ];
    if wide {
        let by = first.map(|(_, held)| held.by.to_string());
        row.push(by.filter(|by| !by.is_empty()).unwrap_or_else(dash));
        row.push(known.version.to_string());
        row.push(record.identity.to_string());
    }
    row
}
