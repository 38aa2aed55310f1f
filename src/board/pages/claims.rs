//! The list of claims, searched.

use askama::Template;

use crate::board::order::{ClaimColumn, ClaimOrder};
use crate::board::search::ClaimSearch;
use crate::board::view::{ClaimView, count, plural};
use crate::claim::ClaimState;

use super::{PageLayout, PageRequest, PageResult, Section};

#[derive(Template)]
#[template(path = "claims.html")]
struct ClaimsTemplate {
    frame: PageLayout,
    search: ClaimSearch,
    /// The states to choose from, and whether each is chosen.
    states: Vec<(&'static str, bool)>,
    /// The members to choose from, and whether each is chosen.
    members: Vec<(String, bool)>,
    rows: Vec<ClaimView>,
    heads: Vec<ColumnHead>,
    order: String,
    /// What was found, in words.
    summary: String,
    next: Option<String>,
    /// The same list from its beginning, where this is a later part of it.
    first: Option<String>,
}

/// A heading of a table of claims.
pub(super) struct ColumnHead {
    pub(super) title: &'static str,
    /// Where the same claims are, sorted by it.
    pub(super) link: Option<String>,
    /// Which way they are sorted by it now, in ARIA's word.
    pub(super) sorted: Option<&'static str>,
}

impl ColumnHead {
    /// The headings of a table that stays as it is.
    pub(super) fn plain() -> Vec<Self> {
        let head = |column: ClaimColumn| Self {
            title: column.title(),
            link: None,
            sorted: None,
        };
        ClaimColumn::ALL.map(head).into()
    }

    /// The headings of what was searched for, to sort it by.
    fn sorted(search: &ClaimSearch) -> Vec<Self> {
        let head = |column: ClaimColumn| {
            let by = ClaimSearch {
                order: Some(ClaimOrder::next(search.order, column)),
                ..search.clone()
            };
            let now = search.order.filter(|order| order.column == column);
            Self {
                title: column.title(),
                link: Some(by.link(None)),
                sorted: now.map(ClaimOrder::way),
            }
        };
        ClaimColumn::ALL.map(head).into()
    }
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let search = ClaimSearch::of(&look.query);
    let at = look.query.get("at").parse().ok();
    let is_part = at.is_some();
    let mut found = search.page(&look.board.registry, at).await?;
    if let Some(order) = search.order {
        order.sort(&mut found.claims);
    }
    let members = look.board.registry.members().await?.names().into_iter();
    let mut members: Vec<String> = members.map(|name| name.to_string()).collect();
    if !search.member.is_empty() && !members.contains(&search.member) {
        // Members that are forgotten have copies, too.
        members.push(search.member.clone());
    }
    let chosen = |name: String| {
        let is = name == search.member;
        (name, is)
    };
    let states = [ClaimState::Free].iter().chain(&ClaimState::ALL);
    let mut states: Vec<_> = states
        .map(|state| {
            let word = state.as_str();
            (word, search.state.eq_ignore_ascii_case(word))
        })
        .collect();
    states.rotate_left(1);
    let rows: Vec<ClaimView> = found
        .claims
        .iter()
        .map(|known| ClaimView::of(&known.record, look.now))
        .collect();
    let page = ClaimsTemplate {
        frame: look.still(),
        heads: ColumnHead::sorted(&search),
        order: search.order.map(ClaimOrder::word).unwrap_or_default(),
        states,
        members: members.into_iter().map(chosen).collect(),
        summary: summary(
            &search,
            rows.len(),
            found.looked_at,
            found.next.is_some(),
            is_part,
        ),
        next: found.next.map(|next| search.link(Some(&next))),
        first: is_part.then(|| search.link(None)),
        rows,
        search,
    };
    Ok(page.render()?)
}

/// What was found, and whether that is all.
fn summary(
    search: &ClaimSearch,
    rows: usize,
    looked_at: usize,
    more: bool,
    is_part: bool,
) -> String {
    let claims = plural(rows, "claim", "claims");
    let looked = format!("looked at {} claims so far", count(looked_at));
    let found = match (more, is_part) {
        (false, false) if search.is_narrowed() => format!("{} {claims} found.", count(rows)),
        (false, false) => format!("{} {claims}.", count(rows)),
        (false, true) => format!("{} more {claims}; that is the end.", count(rows)),
        (true, false) if rows == 0 => format!("None found yet; {looked}."),
        (true, false) => format!("The first {} {claims}; {looked}.", count(rows)),
        (true, true) => format!("{} more {claims}; {looked}.", count(rows)),
    };
    if search.order.is_some() && (more || is_part) {
        format!("{found} These are sorted; the others are on other pages.")
    } else {
        found
    }
}
