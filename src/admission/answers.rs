//! From what stopped a request to what its client is told.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::arm::Unresolved;
use crate::claim::{
    Heartbeats, LastHeard, MemberName, NAMED, Reason, Refusal, RefusalMessage, RefusedRequest,
};
use crate::object::POLICY_ANNOTATION;
use crate::policy::EffectivePolicy;
use crate::registry::RegistryError;

use super::context::{RequestContext, refuse_spent, refuse_unproven};
use super::guard::{AdmissionError, Case, Guard};
use super::inherited::under_change;
use super::verdict::{OnUnresolved, Verdict, Violation, more};

/// How long a refusal waits to learn when its holder was last heard from.
const TO_LEARN: Duration = Duration::from_millis(200);

impl Guard {
    pub(super) async fn conclude(
        &self,
        case: &Case<'_>,
        outcome: Result<(), AdmissionError>,
    ) -> Verdict {
        match outcome {
            Ok(()) => Verdict::allow(),
            Err(stop) => self.stopped(case, stop).await,
        }
    }

    pub(super) async fn stopped(&self, case: &Case<'_>, stop: AdmissionError) -> Verdict {
        if case.context.is_unjudged() {
            return Verdict::allow();
        }
        match stop {
            AdmissionError::Refused(refusal) => {
                case.context.on(&self.violation(case, &refusal).await)
            }
            AdmissionError::Spent(refusal, spent) => {
                refuse_spent(&self.violation(case, &refusal).await, &spent)
            }
            AdmissionError::Registry(RegistryError::Corrupt(one)) => {
                let next = format!(
                    "Other resources are not affected. Look at it where the registry is, and mend \
                     it:\n  {}",
                    one.mend_command(self.registry.kubectl_flags())
                );
                case.context.cannot_know(&one.to_string(), &next)
            }
            AdmissionError::Unproven(refusal) => {
                refuse_unproven(&self.violation(case, &refusal).await)
            }
            AdmissionError::Registry(error @ RegistryError::Crowded(_)) => {
                let next = "Try again in a moment; nothing was changed in Azure. If it stays so, see why the \
                            registry is slow.";
                case.context.cannot_know(&error.to_string(), next)
            }
            AdmissionError::Registry(error) => {
                let next = "Try again once the registry answers; nothing was changed in Azure.";
                case.context.cannot_know(&error.to_string(), next)
            }
            AdmissionError::Rebuilding(rebuilding) => {
                case.context.rebuilding(&rebuilding, self.registry.flags())
            }
            AdmissionError::Cluster(error) => {
                case.context.cannot_know(&error.to_string(), "Try again.")
            }
            AdmissionError::Unresolved(why) => self.unresolved(case.context, &why),
            AdmissionError::Unknown(why, next) => case.context.cannot_know(&why, &next),
        }
    }

    async fn violation(&self, case: &Case<'_>, refusal: &Refusal) -> Violation {
        let mut words = refusal.words(&RefusedRequest {
            copy: &case.copy,
            action: case.action,
            heard: &self.heard(refusal).await,
            registry: self.registry.flags(),
        });
        if let Some(change) = &case.change {
            words.next.insert(0, under_change(change));
        }
        Violation {
            reason: refusal.reason(),
            code: 403,
            words,
        }
    }

    /// When the members in the way were last heard from. For a person only, so a
    /// registry that does not say, or not soon, is no trouble.
    async fn heard(&self, refusal: &Refusal) -> Heartbeats {
        let holders = refusal.holders();
        let members: BTreeSet<&MemberName> = holders
            .iter()
            .take(NAMED)
            .map(|holder| &holder.copy.member)
            .filter(|member| **member != self.member)
            .collect();
        let all = join_all(members.into_iter().map(|member| self.last_heard(member))).await;
        let mut heard: Heartbeats = all.into_iter().flatten().collect();
        // Where this cluster has no record itself, one that is missing says nothing.
        let forgotten = heard.values().any(Option::is_none);
        if forgotten && !matches!(self.last_heard(&self.member).await, Some((_, Some(_)))) {
            heard.retain(|_, last| last.is_some());
        }
        heard
    }

