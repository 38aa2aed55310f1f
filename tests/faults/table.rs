//! What a fault came to, as a row of a table on the terminal: how many requests there were and what
//! became of them, how many of them were under way at once, and what went wrong.
//! `docs/faults.md` says what the columns mean.

use std::io::Write as _;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::checker;
use crate::diary::Diary;
use crate::lab::verdict::Tally;
use crate::traffic::{self, Resource};
use crate::trial::Trial;

/// Waits until everything has settled, has it checked, prints the row, and fails the test for
/// anything that is not as promised.
pub async fn conclude(
    trial: &Trial,
    fault: &str,
    resources: &[Resource],
    diary: &Diary,
    within: Duration,
) {
    let seen = checker::settles(trial, within).await;
    let stuck = traffic::stuck(trial, resources, &seen).await;
    let (doubles, unsafe_deletes) = (diary.doubles(), diary.unsafe_deletes());
    let requests = |of: fn(&Tally) -> &AtomicUsize| -> usize {
        let people = [&trial.a.person, &trial.b.person];
        let counts = people.map(|person| of(person.tally()).load(Ordering::Relaxed));
        counts.iter().sum()
    };
    let cells = [
        requests(|tally| &tally.admitted),
        requests(|tally| &tally.refused),
        requests(|tally| &tally.unknown),
        requests(|tally| &tally.at_once),
        doubles.len(),
        diary.deletes.len(),
        unsafe_deletes.len(),
        diary.deletes_beside_the_young(),
        stuck.len(),
        diary.blocked.len(),
    ];
    row(fault, &cells.map(|cell| cell.to_string()).join(" | "));
    for wrong in [&doubles, &unsafe_deletes, &stuck, &diary.blocked] {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Prints a row of the table, below its head where it is the first.
fn row(fault: &str, cells: &str) {
    static HEAD: Once = Once::new();
    HEAD.call_once(|| {
        say("| fault | admitted | refused | no verdict | at once | doubles | deletes | unsafe deletes \
             | beside the young | stuck | safe steps blocked |\n\
             | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |");
    });
    say(&format!("| {fault} | {cells} |"));
}

/// Prints for a person, whatever the test harness holds back.
pub fn say(text: &str) {
    let mut terminal = std::io::stderr().lock();
    // A closed terminal fails no test.
    let _ = writeln!(terminal, "{text}");
}
