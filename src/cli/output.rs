//! How answers are written.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::Value;

use crate::registry::UnreadableRecord;

use super::registry::{CommandError, all_were_read};
use super::terminal::{Emphasis, Style};

/// How often what is watched is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How an answer is written.
#[derive(Args)]
pub(super) struct OutputArgs {
    /// Output format
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value = "table",
        value_name = "OUTPUT",
        env = "ASO_GUARD_OUTPUT"
    )]
    pub(super) form: OutputFormat,
}

/// The forms of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// For people.
    Table,
    /// For people with wide screens.
    Wide,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
    /// The names alone, one a line, as other commands take them.
    Name,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

/// How a list is written.
#[derive(Args)]
pub(super) struct ListOutputArgs {
    #[command(flatten)]
    output: OutputArgs,
    /// Leave out the line with the columns' names
    #[arg(long, env = "ASO_GUARD_NO_HEADERS")]
    no_headers: bool,
    /// Go on, and show the list again whenever it changes, until ctrl-c
    #[arg(short, long)]
    watch: bool,
}

/// What there is to be listed.
pub(super) struct ListOutput {
    /// What to say where there is nothing.
    pub(super) nothing: &'static str,
    /// The columns' names.
    pub(super) columns: Vec<&'static str>,
    pub(super) entries: Vec<ListEntry>,
    /// How the words of the first column are painted.
    pub(super) paint: fn(&str) -> Option<Emphasis>,
    /// What is missing in it.
    pub(super) unreadable: Vec<UnreadableRecord>,
    /// The flags that lead `kubectl` to the registry.
    pub(super) kubectl_flags: String,
}

/// A line of a list.
pub(super) struct ListEntry {
    /// By which other commands know it.
    pub(super) name: String,
    /// All there is to it.
    pub(super) json: Value,
    /// The cells under the columns.
    pub(super) row: Vec<String>,
}

impl ListOutputArgs {
    /// The form.
    pub(super) fn form(&self) -> OutputFormat {
        self.output.form
    }

    /// Writes what is found; where it is watched, again and again.
    ///
    /// # Errors
    /// It was not found, or not all of it could be read.
    pub(super) async fn write(
        &self,
        find: impl AsyncFn() -> Result<ListOutput, CommandError>,
        out: &mut impl Write,
    ) -> Result<(), CommandError> {
        let mut written: Option<Vec<Value>> = None;
        loop {
            let list = find().await?;
            let all: Vec<Value> = list.entries.iter().map(|one| one.json.clone()).collect();
            if written.as_ref() != Some(&all) {
                if written.is_some() && io::stdout().is_terminal() {
                    // To the top left, and what was there is gone.
                    write!(out, "\x1b[H\x1b[2J")?;
                }
                self.show(&list, &all, out)?;
                out.flush()?;
            }
            if !self.watch {
                return all_were_read(&list.unreadable, &list.kubectl_flags);
            }
            written = Some(all);
            tokio::time::sleep(LOOK).await;
        }
    }

    fn show(
        &self,
        list: &ListOutput,
        all: &[Value],
        out: &mut impl Write,
    ) -> Result<(), CommandError> {
        match self.output.form {
            OutputFormat::Json => writeln!(out, "{:#}", Value::from(all))?,
            OutputFormat::Yaml => yaml(&all, out)?,
            OutputFormat::Name => {
                for entry in &list.entries {
                    writeln!(out, "{}", entry.name)?;
                }
            }
            OutputFormat::Table | OutputFormat::Wide if list.entries.is_empty() => {
                writeln!(out, "{}", list.nothing)?;
            }
            OutputFormat::Table | OutputFormat::Wide => {
                let rows = list.entries.iter().map(|entry| entry.row.clone());
                // A list is for one line each, however long.
                let style = Style {
                    width: None,
                    ..Style::of_stdout()
                };
                let table = style.table(&list.columns, rows.collect(), list.paint);
                let heading = table.find('\n').map_or(0, |end| end + 1);
                let from = if self.no_headers { heading } else { 0 };
                write!(out, "{}", &table[from..])?;
            }
        }
        Ok(())
    }
}

/// Writes a value as YAML.
///
/// # Errors
/// It cannot be written.
pub(super) fn yaml(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    let text = serde_yaml::to_string(value).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ListOutputArgs,
    }

    #[rstest]
    #[case(&[], "STATE  NAME\nLive   rg\nFree   vnet\n")]
    #[case(&["--no-headers"], "Live   rg\nFree   vnet\n")]
    #[case(&["-o", "name"], "/rg\n/vnet\n")]
    #[case(&["-o", "yaml"], "- state: Live\n- state: Free\n")]
    #[tokio::test]
    async fn a_list_is_written_as_it_is_asked_for(#[case] line: &[&str], #[case] expected: &str) {
        let args = Line::parse_from([&["list"], line].concat()).args;
        let entry = |state: &str, name: &str| ListEntry {
            name: format!("/{name}"),
            json: json!({"state": state}),
            row: vec![state.to_owned(), name.to_owned()],
        };
        let list = async || {
            Ok(ListOutput {
                nothing: "Nothing.",
                columns: vec!["STATE", "NAME"],
                entries: vec![entry("Live", "rg"), entry("Free", "vnet")],
                paint: |_| None,
                unreadable: Vec::new(),
                kubectl_flags: String::new(),
            })
        };
        let mut out = Vec::new();
        let written = args.write(list, &mut out).await;
        assert!(written.is_ok());
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
