//! What is said of a webhook configuration that is not as it should be.

use std::sync::Arc;

use crate::admission::registration::UNMANAGED_ANNOTATION;
use crate::object::text::quoted;
use crate::webhook_controller::plan::repair::RepairStep;

use super::RepairOutcome;

/// What a look found.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    /// What API servers do not ask about, a line each.
    pub(super) gaps: Vec<String>,
    /// It is not there.
    pub(super) gone: bool,
    /// It says how it was installed, so that it can be put back.
    pub(super) kept: bool,
    /// Who wrote it last, and when.
    pub(super) who: Option<String>,
    /// Why people have it left as it is.
    pub(super) unmanaged: Option<String>,
    /// The configuration's uid.
    pub(super) uid: Option<Arc<str>>,
}

/// Of a configuration that is not there.
pub(super) fn no_configuration(name: &str) -> String {
    format!("There is no webhook configuration {name}: API servers ask no guard")
}

/// The reason of the Event.
pub(super) fn reason(outcome: Option<&RepairOutcome>, gone: bool) -> &'static str {
    match (outcome, gone) {
        (Some(RepairOutcome::Done), _) => "WebhookRepaired",
        (_, true) => "WebhookDeleted",
        (_, false) => "WebhookGaps",
    }
}

/// What there is to say; `None` where all is well.
pub(super) fn words(
    found: &Finding,
    name: &str,
    context: &str,
    step: RepairStep,
    (outcome, restores): (Option<&RepairOutcome>, bool),
) -> Option<String> {
    if found.gaps.is_empty() {
        return None;
    }
    let (named, context) = (quoted(name), quoted(context));
    let annotate = format!(
        "kubectl --context {context} annotate validatingwebhookconfiguration {named} \
         {UNMANAGED_ANNOTATION}=WHY"
    );
    let by_hand = "Put it back: helm upgrade, or aso-guard webhook … | kubectl apply -f -";
    let what = if found.gone {
        no_configuration(name)
    } else {
        let who = found.who.as_deref().unwrap_or("nobody known");
        let gaps = found.gaps.join("; ");
        format!("API servers do not ask the guard about everything: {gaps}. Last writer: {who}")
    };
    let then = match (outcome, step) {
        (Some(RepairOutcome::Done), _) if found.gone => {
            "It was made again as it was. Who deletes it once more within an hour means it, and it is \
             then left so"
                .to_owned()
        }
        (Some(RepairOutcome::Done), _) => format!(
            "It was put back as it was installed. Where the change is meant, say so first: \
             {annotate}"
        ),
        (Some(RepairOutcome::Failed(why)), _) => format!("{why}. {by_hand}"),
        (_, RepairStep::Wait(_)) if restores => "It is made again in a few seconds".to_owned(),
        (_, RepairStep::GiveUp(until)) => format!(
            "Somebody keeps changing it, so it is left as it is until {until}. Find out who, and \
             either stop that or say that it is meant: {annotate}"
        ),
        (_, RepairStep::Leave) if restores => format!(
            "It is not made again: this replica has not seen it, or its deletion is meant. {by_hand}"
        ),
        _ if found.unmanaged.is_some() => format!(
            "It is left so: {UNMANAGED_ANNOTATION} says {:?}",
            found.unmanaged.as_deref().unwrap_or_default()
        ),
        _ if !found.gone && !found.kept => {
            format!("It does not say how it was installed, so it is left so. {by_hand}")
        }
        _ => by_hand.to_owned(),
    };
    Some(format!("{what}. {then}"))
}
