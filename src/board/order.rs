//! In which order a page of claims is shown. Pages are parts of the registry, which has an order of
//! its own: so each page is sorted for itself, and says so.

use crate::claim::Record;
use crate::registry::Versioned;

/// A column by which claims can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimColumn {
    State,
    Resource,
    Copies,
    Since,
}

impl ClaimColumn {
    /// In the order of the table.
    pub(super) const ALL: [Self; 4] = [Self::State, Self::Resource, Self::Copies, Self::Since];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::State => "State",
            Self::Resource => "Resource",
            Self::Copies => "Copies",
            Self::Since => "Since",
        }
    }

    /// The column in an address.
    fn word(self) -> String {
        self.title().to_ascii_lowercase()
    }
}

/// By which column, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClaimOrder {
    pub(super) column: ClaimColumn,
    pub(super) descending: bool,
}

impl ClaimOrder {
    /// What an address says: `since`, or `-since` for the other way; `None` for anything else.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (descending, word) = match text.strip_prefix('-') {
            Some(word) => (true, word),
            None => (false, text),
        };
        let mut columns = ClaimColumn::ALL.into_iter();
        let column = columns.find(|column| column.word() == word)?;
        Some(Self { column, descending })
    }

    /// The same in an address.
    pub(super) fn word(self) -> String {
        let way = if self.descending { "-" } else { "" };
        format!("{way}{}", self.column.word())
    }

    /// Which way, in ARIA's word.
    pub(super) fn way(self) -> &'static str {
        if self.descending {
            "descending"
        } else {
            "ascending"
        }
    }

    /// The order that a column's heading leads to: that column's, or the other way round.
    pub(super) fn next(now: Option<Self>, column: ClaimColumn) -> Self {
        let descending = now
            == Some(Self {
                column,
                descending: false,
            });
        Self { column, descending }
    }

    pub(super) fn sort(self, claims: &mut [Versioned<Record>]) {
        let since = |record: &Record| {
            let mut held = record.live().chain(record.parked());
            held.next().map(|(_, held)| held.since)
        };
        claims.sort_by(|a, b| {
            let (a, b) = (&a.record, &b.record);
            let order = match self.column {
                ClaimColumn::State => a.state().as_str().cmp(b.state().as_str()),
                ClaimColumn::Resource => a.identity.last_pair().cmp(b.identity.last_pair()),
                ClaimColumn::Copies => a.copies.len().cmp(&b.copies.len()),
                ClaimColumn::Since => since(a).cmp(&since(b)),
            };
            let order = if self.descending {
                order.reverse()
            } else {
                order
            };
            order.then_with(|| a.identity.cmp(&b.identity))
        });
    }
}
