//! The order in which a guard that knows the old registry and the new one comes to a verdict,
//! without the calls themselves.

use crate::claim::epoch::{Epoch, EpochRecord, KnownEpoch};

use super::{Judge, MigrationError, Place, judge};

/// After how many looks it is said that two registries do not fit.
const UNCLEAR: u8 = 4;
/// After how many looks it is said that a registry is not whole whose record names nobody that is
/// awaited.
const NOT_WHOLE: u8 = 20;

/// A verdict's way through both registries of a move: which call comes next.
///
/// 1. What was read last of both epochs is asked for: it says who judges.
/// 2. That one judges, by what is known of its epoch. Where both do, it is the old one.
/// 3. Where both do, what it admits is written in the new one, **then** the new one's epoch is
///    asked for, and **then** the old one's: until it is the same there, nobody has judged by the
///    new one alone, and whoever does later reads what was written.
/// 4. What did not stand, or was refused by an epoch that is over, is judged anew, after both
///    epochs were looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PairVerdict {
    known: Option<PairKnown>,
    /// How often both epochs were looked at since the last try.
    looks: u8,
    stage: PairStage,
}

/// What a guard knows of both registries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PairKnown {
    /// The record of the old one's epoch, as it was read last.
    pub old: Option<EpochRecord>,
    /// What may be judged by, of the old one.
    pub old_known: Option<KnownEpoch>,
    /// The record of the new one's epoch, as it was read last.
    pub new: Option<EpochRecord>,
    /// What may be judged by, of the new one.
    pub new_known: Option<KnownEpoch>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PairStage {
    Recall,
    Judge(Place, KnownEpoch),
    /// It was admitted; whether that rests on claims.
    Write(KnownEpoch, Epoch, bool),
    IsSame(KnownEpoch, Epoch),
    /// Of this one; whether it was admitted.
    Confirm(Place, KnownEpoch, bool),
    Look,
    Done(PairOutcome),
}

