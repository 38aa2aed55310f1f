//! Keeps this cluster's webhook configuration in step: its API groups, the secret part of its
//! path, and, where the guard has its own certificates (`--tls-self-signed`), their CAs.
//!
//! - [`plan`] says what to do next: pure;
//! - `generation` makes and reads certificates, `secret` stores them and the path;
//! - `paths` says where calls are taken;
//! - `configuration` finds what to change in the webhook configuration;
//! - `repair` puts right what somebody else changed in it, and `restore` makes it again.

mod calls;
mod certificates;
mod configuration;
mod generation;
mod paths;
pub mod plan;
mod repair;
mod restore;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource as _};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::server::path::{PathSecret, Paths};
use crate::server::readiness::ReadinessCondition;
use crate::server::tls::CertificateError;
use calls::{call, nudge};
pub use certificates::FirstCertificate;
use certificates::{CertificateAction, CertificateController};
use configuration::{DesiredConfiguration, WebhookConfiguration};
use paths::PathController;
use repair::{Repair, RepairOutcome, Repairs};
pub use repair::{WebhookMetrics, WebhookReport};
use secret::SharedSecret;

/// The manager of the fields that it writes.
const MANAGER: &str = "aso-guard";
/// How often to look where nothing seems to change.
const PERIOD: Duration = Duration::from_secs(15);
/// How soon to look again after something failed.
const RETRY: Duration = Duration::from_secs(2);
/// A wait for a moment ends a little after it.
const MOMENT: Duration = Duration::from_millis(20);
/// How many steps to take at once, before others get their turn.
const STEPS: usize = 8;

/// What to keep.
#[derive(Clone, Debug)]
pub struct WebhookControllerSettings {
    /// The ValidatingWebhookConfiguration's name.
    pub configuration: String,
    /// The ClusterRole with which a configuration goes that the guard made again. Where there is
    /// none, it makes none again.
    pub owner: Option<String>,
    /// Where the secret part of the webhook's path is kept.
    pub path: PathSource,
    /// How the guard keeps certificates of its own, where it does: in the Secret of the path.
    pub certificates: Option<SelfSigned>,
}

/// Where the secret part of the webhook's path comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathSource {
    /// There is none, but what the webhook configuration says is taken.
    None,
    /// Somebody writes it into this file.
    File(PathBuf),
    /// The guard makes it, and keeps it here.
    Secret {
        /// `None` for the guard's own.
        namespace: Option<String>,
        /// The Secret's name.
        name: String,
    },
}

/// Certificates of the guard's own.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// The DNS names and IP addresses by which API servers call the guard.
    pub names: BTreeSet<String>,
    /// How long a certificate is valid. It is renewed after two thirds of that.
    pub lifetime: SignedDuration,
    /// Only clients with a certificate of this CA may call.
    pub client_ca: Option<PathBuf>,
}

/// Why the configuration or the Secret could not be looked after; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum WebhookControllerError {
    /// The API server did not do its part.
    #[error("cannot {verb} the {what}: {why}")]
    Call {
        /// What was to be done.
        verb: &'static str,
        /// To what.
        what: String,
        /// What happened, and what to do.
        why: String,
    },
    /// The file with the secret part of the path is of no use.
    #[error("cannot read the webhook's path from {}: {why}", path.display())]
    PathFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate for {names}: {source}")]
    Make {
        /// Its names.
        names: String,
        /// What the library said.
        source: rcgen::Error,
    },
    /// A certificate cannot be served.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Keeps the webhook configuration and the certificates.
pub struct WebhookController {
    client: Client,
    configurations: Api<ValidatingWebhookConfiguration>,
    name: String,
    groups: watch::Receiver<BTreeSet<String>>,
    secret: Option<SharedSecret>,
    paths: PathController,
    certificates: Option<CertificateController>,
    owner: Option<String>,
    repairs: Repairs,
}

/// What one look asks for.
#[derive(Default)]
struct RoundOutcome {
    trust: Option<BTreeSet<plan::Ca>>,
    path: Option<PathSecret>,
    pause: Duration,
}

