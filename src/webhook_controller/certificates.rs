//! The certificates of the guard's own: made, shared with the other replicas, and served.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{error, info};

use crate::server::tls::ReloadingCertificate;

use super::configuration::WebhookConfiguration;
use super::plan::{
    self, CertificateGeneration, CertificatePlanner, CertificateState, CertificateStep,
    StoredSecret,
};
use super::secret::SharedSecret;
use super::{SelfSigned, WebhookControllerError};

/// Two new certificates are made so far apart at least, whoever spoils the Secret.
const BETWEEN_CERTIFICATES: Duration = Duration::from_secs(10);
/// How long API servers are given to notice a new bundle before its certificate is served.
const NOTICE: SignedDuration = SignedDuration::from_secs(5);

/// The certificates' part.
pub(super) struct CertificateController {
    settings: SelfSigned,
    planner: CertificatePlanner,
    serving: ServingState,
    made: Option<Instant>,
}

enum ServingState {
    /// Whoever waits for the first certificate.
    NotYet(oneshot::Sender<Arc<ReloadingCertificate>>),
    Certificate(Arc<ReloadingCertificate>),
    /// Nobody waited: the process is ending.
    Nobody,
}

/// The first certificate of one's own, once it can be served.
pub type FirstCertificate = oneshot::Receiver<Arc<ReloadingCertificate>>;

/// What follows from a [`CertificateStep`].
pub(super) enum CertificateAction {
    /// Look again at once.
    Again,
    /// The bundle lacks these.
    Trust(BTreeSet<plan::Ca>),
    /// Nothing for this long.
    Wait(Duration),
}

impl CertificateController {
    pub(super) fn new(settings: SelfSigned) -> (Self, FirstCertificate) {
        let (sender, receiver) = oneshot::channel();
        let notice = NOTICE.min(settings.lifetime / 10);
        let certificates = Self {
            planner: CertificatePlanner::new(settings.names.clone(), notice),
            serving: ServingState::NotYet(sender),
            made: None,
            settings,
        };
        (certificates, receiver)
    }

    pub(super) async fn step(
        &mut self,
        shared: &SharedSecret,
        configuration: Option<&WebhookConfiguration>,
        secret: Option<&Secret>,
    ) -> Result<CertificateAction, WebhookControllerError> {
        let now = Timestamp::now();
        let seen = CertificateState {
            bundle: configuration.and_then(WebhookConfiguration::bundle),
            stored: shared.stored(secret),
            now,
        };
        Ok(match self.planner.next(&seen) {
            CertificateStep::Make { names, why } => {
                if let Some(pause) = self.must_wait() {
                    return Ok(CertificateAction::Wait(pause));
                }
                if let StoredSecret::Unusable(_) = seen.stored {
                    error!(
                        "the {} cannot be used: {why}. What was served goes on being served",
                        shared.what()
                    );
                }
                self.make(shared, secret, &names, &why).await?;
                CertificateAction::Again
            }
            CertificateStep::Trust(cas) => CertificateAction::Trust(cas),
            CertificateStep::Serve(generation) => {
                self.serve(shared, &generation)?;
                self.planner.serves(generation);
                CertificateAction::Again
            }
            CertificateStep::Wait { until } => {
                let pause = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                // A moment past it.
                CertificateAction::Wait(pause + Duration::from_millis(20))
            }
        })
    }

    fn must_wait(&self) -> Option<Duration> {
        let tenth = Duration::try_from(self.settings.lifetime / 10).unwrap_or_default();
        let next = self.made? + BETWEEN_CERTIFICATES.min(tenth);
        let pause = next.saturating_duration_since(Instant::now());
        (!pause.is_zero()).then_some(pause)
    }

    async fn make(
        &mut self,
        shared: &SharedSecret,
        seen: Option<&Secret>,
        names: &BTreeSet<String>,
        why: &str,
    ) -> Result<(), WebhookControllerError> {
        let made = CertificateGeneration::make(names, self.settings.lifetime, Timestamp::now());
        let generation = made.map_err(|source| WebhookControllerError::Make {
            names: names.iter().cloned().collect::<Vec<_>>().join(", "),
            source,
        })?;
        if shared.put(seen.cloned(), &generation).await? {
            self.made = Some(Instant::now());
            let not_after = generation.not_after;
            info!(secret = shared.what(), %not_after, "made a new serving certificate: {why}");
        }
        Ok(())
    }

    fn serve(
        &mut self,
        shared: &SharedSecret,
        generation: &CertificateGeneration,
    ) -> Result<(), WebhookControllerError> {
        let (certificate, key) = (generation.certificate.as_bytes(), generation.key.as_bytes());
        match std::mem::replace(&mut self.serving, ServingState::Nobody) {
            ServingState::NotYet(first) => {
                let client_ca = self.settings.client_ca.clone();
                let what = shared.what();
                match ReloadingCertificate::given(what, certificate, key, client_ca) {
                    Ok(served) => {
                        let served = Arc::new(served);
                        if first.send(served.clone()).is_ok() {
                            self.serving = ServingState::Certificate(served);
                        }
                    }
                    Err(problem) => {
                        self.serving = ServingState::NotYet(first);
                        return Err(problem.into());
                    }
                }
            }
            ServingState::Certificate(served) => {
                let replaced = served.replace(certificate, key);
                self.serving = ServingState::Certificate(served);
                replaced?;
            }
            ServingState::Nobody => {}
        }
        let not_after = generation.not_after;
        info!(%not_after, "serving the certificate of the {}", shared.what());
        Ok(())
    }
}
