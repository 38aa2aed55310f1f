//! A claim's history and its copies in one line of time. Given the time, it is pure.

use jiff::Timestamp;

use crate::claim::{HistoryEntry, Holder, Record};

use super::view::{Badge, CopyLocation, TimeView};

/// Something that happened to a claim.
pub(super) struct TimelineView {
    pub(super) at: TimeView,
    /// What happened, in a word or some.
    pub(super) what: &'static str,
    /// The shape of a copy that is there since; the history's own has none.
    pub(super) hold: Option<Badge>,
    pub(super) copy: CopyLocation,
    /// By whom; empty where the observer found it.
    pub(super) by: String,
    /// Why, and against which refusal; empty for what nobody had to say anything of.
    pub(super) why: String,
    pub(super) refusal: String,
}

impl TimelineView {
    /// All that is known of a record, the latest first.
    pub(super) fn all(record: &Record, now: Timestamp) -> Vec<Self> {
        let said = record
            .history
            .iter()
            .map(|entry| (entry.at, Self::said(entry, now)));
        let copies = record.copies.iter().map(|(copy, held)| {
            let hold = Badge::from(Holder::of(copy, held).hold);
            let since = Self {
                at: TimeView::new(held.since, now),
                what: hold.word,
                hold: Some(hold),
                copy: CopyLocation::of(copy),
                by: held.by.to_string(),
                why: String::new(),
                refusal: String::new(),
            };
            (held.since, since)
        });
        let mut all: Vec<(Timestamp, Self)> = said.chain(copies).collect();
        all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        all.into_iter().map(|(_, one)| one).collect()
    }

    fn said(entry: &HistoryEntry, now: Timestamp) -> Self {
        Self {
            at: TimeView::new(entry.at, now),
            what: entry.action.as_str(),
            hold: None,
            copy: CopyLocation::of(&entry.copy),
            by: entry.by.to_string(),
            why: entry.why.as_str().to_owned(),
            refusal: entry.refusal.to_string(),
        }
    }
}