impl WebhookController {
    /// A controller in the cluster behind this client. `groups` are the API groups of ASO's
    /// installed kinds, as they come and go. `paths` are told where calls are taken, and
    /// `known` is done once it has looked for that.
    ///
    /// With certificates of its own, the second value gives the first of them.
    pub fn new(
        client: Client,
        settings: WebhookControllerSettings,
        groups: watch::Receiver<BTreeSet<String>>,
        (paths, known): (Paths, ReadinessCondition),
        report: WebhookReport,
    ) -> (Self, Option<FirstCertificate>) {
        let lifetime = settings.certificates.as_ref().map(|of| of.lifetime);
        let (certificates, first) = settings
            .certificates
            .map(CertificateController::new)
            .unzip();
        let secret = match &settings.path {
            PathSource::Secret { namespace, name } => {
                Some(SharedSecret::new(&client, namespace.as_deref(), name))
            }
            PathSource::None | PathSource::File(_) => None,
        };
        let restores = settings.owner.is_some();
        let controller = Self {
            repairs: Repairs::new(settings.configuration.clone(), restores, report),
            owner: settings.owner,
            configurations: Api::all(client.clone()),
            client,
            name: settings.configuration,
            groups,
            secret,
            paths: PathController::new(settings.path, lifetime, paths, known),
            certificates,
        };
        (controller, first)
    }

