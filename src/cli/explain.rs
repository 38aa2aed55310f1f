//! `aso-guard explain`: what a reason means, and what to do.

use std::io::Write;

use clap::Args;

use crate::claim::Reason;

use super::registry::CommandError;

/// The page that has all of it.
const PAGE: &str = include_str!("../../docs/refusals.md");

/// Which reason.
#[derive(Args)]
pub(super) struct ExplainArgs {
    /// The token of a refusal, a warning, an Event or a metric, such as LiveElsewhere [default: all]
    #[arg(value_parser = reason)]
    reason: Option<Reason>,
}

fn reason(text: &str) -> Result<Reason, String> {
    let mut all = Reason::ALL.into_iter();
    let found = all.find(|reason| reason.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| {
        let all = Reason::ALL.map(Reason::as_str);
        format!(
            "this is no reason of aso-guard's; there are {}",
            all.join(", ")
        )
    })
}

pub(super) fn run(args: &ExplainArgs, out: &mut impl Write) -> Result<(), CommandError> {
    for reason in Reason::ALL {
        if args.reason.is_none_or(|asked| asked == reason) {
            let (meaning, advice) = row(reason).unwrap_or_default();
            let name = reason.as_str();
            writeln!(
                out,
                "{name}\n  What it means: {meaning}\n  What to do: {advice}\n"
            )?;
        }
    }
    writeln!(out, "How to read a refusal: docs/refusals.md")?;
    Ok(())
}

/// What the page's table says of a reason, as plain text.
fn row(reason: Reason) -> Option<(String, String)> {
    let head = format!("| `{}` | ", reason.as_str());
    let row = PAGE.lines().find_map(|line| line.strip_prefix(&head))?;
    let (meaning, advice) = row.trim_end_matches(" |").split_once(" | ")?;
    Some((plain(meaning), plain(advice)))
}

/// Markdown without its links.
fn plain(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (before, name) = before.rsplit_once('[').unwrap_or(("", before));
        let (target, after) = after.split_once(')').unwrap_or((after, ""));
        words += &format!("{before}{name} (docs/{target})");
        rest = after;
    }
    words + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_each_reason() {
        for reason in Reason::ALL {
            let (meaning, advice) = row(reason).unwrap();
            let name = reason.as_str();
            assert!(meaning.ends_with(['.', ')']), "{name}: {meaning}");
            assert!(advice.ends_with(['.', ')']), "{name}: {advice}");
        }
    }

    #[test]
    fn a_reason_is_explained_whatever_its_case() {
        let args = ExplainArgs {
            reason: Some(reason("intransfer").unwrap()),
        };
        let mut out = Vec::new();
        assert!(run(&args, &mut out).is_ok());
        insta::assert_snapshot!(String::from_utf8(out).unwrap());
    }

    #[test]
    fn what_is_none_is_told_which_there_are() {
        let said = reason("Nope").unwrap_err();
        assert!(said.contains("LiveElsewhere, InTransfer"), "{said}");
    }
}
