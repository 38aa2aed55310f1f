//! What pages load: a style sheet, a script, an icon. All of it is in the program.

use axum::Router;
use axum::routing::get;
use http::header;

/// The routes of the files; templates name them.
pub(super) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    macro_rules! file {
        ($name:literal, $kind:literal) => {
            get(async || ([(header::CONTENT_TYPE, $kind)], include_str!($name)))
        };
    }
    Router::new()
        .route(
            "/board.css",
            file!("assets/board.css", "text/css; charset=utf-8"),
        )
        .route(
            "/board.js",
            file!("assets/board.js", "text/javascript; charset=utf-8"),
        )
        .route(
            "/copy.js",
            file!("assets/copy.js", "text/javascript; charset=utf-8"),
        )
        .route("/icon.svg", file!("assets/icon.svg", "image/svg+xml"))
}
