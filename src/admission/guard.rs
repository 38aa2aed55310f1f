//! From a request to a verdict.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::claim::{Action, CopyRef, MemberName, Refusal, RequestUid};
use crate::cluster::{Cluster, ClusterError, FollowUp};
use crate::object::ObjectFacts;
use crate::registry::{Registry, RegistryError};

use super::plain;
use super::review::Request;
use super::verdict::{Mode, OnUnresolved, Verdict};

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
        if request.operation == "CONNECT" {
            // Nothing is stored or deleted by it.
            return Verdict::allow();
        }
        let objects = (request.object(), request.old_object());
        let (object, old) = match objects {
            (Ok(object), Ok(old)) => (object, old),
            (Err(error), _) | (_, Err(error)) => return self.unreadable(&error.to_string()),
        };
        let judged = match (&*request.operation, &object, &old) {
            ("CREATE", Some(object), _) => {
                let verdict = self.create(self.case(request, object, Action::Create));
                tokio::time::timeout(timeout, verdict).await
            }
            ("UPDATE", Some(object), Some(old)) => {
                let verdict = self.update(self.case(request, object, Action::Activate), old);
                tokio::time::timeout(timeout, verdict).await
            }
            ("DELETE", _, Some(old)) => {
                let verdict = self.delete(self.case(request, old, Action::Delete));
                tokio::time::timeout(timeout, verdict).await
            }
            ("CREATE" | "UPDATE" | "DELETE", ..) => {
                return self.unreadable("the request lacks the object it is about");
            }
            (other, ..) => return self.unreadable(&format!("{other:?} is no operation")),
        };
        judged.unwrap_or_else(|_| {
            let seconds = timeout.as_secs_f32();
            self.cannot_know(
                &format!("no answer within {seconds:.1} s"),
                "Try again; if it stays so, see whether this cluster reaches the registry.",
            )
        })
    }

    fn case<'a>(&self, request: &Request<'_>, object: &'a ObjectFacts, action: Action) -> Case<'a> {
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
