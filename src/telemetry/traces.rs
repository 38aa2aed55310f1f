//! Traces of admissions, sent to an OpenTelemetry collector (OTLP over HTTP).
//!
//! Off unless an endpoint is given. Nothing waits for the collector: spans are
//! batched by a thread of their own, and dropped where it does not keep up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Span, Subscriber, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::registry::LookupSpan;

/// What collectors call this process.
const SERVICE: &str = "aso-guard";
/// Where a collector takes traces, after its address.
const PATH: &str = "/v1/traces";
/// How long one batch may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The largest answer of a collector that is read, in bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TracesError {
    /// The endpoint is no address of a collector.
    #[error(
        "{0:?} is no address of a collector; write it like http://collector.telemetry:4318, without {PATH}"
    )]
    Endpoint(String),
    /// The machine has no CA certificates to check an https collector by.
    #[error("no CA certificates to check {endpoint} by: {why}")]
    Roots {
        /// The endpoint.
        endpoint: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// The exporter could not be made.
    #[error("cannot send traces to {endpoint}: {why}")]
    Exporter {
        /// The endpoint.
        endpoint: String,
        /// What it said.
        why: String,
    },
}

/// Sends the spans of this process to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Sends to the collector at `endpoint`, `http://host:4318` or `https://…`, as
    /// what happens in `cluster`. To be called on the runtime that is to do it.
    pub fn to(endpoint: &str, cluster: &str) -> Result<Self, TracesError> {
        let uri = address(endpoint).ok_or_else(|| TracesError::Endpoint(endpoint.to_owned()))?;
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|why| TracesError::Roots {
                endpoint: endpoint.to_owned(),
                why,
            })?;
        let connector = connector.https_or_http().enable_http1().build();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector {
                client: Client::builder(TokioExecutor::new()).build(connector),
                runtime: Handle::current(),
                failing: AtomicBool::new(false),
            })
            .with_endpoint(uri.to_string())
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|error| TracesError::Exporter {
                endpoint: endpoint.to_owned(),
                why: error.to_string(),
            })?;
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("k8s.cluster.name", cluster.to_owned()),
            ])
            .build();
        Ok(Self {
            provider: SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(resource)
                .build(),
        })
    }

    /// What takes up the spans of this process, and no log lines.
    pub(super) fn layer<S>(&self) -> Box<dyn Layer<S> + Send + Sync>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.provider.tracer(SERVICE);
        let own = |metadata: &Metadata<'_>| {
            metadata.is_span() && metadata.target().starts_with("aso_guard")
        };
        let own = FilterFn::new(own).with_max_level_hint(LevelFilter::DEBUG);
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        layer.with_filter(own).boxed()
    }

    /// Sends what is left, within a few seconds. Blocks.
    pub fn finish(&self) {
        // A collector that is gone was told of already, by the exporter.
        let _ = self.provider.shutdown_with_timeout(TIMEOUT);
    }
}

/// The collector's address for traces.
fn address(endpoint: &str) -> Option<Uri> {
    let endpoint = endpoint.trim_end_matches('/');
    let uri: Uri = format!("{endpoint}{PATH}").parse().ok()?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    (is_http && uri.path() == PATH && uri.query().is_none()).then_some(uri)
}

/// Makes a span part of the trace that the caller is in, by its header `traceparent`.
pub fn continue_from(span: &Span, headers: &HeaderMap) {
    if headers.contains_key("traceparent") {
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // Without a collector no span has a context, and there is nothing to continue.
        let _ = span.set_parent(parent);
    }
}

/// An HTTP client whose calls run on the process's own runtime: the exporter's
/// thread has none.
#[derive(Debug)]
struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Handle,
    /// Whether the last batch was lost: an outage is told once.
    failing: AtomicBool,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let endpoint = request.uri().clone();
        let call = self.client.request(request.map(Full::new));
        let whole = async {
            let (head, body) = call.await?.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let call = self
            .runtime
            .spawn(async { tokio::time::timeout(TIMEOUT, whole).await });
        let answer = match call.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(late)) => Err(late.into()),
            Err(ended) => Err(ended.into()),
        };
        let trouble = match &answer {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(answer.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.failing.swap(trouble.is_some(), Ordering::Relaxed);
        if let (Some(why), false) = (trouble, was_failing) {
            warn!(%endpoint, why, "traces are lost: the collector does not take them");
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::post;
    use parking_lot::Mutex;
    use rstest::rstest;
    use tracing::{debug_span, info};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn holds(body: &[u8], text: &str) -> bool {
        body.windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn spans_reach_the_collector_in_the_callers_trace() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let batches = Arc::new(Mutex::new(Vec::new()));
        let taken = batches.clone();
        let collector = Router::new().route(
            PATH,
            post(move |body: Bytes| async move { taken.lock().push(body) }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, collector).await });

        let traces = Traces::to(&endpoint, "west").unwrap();
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        let mut headers = HeaderMap::new();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", parent.parse().unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let span = debug_span!("admission", verdict = "refused");
            continue_from(&span, &headers);
            span.in_scope(|| info!("not a span"));
            debug_span!(target: "elsewhere", "somebody-else").in_scope(|| ());
        });
        tokio::task::spawn_blocking(move || traces.finish())
            .await
            .unwrap();
        server.abort();

        let batches = batches.lock();
        let [body] = &batches[..] else {
            panic!("{} batches", batches.len())
        };
        for text in ["admission", "refused", "aso-guard", "west"] {
            assert!(holds(body, text), "{text} is not in the batch");
        }
        for text in ["not a span", "somebody-else"] {
            assert!(!holds(body, text), "{text} is in the batch");
        }
        let trace = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes();
        assert!(body.windows(16).any(|window| window == trace));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_collector_that_is_away_is_no_trouble() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let traces = Traces::to("http://127.0.0.1:1", "west").unwrap();
        let subscriber = tracing_subscriber::registry().with(traces.layer());
        tracing::subscriber::with_default(subscriber, || drop(debug_span!("admission").entered()));
        tokio::task::spawn_blocking(move || traces.finish())
            .await
            .unwrap();
    }

    #[rstest]
    #[case("http://collector:4318", Some("http://collector:4318/v1/traces"))]
    #[case("https://collector/", Some("https://collector/v1/traces"))]
    #[case("collector:4318", None)]
    #[case("grpc://collector:4317", None)]
    #[case("http://collector:4318/v1/traces", None)]
    #[case("http://collector?x=1", None)]
    #[case("", None)]
    fn the_endpoint_is_a_collectors_address(#[case] endpoint: &str, #[case] uri: Option<&str>) {
        let found = address(endpoint).map(|uri| uri.to_string());
        assert_eq!(found.as_deref(), uri);
    }
}
