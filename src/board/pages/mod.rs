//! The pages: what each reads and shows.

pub(super) mod claim;
pub(super) mod claims;
pub(super) mod conflicts;
mod error;
pub(super) mod members;
pub(super) mod not_found;
pub(super) mod orphans;
pub(super) mod overview;
pub(super) mod transfer;
pub(super) mod transfers;

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};
use http::StatusCode;
use jiff::Timestamp;

use crate::claim::{CopyRef, MemberCopy, Record};
use crate::registry::RegistryError;

use super::Board;
use super::query::Query;
use super::view::{CopyView, MembersByName, clock};

/// After how many seconds an open page is looked at again.
const EVERY: u32 = 5;

/// The parts of the board, in the order of its navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Claims,
    Members,
    Conflicts,
    Orphans,
    Transfers,
    /// A page that is in none.
    None,
}

impl Section {
    const ALL: [(Self, &'static str, &'static str); 6] = [
        (Self::Overview, "/", "Overview"),
        (Self::Claims, "/claims", "Claims"),
        (Self::Members, "/members", "Members"),
        (Self::Conflicts, "/conflicts", "Conflicts"),
        (Self::Orphans, "/orphans", "Orphans"),
        (Self::Transfers, "/transfers", "Transfers"),
    ];
}

/// One look at the board.
pub(super) struct PageRequest {
    pub(super) board: Board,
    pub(super) query: Query,
    pub(super) section: Section,
    pub(super) now: Timestamp,
}

/// What is around every page.
struct PageLayout {
    registry: String,
    section: Section,
    /// After how many seconds the page is looked at again; 0 for never.
    every: u32,
    clock: String,
}

/// Why a page is not shown.
pub(super) enum PageError {
    /// The registry did not answer, or not with what can be read.
    Registry(RegistryError),
    /// There is no such thing.
    Missing(String),
    /// A template failed.
    Template(askama::Error),
}

impl From<RegistryError> for PageError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::Template(error)
    }
}

/// A page as HTML, or why there is none.
type PageResult = Result<String, PageError>;

impl PageRequest {
    /// A frame for a page that is kept in step.
    fn live(&self) -> PageLayout {
        self.frame(EVERY)
    }

    /// A frame for a page that is read in peace.
    fn still(&self) -> PageLayout {
        self.frame(0)
    }

    fn frame(&self, every: u32) -> PageLayout {
        PageLayout {
            registry: self.board.name.to_string(),
            section: self.section,
            every,
            clock: clock(self.now),
        }
    }

    /// A copy in a claim, as it looks now.
    fn copy_view(
        &self,
        record: &Record,
        copy: (&CopyRef, &MemberCopy),
        members: &MembersByName,
    ) -> CopyView {
        let registry = self.board.registry.flags();
        CopyView::of(record, copy, members, registry, self.now)
    }

    async fn members(&self) -> Result<MembersByName, RegistryError> {
        let listed = self.board.registry.members().await?;
        let mut members: MembersByName = listed
            .names()
            .into_iter()
            .map(|name| (name, None))
            .collect();
        let read = listed.records.into_iter().map(|known| known.record);
        members.extend(read.map(|member| (member.name.clone(), Some(member))));
        Ok(members)
    }
}

/// Shows a page; where it cannot be shown, says why in a page.
pub(super) async fn answer<F, P>(look: PageRequest, page: P) -> Response
where
    F: Future<Output = PageResult> + Send,
    P: FnOnce(PageRequest) -> F + Send,
{
    let about = error::ErrorContext::of(&look);
    let trouble = match page(look).await {
        Ok(html) => return Html(html).into_response(),
        Err(trouble) => trouble,
    };
    let status = trouble.status();
    let page = error::ErrorTemplate::new(about, trouble).render();
    let html = page.unwrap_or_else(|error| format!("<p>This page cannot be shown: {error}"));
    (status, Html(html)).into_response()
}

impl PageError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Registry(RegistryError::Unavailable { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Registry(_) => StatusCode::BAD_GATEWAY,
            Self::Missing(_) => StatusCode::NOT_FOUND,
            Self::Template(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}
