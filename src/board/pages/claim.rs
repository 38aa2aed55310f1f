//! One claim, with all that the registry knows of it.

use askama::Template;

use crate::arm::Identity;
use crate::board::query::link;
use crate::board::timeline::TimelineView;
use crate::board::view::{Badge, CopyView, InFlightView, transfer_link};
use crate::claim::{ClaimState, Record, Reservation};
use crate::object::text::quoted;
use crate::transfer::stage;

use super::{PageError, PageLayout, PageRequest, PageResult, Section};

#[derive(Template)]
#[template(path = "claim.html")]
struct ClaimTemplate {
    frame: PageLayout,
    name: String,
    id: String,
    state: Badge,
    /// What the state means.
    meaning: &'static str,
    version: String,
    conflict: bool,
    /// Which copies are live.
    live_words: String,
    /// Where nobody reconciles it: which copies are parked.
    parked_words: Option<String>,
    /// The transfer that moves it: its name, its page, and how far this resource is.
    moved: Option<(String, String, String)>,
    copies: Vec<CopyView>,
    requests: Vec<InFlightView>,
    timeline: Vec<TimelineView>,
    /// Whether somebody went against a refusal, or released something.
    overridden: bool,
    /// The resources around this one: their names, and where their claims are.
    above: Vec<(String, String)>,
    inside: String,
    /// The same in a terminal.
    command: String,
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let asked = look.query.get("id");
    let unknown = || {
        PageError::Missing(format!(
            "There is no claim on {}: aso-guard knows of no copy of it.",
            if asked.is_empty() { "nothing" } else { asked }
        ))
    };
    let identity: Identity = asked.parse().map_err(|_| unknown())?;
    let known = look.board.registry.claim(&identity).await?;
    let known = known.ok_or_else(unknown)?;
    let members = look.members().await?;
    let record = &known.record;
    let copies = record.copies.iter();
    let page = ClaimTemplate {
        frame: look.live(),
        name: record.identity.last_pair().to_owned(),
        id: record.identity.to_string(),
        state: record.state().into(),
        meaning: meaning(record),
        version: known.version.to_string(),
        conflict: record.state() == ClaimState::Conflict,
        live_words: record.live_words(),
        parked_words: (record.state() == ClaimState::Parked).then(|| record.parked_words()),
        moved: record.reserved.as_ref().map(|held| moved(held, record)),
        copies: copies
            .map(|(copy, held)| look.copy_view(record, (copy, held), &members))
            .collect(),
        requests: InFlightView::all(record, look.now),
        timeline: TimelineView::all(record, look.now),
        overridden: !record.history.is_empty(),
        above: above(&record.identity),
        inside: link("/claims", &[("q", &format!("{}/", record.identity))]),
        command: format!(
            "aso-guard claims show {}{}",
            quoted(record.identity.as_str()),
            look.board.registry.flags()
        ),
    };
    Ok(page.render()?)
}

fn moved(held: &Reservation, record: &Record) -> (String, String, String) {
    let far = stage(held, record).stage.words();
    let far = format!("{far}, on its way from {} to {}", held.from, held.to);
    (
        held.transfer.to_string(),
        transfer_link(&held.transfer),
        far,
    )
}

fn above(identity: &Identity) -> Vec<(String, String)> {
    let ancestors = identity.ancestors().into_iter().rev();
    let ancestors = ancestors.filter(|above| !above.is_subscription());
    ancestors
        .map(|above| {
            let address = link("/claim", &[("id", above.as_str())]);
            (above.last_pair().to_owned(), address)
        })
        .collect()
}

fn meaning(record: &Record) -> &'static str {
    match record.state() {
        ClaimState::Live => "One live copy: its cluster’s ASO writes to Azure, and no other may.",
        ClaimState::Pending => {
            "A copy was admitted as live and has not been seen stored: the resource is held for it \
             until it is seen, or the request’s deadline has passed."
        }
        ClaimState::Parked => {
            "Nobody writes to Azure: all copies are parked. During a move that is how it is meant."
        }
        ClaimState::Free => "No copy is left; the claim is kept for its history.",
        ClaimState::Deleting => {
            "The resource is being deleted in Azure, through the copy that says so."
        }
        ClaimState::Conflict => {
            "More than one copy is live: their ASOs overwrite each other, and the last one wins. \
             Park all but one."
        }
    }
}
