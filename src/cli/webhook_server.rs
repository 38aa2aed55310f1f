//! The webhook's server, with a certificate from files or of the guard's own.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::server::expiry::ServedCertificate;
use crate::server::metrics::ServerMetrics;
use crate::server::readiness::Readiness;
use crate::server::tls::ReloadingCertificate;
use crate::server::{HttpsServer, ServerConfig};
use crate::webhook_controller::FirstCertificate;

/// How often certificate files are looked at.
const CERTIFICATE_PERIOD: Duration = Duration::from_secs(10);

/// The webhook's server, once it has a certificate.
pub(super) struct WebhookServer {
    pub(super) router: Router,
    pub(super) config: ServerConfig,
    pub(super) readiness: Readiness,
    /// Is told the certificate.
    pub(super) served: ServedCertificate,
    pub(super) metrics: ServerMetrics,
}

/// Where its certificate comes from: one of the two is there.
pub(super) struct CertificateOrigin {
    pub(super) files: Option<ReloadingCertificate>,
    pub(super) first: Option<FirstCertificate>,
}

impl WebhookServer {
    /// Serves until told to stop.
    pub(super) async fn serve(
        self,
        certificate: CertificateOrigin,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let trusted = self
            .readiness
            .wait_for("a serving certificate that API servers trust");
        let certificate = match (certificate.files, certificate.first) {
            (Some(files), _) => Arc::new(files),
            (None, Some(first)) => match shutdown.run_until_cancelled(first).await {
                Some(Ok(certificate)) => certificate,
                // The webhook controller ends with the process only.
                _ => return Ok(()),
            },
            (None, None) => anyhow::bail!("there is no serving certificate"),
        };
        let https = HttpsServer::bind(self.config, certificate.clone(), self.readiness)
            .await?
            .counting(self.metrics);
        self.served.set(&certificate);
        trusted.done();
        let watch = certificate.watch(CERTIFICATE_PERIOD, shutdown.clone());
        let (served, ()) = tokio::join!(https.run(self.router, shutdown), watch);
        Ok(served?)
    }
}
