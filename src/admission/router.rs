//! `POST /validate`.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tracing::{Instrument as _, Span, debug_span, field};

use crate::telemetry::traces;

use super::pair::Guards;
use super::registration::PATH;
use super::review::{self, AdmissionRequest, ReviewAnswer};

/// The largest body taken, in bytes. etcd takes objects of 1.5 MiB, an UPDATE
/// carries two, and JSON on the wire is larger than what etcd stores.
pub const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// The API server's own timeout for a webhook that states none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// What is left of the API server's timeout for the way there and back.
const MARGIN: Duration = Duration::from_millis(500);

/// The webhook's routes.
pub fn router(guard: impl Into<Guards>) -> Router {
    Router::new()
        .route(PATH, post(validate))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(guard.into())
}

async fn validate(
    State(guard): State<Guards>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = match review::parse(&body) {
        Ok(request) => request,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let span = span_of(&request);
    traces::continue_from(&span, &headers);
    let judged = guard.judge(&request, timeout(query.as_deref()));
    let verdict = judged.instrument(span.clone()).await;
    span.record("verdict", verdict.label());
    if let Some(reason) = verdict.reason {
        span.record("reason", reason.as_str());
    }
    match serde_json::to_vec(&ReviewAnswer::new(&request.uid, &verdict)) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The span of an admission, for whoever collects traces.
fn span_of(request: &AdmissionRequest<'_>) -> Span {
    debug_span!(
        "admission",
        otel.kind = "server",
        request.uid = %request.uid,
        request.operation = %request.operation,
        object.group = %request.kind.group,
        object.kind = %request.kind.kind,
        object.namespace = %request.namespace,
        verdict = field::Empty,
        reason = field::Empty,
    )
}

/// How long a verdict may take: below the timeout that the API server states in
/// the query (`?timeout=10s`), so that its caller hears the guard's words and not
/// "context deadline exceeded".
fn timeout(query: Option<&str>) -> Duration {
    let stated = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .find_map(|pair| pair.strip_prefix("timeout="))
        .and_then(|value| value.strip_suffix('s'))
        .and_then(|seconds| seconds.parse().ok())
        .map_or(DEFAULT_TIMEOUT, |seconds: u8| {
            Duration::from_secs(u64::from(seconds))
        });
    stated.saturating_sub(MARGIN).max(MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(None, 9_500)]
    #[case(Some("timeout=5s"), 4_500)]
    #[case(Some("x=1&timeout=30s"), 29_500)]
    #[case(Some("timeout=0s"), 500)]
    #[case(Some("timeout=many"), 9_500)]
    fn the_deadline_stays_below_the_api_servers(#[case] query: Option<&str>, #[case] ms: u64) {
        assert_eq!(timeout(query), Duration::from_millis(ms));
    }
}
