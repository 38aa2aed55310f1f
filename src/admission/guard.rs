//! From a request to a verdict.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{
    Action, CopyRef, Heard, MemberName, Reason, Refusal, RequestUid, Speaker, Words,
};
use crate::cluster::{Cluster, ClusterError, FollowUp, resolve};
use crate::object::{ObjectFacts, POLICY_ANNOTATION};
use crate::policy::{Effective, Policy};
use crate::registry::{Registry, RegistryError};

use super::review::Request;
use super::verdict::{Mode, Objection, OnUnresolved, Verdict};

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
            _ => return Verdict::allow(Vec::new()),
        };
        judged.unwrap_or_else(|_| {
            let seconds = timeout.as_secs_f32();
            self.cannot_know(
                &format!("no answer within {seconds:.1} s"),
                "Try again; if it stays so, see whether this cluster reaches the registry.",
                Vec::new(),
            )
        })
    }

    fn case<'a>(&self, request: &Request<'_>, object: &'a ObjectFacts, action: Action) -> Case<'a> {
        let at = Timestamp::now();
        Case {
            request: RequestUid::new(&request.uid),
            by: request.user_info.username.as_ref().into(),
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

    async fn create(&self, case: Case<'_>) -> Verdict {
        let policy = match resolve::effective_policy(&*self.cluster, case.object).await {
            Ok(policy) => policy,
            Err(error) => return self.stopped(&case, Stop::Cluster(error), Vec::new()).await,
        };
        let warnings = policy_warnings(&policy);
        if !policy.policy.is_live() {
            return Verdict::allow(warnings);
        }
        match resolve::identity(&*self.cluster, case.object).await {
            Err(error) => self.stopped(&case, Stop::Cluster(error), warnings).await,
            Ok(Err(why)) => self.unresolved(&why, warnings),
            Ok(Ok(resolution)) => {
                let outcome = self.go_live(&case, &resolution, None).await;
                self.conclude(&case, outcome, warnings).await
            }
        }
    }

    async fn update(&self, mut case: Case<'_>, old: &ObjectFacts) -> Verdict {
        let now = match resolve::effective_policy(&*self.cluster, case.object).await {
            Ok(policy) => policy,
            Err(error) => return self.stopped(&case, Stop::Cluster(error), Vec::new()).await,
        };
        let warnings = policy_warnings(&now);
        if !now.policy.is_live() {
            return Verdict::allow(warnings);
        }
        match self.change(&mut case, old, &now).await {
            Ok(Err(why)) => self.unresolved(&why, warnings),
            Ok(Ok(())) => self.conclude(&case, Ok(()), warnings).await,
            Err(stop) => self.stopped(&case, stop, warnings).await,
        }
    }

    /// An UPDATE after which the object is live. The inner error says why its
    /// identity cannot be worked out.
    async fn change(
        &self,
        case: &mut Case<'_>,
        old: &ObjectFacts,
        now: &Effective,
    ) -> Result<Result<(), String>, Stop> {
        let before = resolve::resolve(&*self.cluster, old).await?;
        let was_live = before.policy.policy.is_live();
        let wakes_delete = case.object.terminating
            && now.policy == Policy::Manage
            && before.policy.policy != Policy::Manage;
        if was_live && !wakes_delete && same_names(old, case.object) {
            return Ok(Ok(()));
        }
        let resolution = match resolve::identity(&*self.cluster, case.object).await? {
            Ok(resolution) => resolution,
            Err(why) => return Ok(Err(why)),
        };
        let held: Vec<Identity> = match (was_live, before.identity) {
            (true, Ok(old)) => old.identities().cloned().collect(),
            _ => Vec::new(),
        };
        if wakes_delete {
            self.wake(case, &resolution, old).await?;
            return Ok(Ok(()));
        }
        let new: Vec<&Identity> = resolution
            .identities()
            .filter(|id| !held.contains(id))
            .collect();
        if new.is_empty() {
            return Ok(Ok(()));
        }
        if was_live {
            case.action = Action::Rename;
        }
        self.go_live(case, &resolution, Some(old)).await?;
        Ok(Ok(()))
    }

    async fn delete(&self, case: Case<'_>) -> Verdict {
        let resolved = match resolve::effective_policy(&*self.cluster, case.object).await {
            Ok(policy) => policy,
            Err(error) => return self.stopped(&case, Stop::Cluster(error), Vec::new()).await,
        };
        // A second DELETE of a terminating object changes nothing: the first one counted.
        if resolved.policy != Policy::Manage || case.object.terminating {
            return Verdict::allow(Vec::new());
        }
        match resolve::identity(&*self.cluster, case.object).await {
            Err(error) => self.stopped(&case, Stop::Cluster(error), Vec::new()).await,
            Ok(Err(why)) => self.unresolved(&why, Vec::new()),
            Ok(Ok(resolution)) => {
                let outcome = self.delete_resource(&case, &resolution).await;
                self.conclude(&case, outcome, Vec::new()).await
            }
        }
    }

    async fn conclude(
        &self,
        case: &Case<'_>,
        outcome: Result<(), Stop>,
        warnings: Vec<String>,
    ) -> Verdict {
        match outcome {
            Ok(()) => Verdict::allow(warnings),
            Err(stop) => self.stopped(case, stop, warnings).await,
        }
    }

    async fn stopped(&self, case: &Case<'_>, stop: Stop, warnings: Vec<String>) -> Verdict {
        match stop {
            Stop::Refused(refusal) => {
                let words = refusal.words(&Speaker {
                    copy: &case.copy,
                    action: case.action,
                    heard: self.heard(&refusal).await,
                });
                let objection = Objection {
                    reason: refusal.reason(),
                    code: 403,
                    words,
                };
                Verdict::object(&objection, self.settings.mode, warnings)
            }
            Stop::Registry(error) => {
                let next = "Try again once the registry answers; nothing was changed in Azure.";
                self.cannot_know(&error.to_string(), next, warnings)
            }
            Stop::Cluster(error) => self.cannot_know(&error.to_string(), "Try again.", warnings),
        }
    }

    /// When the member in the way was last heard from. For a person only, so a
    /// registry that does not say is no trouble.
    async fn heard(&self, refusal: &Refusal) -> Option<Heard> {
        let member = &refusal.holder()?.copy.member;
        if *member == self.member {
            return None;
        }
        let known = self.registry.member(member).await.ok()??;
        Some(Heard::since(known.record.heard, Timestamp::now()))
    }

    fn cannot_know(&self, why: &str, next: &str, warnings: Vec<String>) -> Verdict {
        let words = Words {
            summary: format!("cannot tell whether this is safe: {why}"),
            next: vec![next.to_owned()],
            ..Words::default()
        };
        let objection = Objection {
            reason: Reason::RegistryUnavailable,
            code: 503,
            words,
        };
        Verdict::object(&objection, self.settings.mode, warnings)
    }

    fn unreadable(&self, why: &str) -> Verdict {
        let words = Words {
            summary: format!("the object in this request cannot be read: {why}"),
            next: vec!["Correct that field and try again.".to_owned()],
            ..Words::default()
        };
        let objection = Objection {
            reason: Reason::Unreadable,
            code: 400,
            words,
        };
        Verdict::object(&objection, self.settings.mode, Vec::new())
    }

    fn unresolved(&self, why: &str, mut warnings: Vec<String>) -> Verdict {
        let words = Words {
            summary: format!("cannot tell which Azure resource this is: {why}"),
            ..Words::default()
        };
        match self.settings.on_unresolved {
            OnUnresolved::Warn => {
                warnings.push(format!("aso-guard {}", words.summary));
                Verdict::warn(Reason::Unresolved, warnings)
            }
            OnUnresolved::Deny => {
                let objection = Objection {
                    reason: Reason::Unresolved,
                    code: 403,
                    words,
                };
                Verdict::object(&objection, self.settings.mode, warnings)
            }
        }
    }
}

/// Whether nothing changed that an identity is made of. The cheap check that keeps
/// ASO's own updates off the registry.
fn same_names(old: &ObjectFacts, new: &ObjectFacts) -> bool {
    old.azure_name == new.azure_name
        && old.azure_name_from_config == new.azure_name_from_config
        && old.owner == new.owner
        && old.naming_convention == new.naming_convention
        && old.annotations.resource_id == new.annotations.resource_id
        && old.annotations.credential_from == new.annotations.credential_from
        && old.annotations.azure_name_from_config == new.annotations.azure_name_from_config
        && old.annotations.child_resource_id_override == new.annotations.child_resource_id_override
}

/// What is worth a word about a policy even where the request is let through.
fn policy_warnings(effective: &Effective) -> Vec<String> {
    let unknown = effective.unknown.iter();
    unknown
        .map(|unknown| {
            format!(
                "{POLICY_ANNOTATION}: {:?} is no policy of ASO, so {} is in force; \
                 write manage, skip or detach-on-delete",
                unknown.value, effective.policy
            )
        })
        .collect()
}
