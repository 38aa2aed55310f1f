//! From a request to a verdict.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::arm::Unresolved;
use crate::claim::{
    Action, CopyRef, HistoryAction, HistoryEntry, MemberName, PolicyChange, Reason, Rebuilding,
    Refusal, RegistryCall, RequestUid,
};
use crate::cluster::enrolment::RegistryEpoch;
use crate::cluster::fence::KnownFence;
use crate::cluster::shards::KnownShard;
use crate::cluster::{Cluster, ClusterError, FollowUp};
use crate::object::ObjectFacts;
use crate::registry::sharded::{noting, touched};
use crate::registry::{self, RecordVersion, Registry, RegistryError};
use crate::resolve::Freshness;
use crate::telemetry::Notices;

use super::context::RequestContext;
use super::cut_off::CutOffRequests;
use super::metrics::AdmissionMetrics;
use super::plain;
use super::privileges::Privileges;
use super::review::AdmissionRequest;
use super::verdict::{Mode, OnUnresolved, Verdict, VerdictPath};

/// The API group of CRDs.
const CRD_GROUP: &str = "apiextensions.k8s.io";

/// Which part of a verdict's time may go to what is only good to know: the namespace's
/// mode, and registering a parked copy.
pub(super) const PARTS: u32 = 5;

/// How many claims are read or written together.
pub(super) const AT_ONCE: usize = 16;

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
    pub settings: GuardSettings,
    /// Told of what is refused or warned of.
    pub notices: Arc<dyn Notices>,
    /// Counts verdicts.
    pub metrics: AdmissionMetrics,
    /// Who may do what others may not, and what is left alone.
    pub privileges: Privileges,
    /// The requests whose time was not enough.
    pub cut_off: CutOffRequests,
    /// Whether a person has declared this cluster lost.
    pub fence: Arc<KnownFence>,
    /// Whether the registry is the one that this member has brought its copies into.
    pub epoch: Arc<RegistryEpoch>,
    /// Where claims are sharded, what is known of each shard: of the default, first, what stands
    /// above.
    pub shards: Vec<KnownShard>,
}

/// What the operator of a guard decides.
#[derive(Clone, Copy, Debug)]
pub struct GuardSettings {
    /// Whether refusals block, where a namespace does not say.
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
    /// Whether a delete leaves what has the object as owner where it is.
    pub(super) orphans: bool,
    pub(super) object: &'a ObjectFacts,
    pub(super) context: &'a RequestContext,
    /// How fresh what is inherited has to be.
    pub(super) trust: Freshness,
    /// Whether the copy was registered already.
    pub(super) registered: bool,
    /// The change of the namespace's policy that the copy is judged by.
    pub(super) change: Option<PolicyChange>,
}

impl Case<'_> {
    /// What is to be remembered of this copy, where a person overrides a refusal.
    /// `refusal`: what is overridden; none where nothing was refused.
    pub(super) fn entry(&self, copy: &CopyRef, refusal: Option<Reason>) -> Option<HistoryEntry> {
        let overriding = self.context.overriding()?;
        let action = overriding.action.unwrap_or(match self.action {
            Action::Create => HistoryAction::Create,
            Action::Activate | Action::MoveAway | Action::Rename | Action::NamespacePolicy => {
                HistoryAction::Update
            }
            Action::Delete => HistoryAction::Delete,
        });
        Some(HistoryEntry {
            at: self.at,
            by: overriding.by.clone(),
            copy: copy.clone(),
            action,
            why: overriding.why.clone(),
            refusal: refusal.map_or("", Reason::as_str).into(),
        })
    }
}

/// What keeps a request from being let through.
pub(super) enum AdmissionError {
    Refused(Refusal),
    /// It was to be overridden, for a reason that this entry used up.
    Spent(Refusal, Box<HistoryEntry>),
    /// It was to be overridden, for a reason of which no claim can tell whether it was
    /// used up.
    Unproven(Refusal),
    Registry(RegistryError),
    /// The claims may say too little, until these have brought their copies in.
    Rebuilding(Rebuilding),
    Cluster(ClusterError),
    /// Nobody can tell which resource it is about.
    Unresolved(Unresolved),
    /// It cannot be known, for this reason; and what to do next.
    Unknown(String, String),
}

impl From<Refusal> for AdmissionError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<RegistryError> for AdmissionError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<ClusterError> for AdmissionError {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl Guard {
    /// Asks for the registry's epoch, after the last call on claims that a yes rests on.
    ///
    /// # Errors
    /// It is another one than when the request came, or was or is not known to be whole; or the
    /// registry did not answer.
    pub(super) async fn confirm(&self, case: &Case<'_>) -> Result<(), AdmissionError> {
        self.confirm_epochs(case)
            .await?
            .map_err(AdmissionError::Rebuilding)?;
        self.not_fenced_in_shards().await
    }

    /// The same, of the epoch alone; where claims are sharded, of each shard that was asked.
    pub(super) async fn confirm_epochs(
        &self,
        case: &Case<'_>,
    ) -> Result<Result<(), Rebuilding>, RegistryError> {
        case.context.rests_on_epoch.store(true, Ordering::Relaxed);
        if case.context.only_writes {
            return Ok(Ok(()));
        }
        if self.shards.is_empty() {
            return self.epoch.confirm(case.context.epoch.as_ref()).await;
        }
        for shard in touched(self.shards.len()) {
            let before = case.context.shard_epochs.get(shard);
            let before = before.and_then(Option::as_ref);
            let confirmed = self.shards[shard].epoch.confirm(before).await?;
            if confirmed.is_err() {
                return Ok(confirmed);
            }
        }
        Ok(Ok(()))
    }

