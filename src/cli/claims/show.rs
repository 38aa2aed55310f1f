//! `aso-guard claims show`.

use std::collections::HashMap;
use std::io::Write;

use clap::Args;
use jiff::Timestamp;

use crate::claim::{CopyRef, Holder, LastHeard, MemberCopy, MemberName, Record};
use crate::registry::{Registry, Versioned};

use crate::cli::output::{OutputArgs, OutputFormat, yaml};
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::cli::terminal::{Emphasis, Style};

use super::{find, view};

/// Which claim to show, and how.
#[derive(Args)]
pub(super) struct ShowArgs {
    /// The resource: its ARM ID, or the end of it, such as rg-shop or resourceGroups/rg-shop
    resource: String,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: &ShowArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    let known = find(&*registry, &args.registry, &args.resource).await?;
    match args.output.form {
        OutputFormat::Json => writeln!(out, "{:#}", view::json(&known))?,
        OutputFormat::Yaml => yaml(&view::json(&known), out)?,
        OutputFormat::Name => writeln!(out, "{}", known.record.identity)?,
        OutputFormat::Table | OutputFormat::Wide => {
            let heard = heard(&*registry).await?;
            write!(
                out,
                "{}",
                words(&known, &heard, Style::of_stdout(), Timestamp::now())
            )?;
        }
    }
    Ok(())
}

/// When each member was last heard from.
pub(super) async fn heard(
    registry: &dyn Registry,
) -> Result<HashMap<MemberName, Timestamp>, CommandError> {
    let members = registry.members().await?.records.into_iter();
    let heard = members.map(|known| (known.record.name, known.record.heard));
    Ok(heard.collect())
}

/// All of a claim, for a person.
pub(super) fn words(
    known: &Versioned<Record>,
    heard: &HashMap<MemberName, Timestamp>,
    style: Style,
    now: Timestamp,
) -> String {
    let record = &known.record;
    let state = record.state().as_str();
    let painted = view::paint(state).map_or_else(|| state.to_owned(), |p| style.paint(p, state));
    let mut words = format!(
        "Resource  {}\nState     {painted}\nVersion   {}\n",
        record.identity, known.version
    );
    if let Some(held) = &record.reserved {
        words += &format!(
            "Transfer  {} moves it from {} to {}\n",
            held.transfer, held.from, held.to
        );
    }
    if !record.copies.is_empty() {
        let rows = record.copies.iter();
        let rows = rows.map(|(copy, held)| copy_row(copy, held, heard.get(&copy.member), now));
        let columns = ["HOLD", "COPY", "POLICY", "SINCE", "BY", "MEMBER", "NOTES"];
        words += &format!("\n{}\n", style.paint(Emphasis::Bold, "Copies"));
        words += &style.table(&columns, rows.collect(), |_| None);
    }
    if !record.history.is_empty() {
        let rows = record.history.iter().map(|entry| {
            vec![
                format!("{:.0}", entry.at),
                entry.action.as_str().to_owned(),
                entry.copy.to_string(),
                entry.by.to_string(),
                entry.why.as_str().to_owned(),
            ]
        });
        let columns = ["AT", "ACTION", "COPY", "BY", "WHY"];
        words += &format!("\n{}\n", style.paint(Emphasis::Bold, "History"));
        words += &style.table(&columns, rows.collect(), |_| None);
    }
    words
}

/// A copy's row. `heard`: when its member was last heard from, where it is one.
fn copy_row(
    copy: &CopyRef,
    held: &MemberCopy,
    heard: Option<&Timestamp>,
    now: Timestamp,
) -> Vec<String> {
    let policy = held.stored.as_ref();
    let policy = policy.map_or("not stored", |stored| stored.policy.as_str());
    let by = if held.by.is_empty() { "-" } else { &held.by };
    let member = heard.map_or_else(
        || "member not registered".to_owned(),
        |heard| LastHeard::since(*heard, now).words(),
    );
    vec![
        view::hold_word(Holder::of(copy, held).hold).to_owned(),
        copy.to_string(),
        policy.to_owned(),
        format!("{:.0}", held.since),
        by.to_owned(),
        member,
        notes(held),
    ]
}

/// What else there is to say of a copy.
fn notes(held: &MemberCopy) -> String {
    let stored = held.stored.as_ref();
    let facts = [
        (
            stored.is_some_and(|stored| stored.terminating),
            "terminating",
        ),
        (stored.is_some_and(|stored| stored.busy), "busy in Azure"),
        (held.assumed, "owner assumed"),
    ];
    let facts = facts.into_iter().filter(|(holds, _)| *holds);
    let facts = facts.map(|(_, words)| words.to_owned());
    let deadline = held.next_deadline();
    let deadline = deadline.map(|deadline| format!("request under way until {deadline:.0}"));
    facts.chain(deadline).collect::<Vec<_>>().join(", ")
}
