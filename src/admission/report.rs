//! What becomes of a verdict besides the answer itself: a metric, and, unless it is
//! a plain yes, a line in the log and an Event on the object.

use std::time::Duration;

use tracing::{info, warn};

use crate::claim::Reason;
use crate::object::ObjectFacts;
use crate::telemetry::{Notice, Severity};

use super::guard::Guard;
use super::plain;
use super::review::AdmissionRequest;
use super::verdict::{Verdict, VerdictPath};

/// What the guard does when it gives a verdict, in Events.
const ACTION: &str = "Admit";

impl Guard {
    /// Counts and logs a verdict that took so long, and has an Event made of it.
    pub(super) fn report(&self, request: &AdmissionRequest<'_>, verdict: &Verdict, took: Duration) {
        self.metrics.judged(request, verdict, took);
        let Some(reason) = verdict.reason else {
            return;
        };
        let object = subject(request);
        let words = in_brief(verdict);
        info!(
            request.uid = %plain::name(&request.uid),
            request.operation = %plain::name(&request.operation),
            request.user = %plain::name(&request.user_info.username),
            request.dry_run = request.dry_run == Some(true),
            object = object.as_ref().map(|object| object.key.to_string()),
            verdict = verdict.label(),
            reason = reason.as_str(),
            "{}", words.lines().next().unwrap_or_default()
        );
        if let VerdictPath::Overridden(why) = &verdict.pass {
            warn!(
                request.uid = %plain::name(&request.uid),
                request.user = %plain::name(&request.user_info.username),
                object = object.as_ref().map(|object| object.key.to_string()),
                reason = reason.as_str(),
                "a refusal was overridden: {}", why.as_str()
            );
        }
        // A dry run has no effects, and the observer tells of what stays unresolved.
        let silent =
            request.dry_run == Some(true) || verdict.allowed && reason == Reason::Unresolved;
        if let (Some(object), false) = (object, silent) {
            self.notices.report(Notice {
                // What is not stored yet may never be, and a retry has another uid.
                uid: (*request.operation != *"CREATE").then(|| (&*object.uid).into()),
                object: object.key,
                severity: Severity::Warning,
                reason: reason.as_str(),
                action: ACTION,
                message: words,
                occasion: request.uid.to_string(),
            });
        }
    }
}

/// The object that a request is about, read again: only few verdicts are reported.
fn subject(request: &AdmissionRequest<'_>) -> Option<ObjectFacts> {
    let now = request.object().ok().flatten();
    now.or_else(|| request.old_object().ok().flatten())
}

/// What the client is told, in brief.
fn in_brief(verdict: &Verdict) -> String {
    if verdict.brief.is_empty() {
        plain::message(&verdict.warnings.join("\n"))
    } else {
        plain::message(&verdict.brief)
    }
}
