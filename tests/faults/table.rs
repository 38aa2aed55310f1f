//! What a fault came to, as a row on the terminal.

use std::io::Write as _;
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
    say(&format!(
        "fault               {fault}\n\
         requests            {} admitted, {} refused, {} without a verdict\n\
         doubles             {}\n\
         unsafe deletes      {} (of {} recorded; {} beside a copy created parked a moment before)\n\
         stuck resources     {}\n\
         safe steps blocked  {}",
        requests(|tally| &tally.admitted),
        requests(|tally| &tally.refused),
        requests(|tally| &tally.unknown),
        doubles.len(),
        unsafe_deletes.len(),
        diary.deletes.len(),
        diary.deletes_beside_the_young(),
        stuck.len(),
        diary.blocked.len(),
    ));
    for wrong in [&doubles, &unsafe_deletes, &stuck, &diary.blocked] {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Prints for a person, whatever the test harness holds back.
pub fn say(text: &str) {
    let mut terminal = std::io::stderr().lock();
    // A closed terminal fails no test.
    let _ = writeln!(terminal, "\n{text}");
}
