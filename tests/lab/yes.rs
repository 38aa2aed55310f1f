//! A webhook that says yes to everything, after a while: what is between a guard's yes and the
//! store, and what a webhook costs that does nothing.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aso_guard::server::readiness::Readiness;
use aso_guard::server::tls::ReloadingCertificate;
use aso_guard::server::{HttpsServer, ServerConfig};
use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::pki::Authority;

/// The webhook; it is gone when this is dropped.
pub struct Yes {
    address: SocketAddr,
    ca_file: PathBuf,
    thinking: Arc<Thinking>,
    _end: DropGuard,
}

type Pauses = Box<dyn FnMut() -> Duration + Send>;

struct Thinking {
    pause: Mutex<Pauses>,
    /// Tells those who think that the pause is another one now.
    changed: Notify,
    asked: AtomicUsize,
}

impl Yes {
    /// Starts it, with its files in a directory.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let authority = Authority::new("lab yes")?;
        let pair = authority.server()?;
        let ca_file = directory.join("yes-ca.pem");
        fs::write(&ca_file, authority.pem())?;
        let (certificate, key) = (pair.certificate.as_bytes(), pair.key.as_bytes());
        let certificate = ReloadingCertificate::from_pem(certificate, key, None)?;
        let config = ServerConfig::new((Ipv4Addr::LOCALHOST, 0).into());
        let server = HttpsServer::bind(config, Arc::new(certificate), Readiness::new()).await?;
        let address = server.local_addr();
        let thinking = Arc::new(Thinking {
            pause: Mutex::new(Box::new(|| Duration::ZERO)),
            changed: Notify::new(),
            asked: AtomicUsize::new(0),
        });
        let thinks = thinking.clone();
        let answer = move |body: Bytes| say_yes(body, thinks.clone());
        let router = Router::new().route("/validate", post(answer));
        let shutdown = CancellationToken::new();
        let end = shutdown.clone();
        tokio::spawn(async move {
            // Nobody waits for how it ends.
            let _ = server.run(router, end).await;
        });
        Ok(Self {
            address,
            ca_file,
            thinking,
            _end: shutdown.drop_guard(),
        })
    }

    /// How long it thinks from now on. What it thinks about already is answered at once.
    pub fn set_pause(&self, pause: Duration) {
        self.set_pauses(move || pause);
    }

    /// How long it thinks from now on, anew for each question.
    pub fn set_pauses(&self, pause: impl FnMut() -> Duration + Send + 'static) {
        *self.thinking.pause() = Box::new(pause);
        self.thinking.changed.notify_waiters();
    }

    /// How often it was asked so far.
    pub fn asked(&self) -> usize {
        self.thinking.asked.load(Ordering::Relaxed)
    }

    /// Where the API server finds it.
    pub fn url(&self) -> String {
        format!("https://{}/validate", self.address)
    }

    /// The certificate, PEM, that its own is signed by.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }
}

impl Thinking {
    fn pause(&self) -> MutexGuard<'_, Pauses> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn say_yes(body: Bytes, thinking: Arc<Thinking>) -> Response {
    thinking.asked.fetch_add(1, Ordering::Relaxed);
    let changed = thinking.changed.notified();
    let pause = (*thinking.pause())();
    // At the end of either it is time.
    let _ = timeout(pause, changed).await;
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": true},
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, answer.to_string()).into_response()
}
