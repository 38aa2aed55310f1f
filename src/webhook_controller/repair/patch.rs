//! What to change in a webhook configuration so that it has no gap: nothing but what is wrong.

use std::collections::BTreeSet;

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use serde_json::{Value, json};

use crate::admission::registration::{
    Expectation, Gap, NO_ENFORCER, WEBHOOK_SUFFIX, Weakness, target_url, without_secret,
};

/// The JSON patch for this version of the configuration; `None` where nothing can be done. `whole`
/// is the configuration as it was when nothing was wrong with it.
pub(super) fn patch(
    stored: &ValidatingWebhookConfiguration,
    expected: &Expectation,
    gaps: &[Gap],
    whole: Option<&ValidatingWebhookConfiguration>,
) -> Option<Value> {
    let webhooks = stored.webhooks.as_deref().unwrap_or_default();
    let mut operations = Vec::new();
    for gap in gaps {
        if gap.what == Weakness::Enforced {
            let key = NO_ENFORCER.replace('/', "~1");
            operations.push(add(&format!("/metadata/annotations/{key}"), &json!("true")));
            continue;
        }
        let Some(wanted) = expected.webhook(&gap.webhook) else {
            continue;
        };
        let target = target(wanted, [Some(stored), whole]);
        let at = webhooks.iter().position(|one| one.name == gap.webhook);
        operations.extend(match at {
            Some(at) => member(&gap.what, &webhooks[at], wanted, &target)
                .map(|(member, value)| add(&format!("/webhooks/{at}/{member}"), &value)),
            None => Some(add(
                "/webhooks/-",
                &json!(ValidatingWebhook {
                    client_config: target,
                    ..wanted.clone()
                }),
            )),
        });
    }
    if operations.is_empty() {
        return None;
    }
    if webhooks.is_empty() {
        operations.insert(0, add("/webhooks", &json!([])));
    }
    let version = stored.metadata.resource_version.as_deref();
    let of_version =
        json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version});
    operations.insert(0, of_version);
    Some(Value::Array(operations))
}

/// `add` replaces a member that is there.
fn add(path: &str, value: &Value) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

/// Which member of a webhook to put in, and what.
fn member(
    what: &Weakness,
    found: &ValidatingWebhook,
    wanted: &ValidatingWebhook,
    target: &WebhookClientConfig,
) -> Option<(&'static str, Value)> {
    Some(match what {
        Weakness::Ignores => ("failurePolicy", json!(wanted.failure_policy)),
        Weakness::Rules(_) => ("rules", json!(with_groups(wanted, found))),
        Weakness::Namespaces => {
            let selector = wanted.namespace_selector.clone().unwrap_or_default();
            ("namespaceSelector", json!(selector))
        }
        Weakness::Objects => {
            let selector = wanted.object_selector.clone().unwrap_or_default();
            ("objectSelector", json!(selector))
        }
        Weakness::Condition(_) => {
            let conditions = wanted.match_conditions.clone().unwrap_or_default();
            ("matchConditions", json!(conditions))
        }
        Weakness::MatchPolicy => ("matchPolicy", json!(wanted.match_policy)),
        Weakness::Timeout(_) => ("timeoutSeconds", json!(wanted.timeout_seconds)),
        Weakness::Target(_) => ("clientConfig", json!(target)),
        // Where nobody knows one, whoever makes the certificate puts it in.
        Weakness::NoCa => ("clientConfig/caBundle", json!(target.ca_bundle.as_ref()?)),
        Weakness::Missing | Weakness::Enforced => return None,
    })
}

/// The rules as they should be, for the groups that were added, too.
fn with_groups(wanted: &ValidatingWebhook, found: &ValidatingWebhook) -> Vec<RuleWithOperations> {
    let groups = |webhook: &ValidatingWebhook| -> BTreeSet<String> {
        let rules = webhook.rules.iter().flatten();
        rules
            .filter_map(|rule| rule.api_groups.clone())
            .flatten()
            .collect()
    };
    let mut rules = wanted.rules.clone().unwrap_or_default();
    // Only those of ASO's objects grow.
    if rules
        .iter()
        .any(|rule| rule.scope.as_deref() == Some("Namespaced"))
    {
        let all = &groups(wanted) | &groups(found);
        for rule in &mut rules {
            rule.api_groups = Some(all.iter().cloned().collect());
        }
    }
    rules
}

/// Where a webhook is to lead, with the path and the CA of one that leads there, whichever is
/// found first.
fn target(
    wanted: &ValidatingWebhook,
    known: [Option<&ValidatingWebhookConfiguration>; 2],
) -> WebhookClientConfig {
    let place = |target: &WebhookClientConfig| without_secret(&target_url(target)).to_owned();
    let there = place(&wanted.client_config);
    let known = known.into_iter().flatten();
    let webhooks = known.flat_map(|known| known.webhooks.iter().flatten());
    let own = webhooks.filter(|webhook| webhook.name.ends_with(WEBHOOK_SUFFIX));
    let mut targets = own.map(|webhook| &webhook.client_config);
    let trusted = |target: &&WebhookClientConfig| {
        let ca = target.ca_bundle.as_ref();
        place(target) == there && (target.url.is_some() || ca.is_some_and(|ca| !ca.0.is_empty()))
    };
    targets
        .find(trusted)
        .unwrap_or(&wanted.client_config)
        .clone()
}
