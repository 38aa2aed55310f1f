//! How records look: words, shapes and times for the templates. Given the time, it is pure.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::claim::{ClaimState, CopyRef, Hold, Holder, InFlight, MemberCopy, Proof, Record};
use crate::claim::{MemberName, TransferName};
use crate::registry::{MemberRecord, MemberStanding};
use crate::transfer::{Transfer, TransferStage};

use super::query::link;

/// A word with a shape, so that nobody needs the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Badge {
    pub(super) word: &'static str,
    /// The shape's name in the layout, and the colour's in the style sheet.
    pub(super) icon: &'static str,
}

impl From<ClaimState> for Badge {
    fn from(state: ClaimState) -> Self {
        let icon = match state {
            ClaimState::Live => "live",
            ClaimState::Pending => "pending",
            ClaimState::Parked => "parked",
            ClaimState::Free => "free",
            ClaimState::Deleting => "deleting",
            ClaimState::Conflict => "conflict",
        };
        let word = state.as_str();
        Self { word, icon }
    }
}

impl From<Hold> for Badge {
    fn from(hold: Hold) -> Self {
        let (word, icon) = match hold {
            Hold::Live => ("Live", "live"),
            Hold::Pending(_) => ("Going live", "pending"),
            Hold::Parked => ("Parked", "parked"),
            Hold::Arriving(_) => ("Arriving parked", "pending"),
            Hold::Deleting => ("Deleting", "deleting"),
        };
        Self { word, icon }
    }
}

impl From<MemberStanding> for Badge {
    fn from(standing: MemberStanding) -> Self {
        let icon = match standing {
            MemberStanding::Ready => "ready",
            MemberStanding::Enrolling => "pending",
            MemberStanding::Silent => "silent",
        };
        let word = standing.as_str();
        Self { word, icon }
    }
}

impl From<TransferStage> for Badge {
    fn from(stage: TransferStage) -> Self {
        let icon = match stage {
            TransferStage::Live => "live",
            TransferStage::Busy | TransferStage::Coming => "pending",
            TransferStage::Parked | TransferStage::Waiting => "parked",
            TransferStage::Moved => "moving",
            TransferStage::Done => "ready",
            TransferStage::Conflict => "conflict",
            TransferStage::Deleting => "deleting",
            TransferStage::Lost => "silent",
        };
        let word = stage.as_str();
        Self { word, icon }
    }
}

impl From<&Transfer> for Badge {
    fn from(transfer: &Transfer) -> Self {
        let icon = match (transfer.is_open(), transfer.turned) {
            (true, _) => "moving",
            (false, false) => "ready",
            (false, true) => "free",
        };
        let word = transfer.state();
        Self { word, icon }
    }
}

/// A time, for people and for programs.
#[derive(Clone, Debug)]
pub(super) struct TimeView {
    /// `2026-11-25T21:46:49Z`
    pub(super) exact: String,
    /// `2026-11-25 21:46:49Z`
    pub(super) clock: String,
    /// `5 min ago`, or `in 5 min`.
    pub(super) ago: String,
}

impl TimeView {
    pub(super) fn new(at: Timestamp, now: Timestamp) -> Self {
        let seconds = now.duration_since(at).as_secs();
        let span = span(SignedDuration::from_secs(seconds.abs()));
        Self {
            exact: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            clock: clock(at),
            ago: match seconds {
                -1..=1 => "just now".to_owned(),
                2.. => format!("{span} ago"),
                _ => format!("in {span}"),
            },
        }
    }
}

/// `2026-11-25 21:46:49Z`
pub(super) fn clock(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn span(span: SignedDuration) -> String {
    match span.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `1,234,567`
pub(super) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A word for one, or for another number of things.
pub(super) fn plural(number: usize, one: &'static str, more: &'static str) -> &'static str {
    if number == 1 { one } else { more }
}

/// Where a copy is.
#[derive(Clone, Debug)]
pub(super) struct CopyLocation {
    pub(super) member: String,
    /// `shop/ResourceGroup/rg-shop`
    pub(super) object: String,
}

impl CopyLocation {
    pub(super) fn of(copy: &CopyRef) -> Self {
        Self {
            member: copy.member.to_string(),
            object: copy.object.to_string(),
        }
    }
}

/// A claim as a row of a list.
pub(super) struct ClaimView {
    pub(super) state: Badge,
    /// `storageAccounts/st1`
    pub(super) name: String,
    /// What it is inside of: `rg-shop › psql-shop`; empty where that is a subscription.
    pub(super) above: String,
    pub(super) subscription: String,
    /// The open transfer that moves it.
    pub(super) transfer: Option<String>,
    pub(super) link: String,
    /// The copies, the live ones first.
    pub(super) copies: Vec<(Badge, CopyLocation)>,
    /// Since when the live copies are there, or else the parked ones.
    pub(super) since: Option<TimeView>,
}

impl ClaimView {
    pub(super) fn of(record: &Record, now: Timestamp) -> Self {
        let live_first = || record.live().chain(record.parked());
        let identity = &record.identity;
        let above = identity.ancestors().into_iter().rev();
        let above = above.filter(|above| !above.is_subscription());
        let above: Vec<String> = above.map(|above| above.name().to_owned()).collect();
        Self {
            state: record.state().into(),
            name: identity.last_pair().to_owned(),
            above: above.join(" › "),
            subscription: identity.subscription().unwrap_or_default().to_owned(),
            transfer: record
                .reserved
                .as_ref()
                .map(|held| held.transfer.to_string()),
            link: claim_link(record),
            copies: live_first()
                .map(|(copy, held)| (Holder::of(copy, held).hold.into(), CopyLocation::of(copy)))
                .collect(),
            since: live_first()
                .next()
                .map(|(_, held)| TimeView::new(held.since, now)),
        }
    }
}

/// The address of a claim's page.
pub(super) fn claim_link(record: &Record) -> String {
    link("/claim", &[("id", record.identity.as_str())])
}

/// The address of a transfer's page.
pub(super) fn transfer_link(name: &TransferName) -> String {
    link("/transfer", &[("name", name.as_str())])
}

/// The members by their names, for what is told of a copy's; `None` where a member's record
/// cannot be read.
pub(super) type MembersByName = HashMap<MemberName, Option<MemberRecord>>;

/// A copy with all that is known of it.
pub(super) struct CopyView {
    pub(super) hold: Badge,
    pub(super) member: String,
    pub(super) member_link: String,
    /// How its member stands, where that is not as it should be.
    pub(super) absent: Option<String>,
    pub(super) namespace: String,
    pub(super) kind: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) policy: String,
    pub(super) since: TimeView,
    pub(super) by: String,
    pub(super) notes: Vec<&'static str>,
    /// The command that parks it, where that would end a conflict.
    pub(super) park: Option<String>,
    /// Whether it is the one to park: it came on top of another live copy.
    pub(super) newcomer: bool,
    /// The command that takes it out of the claim, where its member no longer can.
    pub(super) release: Option<String>,
}

