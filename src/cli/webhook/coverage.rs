//! Whether API servers ask about all that the guard is to judge: a registration as it stands
//! against the one that `aso-guard webhook` prints.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::admission::Exempt;
use crate::admission::registration::{
    CRD_WEBHOOK, DELETE_WEBHOOK, EXEMPTIONS, FailurePolicy, MODE_WEBHOOK, NAMESPACE_LABEL,
    NAMESPACE_WEBHOOK, OF_ASO, PARKED_WEBHOOK, Registration, WRITE_WEBHOOK, WebhookTarget,
};
use crate::arm::Kinds;

/// What API servers do not ask about though they should, a line each.
pub(super) fn gaps(stored: &ValidatingWebhookConfiguration, may_ignore: bool) -> Vec<String> {
    let kinds = Kinds::builtin();
    let printed = Registration {
        target: WebhookTarget::Url(String::new()),
        ca: None,
        groups: kinds.groups().collect(),
        on_write_failure: FailurePolicy::Fail,
        on_delete_failure: FailurePolicy::Fail,
        timeout_seconds: 10,
        exempt: Exempt::default(),
    };
    let printed = printed.configuration().webhooks.unwrap_or_default();
    let webhooks = stored.webhooks.as_deref().unwrap_or_default();
    let gaps = printed.iter().flat_map(|wanted| {
        let name = &wanted.name;
        let Some(found) = webhooks.iter().find(|webhook| webhook.name == *name) else {
            return vec![format!(
                "{name} is not there: the guard does not see {}",
                about(name)
            )];
        };
        let gaps = gaps_of(found, wanted, may_ignore).into_iter();
        gaps.map(|gap| format!("{name}: {gap}")).collect()
    });
    gaps.collect()
}

/// What a webhook is asked about.
fn about(name: &str) -> &'static str {
    match name {
        WRITE_WEBHOOK => "creates and updates",
        PARKED_WEBHOOK => "creates of parked copies",
        DELETE_WEBHOOK => "deletes",
        NAMESPACE_WEBHOOK => "namespaces with ASO's objects",
        MODE_WEBHOOK => "modes of namespaces",
        CRD_WEBHOOK => "deletes of ASO's CRDs",
        _ => "something",
    }
}

fn gaps_of(found: &ValidatingWebhook, wanted: &ValidatingWebhook, may_ignore: bool) -> Vec<String> {
    let mut gaps = Vec::new();
    let ignores = |webhook: &ValidatingWebhook| webhook.failure_policy.as_deref() == Some("Ignore");
    if ignores(found) && !ignores(wanted) && !may_ignore {
        gaps.push(
            "failurePolicy is Ignore: while no guard answers, everything goes through. Where that \
             is meant, say --may-ignore"
                .to_owned(),
        );
    }
    for rule in wanted.rules.iter().flatten() {
        gaps.extend(gap_in_rules(
            found.rules.as_deref().unwrap_or_default(),
            rule,
        ));
    }
    if let Some(selector) = &found.namespace_selector
        && !only_exempts(selector)
    {
        gaps.push("its namespaceSelector leaves out more than the namespaces it names".to_owned());
    }
    if is_narrower(
        found.object_selector.as_ref(),
        wanted.object_selector.as_ref(),
    ) {
        gaps.push("its objectSelector leaves out objects".to_owned());
    }
    for condition in found.match_conditions.iter().flatten() {
        let wanted = wanted.match_conditions.iter().flatten();
        if !is_known(condition, wanted) {
            let name = &condition.name;
            gaps.push(format!("its matchCondition {name} is none of the guard's"));
        }
    }
    gaps
}

