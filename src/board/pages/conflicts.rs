//! The claims with more than one live copy.

use askama::Template;

use crate::board::view::{CopyView, claim_link};
use crate::registry::{ClaimScope, RegistryError};

use super::{PageLayout, PageRequest, PageResult, Section};

/// How many are shown: whoever has more has other troubles than this page.
const SHOWN: usize = 100;

/// A conflict.
pub(super) struct ConflictView {
    pub(super) name: String,
    pub(super) id: String,
    pub(super) link: String,
    pub(super) copies: Vec<CopyView>,
}

#[derive(Template)]
#[template(path = "conflicts.html")]
struct ConflictsTemplate {
    frame: PageLayout,
    conflicts: Vec<ConflictView>,
    more: bool,
}

pub(in crate::board) async fn page(look: PageRequest) -> PageResult {
    let (conflicts, more) = conflicts(&look).await?;
    let frame = look.live();
    let page = ConflictsTemplate {
        frame,
        conflicts,
        more,
    };
    Ok(page.render()?)
}

/// The first conflicts, and whether there are more.
pub(super) async fn conflicts(
    look: &PageRequest,
) -> Result<(Vec<ConflictView>, bool), RegistryError> {
    let registry = &look.board.registry;
    let page = registry.claims_page(&ClaimScope::InConflict, None).await?;
    let members = look.members().await?;
    let more = page.claims.len() > SHOWN || page.next.is_some();
    let records = page.claims.iter().map(|known| &known.record).take(SHOWN);
    let mut conflicts: Vec<ConflictView> = records
        .map(|record| ConflictView {
            name: record.identity.last_pair().to_owned(),
            id: record.identity.to_string(),
            link: claim_link(record),
            copies: record
                .live()
                .map(|(copy, held)| look.copy_view(record, (copy, held), &members))
                .collect(),
        })
        .collect();
    conflicts.sort_by(|a, b| a.id.cmp(&b.id));
    Ok((conflicts, more))
}
