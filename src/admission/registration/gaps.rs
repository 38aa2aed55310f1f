//! Whether API servers ask about all that the guard is to judge: a registration as it stands
//! against one as it should be.

mod weakness;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::installed::{
    ByVerb, Installed, InstalledTarget, is_left_alone, target_url, without_secret,
};
use super::{
    EXEMPTIONS, FailurePolicy, NAMESPACE_LABEL, OF_ASO, PATH, Registration, WebhookTarget,
};
use crate::admission::privileges::Exempt;
use crate::arm::Kinds;

pub use weakness::{Gap, Weakness};

/// What a registration is held against.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The webhooks as they should be. Where nobody said what was chosen, only what no choice
    /// changes is looked at.
    wanted: Vec<ValidatingWebhook>,
    /// What was chosen, where that is known.
    installed: Option<Installed>,
    /// Whether `Ignore` is more than was chosen where nobody said.
    may_ignore: bool,
}

impl Expectation {
    /// As it was installed.
    pub fn installed(installed: Installed) -> Self {
        Self {
            wanted: webhooks(&installed),
            installed: Some(installed),
            may_ignore: false,
        }
    }

    /// As `aso-guard webhook` prints it, whatever was chosen: but for `Ignore`, unless it may.
    pub fn printed(may_ignore: bool) -> Self {
        let on_failure = ByVerb::both(FailurePolicy::Fail);
        let target = WebhookTarget::Url(String::new());
        let nobody = Exempt::default();
        let any = Installed::of(&target, on_failure, ByVerb::both(1), &nobody);
        Self {
            wanted: webhooks(&any),
            installed: None,
            may_ignore,
        }
    }

    /// A webhook as it should be; its `clientConfig` has neither CA nor secret path.
    pub fn webhook(&self, name: &str) -> Option<&ValidatingWebhook> {
        self.wanted.iter().find(|webhook| webhook.name == name)
    }

    /// Whether rules and conditions can be told: those of another version of the program are its
    /// own.
    fn knows_rules(&self) -> bool {
        let installed = self.installed.as_ref();
        installed.is_none_or(Installed::is_of_this_version)
    }
}

/// The webhooks by these choices.
fn webhooks(installed: &Installed) -> Vec<ValidatingWebhook> {
    let target = match &installed.target {
        InstalledTarget::Url(url) => WebhookTarget::Url(url.clone()),
        InstalledTarget::Service {
            namespace, name, ..
        } => WebhookTarget::Service {
            namespace: namespace.clone(),
            name: name.clone(),
            path: PATH.to_owned(),
        },
    };
    let kinds = Kinds::builtin();
    let registration = Registration {
        target,
        ca: None,
        groups: kinds.groups().collect(),
        on_failure: installed.on_failure,
        timeout_seconds: installed.timeout_seconds,
        exempt: installed.exempt.clone(),
    };
    let mut webhooks = registration.configuration().webhooks.unwrap_or_default();
    if let InstalledTarget::Service { port, .. } = &installed.target {
        let services = webhooks
            .iter_mut()
            .map(|one| &mut one.client_config.service);
        services
            .flatten()
            .for_each(|service| service.port = Some(*port));
    }
    webhooks
}

/// What API servers do not ask about though they should.
pub fn gaps(stored: &ValidatingWebhookConfiguration, expected: &Expectation) -> Vec<Gap> {
    let webhooks = stored.webhooks.as_deref().unwrap_or_default();
    let mut gaps = Vec::new();
    if expected.installed.is_some() && !is_left_alone(stored) {
        gaps.push(Gap {
            webhook: String::new(),
            what: Weakness::Enforced,
        });
    }
    for wanted in &expected.wanted {
        let found = webhooks.iter().find(|webhook| webhook.name == wanted.name);
        let weak = found.map_or_else(
            || vec![Weakness::Missing],
            |found| {
                let mut weak = chosen(found, wanted, expected);
                if expected.knows_rules() {
                    weak.extend(narrowed(found, wanted));
                }
                weak
            },
        );
        gaps.extend(weak.into_iter().map(|what| Gap {
            webhook: wanted.name.clone(),
            what,
        }));
    }
    gaps
}

