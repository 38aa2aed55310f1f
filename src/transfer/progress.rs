//! How far each resource of a transfer is, told from its claim alone.

use crate::arm::Identity;
use crate::claim::{ClaimState, CopyRef, MemberCopy, Record, Reservation};

/// How far a resource is on the way from its source to its target.
///
/// The order is that of the way, and what went wrong stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransferStage {
    /// It is live in the source. Next: park it there.
    Live,
    /// It is parked in the source, and ASO still has an operation under way in Azure.
    /// Next: wait.
    Busy,
    /// It is parked in the source. Next: create it live in the target.
    Parked,
    /// A request that would make it live in the target was admitted, and its end is not
    /// seen. Next: wait.
    Coming,
    /// It is live in the target, and its parked copy in the source is still there.
    /// Next: delete that.
    Moved,
    /// It is live in the target, and gone from the source.
    Done,
    /// It is gone from the source and only parked in the target. Next: make it live
    /// there. (Cluster API moves its objects that way.)
    Waiting,
    /// It is live in a place that the transfer does not lead to, or in several.
    Conflict,
    /// It is being deleted in Azure.
    Deleting,
    /// Neither the source nor the target has a copy of it.
    Lost,
}

impl TransferStage {
    /// All there are, in order.
    pub const ALL: [Self; 10] = [
        Self::Live,
        Self::Busy,
        Self::Parked,
        Self::Coming,
        Self::Moved,
        Self::Done,
        Self::Waiting,
        Self::Conflict,
        Self::Deleting,
        Self::Lost,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Busy => "busy",
            Self::Parked => "parked",
            Self::Coming => "coming",
            Self::Moved => "moved",
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Conflict => "conflict",
            Self::Deleting => "deleting",
            Self::Lost => "lost",
        }
    }

    /// The stage that a word is for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word)
    }

    /// The stage in words: where the resource is.
    pub fn words(self) -> &'static str {
        match self {
            Self::Live => "live in the source",
            Self::Busy => "parked in the source, busy in Azure",
            Self::Parked => "parked in the source",
            Self::Coming => "going live in the target",
            Self::Moved => "live in the target, still parked in the source",
            Self::Done => "live in the target, gone from the source",
            Self::Waiting => "gone from the source, parked in the target",
            Self::Conflict => "live where it should not be",
            Self::Deleting => "being deleted in Azure",
            Self::Lost => "gone from source and target",
        }
    }

    /// Whether a person has to look at it: it does not go on by itself, nor by the next
    /// of the four steps.
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Conflict | Self::Deleting | Self::Lost)
    }

    fn index(self) -> usize {
        self as usize
    }
}

/// One resource of a transfer, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceProgress {
    /// The resource.
    pub identity: Identity,
    /// How far it is.
    pub stage: TransferStage,
    /// Its copy in the source.
    pub source: Option<CopyRef>,
    /// Its copy in the target.
    pub target: Option<CopyRef>,
    /// A live copy in a place that the transfer does not lead to.
    pub elsewhere: Option<CopyRef>,
}

/// How many resources are at which stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageCounts([usize; TransferStage::ALL.len()]);

impl StageCounts {
    /// How many are at a stage.
    pub fn at(&self, stage: TransferStage) -> usize {
        self.0[stage.index()]
    }

    /// Counts so many more at a stage.
    pub fn add(&mut self, stage: TransferStage, count: usize) {
        self.0[stage.index()] += count;
    }

