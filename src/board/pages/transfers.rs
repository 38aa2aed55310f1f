//! The transfers, and how far each is through the four steps.

use askama::Template;

use crate::board::view::{Badge, MembersByName, TimeView, count, plural, transfer_link};
use crate::claim::NamespaceRef;
use crate::registry::{
    ClaimScope, MemberStanding, ReadOnlyRegistry, RegistryError, UnreadableRecord,
};
use crate::transfer::{StageCounts, Transfer, TransferProgress, TransferStage, progress};

use super::{PageLayout, PageRequest, PageResult, Section};

/// How many parts of a transfer's claims are read for one look; of a larger one, what was last
/// written down is shown.
const PARTS: usize = 6;
/// How many units a step's bar is wide.
const BAR: usize = 1000;
/// How many transfers that are over are shown.
const OVER: usize = 50;

/// A transfer in short.
pub(super) struct TransferView {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) state: Badge,
    /// Which resources it moves.
    pub(super) what: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) started: Option<StartedView>,
    pub(super) steps: Vec<StepView>,
    /// How many need a person.
    pub(super) trouble: Option<String>,
    /// How good the numbers are.
    pub(super) note: Option<String>,
}

/// Who started a transfer.
pub(super) struct StartedView {
    pub(super) at: TimeView,
    pub(super) by: String,
}

/// One of the four steps.
pub(super) struct StepView {
    pub(super) icon: &'static str,
    pub(super) what: &'static str,
    pub(super) place: String,
    /// How many have it behind them, of how many.
    pub(super) counted: Option<(String, String)>,
    /// The same as a stretch of the bar.
    pub(super) share: usize,
    pub(super) note: Option<String>,
}

/// How far a transfer is, and how that is known.
pub(super) struct ProgressView {
    pub(super) tally: StageCounts,
    /// Each resource, where all were read.
    pub(super) progress: Option<TransferProgress>,
    pub(super) note: Option<String>,
}

#[derive(Template)]
#[template(path = "transfers.html")]
struct TransfersTemplate {
    frame: PageLayout,
    open: Vec<TransferView>,
    over: Vec<TransferView>,
    /// How many more are over than are shown.
    more: Option<String>,
    unreadable: Vec<UnreadableRecord>,
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let listed = look.board.registry.transfers().await?;
    let transfers = listed.records.into_iter().map(|known| known.record);
    let (open, mut over): (Vec<_>, Vec<_>) = transfers.partition(Transfer::is_open);
    over.sort_by_key(|transfer| std::cmp::Reverse(transfer.ended().map(|entry| entry.at)));
    let more = over.len().saturating_sub(OVER);
    over.truncate(OVER);
    let page = TransfersTemplate {
        frame: look.live(),
        open: moves(&look, &open).await?,
        over: moves(&look, &over).await?,
        more: (more > 0).then(|| count(more)),
        unreadable: listed.unreadable,
    };
    Ok(page.render()?)
}

/// These transfers in short.
pub(super) async fn moves(
    look: &PageRequest,
    transfers: &[Transfer],
) -> Result<Vec<TransferView>, RegistryError> {
    let members = look.members().await?;
    let mut moves = Vec::new();
    for transfer in transfers {
        let far = how_far(look, transfer).await?;
        moves.push(TransferView::of(look, transfer, far, &members));
    }
    Ok(moves)
}

/// How far a transfer is: by its claims while it is open, and by what was written down later.
pub(super) async fn how_far(
    look: &PageRequest,
    transfer: &Transfer,
) -> Result<ProgressView, RegistryError> {
    let noted = transfer.status.as_ref();
    if transfer.is_open() {
        if let Some(progress) = by_claims(&look.board.registry, transfer).await? {
            return Ok(ProgressView {
                tally: progress.tally,
                progress: Some(progress),
                note: None,
            });
        }
        let note = match noted {
            Some(noted) => format!("As written down {}", TimeView::new(noted.at, look.now).ago),
            None => "Nobody wrote down yet how far it is".to_owned(),
        };
        return Ok(ProgressView {
            tally: noted.map(|noted| noted.tally).unwrap_or_default(),
            progress: None,
            note: Some(format!("{note}: it is too large to be read for one look.")),
        });
    }
    Ok(ProgressView {
        tally: noted.map(|noted| noted.tally).unwrap_or_default(),
        progress: None,
        note: None,
    })
}