/// A call that a verdict asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairCall<'a> {
    /// Say what is known of both epochs.
    Recall,
    /// Give the verdict of this registry, from the first call on claims on, by this.
    Judge(Place, &'a KnownEpoch),
    /// Write in the new registry's claims what the old one admits, whatever they say.
    Write,
    /// Ask whether the new registry's epoch is this one, whoever is awaited.
    IsSame(&'a Epoch),
    /// Ask whether this registry's epoch still is what it was judged by.
    Confirm(Place, &'a KnownEpoch),
    /// Look at both registries' epochs.
    Look,
    /// Make no more calls: this is what it came to.
    Done(&'a PairOutcome),
}

/// What came of a [`PairCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairAnswer {
    /// What is known.
    Known(Box<PairKnown>),
    /// It is admitted, and what that rests on was confirmed.
    Admitted {
        /// Whether it rests on what claims say.
        by_claims: bool,
    },
    /// It is refused.
    Refused,
    /// The epoch is another one, or somebody is awaited.
    Unconfirmed,
    /// It was written.
    Written,
    /// It is as it was.
    Same,
    /// Both were looked at.
    Looked,
    /// The registry did not answer.
    Failed,
}

/// What a verdict came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PairOutcome {
    /// What this one said.
    Of(Place),
    /// The new registry did not answer, and has to hold what is admitted.
    NotWritten,
    /// This registry is not whole.
    NotWhole(Place),
    /// Nobody can tell who judges.
    Unclear(MigrationError),
}

impl Default for PairVerdict {
    fn default() -> Self {
        Self {
            known: None,
            looks: 0,
            stage: PairStage::Recall,
        }
    }
}

impl PairVerdict {
    /// The call to make.
    pub fn call(&self) -> PairCall<'_> {
        match &self.stage {
            PairStage::Recall => PairCall::Recall,
            PairStage::Judge(place, known) => PairCall::Judge(*place, known),
            PairStage::Write(..) => PairCall::Write,
            PairStage::IsSame(_, epoch) => PairCall::IsSame(epoch),
            PairStage::Confirm(place, known, _) => PairCall::Confirm(*place, known),
            PairStage::Look => PairCall::Look,
            PairStage::Done(outcome) => PairCall::Done(outcome),
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: PairAnswer) {
        let stage = std::mem::replace(&mut self.stage, PairStage::Look);
        self.stage = match (stage, answer) {
            (PairStage::Recall, PairAnswer::Known(known)) => self.decide(*known),
            (PairStage::Judge(place, known), PairAnswer::Admitted { by_claims }) => {
                match self.to_be_written_in() {
                    Some(epoch) => PairStage::Write(known, epoch, by_claims),
                    None => PairStage::Done(PairOutcome::Of(place)),
                }
            }
            (
                PairStage::Judge(place, _) | PairStage::Confirm(place, _, false),
                PairAnswer::Failed,
            )
            | (PairStage::Confirm(place, ..), PairAnswer::Same) => {
                PairStage::Done(PairOutcome::Of(place))
            }
            (PairStage::Judge(place, known), PairAnswer::Refused) => {
                PairStage::Confirm(place, known, false)
            }
            // What is safe whatever claims say is written as well as it can be.
            (PairStage::Write(.., false), PairAnswer::Written | PairAnswer::Failed) => {
                PairStage::Done(PairOutcome::Of(Place::Old))
            }
            (PairStage::Write(known, epoch, true), PairAnswer::Written) => {
                PairStage::IsSame(known, epoch)
            }
            (PairStage::Write(..) | PairStage::IsSame(..), PairAnswer::Failed) => {
                PairStage::Done(PairOutcome::NotWritten)
            }
            (PairStage::IsSame(known, _), PairAnswer::Same) => {
                PairStage::Confirm(Place::Old, known, true)
            }
            (_, PairAnswer::Unconfirmed) | (PairStage::Confirm(..), PairAnswer::Failed) => {
                PairStage::Look
            }
            (PairStage::Look, PairAnswer::Looked | PairAnswer::Failed) => {
                self.looks = self.looks.saturating_add(1);
                PairStage::Recall
            }
            (stage, _) => stage,
        };
    }

    /// The new one's epoch, where both judge.
    fn to_be_written_in(&self) -> Option<Epoch> {
        let known = self.known.as_ref()?;
        let new = known.new.as_ref()?;
        let both = judge(known.old.as_ref(), Some(new)) == Ok(Judge::Both);
        both.then(|| new.epoch.clone())
    }

    fn decide(&mut self, known: PairKnown) -> PairStage {
        let looks = self.looks;
        let known = self.known.insert(known);
        let judge = judge(known.old.as_ref(), known.new.as_ref());
        let (place, record, may_judge_by) = match judge {
            // One of them may have been read before a step of the move, and the other one after it.
            Err(why) if looks >= UNCLEAR => return PairStage::Done(PairOutcome::Unclear(why)),
            Err(_) => return PairStage::Look,
            Ok(Judge::New) => (Place::New, &known.new, &known.new_known),
            Ok(Judge::Old | Judge::Both) => (Place::Old, &known.old, &known.old_known),
        };
        let epoch = record.as_ref().map(|record| &record.epoch);
        let same = may_judge_by
            .as_ref()
            .filter(|known| Some(&known.epoch) == epoch);
        // Where nobody is awaited, somebody else has just looked, and knows more in a moment.
        let is_whole = record.as_ref().is_some_and(EpochRecord::is_whole);
        let enough = if is_whole { NOT_WHOLE } else { 1 };
        match same {
            Some(known) => {
                self.looks = 0;
                PairStage::Judge(place, known.clone())
            }
            None if looks >= enough => PairStage::Done(PairOutcome::NotWhole(place)),
            None => PairStage::Look,
        }
    }
}
