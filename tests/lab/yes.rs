//! A webhook that says yes to everything, after a while: what is between a guard's yes and the
//! store, and what a webhook costs that does nothing.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::pki::Authority;

/// The webhook; it is gone when this is dropped.
pub struct Yes {
    address: SocketAddr,
    ca_file: PathBuf,
    pause: Arc<AtomicU64>,
    _end: DropGuard,
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
        let pause = Arc::new(AtomicU64::new(0));
        let millis = pause.clone();
        let answer = move |body: Bytes| say_yes(body, millis.clone());
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
            pause,
            _end: shutdown.drop_guard(),
        })
    }

    /// How long it thinks from now on.
    pub fn set_pause(&self, pause: Duration) {
        let millis = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.pause.store(millis, Ordering::Relaxed);
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

async fn say_yes(body: Bytes, millis: Arc<AtomicU64>) -> Response {
    sleep(Duration::from_millis(millis.load(Ordering::Relaxed))).await;
    let review: Value = serde_json::from_slice(&body).unwrap_or_default();
    let answer = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": review["request"]["uid"], "allowed": true},
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, answer.to_string()).into_response()
}
