//! One transfer, and each of its resources.

use askama::Template;

use crate::board::query::link;
use crate::board::view::{Badge, CopyLocation, TimeView, count};
use crate::claim::TransferName;
use crate::transfer::{ResourceProgress, TransferHistoryEntry, TransferStage};

use super::transfers::{TransferView, how_far};
use super::{PageError, PageLayout, PageRequest, PageResult, Section};

/// How many resources are shown.
const SHOWN: usize = 500;

/// A resource of a transfer.
struct TransferItemView {
    stage: Badge,
    /// The stage in words.
    words: &'static str,
    name: String,
    link: String,
    source: Option<CopyLocation>,
    target: Option<CopyLocation>,
    elsewhere: Option<CopyLocation>,
}

/// What was done to it.
struct TransferHistoryView {
    at: TimeView,
    by: String,
    action: &'static str,
    why: String,
    unfinished: Option<String>,
}

/// How many resources are at a stage, and where they are listed.
struct StageShare {
    stage: Badge,
    words: &'static str,
    number: String,
    link: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "transfer.html")]
struct TransferTemplate {
    frame: PageLayout,
    it: TransferView,
    why: String,
    parts: Vec<StageShare>,
    /// `None` where they were not read.
    rows: Option<Vec<TransferItemView>>,
    /// Whether only those at one stage are listed, and how to list all.
    all: Option<String>,
    /// How many are not shown.
    more: Option<String>,
    history: Vec<TransferHistoryView>,
    open: bool,
    /// The flags by which people's `aso-guard` reaches the registry.
    registry: String,
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let asked = look.query.get("name").to_owned();
    let missing = || PageError::Missing(format!("There is no transfer of the name “{asked}”."));
    let name: TransferName = asked.parse().map_err(|_| missing())?;
    let known = look.board.registry.transfer(&name).await?;
    let transfer = known.ok_or_else(missing)?.record;
    let members = look.members().await?;
    let mut far = how_far(&look, &transfer).await?;
    let stage = TransferStage::from_word(look.query.get("stage"));
    let resources = far.progress.take().map(|progress| progress.resources);
    let meant = |resource: &&ResourceProgress| stage.is_none_or(|stage| resource.stage == stage);
    let hidden = resources.as_ref().map_or(0, |all| {
        all.iter().filter(meant).count().saturating_sub(SHOWN)
    });
    let address = |stage: &str| link("/transfer", &[("name", name.as_str()), ("stage", stage)]);
    let counted = TransferStage::ALL
        .into_iter()
        .filter(|&one| far.tally.at(one) > 0);
    let parts = counted.map(|one| StageShare {
        stage: one.into(),
        words: one.words(),
        number: count(far.tally.at(one)),
        link: address(one.as_str()),
        chosen: stage == Some(one),
    });
    let page = TransferTemplate {
        frame: look.live(),
        why: transfer
            .why
            .as_ref()
            .map_or("", |why| why.as_str())
            .to_owned(),
        parts: parts.collect(),
        rows: resources.map(|all| {
            let first = all.iter().filter(meant).take(SHOWN);
            first.map(TransferItemView::of).collect()
        }),
        all: stage.map(|_| address("")),
        more: (hidden > 0).then(|| count(hidden)),
        history: transfer
            .history
            .iter()
            .rev()
            .map(|entry| TransferHistoryView::of(entry, &look))
            .collect(),
        open: transfer.is_open(),
        registry: look.board.registry.flags().to_owned(),
        it: TransferView::of(&look, &transfer, far, &members),
    };
    Ok(page.render()?)
}

impl TransferItemView {
    fn of(resource: &ResourceProgress) -> Self {
        Self {
            stage: resource.stage.into(),
            words: resource.stage.words(),
            name: resource.identity.last_pair().to_owned(),
            link: link("/claim", &[("id", resource.identity.as_str())]),
            source: resource.source.as_ref().map(CopyLocation::of),
            target: resource.target.as_ref().map(CopyLocation::of),
            elsewhere: resource.elsewhere.as_ref().map(CopyLocation::of),
        }
    }
}

impl TransferHistoryView {
    fn of(entry: &TransferHistoryEntry, look: &PageRequest) -> Self {
        Self {
            at: TimeView::new(entry.at, look.now),
            by: entry.by.to_string(),
            action: entry.action.as_str(),
            why: entry.why.as_ref().map_or("", |why| why.as_str()).to_owned(),
            unfinished: (entry.unfinished > 0).then(|| count(entry.unfinished)),
        }
    }
}
