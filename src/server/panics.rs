//! A panic in a handler answers 500 and is logged; the server goes on.

use std::any::Any;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// The answer to a call whose handler panicked with `payload`.
#[expect(clippy::needless_pass_by_value, reason = "the layer hands it over so")]
pub(super) fn answer(payload: Box<dyn Any + Send>) -> Response {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    tracing::error!(
        panic = message,
        "a call failed by a bug in aso-guard and was answered with 500; please report it"
    );
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "a bug in aso-guard: see its log\n",
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_answers_500() {
        let payloads: [Box<dyn Any + Send>; 3] = [
            Box::new("static"),
            Box::new(String::from("made")),
            Box::new(7),
        ];
        for payload in payloads {
            assert_eq!(answer(payload).status(), StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
}
