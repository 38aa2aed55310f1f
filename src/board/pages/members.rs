//! The members: who is there, and what each holds.

use askama::Template;
use jiff::Timestamp;

use crate::board::counter::{CountStatus, HeldCopies};
use crate::board::query::link;
use crate::board::view::{Badge, TimeView, count};
use crate::claim::Migration;
use crate::registry::{MemberRecord, MemberStanding, RecordList, Sample, UnreadableRecord};

use super::{PageLayout, PageRequest, PageResult, Section};

/// A member as a row.
pub(super) struct MemberView {
    pub(super) name: String,
    pub(super) standing: Badge,
    pub(super) silent: bool,
    pub(super) heard: Option<TimeView>,
    pub(super) version: String,
    pub(super) cluster: String,
    /// What it holds, where it was counted: live and parked copies.
    pub(super) holds: Option<(String, String)>,
    pub(super) claims: String,
    /// The mode in force where a namespace sets none.
    pub(super) mode: String,
    /// When its hub token expires, where that is known, and whether that is soon.
    pub(super) token: Option<(TimeView, bool)>,
    /// Objects of it that nobody can place, where there are any.
    pub(super) unresolved: Option<Unseen>,
    /// Kinds that its guard may not read, where there are any.
    pub(super) unwatched: Option<Unseen>,
    /// What API servers do not ask its guard about, where there is anything.
    pub(super) gaps: Option<Unseen>,
    /// When a person declared it lost, who, and why.
    pub(super) fenced: Option<(TimeView, String, String)>,
    /// What its API servers refuse by while no guard answers, where there is such a thing.
    pub(super) second_line: Option<SecondLineView>,
}

/// What API servers refuse by while no guard answers.
pub(super) struct SecondLineView {
    pub(super) namespaces: String,
    /// Where it may be out of date.
    pub(super) stale: Option<Unseen>,
}

/// What a member's guard does not see.
pub(super) struct Unseen {
    pub(super) number: String,
    /// The first few.
    pub(super) some: Vec<String>,
    pub(super) since: TimeView,
}

impl Unseen {
    fn of(sample: &Sample, now: Timestamp) -> Option<Self> {
        (sample.count > 0).then(|| Self {
            number: sample.count.to_string(),
            some: sample.some.clone(),
            since: TimeView::new(sample.since, now),
        })
    }
}

#[derive(Template)]
#[template(path = "members.html")]
struct MembersTemplate {
    frame: PageLayout,
    members: Vec<MemberView>,
    unreadable: Vec<UnreadableRecord>,
    numbers: CountView,
    /// Whose copies the registry is waited for to know.
    awaited: Vec<String>,
    /// What is said of the fleet's move to or from this registry; nothing where it stays.
    moves: &'static str,
    /// The flags by which people's `aso-guard` reaches the registry.
    registry: String,
}

/// How good the numbers on a page are.
pub(super) struct CountView {
    /// When they were counted.
    pub(super) at: Option<TimeView>,
    /// How many claims a first count has seen so far.
    pub(super) seen: Option<String>,
    pub(super) trouble: Option<String>,
}

impl CountView {
    pub(super) fn of(tally: &CountStatus, now: Timestamp) -> Self {
        Self {
            at: tally.last.as_ref().map(|(at, _)| TimeView::new(*at, now)),
            seen: tally.seen.map(count),
            trouble: tally.trouble.clone(),
        }
    }
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let tally = look.board.counter.look();
    let members = look.board.registry.members().await?;
    // One that cannot be read is told of by the guards: who is a member can be shown all the same.
    let epoch = look.board.registry.epoch().await.ok().flatten();
    let epoch = epoch.map(|known| known.record).unwrap_or_default();
    let page = MembersTemplate {
        frame: look.live(),
        members: rows(&members, &tally, look.now),
        numbers: CountView::of(&tally, look.now),
        unreadable: members.unreadable,
        awaited: epoch.awaited().map(ToString::to_string).collect(),
        moves: epoch.migration.as_ref().map_or("", words_of_move),
        registry: look.board.registry.flags().to_owned(),
    };
    Ok(page.render()?)
}

fn words_of_move(migration: &Migration) -> &'static str {
    match migration {
        Migration::After { .. } => {
            "The fleet moves to this registry from another one, by which guards judge meanwhile."
        }
        Migration::ClosingTo(_) => {
            "The fleet moves from this registry to another one. Guards write both meanwhile."
        }
        Migration::ClosedTo(_) => {
            "The fleet has moved to another registry. Nothing is judged by this one any more."
        }
    }
}

/// A row for each member, and for each that is none any more and still holds something.
pub(super) fn rows(
    members: &RecordList<MemberRecord>,
    tally: &CountStatus,
    now: Timestamp,
) -> Vec<MemberView> {
    let counted = tally.last.as_ref().map(|(_, counted)| &counted.members);
    let known = members.records.iter().map(|known| {
        let held = counted.map(|counted| counted.get(&known.record.name));
        let held = held.map(|held| held.copied().unwrap_or_default());
        MemberView::known(&known.record, held, now)
    });
    let unreadable = members.unreadable.iter();
    let unreadable = unreadable.map(|one| MemberView::bare(&one.name, "Unreadable", "conflict"));
    let names = members.names();
    let forgotten = counted.into_iter().flatten();
    let forgotten = forgotten.filter(|(name, _)| !names.contains(name));
    let forgotten = forgotten.map(|(name, held)| MemberView {
        silent: true,
        holds: Some(words_of(*held)),
        ..MemberView::bare(name.as_str(), "No member", "silent")
    });
    known.chain(unreadable).chain(forgotten).collect()
}

/// How many live copies, and how many parked ones.
fn words_of(held: HeldCopies) -> (String, String) {
    (count(held.live), count(held.parked))
}

impl MemberView {
    /// `held`: the copies it holds, where they were counted.
    fn known(member: &MemberRecord, held: Option<HeldCopies>, now: Timestamp) -> Self {
        let standing = member.standing(now);
        Self {
            name: member.name.to_string(),
            standing: standing.into(),
            silent: standing == MemberStanding::Silent,
            heard: Some(TimeView::new(member.heard, now)),
            version: member.version.to_string(),
            cluster: member.cluster.to_string(),
            holds: held.map(words_of),
            claims: link("/claims", &[("member", member.name.as_str())]),
            mode: member.mode.to_string(),
            token: member
                .hub_token_expires
                .map(|end| (TimeView::new(end, now), member.hub_token_ends_soon(now))),
            unresolved: Unseen::of(&member.unresolved, now),
            unwatched: Unseen::of(&member.unwatched, now),
            gaps: Unseen::of(&member.webhook_gaps, now),
            fenced: member.fence.as_ref().map(|fence| {
                let at = TimeView::new(fence.at, now);
                (at, fence.by.to_string(), fence.why.as_str().to_owned())
            }),
            second_line: member.second_line.as_ref().map(|line| SecondLineView {
                namespaces: line.namespaces.to_string(),
                stale: Unseen::of(&line.stale, now),
            }),
        }
    }

    /// A name of which no more is known.
    fn bare(name: &str, word: &'static str, icon: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            standing: Badge { word, icon },
            silent: false,
            heard: None,
            version: String::new(),
            cluster: String::new(),
            holds: None,
            claims: link("/claims", &[("member", name)]),
            mode: String::new(),
            token: None,
            unresolved: None,
            unwatched: None,
            gaps: None,
            fenced: None,
            second_line: None,
        }
    }
}
