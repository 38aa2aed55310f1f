//! What stands in the way of a transfer, for people.

use std::io::Write;

use crate::cli::terminal::{Emphasis, Style};
use crate::driver::{Obstacle, ObstacleSeverity};

/// How many objects of an obstacle are named.
const NAMED: usize = 3;

/// Those that block.
pub(super) fn blocking(obstacles: &[Obstacle]) -> impl Iterator<Item = &Obstacle> {
    let obstacles = obstacles.iter();
    obstacles.filter(|one| one.weight == ObstacleSeverity::Blocks)
}

/// Writes obstacles for people, a paragraph each.
pub(super) fn write_obstacles<'a>(
    obstacles: impl IntoIterator<Item = &'a Obstacle>,
    style: Style,
    out: &mut impl Write,
) -> std::io::Result<()> {
    for obstacle in obstacles {
        let paint = match obstacle.weight {
            ObstacleSeverity::Blocks => Emphasis::Bad,
            ObstacleSeverity::Warns => Emphasis::Doubtful,
            ObstacleSeverity::Notes => Emphasis::Dim,
        };
        let weight = style.paint(paint, obstacle.weight.as_str());
        let about = about(&obstacle.objects);
        writeln!(
            out,
            "{weight} {}: {about}{}",
            obstacle.rule.as_str(),
            obstacle.words
        )?;
        if let Some(advice) = &obstacle.advice {
            writeln!(out, "       {advice}")?;
        }
    }
    Ok(())
}

fn about(objects: &[String]) -> String {
    let named = objects.iter().take(NAMED).cloned().collect::<Vec<_>>();
    match (objects.len(), objects.len().saturating_sub(NAMED)) {
        (0, _) => String::new(),
        (_, 0) => format!("{}: ", named.join(", ")),
        (_, more) => format!("{} and {more} more: ", named.join(", ")),
    }
}
