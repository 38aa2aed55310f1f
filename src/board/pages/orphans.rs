//! The claims on resources that nobody reconciles.

use askama::Template;

use crate::board::view::{ClaimView, count};

use super::claims::ColumnHead;
use super::members::CountView;
use super::{PageLayout, PageRequest, PageResult, Section};

#[derive(Template)]
#[template(path = "orphans.html")]
struct OrphansTemplate {
    frame: PageLayout,
    rows: Vec<ClaimView>,
    heads: Vec<ColumnHead>,
    /// How many there are; `None` until they were counted.
    all: Option<String>,
    /// How many are not shown, where some are not.
    more: Option<String>,
    numbers: CountView,
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let tally = look.board.counter.look();
    let counted = tally.last.as_ref().map(|(_, counted)| counted);
    let orphans = counted.map(|counted| counted.orphans.as_slice());
    let rows = orphans.unwrap_or_default().iter();
    let rows: Vec<ClaimView> = rows.map(|record| ClaimView::of(record, look.now)).collect();
    let hidden = counted.map_or(0, |counted| counted.orphaned - rows.len());
    let page = OrphansTemplate {
        frame: look.live(),
        all: counted.map(|counted| count(counted.orphaned)),
        more: (hidden > 0).then(|| count(hidden)),
        numbers: CountView::of(&tally, look.now),
        rows,
        heads: ColumnHead::plain(),
    };
    Ok(page.render()?)
}