    /// Works until told to stop.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let changed = Arc::new(Notify::new());
        let mut watches = tokio::task::JoinSet::new();
        let of_configurations: Api<PartialObjectMeta<ValidatingWebhookConfiguration>> =
            Api::all(self.client.clone());
        watches.spawn(nudge(of_configurations, self.name.clone(), changed.clone()));
        if let Some(secret) = &self.secret {
            let namespace = secret.namespace();
            let of_secrets: Api<PartialObjectMeta<Secret>> =
                Api::namespaced(self.client.clone(), namespace);
            watches.spawn(nudge(of_secrets, secret.name().to_owned(), changed.clone()));
        }
        let keeping = Box::pin(self.keep(&changed));
        shutdown.run_until_cancelled(keeping).await;
        watches.shutdown().await;
    }

    async fn keep(&mut self, changed: &Notify) {
        let mut logged = None;
        loop {
            let looked = self.look().await;
            self.paths.looked();
            let pause = match looked {
                Ok(pause) => {
                    logged = None;
                    pause
                }
                Err(problem) => {
                    let problem = problem.to_string();
                    if logged.as_ref() != Some(&problem) {
                        self.complain(&problem);
                        logged = Some(problem);
                    }
                    if self.certificates.is_some() {
                        RETRY
                    } else {
                        PERIOD
                    }
                }
            };
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
                // Without a sender the groups change no more.
                Ok(()) = self.groups.changed() => {}
            }
        }
    }

    /// Without certificates of its own, the guard works on without a configuration that
    /// it may change.
    fn complain(&self, problem: &str) {
        let name = &self.name;
        if self.certificates.is_some() {
            error!("{problem}; trying again. What is served now goes on being served");
        } else {
            warn!("cannot keep webhook configuration {name} in step: {problem}");
        }
    }

    /// Takes steps until there is nothing to do, and says for how long.
    async fn look(&mut self) -> Result<Duration, WebhookControllerError> {
        for _ in 0..STEPS {
            // Before the Secret: whoever changes the configuration on condition of this
            // version then knows of every CA and path that was in use when it came to be.
            let configuration = match self.configuration().await {
                Ok(configuration) => configuration,
                Err(error) => {
                    self.paths.without_configuration().await;
                    return Err(error);
                }
            };
            // The API groups do not have to wait for a Secret.
            let (turn, failed) = match self.turn(configuration.as_ref()).await {
                Ok(None) => continue,
                Ok(Some(turn)) => (turn, None),
                Err(error) => (RoundOutcome::default(), Some(error)),
            };
            let groups = self.groups.borrow_and_update().clone();
            let wanted = DesiredConfiguration {
                trust: turn.trust.as_ref(),
                path: turn.path.as_ref(),
                groups: &groups,
            };
            let patch = configuration
                .as_ref()
                .and_then(|it| it.patch(&wanted, Timestamp::now()));
            if let Some(patch) = patch {
                if self.change(&patch).await? {
                    info!(configuration = %self.name, "brought the webhook configuration up to date");
                }
                continue;
            }
            if let Some(pause) = self.repair(configuration.as_ref()).await {
                return failed.map_or(Ok(turn.pause.min(pause)), Err);
            }
        }
        Ok(RETRY)
    }

    /// Puts right what somebody else changed in the configuration. Gives how soon to look again;
    /// `None`: at once.
    async fn repair(&mut self, configuration: Option<&WebhookConfiguration>) -> Option<Duration> {
        let now = Timestamp::now();
        let done = match self.repairs.look(configuration, now) {
            Repair::None(until) => {
                let pause = until.map(|until| Duration::try_from(until.duration_since(now)));
                // A moment past it.
                let pause = pause.and_then(Result::ok).map(|pause| pause + MOMENT);
                return Some(pause.unwrap_or(PERIOD));
            }
            Repair::Patch(patch) => self.change(&patch).await,
            Repair::Restore(whole) => {
                let made = restore::restore(&self.client, *whole, self.owner.as_deref()).await;
                made.map(|()| true)
            }
        };
        let outcome = match done {
            Ok(true) => RepairOutcome::Done,
            Ok(false) => RepairOutcome::Conflict,
            Err(error) => RepairOutcome::Failed(error.to_string()),
        };
        self.repairs.repaired(&outcome, Timestamp::now());
        matches!(outcome, RepairOutcome::Failed(_)).then_some(PERIOD)
    }

    /// What the certificates and the path ask for; `None` where that was done at once, so that
    /// it is time to look again.
    async fn turn(
        &mut self,
        configuration: Option<&WebhookConfiguration>,
    ) -> Result<Option<RoundOutcome>, WebhookControllerError> {
        let secret = match &self.secret {
            Some(shared) => shared.read().await,
            None => Ok(None),
        };
        let stored = match &secret {
            Ok(secret) => self.paths.stored(secret.as_ref()).await,
            Err(_) => Ok(None),
        };
        let known = stored.as_ref().ok().cloned().flatten();
        let has_path = known.is_some();
        let (path, pause) = self.paths.step(configuration, known, Timestamp::now());
        let (secret, _) = (secret?, stored?);
        let mut turn = RoundOutcome {
            path,
            pause: pause.map_or(PERIOD, |pause| pause.min(PERIOD)),
            trust: None,
        };
        let Some(shared) = &self.secret else {
            return Ok(Some(turn));
        };
        if let Some(certificates) = &mut self.certificates {
            let step = certificates.step(shared, configuration, secret.as_ref());
            match step.await? {
                CertificateAction::Again => return Ok(None),
                CertificateAction::Trust(trust) => (turn.trust, turn.pause) = (Some(trust), RETRY),
                CertificateAction::Wait(pause) => {
                    turn.trust = Some(BTreeSet::new());
                    turn.pause = pause.min(turn.pause);
                }
            }
        }
        if !has_path {
            shared.put_path(secret).await?;
            return Ok(None);
        }
        Ok(Some(turn))
    }

    fn what(&self) -> String {
        format!("validatingwebhookconfiguration {}", self.name)
    }

    async fn configuration(&self) -> Result<Option<WebhookConfiguration>, WebhookControllerError> {
        let found = self.configurations.get_opt(&self.name);
        let found = call(&self.what(), "get", found).await?;
        Ok(found.map(WebhookConfiguration))
    }

    /// Applies a JSON patch. `false`: somebody changed the configuration meanwhile.
    async fn change(&self, patch: &Value) -> Result<bool, WebhookControllerError> {
        let patched = async {
            let all = ValidatingWebhookConfiguration::url_path(&(), None);
            let request =
                http::Request::patch(format!("{all}/{}?fieldManager={MANAGER}", self.name))
                    .header("content-type", "application/json-patch+json")
                    .body(patch.to_string().into_bytes())
                    .map_err(kube::Error::HttpError)?;
            match self.client.request::<Value>(request).await {
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
                answer => answer.map(|_| true),
            }
        };
        call(&self.what(), "patch", patched).await
    }
}
