//! The board from outside: addresses in, pages out.
//!
//! | module | what it shows |
//! | --- | --- |
//! | [`pages`] | what each page says of a registry as it is in life |
//! | [`search`] | claims are found, in parts, at a bounded cost |
//! | [`hostile`] | names that are markup, requests that are not for this board |
//! | [`transfers`] | the four steps of a transfer, moving |
//! | [`trouble`] | a registry that is away, and comes back |
//!
//! `tests/browser` looks at the same pages in a real browser.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "this is all tests, though few of its functions are marked so"
)]

mod hostile;
mod pages;
#[path = "../../examples/board/registry.rs"]
mod registry;
mod search;
#[path = "../../examples/board/seed.rs"]
mod seed;
mod transfers;
mod trouble;

use std::sync::Arc;

use aso_guard::board::Board;
use aso_guard::board::host_check::HostCheck;
use aso_guard::registry::{ReadOnlyRegistry, Registry};
use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tower::ServiceExt as _;

use registry::Stage;

/// A board, and the registry behind it.
struct World<R> {
    registry: Arc<R>,
    board: Board,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl<R: Registry + 'static> World<R> {
    fn of(registry: R) -> Self {
        let registry = Arc::new(registry);
        let board = Board::new(ReadOnlyRegistry::new(registry.clone()), "kubernetes:hub");
        Self {
            registry,
            router: board.clone().router(HostCheck::local()),
            board,
        }
    }

    async fn ask(&self, method: Method, host: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, host).body(Body::empty());
        let answer = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// A page that is there.
    async fn page(&self, path: &str) -> String {
        let answer = self.ask(Method::GET, "localhost:8090", path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.body
    }
}

/// A middling shop's registry, in parts of 100 claims, and counted.
async fn shop() -> World<Stage> {
    let world = World::of(Stage::new(100));
    seed::fill(&*world.registry, Timestamp::now()).await;
    world.board.count_once().await;
    world
}

/// The text of a page, without its markup and with its spaces made one.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
