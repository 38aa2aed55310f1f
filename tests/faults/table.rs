//! What a fault came to, as a row of a table on the terminal: how many requests there were and what
//! became of them, how many of them were under way at once, and what went wrong.
//! `docs/faults.md` says what the columns mean.

use std::fmt;
use std::io::Write as _;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::checker;
use crate::diary::Diary;
use crate::lab::verdict::Tally;
use crate::traffic::{self, Resource};
use crate::trial::Trial;

/// Of how many resources the order of events is told, where many broke.
const STORIES: usize = 3;

/// Waits until everything has settled, has it checked, prints the row, and fails the test for
/// anything that is not as promised.
pub async fn conclude(
    trial: &Trial,
    fault: &str,
    resources: &[Resource],
    diary: &Diary,
    within: Duration,
) {
    let seen = match checker::settles(trial, within).await {
        Ok(seen) => seen,
        Err(wrong) => panic!("{wrong}\n{}", stories(trial, resources, &wrong)),
    };
    let stuck = traffic::stuck(trial, resources, &seen).await;
    let load = if trial.is_busy() { ", under load" } else { "" };
    let counts = Counts::of(trial).with(diary, &stuck);
    counts.print(&format!("{fault}{load}"));
    let wrong = [
        diary.doubles(),
        diary.unsafe_deletes(),
        stuck,
        diary.blocked.clone(),
    ]
    .concat();
    let wrong = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{wrong}\n{}",
        stories(trial, resources, &wrong)
    );
}

/// The cells of a row.
#[derive(Clone, Copy, Default)]
pub struct Counts([usize; COLUMNS.len()]);

const COLUMNS: [&str; 10] = [
    "admitted",
    "refused",
    "no verdict",
    "at once",
    "conflicts",
    "deletes",
    "unsafe deletes",
    "beside a new copy",
    "stuck",
    "safe steps blocked",
];
/// Which of them is no sum, but the most there was.
const AT_ONCE: usize = 3;

impl Counts {
    /// What became of people's requests so far.
    pub fn of(trial: &Trial) -> Self {
        let requests = |of: fn(&Tally) -> &AtomicUsize| -> usize {
            let people = [&trial.a.person, &trial.b.person];
            let counts = people.map(|person| of(person.tally()).load(Ordering::Relaxed));
            counts.iter().sum()
        };
        let mut counts = Self::default();
        counts.0[0] = requests(|tally| &tally.admitted);
        counts.0[1] = requests(|tally| &tally.refused);
        counts.0[2] = requests(|tally| &tally.unknown);
        counts.0[AT_ONCE] = requests(|tally| &tally.at_once);
        counts
    }

    /// What became of them since then.
    #[must_use]
    pub fn since(mut self, before: &Self) -> Self {
        for (at, cell) in self
            .0
            .iter_mut()
            .enumerate()
            .filter(|(at, _)| *at != AT_ONCE)
        {
            *cell -= before.0[at];
        }
        self
    }

    /// The same, and what went wrong.
    #[must_use]
    pub fn with(mut self, diary: &Diary, stuck: &[String]) -> Self {
        self.0[AT_ONCE + 1..].copy_from_slice(&[
            diary.doubles().len(),
            diary.deletes.len(),
            diary.unsafe_deletes().len(),
            diary.deletes_beside_the_young(),
            stuck.len(),
            diary.blocked.len(),
        ]);
        self
    }

    /// These and others.
    pub fn add(&mut self, others: &Self) {
        for (at, cell) in self.0.iter_mut().enumerate() {
            *cell = if at == AT_ONCE {
                others.0[at].max(*cell)
            } else {
                others.0[at] + *cell
            };
        }
    }

    /// Prints a row of the table, below its head where it is the first.
    pub fn print(&self, fault: &str) {
        static HEAD: Once = Once::new();
        HEAD.call_once(|| {
            let line = "| --: ".repeat(COLUMNS.len());
            say(&format!(
                "| fault | {} |\n| --- {line}|",
                COLUMNS.join(" | ")
            ));
        });
        let cells = self.0.map(|cell| cell.to_string());
        say(&format!("| {fault} | {} |", cells.join(" | ")));
    }
}

/// In one line.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.0.iter().zip(COLUMNS);
        let cells: Vec<String> = cells
            .map(|(cell, column)| format!("{column} {cell}"))
            .collect();
        f.write_str(&cells.join(", "))
    }
}

/// The order of events of the first few resources that are named in what went wrong.
pub fn stories(trial: &Trial, resources: &[Resource], wrong: &str) -> String {
    let broken = resources
        .iter()
        .filter(|resource| names(wrong, &resource.id) || names(wrong, &resource.copy.to_string()));
    broken
        .take(STORIES)
        .map(|resource| resource.story(trial))
        .collect()
}

/// Whether a text has a name in it, whatever its case, and not only as part of a longer one.
fn names(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let mut found = text.match_indices(&name);
    found.any(|(at, _)| {
        let next = text[at + name.len()..].chars().next();
        next.is_none_or(|next| !next.is_alphanumeric() && next != '-')
    })
}

/// Prints for a person, whatever the test harness holds back.
pub fn say(text: &str) {
    let mut terminal = std::io::stderr().lock();
    // A closed terminal fails no test.
    let _ = writeln!(terminal, "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_a_whole() {
        assert!(names("ResourceGroup/rg-1 in a: no", "resourcegroup/rg-1"));
        assert!(!names("ResourceGroup/rg-12 in a: no", "resourcegroup/rg-1"));
    }
}
