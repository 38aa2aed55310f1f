//! The operations port: plain HTTP for the kubelet and Prometheus.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::activity::ConnectionTimeouts;
use super::body::BodyLimits;
use super::budget::{BudgetLimits, MemoryBudget};
use super::engine::{ConnectionLimits, Engine, Transport, UnfinishedCalls};
use super::metrics::ServerMetrics;
pub use super::readiness::{Readiness, ReadinessCondition};
use super::text_format::{self, OPEN_METRICS, PROMETHEUS};

/// Nobody has to send a body here.
const BODIES: BudgetLimits = BudgetLimits {
    all: 1 << 20,
    large: 0,
};

/// How long a scrape in flight may take when the process ends.
const DRAIN: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Ops {
    readiness: Readiness,
    metrics: Arc<Registry>,
}

/// `GET /healthz`: 200 while the process answers at all. `GET /readyz`: 200, or
/// 503 with a line for each thing that is missing. `GET /metrics`: OpenMetrics for
/// clients that take it, else Prometheus' own text format.
pub fn router(readiness: Readiness, metrics: Arc<Registry>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Ops { readiness, metrics })
}

async fn readyz(State(ops): State<Ops>) -> (StatusCode, String) {
    let missing = ops.readiness.describe();
    if missing.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let lines = missing.iter().flat_map(|line| [line.as_str(), "\n"]);
    (StatusCode::SERVICE_UNAVAILABLE, lines.collect())
}

async fn render(State(ops): State<Ops>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).map(HeaderValue::to_str);
    let accept = accept.and_then(Result::ok).unwrap_or_default();
    let mut text = String::new();
    match encode(&mut text, &ops.metrics) {
        Ok(()) if text_format::takes_open_metrics(accept) => {
            ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
        }
        Ok(()) => {
            let text = text_format::prometheus(&text);
            ([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the metrics cannot be written as text");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "the metrics cannot be written as text: see the log\n",
            )
                .into_response()
        }
    }
}

/// The operations port has few and near clients.
fn limits() -> ConnectionLimits {
    let time = Duration::from_secs(10);
    ConnectionLimits {
        handshake: time,
        timeouts: ConnectionTimeouts {
            header: time,
            idle: Duration::from_mins(2),
        },
        body: BodyLimits {
            time,
            size: 0,
            budget: MemoryBudget::new(BODIES),
            metrics: ServerMetrics::default(),
        },
        connections: 256,
    }
}

/// Serves `router` over plain HTTP/1.1 until `shutdown`, which is best cancelled
/// after the HTTPS server has ended, so that probes see it leaving.
pub async fn run_ops(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut engine = Engine::new(listener, Transport::Plain, router, limits());
    engine.serve_until(shutdown.cancelled()).await;
    if let Err(UnfinishedCalls(connections)) = engine.stop(DRAIN).await {
        tracing::debug!(connections, "closed the operations port on its clients");
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::Request;
    use http_body_util::BodyExt as _;
    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tower::ServiceExt as _;

    use super::super::testing::soon;
    use super::*;

    async fn get(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn ready() -> (StatusCode, String) {
        (StatusCode::OK, "ok\n".to_owned())
    }

    fn unready(body: &str) -> (StatusCode, String) {
        (StatusCode::SERVICE_UNAVAILABLE, body.to_owned())
    }

    #[tokio::test]
    async fn readyz_names_what_is_missing() {
        let readiness = Readiness::new();
        let caches = readiness.wait_for("caches synced");
        let member = readiness.wait_for("this member's record");
        let router = router(readiness.clone(), Arc::default());
        let waiting = "waiting for caches synced\nwaiting for this member's record\n";
        assert_eq!(get(&router, "/readyz").await, unready(waiting));
        caches.done();
        let waiting = "waiting for this member's record\n";
        assert_eq!(get(&router, "/readyz").await, unready(waiting));
        assert_eq!(get(&router, "/healthz").await, ready());
        member.done();
        assert_eq!(get(&router, "/readyz").await, ready());
        readiness.drain();
        assert_eq!(get(&router, "/readyz").await, unready("shutting down\n"));
        assert_eq!(get(&router, "/healthz").await, ready());
    }

    #[tokio::test]
    async fn metrics_are_served_over_plain_http_until_shutdown() {
        let calls: Counter = Counter::default();
        let mut registry = Registry::default();
        registry.register("calls", "Calls answered", calls.clone());
        calls.inc();
        let router = router(Readiness::new(), Arc::new(registry));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(run_ops(listener, router, shutdown.clone()));

        let get = async |accept: &str| {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request =
                format!("GET /metrics HTTP/1.1\r\nhost: a\r\n{accept}connection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            soon(stream.read_to_string(&mut answer)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(answer.contains("calls_total 1"), "{answer}");
            answer
        };
        let open = get("accept: application/openmetrics-text;version=1.0.0,*/*\r\n").await;
        assert!(open.contains("openmetrics-text"), "{open}");
        assert!(open.contains("# TYPE calls counter"), "{open}");
        let plain = get("").await;
        assert!(plain.contains("text/plain; version=0.0.4"), "{plain}");
        assert!(plain.contains("# TYPE calls_total counter"), "{plain}");

        shutdown.cancel();
        soon(server).await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
