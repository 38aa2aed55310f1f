//! The connection to Azure: the HTTP client and the TLS that the rest of aso-guard has, so that
//! no second one comes into the binary.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector as StoreConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};

/// No answer is longer: a page of a list is a few MiB.
const ANSWER_LIMIT: usize = 32 * 1024 * 1024;
/// A connection to a storage account is closed by Azure after some minutes; an older one is not
/// used, so that no write is lost to that.
const IDLE: Duration = Duration::from_mins(1);
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(3);

/// A client of HTTP and HTTPS. It does not repeat what it has begun to send.
#[derive(Clone, Debug)]
pub(super) struct Transport(Client<HttpsConnector<HttpConnector>, HttpRequestBody>);

impl Transport {
    /// A client that trusts whom this machine trusts.
    ///
    /// # Errors
    /// The machine trusts nobody.
    pub(super) fn new() -> std::io::Result<Self> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self(client))
    }

    /// The same, as calls use it.
    pub(super) fn client(&self) -> HttpClient {
        HttpClient::new(self.clone())
    }
}

impl StoreConnector for Transport {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.client())
    }
}

#[async_trait]
impl HttpService for Transport {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.request(request).await;
        let answer = answer.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Unknown
            };
            HttpError::new(kind, error)
        })?;
        Ok(answer.map(|body| {
            let cut_off = |error| HttpError::new_boxed(HttpErrorKind::Interrupted, error);
            HttpResponseBody::new(Limited::new(body, ANSWER_LIMIT).map_err(cut_off))
        }))
    }
}