    /// What an outcome comes to, by the registry's epoch: a yes that rests on claims is
    /// [confirmed](Self::confirm).
    pub(super) async fn confirmed(
        &self,
        case: &Case<'_>,
        outcome: Result<(), AdmissionError>,
    ) -> Result<(), AdmissionError> {
        match outcome {
            Ok(()) if case.context.rests_on_claims.load(Ordering::Relaxed) => {
                self.confirm(case).await
            }
            outcome => outcome,
        }
    }

    /// The verdict on a request, within `timeout`.
    ///
    /// A registry or an API server that does not answer in time is a verdict of
    /// its own: enforce refuses with 503, audit warns.
    pub async fn judge(&self, request: &AdmissionRequest<'_>, timeout: Duration) -> Verdict {
        let judged = noting(self.judge_noting(request, timeout));
        registry::admission(judged).await
    }

    async fn judge_noting(&self, request: &AdmissionRequest<'_>, timeout: Duration) -> Verdict {
        let begun = Instant::now();
        let known = self.epoch.known_alone();
        let judged = self.judge_by(request, timeout, known, None).await;
        self.tell(request, judged, begun)
    }

    /// What was overridden while nobody could look at the claims is in none of them yet.
    pub(super) fn remember_later(
        &self,
        request: &AdmissionRequest<'_>,
        context: &RequestContext,
        verdict: &Verdict,
    ) {
        let action = match &*request.operation {
            "CREATE" => Action::Create,
            "UPDATE" => Action::Activate,
            _ => return,
        };
        let unknown = matches!(
            verdict.reason,
            Some(Reason::RegistryUnavailable | Reason::RegistryRebuilding)
        );
        let unknown = unknown && matches!(verdict.pass, VerdictPath::Overridden(_));
        if !unknown || request.is_about_namespace() || request.dry_run == Some(true) {
            return;
        }
        let Ok(Some(object)) = request.object() else {
            return;
        };
        let case = self.case(request, context, &object, action);
        if let Some(entry) = case.entry(&case.copy, verdict.reason) {
            self.follow_up.remember(entry);
        }
    }

    pub(super) async fn verdict(
        &self,
        request: &AdmissionRequest<'_>,
        context: &RequestContext,
        timeout: Duration,
    ) -> Verdict {
        if request.operation == "CONNECT" {
            // Nothing is stored or deleted by it.
            return Verdict::allow();
        }
        match (&*request.kind.group, &*request.kind.kind) {
            ("", "Namespace") => return self.judge_namespace(request, context).await,
            (CRD_GROUP, "CustomResourceDefinition") => {
                return self.judge_definition(request, context).await;
            }
            _ => {}
        }
        let (object, old) = match (request.object(), request.old_object()) {
            (Ok(object), Ok(old)) => (object, old),
            (Err(error), _) | (_, Err(error)) => {
                return context.unreadable(&error.to_string());
            }
        };
        let (object, old) = (object.as_ref(), old.as_ref());
        let verdict = self.judge_object(request, context, (object, old, Freshness::Known), timeout);
        let verdict = verdict.await;
        if verdict.allowed || !self.was_behind(context, &request.in_namespace()).await {
            return verdict;
        }
        self.judge_object(request, context, (object, old, Freshness::Store), timeout)
            .await
    }

    /// The verdict on what a request makes of an object, by what is as fresh as this.
    async fn judge_object(
        &self,
        request: &AdmissionRequest<'_>,
        context: &RequestContext,
        (object, old, trust): (Option<&ObjectFacts>, Option<&ObjectFacts>, Freshness),
        timeout: Duration,
    ) -> Verdict {
        let case = |object, action| Case {
            trust,
            ..self.case(request, context, object, action)
        };
        match (&*request.operation, object, old) {
            ("CREATE", Some(object), _) => self.create(case(object, Action::Create), timeout).await,
            ("UPDATE", Some(object), Some(old)) => {
                self.update(case(object, Action::Activate), old).await
            }
            ("DELETE", _, Some(old)) => self.delete(case(old, Action::Delete)).await,
            ("CREATE" | "UPDATE" | "DELETE", ..) => context.lacks_object(),
            (other, ..) => context.unreadable(&format!("{other:?} is no operation")),
        }
    }

    /// Whether the policy of a namespace is another one than was known when the request
    /// came. A person who has just parked it is not to be refused what is safe now, and
    /// the watch may have told of it while the request was judged.
    async fn was_behind(&self, context: &RequestContext, namespace: &str) -> bool {
        let Some(known) = &context.namespace else {
            return false;
        };
        let stored = self.cluster.namespace(namespace, Freshness::Store).await;
        stored.is_ok_and(|stored| stored.policy != known.policy)
    }

    pub(super) fn case<'a>(
        &self,
        request: &AdmissionRequest<'_>,
        context: &'a RequestContext,
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
            orphans: request.orphans(),
            object,
            context,
            trust: Freshness::Known,
            registered: false,
            change: None,
        }
    }
}

/// What traces call a call.
pub(super) fn name_of(call: &RegistryCall<'_, RecordVersion>) -> &'static str {
    match call {
        RegistryCall::Claim(_) => "claim",
        RegistryCall::Put(..) => "put",
        RegistryCall::Claims(_) => "ancestors",
        RegistryCall::Below(_) => "below",
    }
}
