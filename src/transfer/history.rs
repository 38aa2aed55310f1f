//! What people did to a transfer.

use std::sync::Arc;

use jiff::Timestamp;

use crate::claim::Justification;

/// How many entries a transfer keeps; the oldest go first.
pub const MAX_HISTORY: usize = 20;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferAction {
    /// It was started, or started again to take in what came later.
    Start,
    /// It was turned round, to undo it.
    Undo,
    /// It was ended.
    Finish,
}

impl TransferAction {
    const ALL: [Self; 3] = [Self::Start, Self::Undo, Self::Finish];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Undo => "undo",
            Self::Finish => "finish",
        }
    }

    /// The action that a word is for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferHistoryEntry {
    /// When, by the clock of whoever did it.
    pub at: Timestamp,
    /// Who did it; empty where nobody knows.
    pub by: Arc<str>,
    /// What.
    pub action: TransferAction,
    /// Why, in the person's own words, where they said.
    pub why: Option<Justification>,
    /// How many resources were not through then: 0 but for a transfer that was ended
    /// before its time.
    pub unfinished: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deed_has_a_word_of_its_own() {
        for action in TransferAction::ALL {
            assert_eq!(TransferAction::from_word(action.as_str()), Some(action));
        }
        assert_eq!(TransferAction::from_word("delete"), None);
    }
}
