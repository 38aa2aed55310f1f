//! The board: the registry as pages for a browser. It only reads.
//!
//! - [`host_check`] lets in what asks this board to read, and nothing else;
//! - [`search`] finds claims, a bounded part of the registry at a time, and [`order`] sorts them;
//! - [`counter`] counts them all in the background, slowly;
//! - [`timeline`] is what happened to a claim;
//! - [`view`] is how records look, and `pages` has a file for each page, with its
//!   template in `templates`.
//!
//! Nothing here is a promise: a page shows what the registry held a moment ago.

mod assets;
mod counter;
pub mod host_check;
mod order;
mod pages;
mod query;
mod search;
mod timeline;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::routing::get;
use http::Uri;
use jiff::Timestamp;

use crate::registry::ReadOnlyRegistry;

use counter::ClaimCounter;
use host_check::HostCheck;
use pages::{PageRequest, Section};
use query::Query;

/// What the board shows.
#[derive(Clone)]
pub struct Board {
    registry: ReadOnlyRegistry,
    /// What the registry is called, for people.
    name: Arc<str>,
    counter: Arc<ClaimCounter>,
}

impl Board {
    /// A board of the registry that people call `name`.
    pub fn new(registry: ReadOnlyRegistry, name: &str) -> Self {
        Self {
            counter: Arc::new(ClaimCounter::new(registry.clone())),
            registry,
            name: name.into(),
        }
    }

    /// Counts claims whenever a page that shows numbers was asked for. Never returns.
    pub async fn count(&self) {
        self.counter.run().await;
    }

    /// Counts claims once, for who cannot wait.
    pub async fn count_once(&self) {
        self.counter.count().await;
    }

    /// The pages, behind the check of the host.
    pub fn router(self, host_check: HostCheck) -> Router {
        let look = |section| {
            move |board: Board, uri: Uri| PageRequest {
                query: Query::of(&uri),
                section,
                now: Timestamp::now(),
                board,
            }
        };
        macro_rules! page {
            ($section:ident, $page:ident) => {{
                let look = look(Section::$section);
                get(async move |State(board): State<Board>, uri: Uri| {
                    pages::answer(look(board, uri), pages::$page::page).await
                })
            }};
        }
        Router::new()
            .route("/", page!(Overview, overview))
            .route("/claims", page!(Claims, claims))
            .route("/claim", page!(Claims, claim))
            .route("/members", page!(Members, members))
            .route("/conflicts", page!(Conflicts, conflicts))
            .route("/orphans", page!(Orphans, orphans))
            .route("/transfers", page!(Transfers, transfers))
            .route("/transfer", page!(Transfers, transfer))
            .merge(assets::router())
            .fallback_service(page!(None, not_found).with_state(self.clone()))
            .layer(middleware::from_fn_with_state(
                Arc::new(host_check),
                host_check::check,
            ))
            .with_state(self)
    }
}
