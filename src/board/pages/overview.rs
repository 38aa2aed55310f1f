//! The first page: what needs somebody, who is there, and how much there is.

use askama::Template;

use crate::board::census::Count;
use crate::board::query::link;
use crate::board::shown::{Badge, count, plural};
use crate::claim::ClaimState;
use crate::registry::{Standing, Unreadable};
use crate::transfer::Transfer;

use super::conflicts::{Conflict, conflicts};
use super::members::{MemberRow, Numbers, rows};
use super::transfers::{Move, moves};
use super::{Frame, Look, Section, Shown};

/// How many units the bar of states is wide.
const BAR: usize = 1000;
/// How many conflicts are named here.
const NAMED: usize = 5;

/// How many open transfers are shown here.
const MOVES: usize = 5;

/// Something that needs somebody.
struct Call {
    icon: &'static str,
    number: String,
    words: &'static str,
    link: &'static str,
}

/// The claims in one state.
struct Part {
    state: Badge,
    number: String,
    link: String,
    /// Where its stretch of the bar begins, and how long it is.
    from: usize,
    width: usize,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    calls: Vec<Call>,
    members: Vec<MemberRow>,
    conflicts: Vec<Conflict>,
    /// The transfers that are open.
    moves: Vec<Move>,
    /// How many claims there are; `None` until they were counted.
    claims: Option<String>,
    parts: Vec<Part>,
    /// The first of the records that cannot be read.
    unreadable: Vec<Unreadable>,
    numbers: Numbers,
}

pub(in crate::board) async fn page(look: Look) -> Shown {
    let tally = look.board.census.look();
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
        .filter(|known| known.record.standing(look.now) == Standing::Silent)
        .count();
    let in_conflict = conflicts.len();
    let orphaned = counted.map_or(0, |counted| counted.orphaned);
    let unreadable = counted.map_or(0, |counted| counted.not_read);
    let calls = calls(in_conflict, more, silent, orphaned, unreadable);
    conflicts.truncate(NAMED);
    let page = Overview {
        frame: look.live(),
        calls,
        members: rows(&members, &tally, look.now),
        conflicts,
        moves,
        claims: counted.map(|counted| count(counted.claims)),
        parts: counted.map(parts).unwrap_or_default(),
        unreadable: counted.map_or_else(Vec::new, |counted| counted.unreadable.clone()),
        numbers: Numbers::of(&tally, look.now),
    };
    Ok(page.render()?)
}

fn calls(
    conflicts: usize,
    more: bool,
    silent: usize,
    orphaned: usize,
    unreadable: usize,
) -> Vec<Call> {
    let number = |number, more| {
        let and_more = if more { "+" } else { "" };
        format!("{}{and_more}", count(number))
    };
    let all = [
        (
            conflicts,
            Call {
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
            Call {
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
            Call {
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
            Call {
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
fn parts(counted: &Count) -> Vec<Part> {
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
        parts.push(Part {
            state: state.into(),
            number: count(number),
            link: link("/claims", &[("state", state.as_str())]),
            from,
            width: to.saturating_sub(from),
        });
    }
    parts
}
