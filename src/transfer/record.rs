//! The record of one transfer.

use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{CopyRef, Justification, NamespaceRef, Reservation, TransferName};

use super::history::{MAX_HISTORY, TransferAction, TransferHistoryEntry};
use super::progress::StageCounts;
use super::selection::Selection;

/// A declared move of a set of resources from one place to another.
///
/// The first four fields are what a person declares; the rest is kept by aso-guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its name.
    pub name: TransferName,
    /// From where. Undoing turns only the [reservation](Transfer::reservation) round.
    pub from: NamespaceRef,
    /// To where.
    pub to: NamespaceRef,
    /// Which resources.
    pub selection: Selection,
    /// Why, in a person's own words.
    pub why: Option<Justification>,
    /// How far its own life is.
    pub phase: TransferPhase,
    /// Whether it is being undone: everything goes back to `from`.
    pub turned: bool,
    /// How many claims were reserved for it when it opened.
    pub covered: usize,
    /// How far its resources were when somebody last wrote that down.
    pub status: Option<TransferCounts>,
    /// What people did to it, the latest last.
    pub history: Vec<TransferHistoryEntry>,
}

/// How far the life of a transfer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferPhase {
    /// Its claims are being reserved. So begins one that was only declared.
    Opening,
    /// Its claims are reserved.
    Open,
    /// Its claims are being given free.
    Closing,
    /// It is over, and kept to be looked at.
    Finished,
}

/// How far the resources of a transfer were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferCounts {
    /// When that was written down, by the writer's clock.
    pub at: Timestamp,
    /// How many were at which stage.
    pub tally: StageCounts,
}

impl TransferPhase {
    const ALL: [Self; 4] = [Self::Opening, Self::Open, Self::Closing, Self::Finished];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "Opening",
            Self::Open => "Open",
            Self::Closing => "Closing",
            Self::Finished => "Finished",
        }
    }

    /// The phase that a word is for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == word)
    }
}

impl Transfer {
    /// A transfer that was declared, and of which nothing is done yet.
    pub fn new(
        name: TransferName,
        from: NamespaceRef,
        to: NamespaceRef,
        selection: Selection,
    ) -> Self {
        Self {
            name,
            from,
            to,
            selection,
            why: None,
            phase: TransferPhase::Opening,
            turned: false,
            covered: 0,
            status: None,
            history: Vec::new(),
        }
    }

    /// Whether a copy is where the transfer leads from or to, and is meant by its
    /// selection, as far as a claim tells. Whether its claim is reserved is another
    /// matter: a transfer covers what was there when it opened.
    pub fn covers(&self, identity: &Identity, copy: &CopyRef) -> bool {
        (self.from.has(copy) || self.to.has(copy)) && self.selection.covers(identity, &copy.object)
    }

    /// Whether a copy is one that the transfer would move when it opens.
    pub fn takes(&self, identity: &Identity, copy: &CopyRef) -> bool {
        self.from.has(copy) && self.selection.covers(identity, &copy.object)
    }

    /// What the claims of its resources say while it is open.
    pub fn reservation(&self) -> Reservation {
        let (from, to) = if self.turned {
            (&self.to, &self.from)
        } else {
            (&self.from, &self.to)
        };
        Reservation {
            transfer: self.name.clone(),
            from: from.clone(),
            to: to.clone(),
        }
    }

    /// Whether it protects its resources: all of them once it is
    /// [`Open`](Phase::Open), some while it opens or closes.
    pub fn is_open(&self) -> bool {
        self.phase != TransferPhase::Finished
    }

    /// Whether a claim that is reserved for it is so rightly.
    pub fn reserves(&self) -> bool {
        matches!(self.phase, TransferPhase::Opening | TransferPhase::Open)
    }

    /// The same, turned round to be undone: its claims have to be reserved the other way.
    #[must_use]
    pub fn turn(&self) -> Self {
        Self {
            turned: true,
            phase: TransferPhase::Opening,
            ..self.clone()
        }
    }

