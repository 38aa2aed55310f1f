//! How the guard stands to a request before it is judged: whether a refusal blocks
//! it, and if not, why.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::claim::{HistoryAction, Justification, KnownEpoch, MigrationError};
use crate::cluster::NamespaceFacts;
use crate::object::{MODE_LABEL, OVERRIDE_ANNOTATION};

use super::progress::VerdictProgress;
use super::rehearsal::DryRunClaims;
use super::review::AdmissionRequest;
use super::verdict::{Mode, Verdict, VerdictPath, Violation};

/// How the guard stands to one request.
pub(super) struct RequestContext {
    pub(super) enforcement: Enforcement,
    /// What to say besides, whatever the verdict is.
    pub(super) note: Option<String>,
    /// The object's namespace as it was known when the request came; none where there is
    /// none, or where it could not be told in time.
    pub(super) namespace: Option<NamespaceFacts>,
    /// How far the verdict is.
    pub(super) progress: VerdictProgress,
    /// What the request would have written by now, if it is a dry run.
    pub(super) rehearsal: DryRunClaims,
    /// What was known of the registry's epoch when the request came.
    pub(super) epoch: Option<Arc<KnownEpoch>>,
    /// The same of each shard, where claims are sharded.
    pub(super) shard_epochs: Vec<Option<Arc<KnownEpoch>>>,
    /// Whether a yes rests on what claims say.
    pub(super) rests_on_claims: AtomicBool,
    /// Whether it was asked whether the registry's epoch is the same.
    pub(super) rests_on_epoch: AtomicBool,
    /// Whether the verdict is another registry's, and claims are only written: in this one, which
    /// is moved to.
    pub(super) only_writes: bool,
    /// Why nobody can tell which of two registries to judge by.
    pub(super) unclear: Option<MigrationError>,
}

pub(super) enum Enforcement {
    /// A refusal blocks. What is to be said of overriding it.
    Enforce(Option<String>),
    /// A refusal becomes a warning.
    Audit,
    /// A refusal is overridden.
    Override(Override),
    /// There is no verdict.
    Unjudged,
}

/// A person's will against a refusal.
#[derive(Clone, Debug)]
pub(super) struct Override {
    /// Why.
    pub(super) why: Justification,
    /// Who asks.
    pub(super) by: Arc<str>,
    /// What is done, where that is not plain from the request itself.
    pub(super) action: Option<HistoryAction>,
    /// Whether it counts only where the claim shows that the reason was not used up
    /// before: in a delete, which finds the annotation on what is stored.
    pub(super) to_be_proven: bool,
}

impl RequestContext {
    /// Refusals block, and nothing is to be said of overriding.
    pub(super) fn of(enforcement: Enforcement) -> Self {
        Self {
            enforcement,
            note: None,
            namespace: None,
            progress: VerdictProgress::default(),
            rehearsal: DryRunClaims::default(),
            epoch: None,
            shard_epochs: Vec::new(),
            rests_on_claims: AtomicBool::new(false),
            rests_on_epoch: AtomicBool::new(false),
            only_writes: false,
            unclear: None,
        }
    }

    /// From now on a yes rests on what claims say.
    pub(super) fn rests_on_claims(&self) {
        self.rests_on_claims.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked whether the registry's epoch is the same.
    pub(super) fn rests_on_epoch(&self) -> bool {
        self.rests_on_epoch.load(Ordering::Relaxed)
    }

    /// Whether the request is let through whatever it comes to: the claims then have
    /// to cover it.
    pub(super) fn lets_through(&self) -> bool {
        !matches!(self.enforcement, Enforcement::Enforce(_))
    }

    /// Whether there is to be no verdict.
    pub(super) fn is_unjudged(&self) -> bool {
        matches!(self.enforcement, Enforcement::Unjudged)
    }

    /// The person's will against a refusal, where it counts.
    pub(super) fn overriding(&self) -> Option<&Override> {
        match &self.enforcement {
            Enforcement::Override(overriding) => Some(overriding),
            _ => None,
        }
    }

    /// Whether the person's reason counts only where a claim shows that it was not used
    /// up before.
    pub(super) fn is_to_be_proven(&self) -> bool {
        self.overriding()
            .is_some_and(|overriding| overriding.to_be_proven)
    }

    /// What an objection comes to that no claim speaks for.
    pub(super) fn on_unknown(&self, violation: &Violation) -> Verdict {
        if self.is_to_be_proven() {
            return refuse_unproven(violation);
        }
        self.on(violation)
    }

    /// What an objection comes to.
    pub(super) fn on(&self, violation: &Violation) -> Verdict {
        match &self.enforcement {
            Enforcement::Enforce(hint) => refuse(violation, hint.clone()),
            Enforcement::Audit => Verdict::object(violation, Mode::Audit),
            Enforcement::Override(overriding) => {
                let first = format!(
                    "aso-guard would refuse this, but {} overrides it: {:?}",
                    overriding.by,
                    overriding.why.as_str()
                );
                let mut warnings = vec![first];
                warnings.push(violation.words.summary.clone());
                warnings.extend(violation.words.holders.iter().cloned());
                Verdict {
                    pass: VerdictPath::Overridden(overriding.why.clone()),
                    ..Verdict::warn(violation.reason, warnings)
                }
            }
            Enforcement::Unjudged => Verdict::allow(),
        }
    }

    /// The verdict as it is told: with what is to be said besides.
    pub(super) fn finish(&self, request: &AdmissionRequest<'_>, verdict: Verdict) -> Verdict {
        if self.is_unjudged() {
            return Verdict {
                pass: VerdictPath::Unjudged,
                ..Verdict::allow()
            };
        }
        let mut verdict = match &self.note {
            Some(note) => verdict.noting(note.clone()),
            None => verdict,
        };
        let overridden = matches!(verdict.pass, VerdictPath::Overridden(_));
        let stays =
            *request.operation != *"DELETE" && verdict.allowed && self.overriding().is_some();
        // On a namespace it is put before the request that it is meant for.
        if stays && (overridden || !request.is_about_namespace()) {
            let was = if overridden {
                "stays on the object"
            } else {
                "was not needed"
            };
            verdict = verdict.noting(format!("{OVERRIDE_ANNOTATION} {was}: take it off again"));
        }
        verdict
    }
}

/// A refusal, with a last line on overriding it.
fn refuse(violation: &Violation, hint: Option<String>) -> Verdict {
    let mut violation = violation.clone();
    // What cannot be read cannot be overridden safely: nobody knows what it is.
    if violation.code != 400 {
        violation.words.next.extend(hint);
    }
    Verdict::object(&violation, Mode::Enforce)
}

/// A refusal of a delete whose reason for overriding it was used up before.
pub(super) fn refuse_spent(violation: &Violation, spent: &crate::claim::HistoryEntry) -> Verdict {
    let hint = format!(
        "The reason in {OVERRIDE_ANNOTATION} was used already, to {} it ({}): write another one",
        spent.action.as_str(),
        spent.at.strftime("%Y-%m-%d %H:%M:%SZ"),
    );
    refuse(violation, Some(hint))
}

/// A refusal of a delete whose reason for overriding it may have been used up before.
pub(super) fn refuse_unproven(violation: &Violation) -> Verdict {
    let hint = format!(
        "Whether the reason in {OVERRIDE_ANNOTATION} was used already cannot be looked up now, so \
         it deletes nothing. Park the copy and delete it then: Azure is not touched. Or have its \
         namespace's {MODE_LABEL} set to audit"
    );
    refuse(violation, Some(hint))
}
