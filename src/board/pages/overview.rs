//! The first page: what needs somebody, who is there, and how much there is.

use askama::Template;

use crate::board::counter::ClaimCounts;
use crate::board::query::link;
use crate::board::view::{Badge, count, plural};
use crate::claim::ClaimState;
use crate::registry::{MemberStanding, UnreadableRecord};
use crate::transfer::Transfer;

use super::conflicts::{ConflictView, conflicts};
use super::members::{CountView, MemberView, rows};
use super::transfers::{TransferView, moves};
use super::{PageLayout, PageRequest, PageResult, Section};

/// How many units the bar of states is wide.
const BAR: usize = 1000;
/// How many conflicts are named here.
const NAMED: usize = 5;

/// How many open transfers are shown here.
const MOVES: usize = 5;

/// Something that needs somebody.
struct ActionItem {
    icon: &'static str,
    number: String,
    words: &'static str,
    link: &'static str,
}

/// The claims in one state.
struct StateShare {
    state: Badge,
    number: String,
    link: String,
    /// Where its stretch of the bar begins, and how long it is.
    from: usize,
    width: usize,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewTemplate {
    frame: PageLayout,
    calls: Vec<ActionItem>,
    members: Vec<MemberView>,
    conflicts: Vec<ConflictView>,
    /// The transfers that are open.
    moves: Vec<TransferView>,
    /// How many claims there are; `None` until they were counted.
    claims: Option<String>,
    parts: Vec<StateShare>,
    /// The first of the records that cannot be read.
    unreadable: Vec<UnreadableRecord>,
    numbers: CountView,
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let tally = look.board.counter.look();
    let members = look.board.registry.members().await?;
    let (mut conflicts, more) = conflicts(&look).await?;
    let transfers = look.board.registry.transfers().await?.records.into_iter();
    let transfers = transfers.map(|known| known.record);
    let open: Vec<Transfer> = transfers.filter(Transfer::is_open).take(MOVES).collect();
    let moves = moves(&look, &open).await?;
    let counted = tally.last.as_ref().map(|(_, counted)| &**counted);
    let silent = members
        .records
        .iter()
        .filter(|known| known.record.standing(look.now) == MemberStanding::Silent)
        .count();
    let in_conflict = conflicts.len();
    let orphaned = counted.map_or(0, |counted| counted.orphaned);
    let unreadable = counted.map_or(0, |counted| counted.not_read);
    let calls = calls(in_conflict, more, silent, orphaned, unreadable);
    conflicts.truncate(NAMED);
    let page = OverviewTemplate {
        frame: look.live(),
        calls,
        members: rows(&members, &tally, look.now),
        conflicts,
        moves,
        claims: counted.map(|counted| count(counted.claims)),
        parts: counted.map(parts).unwrap_or_default(),
        unreadable: counted.map_or_else(Vec::new, |counted| counted.unreadable.clone()),
        numbers: CountView::of(&tally, look.now),
    };
    Ok(page.render()?)
}

fn calls(
    conflicts: usize,
    more: bool,
    silent: usize,
    orphaned: usize,
    unreadable: usize,
) -> Vec<ActionItem> {
    let number = |number, more| {
        let and_more = if more { "+" } else { "" };
        format!("{}{and_more}", count(number))
    };
    let all = [
        (
            conflicts,
            ActionItem {
                icon: "conflict",
                number: number(conflicts, more),
                words: plural(
                    conflicts,
                    "resource has two live copies",
                    "resources have two or more live copies",
                ),
                link: "/conflicts",
            },
        ),
        (
            silent,
            ActionItem {
                icon: "silent",
                number: number(silent, false),
                words: plural(
                    silent,
                    "member is silent, and holds what it held",
                    "members are silent, and hold what they held",
                ),
                link: "/members",
            },
        ),
        (
            orphaned,
            ActionItem {
                icon: "parked",
                number: number(orphaned, false),
                words: plural(
                    orphaned,
                    "resource has no live copy",
                    "resources have no live copy",
                ),
                link: "/orphans",
            },
        ),
        (
            unreadable,
            ActionItem {
                icon: "conflict",
                number: number(unreadable, false),
                words: plural(
                    unreadable,
                    "record cannot be read",
                    "records cannot be read",
                ),
                link: "#h-unreadable",
            },
        ),
    ];
    let there = all.into_iter().filter(|(number, _)| *number > 0);
    there.map(|(_, call)| call).collect()
}

/// The states that there are any claims in, with their stretches of the bar.
fn parts(counted: &ClaimCounts) -> Vec<StateShare> {
    let states = [
        ClaimState::Live,
        ClaimState::Pending,
        ClaimState::Parked,
        ClaimState::Deleting,
        ClaimState::Conflict,
        ClaimState::Free,
    ];
    let mut before = 0;
    let mut parts = Vec::new();
    for state in states {
        let number = counted.of(state);
        if number == 0 {
            continue;
        }
        let from = before * BAR / counted.claims;
        before += number;
        let to = before * BAR / counted.claims;
        parts.push(StateShare {
            state: state.into(),
            number: count(number),
            link: link("/claims", &[("state", state.as_str())]),
            from,
            width: to.saturating_sub(from),
        });
    }
    parts
}