    /// In one word: Opening, Open, Undoing, Closing, Finished or Undone.
    pub fn state(&self) -> &'static str {
        match (self.phase, self.turned) {
            (TransferPhase::Opening | TransferPhase::Open, true) => "Undoing",
            (TransferPhase::Finished, true) => "Undone",
            (phase, _) => phase.as_str(),
        }
    }

    /// Adds what was done, and drops the oldest entry where there are too many.
    pub fn remember(&mut self, entry: TransferHistoryEntry) {
        if !self.history.contains(&entry) {
            self.history.push(entry);
            let beyond = self.history.len().saturating_sub(MAX_HISTORY);
            self.history.drain(..beyond);
        }
    }

    /// The entry of the last time that it was started.
    pub fn started(&self) -> Option<&TransferHistoryEntry> {
        self.last(TransferAction::Start)
    }

    /// The entry of its end.
    pub fn ended(&self) -> Option<&TransferHistoryEntry> {
        self.last(TransferAction::Finish)
    }

    fn last(&self, action: TransferAction) -> Option<&TransferHistoryEntry> {
        self.history
            .iter()
            .rev()
            .find(|entry| entry.action == action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::ObjectKey;

    fn transfer() -> Transfer {
        let place = |text: &str| text.parse().unwrap();
        Transfer::new(
            "move-it".parse().unwrap(),
            place("a/team"),
            place("b/team"),
            Selection::default(),
        )
    }

    #[test]
    fn it_covers_both_ends_and_takes_what_is_at_its_source() {
        let identity = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
        let copy = |place: &str| {
            let place: NamespaceRef = place.parse().unwrap();
            CopyRef {
                member: place.member,
                object: ObjectKey::new(
                    "resources.azure.com",
                    "ResourceGroup",
                    &place.namespace,
                    "x",
                ),
            }
        };
        for (place, covers, takes) in [
            ("a/team", true, true),
            ("b/team", true, false),
            ("a/other", false, false),
            ("c/team", false, false),
        ] {
            let copy = copy(place);
            assert_eq!(transfer().covers(&identity, &copy), covers, "{place}");
            assert_eq!(transfer().takes(&identity, &copy), takes, "{place}");
        }
    }

    #[test]
    fn turned_round_it_leads_back_and_begins_again() {
        let mut open = transfer();
        open.phase = TransferPhase::Open;
        let turned = open.turn();
        assert_eq!(
            (turned.phase, turned.state()),
            (TransferPhase::Opening, "Undoing")
        );
        let (there, back) = (open.reservation(), turned.reservation());
        assert_eq!((&there.from, &there.to), (&back.to, &back.from));
        assert_eq!((&turned.from, &turned.to), (&open.from, &open.to));
    }

    #[test]
    fn a_transfer_in_one_word() {
        let mut one = transfer();
        let mut words = Vec::new();
        for turned in [false, true] {
            for phase in TransferPhase::ALL {
                (one.turned, one.phase) = (turned, phase);
                words.push(one.state());
                assert_eq!(TransferPhase::from_word(phase.as_str()), Some(phase));
            }
        }
        let there = ["Opening", "Open", "Closing", "Finished"];
        let back = ["Undoing", "Undoing", "Closing", "Undone"];
        assert_eq!(words, [there, back].concat());
    }

    #[test]
    fn its_history_is_kept_short_and_nothing_comes_twice() {
        let mut one = transfer();
        for second in 0..30 {
            let entry = TransferHistoryEntry {
                at: Timestamp::from_second(second).unwrap(),
                by: "alice".into(),
                action: TransferAction::Start,
                why: None,
                unfinished: 0,
            };
            one.remember(entry.clone());
            one.remember(entry);
        }
        assert_eq!(one.history.len(), MAX_HISTORY);
        assert_eq!(one.started().unwrap().at.as_second(), 29);
        assert_eq!(one.ended(), None);
    }
}