/// What of a rule no rule that was found has.
fn gap_in_rules(found: &[RuleWithOperations], wanted: &RuleWithOperations) -> Option<String> {
    let scope = |rule: &RuleWithOperations| rule.scope.clone().unwrap_or("*".to_owned());
    let lists = |rule: &RuleWithOperations| {
        [
            rule.operations.clone(),
            rule.resources.clone(),
            rule.api_versions.clone(),
        ]
        .map(Option::unwrap_or_default)
    };
    let mut groups: BTreeSet<&String> = wanted.api_groups.iter().flatten().collect();
    for rule in found {
        let has_scope = scope(rule) == "*" || scope(rule) == scope(wanted);
        let mut pairs = lists(rule).into_iter().zip(lists(wanted));
        let has_lists = pairs.all(|(found, wanted)| {
            let all = found.iter().any(|one| one == "*");
            all || wanted.iter().all(|one| found.contains(one))
        });
        if has_scope && has_lists {
            let of = rule.api_groups.as_deref().unwrap_or_default();
            let all = of.iter().any(|one| one == "*");
            groups.retain(|group| !all && !of.contains(group));
        }
    }
    let operations = wanted.operations.iter().flatten().cloned();
    let operations = operations.collect::<Vec<_>>().join(" and ");
    let resources = wanted.resources.iter().flatten().cloned();
    let resources = resources.collect::<Vec<_>>().join(", ");
    let some: Vec<&str> = groups.iter().take(3).map(|group| group.as_str()).collect();
    (!groups.is_empty()).then(|| {
        let more = match groups.len() - some.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let group = some.join(", ");
        format!("its rules leave out {operations} of {resources} in group {group:?}{more}")
    })
}

/// Whether a selector of namespaces does no more than to leave some out by their names.
fn only_exempts(selector: &LabelSelector) -> bool {
    let labels = selector.match_labels.as_ref();
    let mut expressions = selector.match_expressions.iter().flatten();
    labels.is_none_or(BTreeMap::is_empty)
        && expressions.all(|one| one.key == NAMESPACE_LABEL && one.operator == "NotIn")
}

fn is_narrower(found: Option<&LabelSelector>, wanted: Option<&LabelSelector>) -> bool {
    let empty = LabelSelector::default();
    let found = found.unwrap_or(&empty);
    *found != empty && Some(found) != wanted
}

