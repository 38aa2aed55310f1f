//! From a request to a verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::claim::{Action, CopyRef, MemberName, Refusal, RequestUid};
use crate::cluster::{Cluster, ClusterError, FollowUp};
use crate::object::ObjectFacts;
use crate::registry::{Registry, RegistryError};
use crate::telemetry::Notices;

use super::metrics::Metrics;
use super::plain;
use super::review::Request;
use super::verdict::{Mode, OnUnresolved, Verdict};

/// The API group of CRDs.
const CRD_GROUP: &str = "apiextensions.k8s.io";

/// Gives verdicts for one member.
pub struct Guard {
    /// The member.
    pub member: MemberName,
    /// Where claims are kept.
    pub registry: Arc<dyn Registry>,
    /// The member's own cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Told what was admitted, so that it sees how that ends.
    pub follow_up: Arc<dyn FollowUp>,
    /// What the operator decided.
    pub settings: Settings,
    /// Told of what is refused or warned of.
    pub notices: Arc<dyn Notices>,
    /// Counts verdicts.
    pub metrics: Metrics,
}

/// What the operator of a guard decides.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Whether refusals block.
    pub mode: Mode,
    /// What to do with objects whose resource cannot be worked out.
    pub on_unresolved: OnUnresolved,
    /// How long an admitted request may be under way in the API server: longer
    /// than its `--request-timeout` (60 s by default).
    pub claim_deadline: Duration,
}

/// One request on its way to a verdict.
pub(super) struct Case<'a> {
    pub(super) request: RequestUid,
    pub(super) by: Arc<str>,
    pub(super) copy: CopyRef,
    pub(super) action: Action,
    pub(super) at: Timestamp,
    pub(super) deadline: Timestamp,
    pub(super) dry_run: bool,
    pub(super) object: &'a ObjectFacts,
}

/// What keeps a request from being let through.
pub(super) enum Stop {
    Refused(Refusal),
    Registry(RegistryError),
    Cluster(ClusterError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RegistryError> for Stop {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<ClusterError> for Stop {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl Guard {
    /// The verdict on a request, within `timeout`.
    ///
    /// A registry or an API server that does not answer in time is a verdict of
    /// its own: enforce refuses with 503, audit warns.
    pub async fn judge(&self, request: &Request<'_>, timeout: Duration) -> Verdict {
        let begun = Instant::now();
        let judged = tokio::time::timeout(timeout, self.verdict(request)).await;
        let verdict = judged.unwrap_or_else(|_| self.too_late(timeout));
        self.tell(request, &verdict, begun.elapsed());
        verdict
    }

    async fn verdict(&self, request: &Request<'_>) -> Verdict {
        if request.operation == "CONNECT" {
            // Nothing is stored or deleted by it.
            return Verdict::allow();
        }
        match (&*request.kind.group, &*request.kind.kind) {
            ("", "Namespace") => return self.judge_namespace(request).await,
            (CRD_GROUP, "CustomResourceDefinition") => return self.judge_definition(request).await,
            _ => {}
        }
        let (object, old) = match (request.object(), request.old_object()) {
            (Ok(object), Ok(old)) => (object, old),
            (Err(error), _) | (_, Err(error)) => return self.unreadable(&error.to_string()),
        };
        match (&*request.operation, &object, &old) {
            ("CREATE", Some(object), _) => {
                self.create(self.case(request, object, Action::Create))
                    .await
            }
            ("UPDATE", Some(object), Some(old)) => {
                self.update(self.case(request, object, Action::Activate), old)
                    .await
            }
            ("DELETE", _, Some(old)) => self.delete(self.case(request, old, Action::Delete)).await,
            ("CREATE" | "UPDATE" | "DELETE", ..) => self.lacks_object(),
            (other, ..) => self.unreadable(&format!("{other:?} is no operation")),
        }
    }

    pub(super) fn case<'a>(
        &self,
        request: &Request<'_>,
        object: &'a ObjectFacts,
        action: Action,
    ) -> Case<'a> {
        let at = Timestamp::now();
        Case {
            request: RequestUid::new(&request.uid),
            by: plain::name(&request.user_info.username).into(),
            copy: CopyRef {
                member: self.member.clone(),
                object: object.key.clone(),
            },
            action,
            at,
            // A deadline beyond what a timestamp can hold is as good as never.
            deadline: at
                .checked_add(self.settings.claim_deadline)
                .unwrap_or(Timestamp::MAX),
            dry_run: request.dry_run == Some(true),
            object,
        }
    }
}
