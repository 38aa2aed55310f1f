//! A stand-in for Azure Resource Manager on loopback, with a diary of who called it for what.
//!
//! It keeps what is put into it and gives it back, takes all that is below along with a delete,
//! and is slow or refuses where a story wishes so. It knows nothing of any kind of resource.

pub mod arm;
pub mod diary;
pub mod page;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use aso_guard::server::readiness::Readiness;
use aso_guard::server::tls::ReloadingCertificate;
use aso_guard::server::{HttpsServer, ServerConfig};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::arm::{Answer, Arm, Call, Then, Wish};
use self::diary::{Diary, Entry, Line};
use super::pki::Authority;

/// Where a managed identity, as App Service gives one, fetches its token.
const TOKEN: &str = "/identity/token";

/// Azure; it is gone when this is dropped.
pub struct Azure {
    ca_file: PathBuf,
    inside: Arc<Inside>,
    _end: DropGuard,
}

struct Inside {
    endpoint: String,
    began: Instant,
    state: Mutex<(Arm, Diary)>,
}

impl Azure {
    /// Starts it, on a thread of its own, for tests come and go with their runtimes. The
    /// certificate that its own is signed by is put into a directory.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let authority = Authority::new("lab azure")?;
        let pair = authority.server()?;
        let ca_file = directory.join("azure-ca.pem");
        fs::write(&ca_file, authority.pem())?;
        let (certificate, key) = (pair.certificate.as_bytes(), pair.key.as_bytes());
        let certificate = Arc::new(ReloadingCertificate::from_pem(certificate, key, None)?);
        let shutdown = CancellationToken::new();
        let end = shutdown.clone();
        let (tell, told) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            let config = ServerConfig::new((Ipv4Addr::LOCALHOST, 0).into());
            let server = HttpsServer::bind(config, certificate, Readiness::new()).await?;
            let inside = Arc::new(Inside::new(server.local_addr().port()));
            let router = Router::new()
                .route(TOKEN, get(token))
                .fallback(answer)
                .with_state(inside.clone());
            // Whoever wanted to know may have gone.
            let _ = tell.send(inside);
            server.run(router, end).await
        };
        thread::Builder::new()
            .name("azure".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(serve) {
                    eprintln!("azure: {error}");
                }
            })?;
        Ok(Self {
            ca_file,
            inside: told.await.context("the stand-in for Azure did not start")?,
            _end: shutdown.drop_guard(),
        })
    }

    /// What ASO finds it by, and what it identifies itself with: environment variables.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let endpoint = self.inside.endpoint.clone();
        vec![
            ("AZURE_RESOURCE_MANAGER_ENDPOINT", endpoint.clone()),
            ("AZURE_RESOURCE_MANAGER_AUDIENCE", endpoint.clone()),
            ("SSL_CERT_FILE", self.ca_file.to_string_lossy().into_owned()),
            ("IDENTITY_ENDPOINT", format!("{endpoint}{TOKEN}")),
            ("IDENTITY_HEADER", "lab".to_owned()),
        ]
    }

    /// The diary until now.
    pub fn diary(&self) -> Diary {
        self.inside.lock().1.clone()
    }

    /// Writes down that from now on each resource with this prefix may get another writer, once.
    pub fn takeover(&self, prefix: &str) {
        let line = Line::Takeover(prefix.to_owned());
        self.inside.lock().1.add(line);
    }

    /// The IDs of what is there.
    pub fn ids(&self) -> Vec<String> {
        self.inside.lock().0.ids()
    }

    /// What is there under an ID.
    pub fn get(&self, id: &str) -> Option<Value> {
        self.inside.lock().0.get(id).cloned()
    }

    /// Has calls whose path contains this begin operations that do not end.
    pub fn takes_its_time(&self, method: &'static str, path: &str) {
        self.wish(None, method, path, Then::Begin);
    }

    /// The same for the calls of one ASO alone.
    pub fn takes_its_time_for(&self, who: &'static str, method: &'static str, path: &str) {
        self.wish(Some(who), method, path, Then::Begin);
    }

    /// Answers such calls so much later.
    pub fn is_slow(&self, method: &'static str, path: &str, by: Duration) {
        self.wish(None, method, path, Then::Slow(by));
    }

    /// Refuses such calls of one ASO so many times.
    pub fn refuses(
        &self,
        who: &'static str,
        method: &'static str,
        path: &str,
        status: u16,
        times: usize,
    ) {
        let code = match status {
            409 => "Conflict",
            429 => "TooManyRequests",
            404 => "ResourceNotFound",
            _ => "InternalServerError",
        };
        self.wish(Some(who), method, path, Then::Refuse(status, code, times));
    }

    /// Ends all that was wished for this path, and what is under way for it.
    pub fn gets_done(&self, path: &str) {
        self.inside.lock().0.forget(path);
    }

    fn wish(&self, who: Option<&'static str>, method: &'static str, path: &str, then: Then) {
        let path = path.to_lowercase();
        let wish = Wish {
            who,
            method,
            path,
            then,
        };
        self.inside.lock().0.wish(wish);
    }
}

impl Inside {
    fn new(port: u16) -> Self {
        let endpoint = format!("https://localhost:{port}");
        let arm = Arm::new(&endpoint);
        Self {
            endpoint,
            began: Instant::now(),
            state: Mutex::new((arm, Diary::default())),
        }
    }

    fn answer(&self, call: Call) -> Answer {
        let at = self.began.elapsed();
        let mut state = self.lock();
        let answer = state.0.answer(&call);
        state.1.add(Line::Call(Entry {
            at,
            who: call.who,
            method: call.method,
            path: call.path,
            status: answer.status,
        }));
        answer
    }

    fn lock(&self) -> MutexGuard<'_, (Arm, Diary)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn token() -> Response {
    let expires = Timestamp::now().as_second() + 24 * 60 * 60;
    let token = json!({
        "access_token": "lab",
        "expires_on": expires.to_string(),
        "resource": "lab",
        "token_type": "Bearer",
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, token.to_string()).into_response()
}

async fn answer(
    State(inside): State<Arc<Inside>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or_default();
    let who = agent.split_whitespace().last().unwrap_or("nobody");
    let call = Call {
        who: who.to_owned(),
        method: method.to_string(),
        path: uri.path().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let answer = inside.answer(call);
    tokio::time::sleep(answer.after).await;
    response(&answer)
}

fn response(answer: &Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = Response::builder().status(status);
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    let body = if answer.body.is_null() {
        Body::empty()
    } else {
        builder = builder.header(header::CONTENT_TYPE, "application/json");
        Body::from(answer.body.to_string())
    };
    builder
        .body(body)
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
