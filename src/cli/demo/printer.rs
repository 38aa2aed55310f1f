//! Tells the story to a person: in colour on a terminal, just as well without.

use std::io::{self, Write};

use crate::claim::Record;

use super::api_server::{KubectlOutput, WebhookDecision};

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const CYAN: &str = "36";

/// Writes the story.
pub(super) struct StoryPrinter<W> {
    out: W,
    colour: bool,
}

impl<W: Write> StoryPrinter<W> {
    pub(super) fn new(out: W, colour: bool) -> Self {
        Self { out, colour }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// A line, as it is.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// What somebody does, and how.
    pub(super) fn step(&mut self, number: usize, says: &str, command: &str) -> io::Result<()> {
        let says = self.paint(BOLD, &format!("{number}. {says}"));
        let command = self.paint(CYAN, &format!("$ {command}"));
        writeln!(self.out, "\n{says}\n   {command}")
    }

    /// What came of it.
    pub(super) fn answer(&mut self, answer: &KubectlOutput) -> io::Result<()> {
        for warning in &answer.warnings {
            writeln!(self.out, "   Warning: {warning}")?;
        }
        let mut lines = answer.text.lines();
        let mark = match answer.verdict {
            WebhookDecision::Refused(_) => self.paint(RED, "✗"),
            WebhookDecision::Admitted | WebhookDecision::NotAsked => self.paint(GREEN, "✓"),
        };
        write!(self.out, " {mark} {}", lines.next().unwrap_or_default())?;
        if answer.verdict == WebhookDecision::NotAsked {
            let note = self.paint(DIM, "(parked: safe without asking)");
            write!(self.out, " {note}")?;
        }
        writeln!(self.out)?;
        lines.try_for_each(|line| writeln!(self.out, "   {line}"))
    }

    /// A verdict that should have been another.
    pub(super) fn wrong(&mut self, words: &str) -> io::Result<()> {
        let words = self.paint(RED, &format!("!! {words}"));
        writeln!(self.out, "\n{words}")
    }

    /// The good end.
    pub(super) fn summary(&mut self, steps: usize, mistakes: usize) -> io::Result<()> {
        let words = format!(
            "All {steps} steps went as they should: the move went through, \
             and {mistakes} mistakes were refused."
        );
        let words = self.paint(BOLD, &words);
        writeln!(self.out, "\n{words}")
    }

    /// What the registry holds.
    pub(super) fn claims(&mut self, claims: &[Record]) -> io::Result<()> {
        claims.iter().try_for_each(|claim| {
            let state = claim.state().as_str();
            let copies: Vec<_> = claim.copies.keys().map(ToString::to_string).collect();
            let copies = copies.join(", ");
            writeln!(self.out, "   {state} in {copies}: {}", claim.identity)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(colour: bool) -> String {
        let mut printer = StoryPrinter::new(Vec::new(), colour);
        printer
            .step(1, "Somebody does it.", "kubectl do it")
            .unwrap();
        for (verdict, text) in [
            (WebhookDecision::NotAsked, "shop annotated"),
            (WebhookDecision::Admitted, "shop created"),
            (
                WebhookDecision::Refused("No".to_owned()),
                "Error: no\nNext:\n  this",
            ),
        ] {
            let answer = KubectlOutput {
                verdict,
                text: text.to_owned(),
                warnings: vec!["beware".to_owned()],
            };
            printer.answer(&answer).unwrap();
        }
        printer.wrong("That was wrong.").unwrap();
        printer.summary(9, 4).unwrap();
        String::from_utf8(printer.out).unwrap()
    }

    #[test]
    fn it_reads_well_without_colour() {
        insta::assert_snapshot!(printed(false));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let mut plain = printed(true);
        for code in [BOLD, DIM, RED, GREEN, CYAN, "0"] {
            assert!(plain.contains(&format!("\x1b[{code}m")), "{code}: {plain}");
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(plain, printed(false));
    }
}
