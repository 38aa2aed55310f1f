//! Where calls are taken, and where API servers are told to call.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use tracing::warn;

use crate::admission::registration::NO_ENFORCER;
use crate::server::path::{PathSecret, Paths};
use crate::server::readiness::ReadinessCondition;

use super::configuration::WebhookConfiguration;
use super::plan::path::{PathPlanner, PathState};
use super::secret::path_in;
use super::{PathSource, WebhookControllerError};

/// How long a path is stored before API servers are told of it: longer than a replica that may
/// not watch takes to look again.
const NOTICE: SignedDuration = SignedDuration::from_secs(20);

/// The path's part.
pub(super) struct PathController {
    source: PathSource,
    planner: PathPlanner<PathSecret>,
    paths: Paths,
    /// Whoever waits for the first look.
    known: Option<ReadinessCondition>,
    /// Whether it was said that the configuration may not be changed.
    warned: bool,
}

impl PathController {
    /// `lifetime` is that of certificates of the guard's own, with which the path changes.
    pub(super) fn new(
        source: PathSource,
        lifetime: Option<SignedDuration>,
        paths: Paths,
        known: ReadinessCondition,
    ) -> Self {
        let notice = lifetime.map_or(NOTICE, |lifetime| NOTICE.min(lifetime / 10));
        Self {
            source,
            planner: PathPlanner::new(notice),
            paths,
            known: Some(known),
            warned: false,
        }
    }

    /// The secret part of the path, as it should be.
    pub(super) async fn stored(
        &self,
        secret: Option<&Secret>,
    ) -> Result<Option<PathSecret>, WebhookControllerError> {
        let PathSource::File(path) = &self.source else {
            return Ok(path_in(secret));
        };
        read_file(path.clone()).await.map(Some)
    }

    /// Takes calls where they may come from now on. Gives the path that the configuration is to
    /// have, where it should change, and how soon to look again.
    pub(super) fn step(
        &mut self,
        configuration: Option<&WebhookConfiguration>,
        stored: Option<PathSecret>,
        now: Timestamp,
    ) -> (Option<PathSecret>, Option<Duration>) {
        let plan = self.planner.next(&PathState {
            stored,
            // Where there is none yet, people print one.
            configured: configuration
                .map_or_else(|| BTreeSet::from([None]), WebhookConfiguration::paths),
            now,
        });
        self.paths.take(plan.take);
        let may = configuration.is_some_and(WebhookConfiguration::is_left_alone);
        if plan.point_to.is_some() && !may && !self.warned && configuration.is_some() {
            self.warned = true;
            warn!(
                "the webhook configuration lacks the annotation {NO_ENFORCER}: \"true\", so its \
                 path is left as it is, and whoever reaches the port can ask for verdicts. Where \
                 the cluster is not one of AKS, or AKS is to leave it alone: kubectl annotate \
                 validatingwebhookconfiguration NAME {NO_ENFORCER}=true"
            );
        }
        let soon = |until: Timestamp| Duration::try_from(until.duration_since(now)).ok();
        let pause = plan.until.and_then(soon).filter(|pause| !pause.is_zero());
        (plan.point_to.filter(|_| may), pause)
    }

    /// Where the configuration cannot be read, a path of somebody's file is taken all the same:
    /// who wrote the file wrote the configuration.
    pub(super) async fn without_configuration(&self) {
        if let PathSource::File(path) = &self.source
            && let Ok(secret) = read_file(path.clone()).await
        {
            self.paths.take_too(&Some(secret));
        }
    }

    /// A look is over, whatever came of it.
    pub(super) fn looked(&mut self) {
        if let Some(known) = self.known.take() {
            known.done();
        }
    }
}

async fn read_file(path: PathBuf) -> Result<PathSecret, WebhookControllerError> {
    let text = tokio::fs::read_to_string(&path).await;
    let text = text.map_err(|error| error.to_string());
    let secret = text.and_then(|text| text.trim().parse().map_err(|error| format!("{error}")));
    secret.map_err(|why| WebhookControllerError::PathFile { path, why })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::post;
    use http::Request;
    use tower::ServiceExt as _;

    use super::*;
    use crate::server::metrics::ServerMetrics;
    use crate::server::readiness::Readiness;

    #[tokio::test]
    async fn the_path_of_a_file_is_taken_whether_or_not_the_configuration_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("path");
        let secret = PathSecret::random();
        std::fs::write(&file, format!("{}\n", secret.reveal())).unwrap();
        let paths = Paths::plain("/validate");
        let known = Readiness::new().wait_for("the path");
        let controller = PathController::new(PathSource::File(file), None, paths.clone(), known);
        controller.without_configuration().await;
        let router = Router::new().route("/validate", post(|| async { "yes" }));
        let router = paths.before(router, ServerMetrics::default());
        let request = Request::post(secret.below("/validate"));
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(router.oneshot(request).await.unwrap().status(), 200);
    }
}
