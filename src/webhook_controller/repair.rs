//! What somebody changed in the webhook configuration: found, put right, and shown.

mod patch;
mod words;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::Value;
use tokio::sync::watch;
use tracing::{info, warn};

use super::MANAGER;
use super::configuration::WebhookConfiguration;
use super::plan::repair::{Registered, RepairPlanner, RepairStep};
use crate::admission::registration::{Expectation, Gap, Installed, gaps, unmanaged};
use crate::object::ObjectKey;
use crate::telemetry::{Notice, Notices, Severity};
use words::Finding;

/// Where what is found of the webhook configuration is shown.
#[derive(Clone)]
pub struct WebhookReport {
    /// What people's kubeconfigs call this cluster.
    pub context: String,
    /// Events.
    pub notices: Arc<dyn Notices>,
    /// Metrics.
    pub metrics: WebhookMetrics,
    /// What API servers do not ask about, in a line each, for the member's record.
    pub gaps: watch::Sender<Vec<String>>,
}

/// Counts what is found of the webhook configuration.
#[derive(Clone, Debug, Default)]
pub struct WebhookMetrics {
    gaps: Gauge,
    repairs: Counter,
}

impl WebhookMetrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "webhook_gaps",
            "What API servers do not ask the guard about though they should, by its webhook configuration; 0 where all is well",
            self.gaps.clone(),
        );
        registry.register(
            "webhook_repairs",
            "How often this replica put the webhook configuration back as it was installed, or made it again",
            self.repairs.clone(),
        );
    }
}

/// What to do about the configuration.
pub(super) enum Repair {
    /// Nothing until this time, or until something changes.
    None(Option<Timestamp>),
    /// Apply this JSON patch.
    Patch(Value),
    /// Make it again, as this.
    Restore(Box<ValidatingWebhookConfiguration>),
}

/// What became of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RepairOutcome {
    /// It was done.
    Done,
    /// Somebody was quicker: look again.
    Conflict,
    /// It could not be done; why, and what to do.
    Failed(String),
}

/// One replica's part.
pub(super) struct Repairs {
    name: String,
    /// Whether a configuration that was deleted can be made again.
    restores: bool,
    planner: RepairPlanner,
    /// The configuration as it was last when nothing was wrong with it.
    whole: Option<ValidatingWebhookConfiguration>,
    /// What was found at the last look.
    found: Option<Finding>,
    report: WebhookReport,
    /// What was said last.
    said: Option<String>,
}

impl Repairs {
    pub(super) fn new(name: String, restores: bool, report: WebhookReport) -> Self {
        Self {
            name,
            restores,
            planner: RepairPlanner::default(),
            whole: None,
            found: None,
            report,
            said: None,
        }
    }

    /// What to do after a look.
    pub(super) fn look(&mut self, stored: Option<&WebhookConfiguration>, now: Timestamp) -> Repair {
        let stored = stored.map(|stored| &stored.0);
        let installed = stored.and_then(Installed::stated);
        let expected = installed.map(Expectation::installed);
        let (gaps, seen) = compare(stored, expected.as_ref());
        if let Some(stored) = stored
            && (seen == Registered::Whole || self.whole.is_none())
        {
            self.whole = Some(stored.clone());
        }
        let lines: Vec<String> = match stored {
            Some(_) => gaps.iter().map(Gap::to_string).collect(),
            None => vec![words::no_configuration(&self.name)],
        };
        self.show(&lines);
        let step = self.planner.next(seen, now);
        let kept = stored.is_some_and(|stored| Installed::stated(stored).is_some());
        let found = Finding {
            who: stored.and_then(last_writer),
            unmanaged: stored.and_then(unmanaged).map(str::to_owned),
            uid: stored.or(self.whole.as_ref()).and_then(uid),
            gone: stored.is_none(),
            gaps: lines,
            kept,
        };
        let repair = self.repair(step, stored, expected.as_ref(), &gaps);
        self.found = Some(found);
        if let Repair::None(_) = repair {
            self.say(step, None);
        }
        repair
    }

