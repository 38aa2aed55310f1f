//! What people did to a claim against the protocol's word, and what aso-guard did on its
//! own: kept with it, so that who looks into the matter later finds it.

use jiff::Timestamp;

use super::history_entry::{HistoryAction, HistoryEntry, Justification};
use super::names::CopyRef;
use super::record::Record;

/// How many entries a record keeps; the oldest go first.
pub const MAX_HISTORY: usize = 20;

impl Record {
    /// The record with this entry, the oldest one dropped where there are too many.
    /// An entry that is there already (its response was lost) is not added again.
    ///
    /// # Errors
    /// The reason was [spent](Record::spent): it lets no delete through. Gives the
    /// entry that spent it.
    pub fn with_entry(&self, entry: &HistoryEntry) -> Result<Self, HistoryEntry> {
        if let Some(spent) = self.spent(entry) {
            return Err(spent.clone());
        }
        let mut next = self.clone();
        if !next.history.contains(entry) {
            next.history.push(entry.clone());
            let beyond = next.history.len().saturating_sub(MAX_HISTORY);
            next.history.drain(..beyond);
        }
        Ok(next)
    }

    /// The record with an entry that says that a newcomer is being parked. One that is
    /// there since the copy came stays alone, however often parking it failed.
    #[must_use]
    pub fn with_parked_newcomer(&self, copy: &CopyRef, at: Timestamp) -> Self {
        let since = self.copies.get(copy).map(|held| held.since);
        let said = self.history.iter().any(|entry| {
            entry.copy == *copy && entry.action == HistoryAction::Park && Some(entry.at) >= since
        });
        let why = format!(
            "--on-conflict park: it came on top of another; {}",
            self.live_words()
        );
        let entry = Justification::new(&why).map(|why| HistoryEntry {
            at,
            by: "aso-guard".into(),
            copy: copy.clone(),
            action: HistoryAction::Park,
            why,
            refusal: "".into(),
        });
        let with = entry.filter(|_| !said);
        with.and_then(|entry| self.with_entry(&entry).ok())
            .unwrap_or_else(|| self.clone())
    }

    /// The reasons that let no delete of this copy through, the latest first: they were used
    /// before.
    pub fn reasons_used_for(&self, copy: &CopyRef) -> Vec<String> {
        let of_copy = self.history.iter().rev().filter(|entry| {
            entry.copy == *copy
                && matches!(entry.action, HistoryAction::Create | HistoryAction::Update)
        });
        of_copy.map(|entry| entry.why.as_str().to_owned()).collect()
    }

    /// The entry by which the reason for a delete was used before: when the copy was
    /// created or changed. An annotation that was left over from that says nothing
    /// about a delete.
    fn spent(&self, delete: &HistoryEntry) -> Option<&HistoryEntry> {
        let before = |entry: &&HistoryEntry| {
            entry.copy == delete.copy
                && entry.why == delete.why
                && matches!(entry.action, HistoryAction::Create | HistoryAction::Update)
        };
        let of_delete = delete.action == HistoryAction::Delete;
        of_delete.then(|| self.history.iter().rev().find(before))?
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::{at, copy, group};
    use super::*;

    fn entry(place: &str, action: HistoryAction, why: &str, second: i64) -> HistoryEntry {
        HistoryEntry {
            at: at(second),
            by: "alice".into(),
            copy: copy(place),
            action,
            why: Justification::new(why).unwrap(),
            refusal: "LiveElsewhere".into(),
        }
    }

    #[test]
    fn a_history_is_kept_once_and_to_a_length() {
        let mut record = Record::new(group());
        for second in 0..30 {
            let one = entry("a", HistoryAction::Update, "again", second);
            record = record.with_entry(&one).unwrap().with_entry(&one).unwrap();
        }
        assert_eq!(record.history.len(), MAX_HISTORY);
        assert_eq!(record.history.last().unwrap().at, at(29));
        assert_eq!(record.history[0].at, at(10));
    }

    #[rstest]
    #[case::created(HistoryAction::Create, false)]
    #[case::changed(HistoryAction::Update, false)]
    #[case::a_delete_that_did_not_come_about(HistoryAction::Delete, true)]
    #[case::released(HistoryAction::Release, true)]
    fn a_reason_left_over_deletes_nothing(#[case] before: HistoryAction, #[case] deletes: bool) {
        let used = entry("a", before, "move", 0);
        let record = Record::new(group()).with_entry(&used).unwrap();
        let again = record.with_entry(&entry("a", HistoryAction::Delete, "move", 9));
        assert_eq!(again.is_ok(), deletes);
        assert!(again.err().is_none_or(|spent| spent == used));
        // Another reason, another copy, or another action: nothing is left over.
        for other in [
            entry("a", HistoryAction::Delete, "another", 9),
            entry("b", HistoryAction::Delete, "move", 9),
            entry("a", HistoryAction::Update, "move", 9),
            entry("a", HistoryAction::DeleteWithNamespace, "move", 9),
        ] {
            record.with_entry(&other).unwrap();
        }
    }
}
