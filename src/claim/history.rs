//! What people did to a claim against the protocol's word, and what aso-guard did on its
//! own: kept with it, so that who looks into the matter later finds it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::object::text::{is_unprintable, printable};

use super::names::CopyRef;
use super::record::Record;

/// How many entries a record keeps; the oldest go first.
pub const MAX_HISTORY: usize = 20;
/// The longest reason, in characters; what is beyond is cut off.
pub const MAX_REASON: usize = 200;

/// Why a person goes against a refusal: never empty, and not too long.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Justification(Arc<str>);

impl Justification {
    /// A reason as written, without the space around it; `None` where nothing is
    /// left of it. What nobody can see is replaced.
    pub fn new(text: &str) -> Option<Self> {
        let blank = |c: char| if is_unprintable(c) { ' ' } else { c };
        let seen: String = text.chars().map(blank).collect();
        let seen = seen.trim();
        (!seen.is_empty()).then(|| Self(printable(seen, MAX_REASON).into()))
    }

    /// The reason as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HistoryAction {
    /// The copy was created.
    Create,
    /// The copy was changed, or what its policy or identity rests on.
    Update,
    /// The copy was deleted.
    Delete,
    /// The copy was deleted along with its namespace.
    DeleteWithNamespace,
    /// The copy was deleted along with the CRD of its kind.
    DeleteWithKind,
    /// The copy was taken out of the claim by hand.
    Release,
    /// The copy was parked by aso-guard, for it came on top of a live one.
    Park,
}

impl HistoryAction {
    const ALL: [Self; 7] = [
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::DeleteWithNamespace,
        Self::DeleteWithKind,
        Self::Release,
        Self::Park,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::DeleteWithNamespace => "delete-with-namespace",
            Self::DeleteWithKind => "delete-with-kind",
            Self::Release => "release",
            Self::Park => "park",
        }
    }

    /// The deed that a word is for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == word)
    }
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HistoryEntry {
    /// When, by the clock of the copy's own cluster.
    pub at: Timestamp,
    /// Who did it.
    pub by: Arc<str>,
    /// To which copy.
    pub copy: CopyRef,
    /// What.
    pub deed: HistoryAction,
    /// Why, in the person's own words.
    pub why: Justification,
    /// The reason token of the refusal that this went against; empty where there was
    /// none, and the person had only thought that there would be.
    pub against: Arc<str>,
}

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
            entry.copy == *copy && entry.deed == HistoryAction::Park && Some(entry.at) >= since
        });
        let why = format!(
            "--on-conflict park: it came on top of another; {}",
            self.live_words()
        );
        let entry = Justification::new(&why).map(|why| HistoryEntry {
            at,
            by: "aso-guard".into(),
            copy: copy.clone(),
            deed: HistoryAction::Park,
            why,
            against: "".into(),
        });
        let with = entry.filter(|_| !said);
        with.and_then(|entry| self.with_entry(&entry).ok())
            .unwrap_or_else(|| self.clone())
    }

    /// The entry by which the reason for a delete was used before: when the copy was
    /// created or changed. An annotation that was left over from that says nothing
    /// about a delete.
    fn spent(&self, delete: &HistoryEntry) -> Option<&HistoryEntry> {
        let before = |entry: &&HistoryEntry| {
            entry.copy == delete.copy
                && entry.why == delete.why
                && matches!(entry.deed, HistoryAction::Create | HistoryAction::Update)
        };
        let of_delete = delete.deed == HistoryAction::Delete;
        of_delete.then(|| self.history.iter().rev().find(before))?
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::{at, copy, group};
    use super::*;

    fn entry(place: &str, deed: HistoryAction, why: &str, second: i64) -> HistoryEntry {
        HistoryEntry {
            at: at(second),
            by: "alice".into(),
            copy: copy(place),
            deed,
            why: Justification::new(why).unwrap(),
            against: "LiveElsewhere".into(),
        }
    }

    #[rstest]
    #[case("", None)]
    #[case(" \t\n", None)]
    #[case("  hub is gone ", Some("hub is gone"))]
    #[case("a\nb\u{7f}", Some("a b"))]
    #[case("\u{7f}\u{a0}\u{200b}", None)]
    fn a_reason_says_something(#[case] text: &str, #[case] why: Option<&str>) {
        assert_eq!(
            Justification::new(text).as_ref().map(Justification::as_str),
            why
        );
    }

    #[test]
    fn a_reason_has_an_end() {
        let why = Justification::new(&"ü".repeat(MAX_REASON + 1)).unwrap();
        assert_eq!(why.as_str().chars().count(), MAX_REASON + 1);
        assert!(why.as_str().ends_with('…'));
        assert!(
            !Justification::new(&"ü".repeat(MAX_REASON))
                .unwrap()
                .as_str()
                .ends_with('…')
        );
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
        // Another reason, another copy, or another deed: nothing is left over.
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
