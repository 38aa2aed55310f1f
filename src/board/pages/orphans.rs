//! The claims on resources that nobody reconciles.

use askama::Template;

use crate::board::shown::{Row, count};

use super::members::Numbers;
use super::{Frame, Look, Section, Shown};

#[derive(Template)]
#[template(path = "orphans.html")]
struct List {
    frame: Frame,
    rows: Vec<Row>,
    /// How many there are; `None` until they were counted.
    all: Option<String>,
    /// How many are not shown, where some are not.
    more: Option<String>,
    numbers: Numbers,
}

pub(in crate::board) async fn page(look: Look) -> Shown {
    let tally = look.board.census.look();
    let counted = tally.last.as_ref().map(|(_, counted)| counted);
    let orphans = counted.map(|counted| counted.orphans.as_slice());
    let rows = orphans.unwrap_or_default().iter();
    let rows: Vec<Row> = rows.map(|record| Row::of(record, look.now)).collect();
    let hidden = counted.map_or(0, |counted| counted.orphaned - rows.len());
    let page = List {
        frame: look.live(),
        all: counted.map(|counted| count(counted.orphaned)),
        more: (hidden > 0).then(|| count(hidden)),
        numbers: Numbers::of(&tally, look.now),
        rows,
    };
    Ok(page.render()?)
}
