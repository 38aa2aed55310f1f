//! One entry of a claim's history, and its words.

use std::sync::Arc;

use jiff::Timestamp;

use crate::object::text::{is_unprintable, printable};

use super::names::CopyRef;

/// The longest reason, in characters; what is beyond is cut off.
pub const MAX_REASON: usize = 200;

/// Why a person overrides a refusal: never empty, and not too long.
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
    /// The copy was live, and was taken out of the claim because its cluster is lost.
    Failover,
    /// That was undone: the copy may be live.
    FailoverUndo,
}

impl HistoryAction {
    const ALL: [Self; 9] = [
        Self::Create,
        Self::Update,
        Self::Delete,
        Self::DeleteWithNamespace,
        Self::DeleteWithKind,
        Self::Release,
        Self::Park,
        Self::Failover,
        Self::FailoverUndo,
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
            Self::Failover => "failover",
            Self::FailoverUndo => "failover-undo",
        }
    }

    /// The action that a word is for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
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
    pub action: HistoryAction,
    /// Why, in the person's own words.
    pub why: Justification,
    /// The reason token of the refusal that this overrode; empty where there was none, and
    /// the person had only thought that there would be.
    pub refusal: Arc<str>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

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
}