    async fn last_heard(&self, member: &MemberName) -> Option<(MemberName, Option<LastHeard>)> {
        let answer = timeout(TO_LEARN, self.registry.member(member)).await;
        let known = answer.ok()?.ok()?;
        let heard = known.map(|known| LastHeard::since(known.record.heard, Timestamp::now()));
        Some((member.clone(), heard))
    }

    pub(super) fn unresolved(&self, context: &RequestContext, why: &Unresolved) -> Verdict {
        let words = RefusalMessage {
            summary: format!("cannot tell which Azure resource this is: {why}"),
            ..RefusalMessage::default()
        };
        match self.settings.on_unresolved {
            OnUnresolved::Warn => {
                let warning = format!("aso-guard {}", words.summary);
                Verdict::warn(Reason::Unresolved, vec![warning, more(Reason::Unresolved)])
            }
            OnUnresolved::Deny => context.on_unknown(&Violation {
                reason: Reason::Unresolved,
                code: 403,
                words,
            }),
        }
    }
}

impl RequestContext {
    /// For what the guard could not ask anybody. `next`: a line for each step.
    pub(super) fn cannot_know(&self, why: &str, next: &str) -> Verdict {
        let words = RefusalMessage {
            summary: format!("cannot tell whether this is safe: {why}"),
            next: next.lines().map(str::to_owned).collect(),
            ..RefusalMessage::default()
        };
        self.on_unknown(&Violation {
            reason: Reason::RegistryUnavailable,
            code: 503,
            words,
        })
    }

    /// For what could not be told in time. A safe step goes through, as it does where no guard
    /// answers.
    pub(super) fn too_late(&self, timeout: Duration, member: &MemberName) -> Verdict {
        if self.progress.is_safe_so_far() {
            return Verdict::allow();
        }
        let time = format!("{:.1} s", timeout.as_secs_f32());
        match self.progress.words() {
            Some(done) if self.progress.is_lasting() => self.cannot_know(
                &format!("in {time}, only {done} could be checked"),
                "Try again at once: the next try goes on from there. It does so for a while only; \
                 where it does not come to an end, park or delete some of them first.",
            ),
            Some(done) => self.cannot_know(
                &format!("in {time}, only {done} could be checked"),
                &format!(
                    "It is too much for one request: park or delete some of them first, and do the \
                     rest in parts. To park:\n  kubectl --context {member} -n NAMESPACE annotate \
                     --overwrite KIND NAME {POLICY_ANNOTATION}=skip"
                ),
            ),
            None => self.cannot_know(
                &format!("no answer within {time}"),
                "Try again; if it stays so, see whether this cluster reaches the registry.",
            ),
        }
    }

    pub(super) fn unreadable(&self, why: &str) -> Verdict {
        let words = RefusalMessage {
            summary: format!("the object in this request cannot be read: {why}"),
            next: vec!["Correct that field and try again.".to_owned()],
            ..RefusalMessage::default()
        };
        self.on_unknown(&Violation {
            reason: Reason::Unreadable,
            code: 400,
            words,
        })
    }

    /// For a request without the object that its operation is about.
    pub(super) fn lacks_object(&self) -> Verdict {
        self.unreadable("the request lacks the object it is about")
    }
}

/// The verdict, with a word on a policy that ASO does not know: worth it even where
/// the request is let through.
pub(super) fn on_policy(effective: &EffectivePolicy, verdict: Verdict) -> Verdict {
    let Some(unknown) = &effective.unknown else {
        return verdict;
    };
    let mut verdict = verdict.noting(format!(
        "{POLICY_ANNOTATION}: {:?} is no policy of ASO, so {} is in force; \
         write manage, skip or detach-on-delete",
        unknown.value, effective.policy
    ));
    if verdict.reason.is_none() {
        verdict.reason = Some(Reason::UnknownPolicy);
        verdict = verdict.noting(more(Reason::UnknownPolicy));
    }
    verdict
}