/// Whether a condition is one of the guard's, or exempts somebody.
fn is_known<'a>(
    condition: &MatchCondition,
    wanted: impl Iterator<Item = &'a MatchCondition>,
) -> bool {
    let mut same = wanted.filter(|wanted| wanted.name == condition.name);
    EXEMPTIONS.contains(&&*condition.name)
        || same.any(|wanted| {
            // The guard adds groups that ASO installs.
            let of_groups = condition.name == OF_ASO;
            let mut groups = wanted.expression.split('\'').skip(1).step_by(2);
            wanted.expression == condition.expression
                || (of_groups
                    && groups.all(|group| condition.expression.contains(&format!("'{group}'"))))
        })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    /// The registration that the guard prints, as stored, after a change by somebody.
    fn changed(change: impl FnOnce(&mut Value)) -> ValidatingWebhookConfiguration {
        let kinds = Kinds::builtin();
        let registration = Registration {
            target: WebhookTarget::Url("https://127.0.0.1/validate".to_owned()),
            ca: None,
            groups: kinds.groups().chain(["new.azure.com"]).collect(),
            on_write_failure: FailurePolicy::Fail,
            on_delete_failure: FailurePolicy::Fail,
            timeout_seconds: 5,
            exempt: Exempt::new(
                &["sandbox".to_owned()],
                vec!["robot".to_owned()],
                vec!["admins".to_owned()],
            ),
        };
        let mut stored = serde_json::to_value(registration.configuration()).unwrap();
        change(&mut stored);
        serde_json::from_value(stored).unwrap()
    }

    #[test]
    fn what_the_guard_prints_has_no_gap() {
        assert_eq!(gaps(&changed(|_| {}), false), [""; 0]);
        let wider = changed(|stored| {
            for webhook in stored["webhooks"].as_array_mut().unwrap() {
                webhook["rules"][0]["apiGroups"] = json!(["*"]);
                webhook["matchConditions"] = json!([]);
                webhook["namespaceSelector"] = json!({});
                webhook["objectSelector"] = json!({});
            }
        });
        assert_eq!(gaps(&wider, false), [""; 0]);
    }

    const WRITE: &str = "/webhooks/0";
    const NAMESPACE: &str = "/webhooks/3";
    const CRD: &str = "/webhooks/5";

    #[rstest]
    #[case::ignored(WRITE, "failurePolicy", json!("Ignore"), "write.asoguard.io: failurePolicy is Ignore")]
    #[case::no_update(
        WRITE, "rules",
        json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}]),
        "write.asoguard.io: its rules leave out CREATE and UPDATE of * in group"
    )]
    #[case::one_version(
        WRITE, "rules",
        json!([{"apiGroups": ["*"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*"]}]),
        "write.asoguard.io: its rules leave out"
    )]
    #[case::no_rule(WRITE, "rules", json!([]), "write.asoguard.io: its rules leave out")]
    #[case::another_scope(
        NAMESPACE, "rules",
        json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "Namespaced"}]),
        "namespace.asoguard.io: its rules leave out"
    )]
    #[case::some_namespaces(
        WRITE, "namespaceSelector", json!({"matchLabels": {"team": "blue"}}),
        "write.asoguard.io: its namespaceSelector leaves out"
    )]
    #[case::some_objects(
        WRITE, "objectSelector", json!({"matchLabels": {"team": "blue"}}),
        "write.asoguard.io: its objectSelector leaves out"
    )]
    #[case::other_objects(
        NAMESPACE, "objectSelector", json!({"matchLabels": {"team": "blue"}}),
        "namespace.asoguard.io: its objectSelector leaves out"
    )]
    #[case::another_condition(
        WRITE, "matchConditions", json!([{"name": "never", "expression": "false"}]),
        "write.asoguard.io: its matchCondition never is none of the guard's"
    )]
    #[case::a_changed_condition(
        WRITE, "matchConditions", json!([{"name": "changes-policy-or-identity", "expression": "false"}]),
        "write.asoguard.io: its matchCondition changes-policy-or-identity is none"
    )]
    #[case::fewer_groups(
        CRD, "matchConditions",
        json!([{"name": "defines-a-kind-of-aso", "expression": "oldObject.spec.group in ['x']"}]),
        "crd.asoguard.io: its matchCondition defines-a-kind-of-aso is none"
    )]
    fn what_is_narrower_is_told(
        #[case] webhook: &str,
        #[case] member: &str,
        #[case] value: Value,
        #[case] expected: &str,
    ) {
        let stored = changed(|stored| stored.pointer_mut(webhook).unwrap()[member] = value);
        let gaps = gaps(&stored, false);
        assert!(gaps.len() == 1 && gaps[0].starts_with(expected), "{gaps:?}");
    }

    #[test]
    fn a_webhook_that_was_taken_out_is_missed() {
        let stored = changed(|stored| drop(stored["webhooks"].as_array_mut().unwrap().remove(2)));
        let gaps = gaps(&stored, false);
        assert_eq!(
            gaps,
            ["delete.asoguard.io is not there: the guard does not see deletes"]
        );
    }

    #[test]
    fn some_groups_are_told_and_the_rest_is_counted() {
        let stored = changed(|stored| {
            stored["webhooks"][2]["rules"][0]["apiGroups"] = json!(["storage.azure.com"]);
        });
        let gaps = gaps(&stored, false);
        assert_eq!(gaps.len(), 1);
        assert!(
            gaps[0].contains("leave out DELETE of * in group"),
            "{gaps:?}"
        );
        assert!(gaps[0].contains(" more"), "{gaps:?}");
    }

    #[test]
    fn to_ignore_may_be_meant() {
        let stored = changed(|stored| {
            for webhook in stored["webhooks"].as_array_mut().unwrap() {
                webhook["failurePolicy"] = json!("Ignore");
            }
        });
        assert_eq!(gaps(&stored, true), [""; 0]);
        assert_eq!(gaps(&stored, false).len(), 5);
    }
}
