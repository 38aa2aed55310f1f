//! An API server's way to its webhook: AdmissionReview v1 over HTTPS.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use http::{Request, header};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;

/// How long an answer may take, as the webhook configuration says by default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A webhook, as an API server knows it: a URL and a CA to trust.
pub(super) struct WebhookClient {
    client: kube::Client,
    address: SocketAddr,
}

/// What a webhook answered.
#[derive(Deserialize)]
struct ReviewBody {
    response: ResponseBody,
}

/// The verdict in an answer.
#[derive(Deserialize)]
pub(super) struct ResponseBody {
    uid: String,
    pub(super) allowed: bool,
    #[serde(default)]
    pub(super) status: StatusBody,
    #[serde(default)]
    pub(super) warnings: Vec<String>,
}

/// Why not.
#[derive(Default, Deserialize)]
pub(super) struct StatusBody {
    pub(super) reason: String,
    pub(super) message: String,
}

impl WebhookClient {
    /// The webhook at an address, whose certificate is from `ca`, in PEM.
    pub(super) fn new(address: SocketAddr, ca: &str) -> anyhow::Result<Self> {
        let url = format!("https://{address}").parse()?;
        let ca = CertificateDer::from_pem_slice(ca.as_bytes())?;
        let mut config = kube::Config::new(url);
        config.root_cert = Some(vec![ca.to_vec()]);
        config.read_timeout = Some(TIMEOUT);
        config.default_retry = false;
        Ok(Self {
            client: config.try_into()?,
            address,
        })
    }

    /// Where reviews are posted to.
    pub(super) fn url(&self) -> String {
        format!("https://{}/validate", self.address)
    }

    /// Asks for a verdict.
    pub(super) async fn ask(&self, review: &Value) -> anyhow::Result<ResponseBody> {
        let path = format!("/validate?timeout={}s", TIMEOUT.as_secs());
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(review)?)?;
        let answer = self.client.request::<ReviewBody>(request).await;
        let response = answer
            .with_context(|| format!("the guard at {} gave no verdict", self.url()))?
            .response;
        anyhow::ensure!(
            review["request"]["uid"] == *response.uid,
            "the guard at {} answered another question: {}",
            self.url(),
            response.uid
        );
        Ok(response)
    }
}
