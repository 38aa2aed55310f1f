//! What a check finds.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::arm::Identity;
use crate::claim::CopyRef;

use super::place::Location;

/// A kind of mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Two live copies of one resource: a conflict.
    Conflict,
    /// A `resource-id` annotation that names another resource than the spec.
    ForeignResourceId,
    /// A policy that ASO does not know.
    UnknownPolicy,
    /// Only parked copies of a resource: nobody reconciles it.
    ParkedWithoutLive,
    /// A live child of a parked owner.
    LiveUnderParked,
    /// An owner that is not there.
    OwnerMissing,
    /// An object whose resource cannot be worked out.
    Unresolved,
    /// An object that is written twice for one cluster.
    WrittenTwice,
    /// A file, or something in it, that cannot be read.
    Unreadable,
    /// A recorded request that the guard refuses.
    Refused,
    /// A recorded request that the guard warns of.
    Warned,
    /// A claim on the hub that does not say what the cluster says.
    ClaimDiffers,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 12] = [
        Self::Conflict,
        Self::ForeignResourceId,
        Self::UnknownPolicy,
        Self::ParkedWithoutLive,
        Self::LiveUnderParked,
        Self::OwnerMissing,
        Self::Unresolved,
        Self::WrittenTwice,
        Self::Unreadable,
        Self::Refused,
        Self::Warned,
        Self::ClaimDiffers,
    ];

    /// Its name, as in `--ignore`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::ForeignResourceId => "foreign-resource-id",
            Self::UnknownPolicy => "unknown-policy",
            Self::ParkedWithoutLive => "parked-without-live",
            Self::LiveUnderParked => "live-under-parked",
            Self::OwnerMissing => "owner-missing",
            Self::Unresolved => "unresolved",
            Self::WrittenTwice => "written-twice",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::Warned => "warned",
            Self::ClaimDiffers => "claim-differs",
        }
    }

    /// What it is about, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Conflict => {
                "Two live copies of one Azure resource: two ASOs write to it in turn."
            }
            Self::ForeignResourceId => {
                "The annotation resource-id names another resource than the spec: deleting the \
                 object would delete that one."
            }
            Self::UnknownPolicy => {
                "A reconcile-policy that ASO does not know, and so passes over: what was meant to \
                 be parked is not."
            }
            Self::ParkedWithoutLive => {
                "Only parked copies of an Azure resource: nobody reconciles it."
            }
            Self::LiveUnderParked => {
                "A live object below a parked owner: deleting the owner deletes the object, and \
                 its resource in Azure with it."
            }
            Self::OwnerMissing => "An object whose owner is not there.",
            Self::Unresolved => "An object whose Azure resource cannot be worked out.",
            Self::WrittenTwice => {
                "An object that is written twice for one cluster; one of the two is lost."
            }
            Self::Unreadable => "A file, or an object in it, that cannot be read.",
            Self::Refused => "A recorded request that aso-guard refuses.",
            Self::Warned => "A recorded request that aso-guard lets through with a warning.",
            Self::ClaimDiffers => "A claim on the hub that does not say what the cluster says.",
        }
    }
}

/// A text is the name of no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is none of {all}", all = Rule::ALL.map(Rule::as_str).join(", "))]
pub struct UnknownRule {
    name: String,
}

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let found = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        found.ok_or_else(|| UnknownRule {
            name: text.to_owned(),
        })
    }
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something would go wrong.
    Error,
    /// Something may go wrong.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of mistake it is.
    pub rule: Rule,
    /// How much it weighs.
    pub level: Level,
    /// The object it is about, where it is about one.
    pub copy: Option<CopyRef>,
    /// Where it is written.
    pub place: Option<Location>,
    /// The Azure resource, where it is known.
    pub identity: Option<Identity>,
    /// What is wrong.
    pub message: String,
    /// What to do about it; empty where that is said already.
    pub next: String,
    /// The other objects that have to do with it.
    pub related: Vec<Related>,
}

/// Another object that has to do with a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Which one.
    pub copy: CopyRef,
    /// Where it is written.
    pub place: Option<Location>,
}

impl Finding {
    /// A finding of nothing in particular.
    pub fn new(rule: Rule, level: Level, message: String) -> Self {
        Self {
            rule,
            level,
            copy: None,
            place: None,
            identity: None,
            message,
            next: String::new(),
            related: Vec::new(),
        }
    }

    /// A finding about a text, outside of any object.
    pub fn at(rule: Rule, level: Level, place: Location, message: String) -> Self {
        Self {
            place: Some(place),
            ..Self::new(rule, level, message)
        }
    }
}

/// What was looked at, and how well it could be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComparisonSummary {
    /// How many objects' resources are known for sure.
    pub sure: usize,
    /// How many are known but for something that was assumed: what, and how many.
    pub assumed: BTreeMap<&'static str, usize>,
    /// How many could not be compared: why, and how many.
    pub not: BTreeMap<&'static str, usize>,
}

impl ComparisonSummary {
    /// `2 compared surely, 1 by assumption (no subscription is stated), 1 not at all (not rendered)`;
    /// empty where all were compared surely.
    pub fn words(&self) -> String {
        let why = |counts: &BTreeMap<&'static str, usize>, what: &str| {
            let all: usize = counts.values().sum();
            let why: Vec<&str> = counts.keys().copied().collect();
            (all > 0).then(|| format!("{all} {what} ({})", why.join("; ")))
        };
        let unsure = [
            why(&self.assumed, "by assumption"),
            why(&self.not, "not at all"),
        ];
        let unsure: Vec<String> = unsure.into_iter().flatten().collect();
        if unsure.is_empty() {
            return String::new();
        }
        let sure = format!("{} compared surely", self.sure);
        std::iter::once(sure)
            .chain(unsure)
            .collect::<Vec<_>>()
            .join(", ")
    }
}
