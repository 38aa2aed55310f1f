//! Words made fit to be sent: without control characters, and not too long.
//!
//! They quote names from objects, and those may hold anything.

use crate::object::text::{is_unprintable, printable};

/// The longest warning line, in characters, where words allow it. API servers cut
/// warnings off that are long and many.
const WIDTH: usize = 120;
/// A line is not broken before this: a stub reads worse than a long line.
const SHORTEST: usize = 40;
/// The longest warning before it is broken into lines, in characters.
const WARNING: usize = 1500;
/// The longest message, in characters.
const MESSAGE: usize = 4096;
/// The longest name of a user, in characters.
const NAME: usize = 200;
/// What commands in messages begin with. They are never broken: people paste them.
const COMMAND: &str = "  ";

/// A refusal's message, its lines kept.
pub(super) fn message(text: &str) -> String {
    clip(text, MESSAGE, |c| c == '\n')
}

/// A user's name, which is kept and shown to others.
pub(super) fn name(text: &str) -> String {
    printable(text, NAME)
}

/// A warning, as the lines to send.
pub(super) fn warning(text: &str) -> Vec<String> {
    let text = clip(text, WARNING, |_| false);
    let mut lines = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = break_of(rest) {
        lines.push(rest[..at].trim_end().to_owned());
        rest = rest[at..].trim_start();
    }
    lines.push(rest.to_owned());
    lines
}

/// Where to break a line that is too long: after a clause, else after a comma or
/// before a bracket, else between words. `None` where it is short enough, or has
/// no place to break.
fn break_of(line: &str) -> Option<usize> {
    let (end, _) = line.char_indices().nth(WIDTH)?;
    if line.starts_with(COMMAND) {
        return None;
    }
    let head = &line[..end];
    let last = |marks: &[(&str, usize)]| {
        let found = marks
            .iter()
            .filter_map(|(mark, kept)| Some(head.rfind(mark)? + kept));
        found.max().filter(|at| *at >= SHORTEST)
    };
    last(&[(": ", 2), ("; ", 2), (". ", 2)])
        .or_else(|| last(&[(", ", 2), (" (", 1)]))
        .or_else(|| last(&[(" ", 1)]))
        .or_else(|| line[end..].find(' ').map(|at| end + at + 1))
}

/// At most so many characters, those that nobody can see replaced.
fn clip(text: &str, longest: usize, keep: impl Fn(char) -> bool) -> String {
    let seen = |c: char| match c {
        c if keep(c) => c,
        c if is_unprintable(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    let mut chars = text.chars().map(seen);
    let mut clipped: String = chars.by_ref().take(longest).collect();
    if chars.next().is_some() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_warnings_are_broken_where_they_pause() {
        let text = "aso-guard would refuse this: creating this copy live would have two \
                    ASOs write to resourceGroups/rg: it is live in cluster b as \
                    team/ResourceGroup/rg (since 2026-03-01 12:00:00Z, by alice, last heard from \
                    3 s ago)";
        assert_eq!(
            warning(text),
            [
                "aso-guard would refuse this: creating this copy live would have two ASOs write to \
                 resourceGroups/rg:",
                "it is live in cluster b as team/ResourceGroup/rg (since 2026-03-01 12:00:00Z, by \
                 alice, last heard from 3 s ago)",
            ]
        );
    }

    #[test]
    fn commands_and_names_are_not_broken() {
        let command = format!("  kubectl annotate {} x=skip", "n".repeat(200));
        assert_eq!(warning(&command), [command]);
        let name = format!("/subscriptions/{}", "n".repeat(200));
        assert_eq!(
            warning(&format!("It is {name} now")),
            [format!("It is {name}"), "now".into()]
        );
    }

    #[test]
    fn what_cannot_be_seen_is_replaced() {
        assert_eq!(warning("a\r\nb\u{7f}"), ["a\u{fffd}\u{fffd}b\u{fffd}"]);
        assert_eq!(message("a\nb\0"), "a\nb\u{fffd}");
        assert_eq!(name("alice\n"), "alice\u{fffd}");
    }

    #[test]
    fn there_is_an_end_to_it() {
        let endless = "ü".repeat(10_000);
        assert_eq!(warning(&endless)[0].chars().count(), WARNING + 1);
        assert_eq!(message(&endless).chars().count(), MESSAGE + 1);
    }

    proptest! {
        #[test]
        fn nothing_but_space_is_lost(text in "([a-z]{1,12}[:;,.]? [(]?|ü|\u{0}|\\PC){0,60}") {
            let lines = warning(&text);
            let squeeze = |text: &str| text.split_whitespace().collect::<String>();
            let expected = clip(&text, WARNING, |_| false);
            prop_assert_eq!(squeeze(&lines.concat()), squeeze(&expected));
            for line in &lines[..lines.len() - 1] {
                prop_assert!(line.chars().count() <= WIDTH || !line.trim().contains(' '));
            }
        }
    }
}