    fn repair(
        &self,
        step: RepairStep,
        stored: Option<&ValidatingWebhookConfiguration>,
        expected: Option<&Expectation>,
        gaps: &[Gap],
    ) -> Repair {
        match (step, stored, expected, &self.whole) {
            (RepairStep::Repair, Some(stored), Some(expected), whole) => {
                let whole = whole.as_ref();
                patch::patch(stored, expected, gaps, whole)
                    .map_or(Repair::None(None), Repair::Patch)
            }
            (RepairStep::Restore, _, _, Some(whole)) if self.restores => {
                Repair::Restore(Box::new(whole.clone()))
            }
            (RepairStep::Wait(until) | RepairStep::GiveUp(until), ..) => Repair::None(Some(until)),
            _ => Repair::None(None),
        }
    }

    /// Takes note of what became of a repair.
    pub(super) fn repaired(&mut self, outcome: &RepairOutcome, now: Timestamp) {
        if *outcome == RepairOutcome::Done {
            self.planner.repaired(now);
            self.report.metrics.repairs.inc();
        }
        if *outcome != RepairOutcome::Conflict {
            self.say(RepairStep::Repair, Some(outcome));
        }
    }

    /// In numbers, and in the member's record.
    fn show(&self, lines: &[String]) {
        let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
        self.report.metrics.gaps.set(count);
        self.report.gaps.send_if_modified(|shown| {
            let other = shown != lines;
            if other {
                lines.clone_into(shown);
            }
            other
        });
    }

    /// In the log, and as an Event on the configuration; what was said last is not said again.
    fn say(&mut self, step: RepairStep, outcome: Option<&RepairOutcome>) {
        let Some(found) = self.found.take() else {
            return;
        };
        let restores = self.restores;
        let context = &self.report.context;
        let words = words::words(&found, &self.name, context, step, (outcome, restores));
        if words == self.said {
            return;
        }
        match (&words, &self.said) {
            (Some(words), _) => warn!(configuration = %self.name, "{words}"),
            (None, Some(_)) => info!(
                configuration = %self.name,
                "API servers ask the guard about everything again"
            ),
            (None, None) => {}
        }
        if let Some(message) = &words
            && (!found.gone || self.whole.is_some())
        {
            let occasion = found.gaps.join("\n");
            self.report.notices.report(Notice {
                object: ObjectKey::new(
                    "admissionregistration.k8s.io",
                    "ValidatingWebhookConfiguration",
                    "",
                    &self.name,
                ),
                uid: found.uid,
                severity: Severity::Warning,
                reason: words::reason(outcome, found.gone),
                action: "Keep",
                message: message.clone(),
                occasion,
            });
        }
        self.said = words;
    }
}

/// What is wrong with the configuration, and what that makes it.
fn compare(
    stored: Option<&ValidatingWebhookConfiguration>,
    expected: Option<&Expectation>,
) -> (Vec<Gap>, Registered) {
    let Some(stored) = stored else {
        return (Vec::new(), Registered::Gone);
    };
    // Where nobody said what was chosen, every choice is taken for meant, and what is there
    // may be another version's.
    let any = Expectation::printed(true);
    let gaps = gaps(stored, expected.unwrap_or(&any));
    let seen = match (unmanaged(stored), expected) {
        (Some(_), _) => Registered::Unmanaged,
        (None, Some(_)) if !gaps.is_empty() => Registered::Weakened,
        (None, _) => Registered::Whole,
    };
    (gaps, seen)
}

fn uid(configuration: &ValidatingWebhookConfiguration) -> Option<Arc<str>> {
    configuration.metadata.uid.as_deref().map(Arc::from)
}

/// Who wrote last, besides guards, and when.
fn last_writer(configuration: &ValidatingWebhookConfiguration) -> Option<String> {
    let managers = configuration.metadata.managed_fields.iter().flatten();
    let others = managers.filter(|one| one.manager.as_deref() != Some(MANAGER));
    let last = others.max_by_key(|one| one.time.as_ref().map(|time| time.0))?;
    let (manager, time) = (last.manager.as_deref()?, last.time.as_ref()?);
    Some(format!("{manager} at {}", time.0))
}

#[cfg(test)]
mod tests;