impl CopyView {
    /// `registry`: the flags by which people's `aso-guard` reaches it.
    pub(super) fn of(
        record: &Record,
        (copy, held): (&CopyRef, &MemberCopy),
        members: &MembersByName,
        registry: &str,
        now: Timestamp,
    ) -> Self {
        let object = &copy.object;
        let stored = held.stored.as_ref();
        let member = members.get(&copy.member);
        let absent = absent(member, now);
        // Who cannot be read may be there: nothing is to be taken from it.
        let is_gone = absent.is_some() && !matches!(member, Some(None));
        let notes = [
            (stored.is_some_and(|one| one.terminating), "being deleted"),
            (stored.is_some_and(|one| one.busy), "busy in Azure"),
            (held.assumed, "owner not seen yet: its name is assumed"),
            (held.newcomer > 0, "came on top of another live copy"),
        ];
        let in_conflict = record.state() == ClaimState::Conflict && held.is_live();
        Self {
            hold: Holder::of(copy, held).hold.into(),
            member: copy.member.to_string(),
            member_link: link("/claims", &[("member", copy.member.as_str())]),
            namespace: object.namespace.to_string(),
            kind: object.kind.to_string(),
            group: object.group.to_string(),
            name: object.name.to_string(),
            policy: stored
                .map_or_else(|| "not stored yet".to_owned(), |one| one.policy.to_string()),
            since: TimeView::new(held.since, now),
            by: held.by.to_string(),
            notes: notes
                .iter()
                .filter(|(is, _)| *is)
                .map(|(_, note)| *note)
                .collect(),
            newcomer: in_conflict && record.is_to_step_back(copy),
            park: in_conflict.then(|| copy.park_command()).flatten(),
            release: is_gone.then(|| copy.release_command(&record.identity, registry)),
            absent,
        }
    }
}

/// What is to be told of a member that is not there.
fn absent(member: Option<&Option<MemberRecord>>, now: Timestamp) -> Option<String> {
    let member = match member {
        None => return Some("no member of the registry".to_owned()),
        Some(None) => return Some("a member whose record cannot be read".to_owned()),
        Some(Some(member)) => member,
    };
    let silent = member.standing(now) == MemberStanding::Silent;
    silent.then(|| format!("silent, heard {}", TimeView::new(member.heard, now).ago))
}

/// A request under way.
pub(super) struct InFlightView {
    pub(super) what: &'static str,
    pub(super) copy: CopyLocation,
    pub(super) call: String,
    /// What ends it.
    pub(super) proof: String,
    pub(super) deadline: TimeView,
}

impl InFlightView {
    /// All those of a record.
    pub(super) fn all(record: &Record, now: Timestamp) -> Vec<Self> {
        let of = |what, copy: &CopyRef, request: &InFlight| Self {
            what,
            copy: CopyLocation::of(copy),
            call: request.request.as_str().to_owned(),
            proof: proof(&request.proof),
            deadline: TimeView::new(request.deadline, now),
        };
        let copies = record.copies.iter().flat_map(|(copy, held)| {
            let kinds = [
                ("Going live", &held.acquiring),
                ("Arriving parked", &held.arriving),
                ("Naming what is inside anew", &held.renaming),
                ("Deleting", &held.deleting),
            ];
            kinds
                .into_iter()
                .flat_map(move |(what, list)| list.iter().map(move |one| of(what, copy, one)))
        });
        copies.collect()
    }
}

fn proof(proof: &Proof) -> String {
    match proof {
        Proof::Uid(uid) => format!("an object with uid {uid} is seen"),
        Proof::ResourceVersion(version) => {
            format!("the object is seen at another resourceVersion than {version}")
        }
        Proof::Owner => "the copy is seen with its owner".to_owned(),
        Proof::Deadline => "the deadline".to_owned(),
    }
}

#[cfg(test)]
mod tests;
