//! ASO: its kinds and its operators.

use crate::doctor::facts::{Facts, GuardFacts, OperatorFacts};
use crate::doctor::finding::{Finding, Topic};

use super::{look, number, some};

const TOPIC: Topic = Topic::Aso;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = look(TOPIC, "kinds", &facts.kinds, |kinds| {
        if kinds.count == 0 {
            return vec![Finding::warn(
                TOPIC,
                "kinds",
                "no kind of ASO is installed",
                "Nothing is there to guard yet: install ASO",
            )];
        }
        let (count, groups) = (kinds.count, kinds.groups.len());
        let mut found = vec![Finding::ok(
            TOPIC,
            "kinds",
            format!("{} in {}", number(count, "kind"), number(groups, "group")),
        )];
        if !kinds.unknown.is_empty() {
            found.push(Finding::warn(
                TOPIC,
                "kinds",
                format!(
                    "nobody can tell which Azure resources these stand for: {}",
                    some(&kinds.unknown, kinds.unknown.len())
                ),
                "Upgrade aso-guard; until then their objects are not guarded",
            ));
        }
        found
    });
    found.extend(look(TOPIC, "operators", &facts.operators, |operators| {
        let guard = facts.guard.as_ref().ok().and_then(Option::as_ref);
        of_operators(operators, guard)
    }));
    found
}

fn of_operators(operators: &[OperatorFacts], guard: Option<&GuardFacts>) -> Vec<Finding> {
    if operators.is_empty() {
        return vec![Finding::warn(
            TOPIC,
            "operators",
            "no ASO was found",
            "Objects are guarded, and nobody reconciles them: install ASO",
        )];
    }
    let named: Option<Vec<&str>> = guard.map(|guard| guard.values("--aso-namespace").collect());
    let of_one = |operator: &OperatorFacts| {
        let (namespace, version) = (&operator.namespace, &operator.version);
        if named
            .as_ref()
            .is_some_and(|named| !named.is_empty() && !named.contains(&&**namespace))
        {
            return Finding::fail(
                TOPIC,
                "operators",
                format!("the guard is not told of the ASO in {namespace}"),
                "It guesses subscriptions and policies by another one's settings. Name it: \
                 asoNamespaces of the chart (--aso-namespace)",
            );
        }
        if operator.ready == 0 {
            return Finding::warn(
                TOPIC,
                "operators",
                format!("ASO {version} in {namespace} has no ready pod"),
                "Nobody reconciles; what was stored in an older version cannot be read",
            );
        }
        Finding::ok(TOPIC, "operators", format!("ASO {version} in {namespace}"))
    };
    operators.iter().map(of_one).collect()
}