/// Where a webhook falls short of what was chosen.
fn chosen(
    found: &ValidatingWebhook,
    wanted: &ValidatingWebhook,
    expected: &Expectation,
) -> Vec<Weakness> {
    let mut weak = Vec::new();
    let ignores = |webhook: &ValidatingWebhook| webhook.failure_policy.as_deref() == Some("Ignore");
    if ignores(found) && !ignores(wanted) && !expected.may_ignore {
        weak.push(Weakness::Ignores);
    }
    let installed = expected.installed.as_ref();
    let exempt = installed.map(|_| names(wanted.namespace_selector.as_ref()));
    if let Some(selector) = &found.namespace_selector
        && !only_exempts(selector, exempt.as_ref())
    {
        weak.push(Weakness::Namespaces);
    }
    let Some(installed) = installed else {
        return weak;
    };
    weak.extend(other_exemptions(found, wanted));
    if let (Some(found), Some(wanted)) = (found.timeout_seconds, wanted.timeout_seconds)
        && found < wanted
    {
        weak.push(Weakness::Timeout(found));
    }
    let [target, to_guard] = [found, wanted].map(|one| target_url(&one.client_config));
    if without_secret(&target) != without_secret(&to_guard) {
        weak.push(Weakness::Target(without_secret(&target).to_owned()));
    }
    let ca = found.client_config.ca_bundle.as_ref();
    let by_service = matches!(installed.target, InstalledTarget::Service { .. });
    // A URL may have a certificate that the whole world trusts.
    if by_service && ca.is_none_or(|ca| ca.0.is_empty()) {
        weak.push(Weakness::NoCa);
    }
    weak
}

/// Exemptions of others than were chosen.
fn other_exemptions(found: &ValidatingWebhook, wanted: &ValidatingWebhook) -> Vec<Weakness> {
    let wanted = wanted.match_conditions.as_deref().unwrap_or_default();
    let conditions = found.match_conditions.iter().flatten();
    let exempting = conditions.filter(|one| EXEMPTIONS.contains(&&*one.name));
    let others = exempting.filter(|one| !wanted.contains(one));
    others
        .map(|one| Weakness::Condition(one.name.clone()))
        .collect()
}

/// What of its rules, objects and conditions a webhook lacks.
fn narrowed(found: &ValidatingWebhook, wanted: &ValidatingWebhook) -> Vec<Weakness> {
    let mut weak = Vec::new();
    for rule in wanted.rules.iter().flatten() {
        let rules = found.rules.as_deref().unwrap_or_default();
        weak.extend(gap_in_rules(rules, rule).map(Weakness::Rules));
    }
    if found.match_policy.as_deref() == Some("Exact") {
        weak.push(Weakness::MatchPolicy);
    }
    let (objects, all) = (found.object_selector.as_ref(), &wanted.object_selector);
    if is_narrower(objects, all.as_ref()) {
        weak.push(Weakness::Objects);
    }
    for condition in found.match_conditions.iter().flatten() {
        let wanted = wanted.match_conditions.iter().flatten();
        if !is_known(condition, wanted) {
            weak.push(Weakness::Condition(condition.name.clone()));
        }
    }
    weak
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
        format!("{operations} of {resources} in group {group:?}{more}")
    })
}

/// The names that a selector of namespaces has.
fn names(selector: Option<&LabelSelector>) -> BTreeSet<String> {
    let expressions = selector.iter().flat_map(|of| of.match_expressions.iter());
    let values = expressions.flatten().filter_map(|one| one.values.clone());
    values.flatten().collect()
}

/// Whether a selector of namespaces does no more than to leave some out by their names, those that
/// are exempt, where that is known.
fn only_exempts(selector: &LabelSelector, exempt: Option<&BTreeSet<String>>) -> bool {
    let labels = selector.match_labels.as_ref();
    let mut expressions = selector.match_expressions.iter().flatten();
    labels.is_none_or(BTreeMap::is_empty)
        && expressions.all(|one| one.key == NAMESPACE_LABEL && one.operator == "NotIn")
        && exempt.is_none_or(|exempt| names(Some(selector)).is_subset(exempt))
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
mod tests;