    /// Counts all that another one has.
    pub fn add_all(&mut self, other: &Self) {
        for stage in TransferStage::ALL {
            self.add(stage, other.at(stage));
        }
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// How many have not arrived.
    pub fn unfinished(&self) -> usize {
        self.total() - self.at(TransferStage::Done)
    }

    /// How many need a person.
    pub fn trouble(&self) -> usize {
        let stages = TransferStage::ALL
            .into_iter()
            .filter(|stage| stage.is_trouble());
        stages.map(|stage| self.at(stage)).sum()
    }

    /// How many have the first step behind them: parked in the source, or further.
    pub fn parked(&self) -> usize {
        self.at(TransferStage::Parked)
            + self.at(TransferStage::Coming)
            + self.at(TransferStage::Waiting)
            + self.live()
    }

    /// How many are live in the target.
    pub fn live(&self) -> usize {
        self.at(TransferStage::Moved) + self.at(TransferStage::Done)
    }

    /// The tally in words, what there is none of left out: `3 live, 2 parked, 7 done`.
    pub fn words(&self) -> String {
        let counted = TransferStage::ALL
            .into_iter()
            .filter(|&stage| self.at(stage) > 0);
        let words = counted.map(|stage| format!("{} {}", self.at(stage), stage.as_str()));
        let words: Vec<String> = words.collect();
        if words.is_empty() {
            "nothing".to_owned()
        } else {
            words.join(", ")
        }
    }
}

/// How far a transfer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TransferProgress {
    /// Each resource, in the order of their identities: owners before what is inside.
    pub resources: Vec<ResourceProgress>,
    /// How many are at which stage.
    pub tally: StageCounts,
}

/// How far the resources with these claims are on the way that a reservation leads.
/// Claims that are not reserved for its transfer are left out.
pub fn progress<'a>(
    reservation: &Reservation,
    claims: impl IntoIterator<Item = &'a Record>,
) -> TransferProgress {
    let ours = claims.into_iter().filter(|claim| {
        let held = claim.reserved.as_ref();
        held.is_some_and(|held| held.transfer == reservation.transfer)
    });
    let mut resources: Vec<ResourceProgress> =
        ours.map(|claim| stage(reservation, claim)).collect();
    resources.sort_by(|a, b| a.identity.cmp(&b.identity));
    let mut tally = StageCounts::default();
    for resource in &resources {
        tally.add(resource.stage, 1);
    }
    TransferProgress { resources, tally }
}

/// How far the resource of one claim is on the way that a reservation leads.
pub fn stage(way: &Reservation, claim: &Record) -> ResourceProgress {
    let source = best(claim, |copy| way.from.has(copy));
    let target = best(claim, |copy| way.to.has(copy));
    let elsewhere = claim
        .live()
        .find(|(copy, _)| !way.from.has(copy) && !way.to.has(copy));
    let busy = |held: &MemberCopy| held.stored.as_ref().is_some_and(|stored| stored.busy);
    let held = |copy: Option<(&CopyRef, &'_ MemberCopy)>| {
        copy.map(|(_, held)| (held.is_live(), held.stored_live(), busy(held)))
    };
    let stage = match (held(source), held(target)) {
        _ if claim.being_deleted().is_some() => TransferStage::Deleting,
        _ if claim.state() == ClaimState::Conflict || elsewhere.is_some() => {
            TransferStage::Conflict
        }
        (Some((true, ..)), _) => TransferStage::Live,
        (None, Some((true, true, _))) => TransferStage::Done,
        (Some(_), Some((true, true, _))) => TransferStage::Moved,
        (_, Some((true, false, _))) => TransferStage::Coming,
        (Some((_, _, true)), _) => TransferStage::Busy,
        (Some(_), _) => TransferStage::Parked,
        (None, Some(_)) => TransferStage::Waiting,
        (None, None) => TransferStage::Lost,
    };
    let name = |copy: Option<(&CopyRef, &MemberCopy)>| copy.map(|(copy, _)| copy.clone());
    ResourceProgress {
        identity: claim.identity.clone(),
        stage,
        source: name(source),
        target: name(target),
        elsewhere: name(elsewhere),
    }
}

/// The copy in a place that counts most: the live one, where there are several.
fn best(claim: &Record, here: impl Fn(&CopyRef) -> bool) -> Option<(&CopyRef, &MemberCopy)> {
    let copies = claim.copies.iter().filter(|(copy, _)| here(copy));
    copies.max_by_key(|(_, held)| (held.stored_live(), held.is_live()))
}

#[cfg(test)]
mod tests;