/// `None` where that would be too much to read.
async fn by_claims(
    registry: &ReadOnlyRegistry,
    transfer: &Transfer,
) -> Result<Option<TransferProgress>, RegistryError> {
    let scope = ClaimScope::Reserved(Some(transfer.name.clone()));
    let mut records = Vec::new();
    let mut at = None;
    for _ in 0..PARTS {
        let part = registry.claims_page(&scope, at.as_ref()).await?;
        records.extend(part.claims.into_iter().map(|known| known.record));
        let Some(next) = part.next else {
            return Ok(Some(progress(&transfer.reservation(), &records)));
        };
        at = Some(next);
    }
    Ok(None)
}

impl TransferView {
    pub(super) fn of(
        look: &PageRequest,
        transfer: &Transfer,
        far: ProgressView,
        members: &MembersByName,
    ) -> Self {
        let way = transfer.reservation();
        let trouble = far.tally.trouble();
        let started = transfer.started().map(|entry| StartedView {
            at: TimeView::new(entry.at, look.now),
            by: entry.by.to_string(),
        });
        Self {
            name: transfer.name.to_string(),
            link: transfer_link(&transfer.name),
            state: transfer.into(),
            what: transfer.selection.words(),
            from: way.from.to_string(),
            to: way.to.to_string(),
            started,
            steps: steps(look, &far.tally, &way.from, &way.to, members),
            trouble: (trouble > 0).then(|| {
                let needs = plural(trouble, "resource needs", "resources need");
                format!("{} {needs} somebody", count(trouble))
            }),
            note: far.note,
        }
    }
}

/// The four steps of ASO's guide, from here to there.
fn steps(
    look: &PageRequest,
    tally: &StageCounts,
    from: &NamespaceRef,
    to: &NamespaceRef,
    members: &MembersByName,
) -> Vec<StepView> {
    let total = tally.total();
    let noted = |stage: TransferStage, words: &str| {
        let number = tally.at(stage);
        (number > 0).then(|| format!("{} {words}", count(number)))
    };
    let step = |what, place: &NamespaceRef, done: usize, note| StepView {
        icon: match done {
            0 => "free",
            done if done == total => "ready",
            _ => "pending",
        },
        what,
        place: place.to_string(),
        counted: Some((count(done), count(total))),
        share: (done * BAR).checked_div(total).unwrap_or_default(),
        note,
    };
    let gone = tally.at(TransferStage::Done) + tally.at(TransferStage::Waiting);
    let member = members.get(&to.member).and_then(Option::as_ref);
    let standing = member.map(|member| (member, member.standing(look.now)));
    let ready = matches!(
        standing,
        Some((_, MemberStanding::Ready | MemberStanding::Enrolling))
    );
    vec![
        step(
            "Parked in",
            from,
            tally.parked(),
            noted(TransferStage::Busy, "busy in Azure"),
        ),
        StepView {
            // The guard is no sign of ASO: what reconciles there is told by the copies there alone.
            icon: if ready { "free" } else { "silent" },
            what: "ASO runs in",
            place: to.to_string(),
            counted: None,
            share: 0,
            note: Some(standing.map_or_else(
                || "not seen from here; no member of the registry".to_owned(),
                |(member, standing)| {
                    let heard = TimeView::new(member.heard, look.now).ago;
                    let standing = standing.as_str();
                    format!("not seen from here; the guard there: {standing}, heard {heard}")
                },
            )),
        },
        step(
            "Live in",
            to,
            tally.live(),
            noted(TransferStage::Coming, "on the way"),
        ),
        step("Gone from", from, gone, None),
    ]
}
