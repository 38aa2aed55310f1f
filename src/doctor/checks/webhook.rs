//! How API servers call the guard.

use jiff::SignedDuration;

use crate::doctor::facts::{CallFacts, Facts, WebhookFacts};
use crate::doctor::finding::{Finding, Topic};

use super::{look, some};

const TOPIC: Topic = Topic::Webhook;
/// A CA that ends so soon should have been followed by another one.
const SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
const PUT_BACK: &str = "helm upgrade puts it back, or aso-guard webhook … | kubectl apply -f -";

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = look(TOPIC, "registered", &facts.webhook, |webhook| {
        let name = &facts.name;
        let Some(webhook) = webhook else {
            return vec![Finding::fail(
                TOPIC,
                "registered",
                format!("there is no webhook configuration {name}: API servers ask no guard"),
                PUT_BACK,
            )];
        };
        let mut found = vec![registered(webhook, facts)];
        found.extend(gaps(webhook, facts));
        found.extend(groups(webhook, facts));
        found.extend(ca(webhook, facts));
        found
    });
    found.extend(look(TOPIC, "answers", &facts.call, |call| {
        vec![answers(call, facts)]
    }));
    found
}

fn registered(webhook: &WebhookFacts, facts: &Facts) -> Finding {
    let name = &facts.name;
    if let Some(why) = &webhook.unmanaged {
        let flags = &facts.kubectl_flags;
        return Finding::warn(
            TOPIC,
            "registered",
            format!("the guard leaves {name} as it is, for asoguard.io/unmanaged says {why:?}"),
            format!(
                "Where that is over: kubectl{flags} annotate validatingwebhookconfiguration {name} \
                 asoguard.io/unmanaged-"
            ),
        );
    }
    match &webhook.installed_by {
        None => Finding::warn(
            TOPIC,
            "registered",
            format!("{name} does not say how it was installed: the guard puts nothing back"),
            "helm upgrade, or aso-guard webhook … | kubectl apply -f -",
        ),
        Some(version) if *version != facts.version => Finding::warn(
            TOPIC,
            "registered",
            format!(
                "{name} is of version {version}, this program of {}: its rules are not compared",
                facts.version
            ),
            "Use the aso-guard of that version, or helm upgrade",
        ),
        Some(_) => Finding::ok(TOPIC, "registered", name.clone()),
    }
}

fn gaps(webhook: &WebhookFacts, facts: &Facts) -> Vec<Finding> {
    if webhook.gaps.is_empty() {
        let words = "API servers ask about all that is guarded";
        return vec![Finding::ok(TOPIC, "complete", words)];
    }
    let remedy = format!(
        "{PUT_BACK}. Who changed it: kubectl{} get validatingwebhookconfiguration {} -o yaml \
         --show-managed-fields",
        facts.kubectl_flags, facts.name
    );
    let all = webhook.gaps.iter();
    all.map(|gap| Finding::fail(TOPIC, "complete", gap.clone(), remedy.clone()))
        .collect()
}

fn groups(webhook: &WebhookFacts, facts: &Facts) -> Option<Finding> {
    let installed = &facts.kinds.as_ref().ok()?.groups;
    if webhook.groups.contains("*") {
        return Some(Finding::ok(TOPIC, "groups", "all are asked about"));
    }
    let missing: Vec<String> = installed.difference(&webhook.groups).cloned().collect();
    Some(if missing.is_empty() {
        Finding::ok(TOPIC, "groups", "those that are installed are asked about")
    } else {
        Finding::fail(
            TOPIC,
            "groups",
            format!("not asked about: {}", some(&missing, missing.len())),
            "A guard that runs adds them: see its log",
        )
    })
}

fn ca(webhook: &WebhookFacts, facts: &Facts) -> Option<Finding> {
    let ends = webhook.ca_ends?;
    let (words, remedy) = (
        format!("the CA that API servers trust ends at {ends}"),
        "Whoever makes the certificate should have put in another one: the guard's log, or \
         cert-manager's, says why not",
    );
    Some(if ends <= facts.now {
        Finding::fail(TOPIC, "CA", words, remedy)
    } else if ends.duration_since(facts.now) < SOON {
        Finding::warn(TOPIC, "CA", words, remedy)
    } else {
        Finding::ok(TOPIC, "CA", words)
    })
}

fn answers(call: &CallFacts, facts: &Facts) -> Finding {
    let (namespace, name) = (&facts.namespace, &facts.name);
    let see = format!(
        "kubectl{} -n {namespace} get pods, and logs deployment/{name}",
        facts.kubectl_flags
    );
    match call {
        CallFacts::Answered(how) => Finding::ok(TOPIC, "answers", how.clone()),
        CallFacts::Failed(why) if why.contains("x509") || why.contains("certificate") => {
            Finding::fail(
                TOPIC,
                "answers",
                why.clone(),
                format!(
                    "API servers trust another CA, or another name. See docs/operations.md, \"Certificate trouble\"; {see}"
                ),
            )
        }
        CallFacts::Failed(why) => {
            Finding::fail(TOPIC, "answers", why.clone(), format!("See {see}"))
        }
        CallFacts::NotAsked => Finding::fail(
            TOPIC,
            "answers",
            "the API server let a request through without a word of the guard's",
            format!("No guard answers, and failurePolicy is Ignore; or nobody is asked. See {see}"),
        ),
    }
}
