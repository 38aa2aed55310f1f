//! What a fault came to, as a row on the terminal.

use std::io::Write as _;
use std::time::Duration;

use crate::checker;
use crate::diary::Diary;
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
    say(&format!(
        "fault                {fault}\n\
         requests             {} ({} admitted, {} refused, {} without a verdict)\n\
         doubles              {}\n\
         unsafe deletes       {} of {} (another {} beside a copy parked a moment ago)\n\
         stuck resources      {}\n\
         safe steps blocked   {}\n",
        diary.admitted + diary.refused + diary.unknown,
        diary.admitted,
        diary.refused,
        diary.unknown,
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
