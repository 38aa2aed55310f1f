//! `aso-guard claims list`.

use std::collections::HashMap;
use std::io::Write;

use clap::Args;
use jiff::Timestamp;

use crate::claim::{MemberName, Record};
use crate::registry::{RecordList, Versioned};

use crate::cli::output::{ListEntry, ListOutput, ListOutputArgs, OutputFormat};
use crate::cli::registry::{CommandError, RegistryArgs};

use super::filter::ClaimFilterArgs;
use super::show::heard;
use super::view;

/// Which claims to list, and how.
#[derive(Args)]
pub(super) struct ListClaimsArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    filter: ClaimFilterArgs,
    #[command(flatten)]
    output: ListOutputArgs,
}

pub(super) async fn run(args: &ListClaimsArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let filter = args.filter.check()?;
    let registry = args.registry.open().await?;
    let form = args.output.form();
    let wide = form == OutputFormat::Wide;
    let mut columns = vec![
        "STATE",
        "RESOURCE",
        "HOLDER",
        "PARKED IN",
        "SINCE",
        "CLUSTER HEARD",
    ];
    if wide {
        columns.extend(["BY", "VERSION", "ARM ID"]);
    }
    let find = async || {
        let RecordList {
            records,
            unreadable,
        } = filter.apply(&*registry).await?;
        let heard = match form {
            OutputFormat::Table | OutputFormat::Wide => heard(&*registry).await?,
            OutputFormat::Json | OutputFormat::Yaml | OutputFormat::Name => HashMap::new(),
        };
        let now = Timestamp::now();
        let entries = records.iter().map(|known| ListEntry {
            name: known.record.identity.to_string(),
            json: view::json(known),
            row: row(known, &heard, wide, now),
        });
        Ok(ListOutput {
            nothing: "No claims.",
            columns: columns.clone(),
            entries: entries.collect(),
            paint: view::paint,
            unreadable,
            kubectl_flags: registry.kubectl_flags().to_owned(),
        })
    };
    args.output.write(find, out).await
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
