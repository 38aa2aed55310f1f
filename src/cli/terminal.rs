//! What is written for people: tables, and colour where it can be seen.

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::OnceLock;

use clap::ValueEnum;

use comfy_table::{ContentArrangement, Table, presets};

use crate::object::text::is_unprintable;

/// Colours, by what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Emphasis {
    /// Something is wrong.
    Bad,
    /// Something may be.
    Doubtful,
    /// As it should be.
    Good,
    /// Of less weight.
    Dim,
    /// Of more.
    Bold,
}

/// How a terminal, or what stands in its place, is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// Whether there is colour.
    pub(super) colour: bool,
    /// How many characters a line has; `None` where there is no end to it.
    pub(super) width: Option<u16>,
}

impl Style {
    /// As it suits standard output.
    pub(super) fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            colour: wants_colour(),
            width: terminal
                .then(|| console::Term::stdout().size_checked())
                .flatten()
                .map(|(_, columns)| columns),
        }
    }

    /// A text in a colour, where there is colour.
    pub(super) fn paint(self, paint: Emphasis, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Emphasis::Bad => "31",
            Emphasis::Doubtful => "33",
            Emphasis::Good => "32",
            Emphasis::Dim => "2",
            Emphasis::Bold => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// An aligned table, its first column painted by what `paint` says of its words.
    pub(super) fn table(
        self,
        head: &[&str],
        rows: Vec<Vec<String>>,
        paint: impl Fn(&str) -> Option<Emphasis>,
    ) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(head.to_vec());
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(width);
        }
        for row in rows {
            table.add_row(row.iter().map(|cell| plain(cell)));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut lines = String::new();
        for (at, line) in table.lines().enumerate() {
            let line = line.trim_end();
            let word = line.split_whitespace().next().unwrap_or_default();
            let begins = line.starts_with(word);
            match paint(word).filter(|_| begins && at > 0) {
                Some(paint) => lines += &(self.paint(paint, word) + &line[word.len()..]),
                None if at == 0 => lines += &self.paint(Emphasis::Bold, line),
                None => lines += line,
            }
            lines.push('\n');
        }
        lines
    }
}

/// When there is colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// Where a person can see it.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// What the command line said of it, once for the process.
static COLOR: OnceLock<Color> = OnceLock::new();

impl Color {
    /// Makes it hold for all that is written from now on.
    pub(super) fn set(self) {
        // There is one command line in a process.
        let _ = COLOR.set(self);
    }
}

/// Whether standard output is for colours: as `--color` says, else by <https://no-color.org>.
pub(super) fn wants_colour() -> bool {
    match COLOR.get().copied().unwrap_or_default() {
        Color::Always => return true,
        Color::Never => return false,
        Color::Auto => {}
    }
    let said = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !said("NO_COLOR") && !dumb
}

/// A text without characters that would move a terminal's cursor: names may hold anything.
pub(super) fn plain(text: &str) -> String {
    let seen = |c: char| match c {
        '\n' => c,
        c if is_unprintable(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(style: Style) -> String {
        let rows = vec![
            vec![
                "error".to_owned(),
                "a.yaml:3".to_owned(),
                "one\ntwo \x1b[2J".to_owned(),
            ],
            vec![
                "note".to_owned(),
                "long/b.yaml:12".to_owned(),
                "three words here".to_owned(),
            ],
        ];
        style.table(&["LEVEL", "WHERE", "WHAT"], rows, |word| {
            (word == "error").then_some(Emphasis::Bad)
        })
    }

    #[test]
    fn tables_are_aligned_and_hold_no_escapes() {
        insta::assert_snapshot!(table(Style::default()));
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let style = Style {
            colour: true,
            width: None,
        };
        let painted = table(style);
        assert!(painted.contains("\x1b[31merror\x1b[0m"), "{painted}");
        let bare = ["\x1b[31m", "\x1b[1m", "\x1b[0m"]
            .iter()
            .fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(bare, table(Style::default()));
    }

    #[test]
    fn a_narrow_terminal_breaks_lines() {
        let style = Style {
            colour: false,
            width: Some(40),
        };
        let narrow = table(style);
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 40),
            "{narrow}"
        );
        assert!(narrow.lines().count() > table(Style::default()).lines().count());
    }
}
