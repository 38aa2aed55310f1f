//! The guard's pods, and what it may do.

use crate::doctor::facts::{Facts, GuardFacts};
use crate::doctor::finding::{Finding, Topic};

use super::look;

const TOPIC: Topic = Topic::Guard;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = look(TOPIC, "pods", &facts.guard, |guard| {
        let Some(guard) = guard else {
            let place = format!("{}/{}", facts.namespace, facts.name);
            return vec![Finding::warn(
                TOPIC,
                "pods",
                format!("there is no Deployment {place}"),
                "Where it has another name: --namespace, --name; else helm install",
            )];
        };
        vec![pods(guard, facts), version(guard, facts)]
    });
    found.extend(look(TOPIC, "rights", &facts.missing_rights, |missing| {
        if missing.is_empty() {
            return vec![Finding::ok(TOPIC, "rights", "it may do all that it needs")];
        }
        let remedy = "helm upgrade makes its roles; for a group that is newer than the chart, \
                      rbac.moreApiGroups";
        let each = missing.iter();
        each.map(|one| Finding::fail(TOPIC, "rights", format!("it may not {one}"), remedy))
            .collect()
    }));
    found
}

fn pods(guard: &GuardFacts, facts: &Facts) -> Finding {
    let (ready, replicas) = (guard.ready, guard.replicas);
    let words = format!("{ready} of {replicas} are ready");
    let see = format!(
        "kubectl{} -n {} get pods",
        facts.kubectl_flags, facts.namespace
    );
    match ready {
        0 => Finding::fail(TOPIC, "pods", words, format!("Nobody answers. See {see}")),
        _ if ready < replicas => Finding::warn(TOPIC, "pods", words, format!("See {see}")),
        1 => Finding::warn(
            TOPIC,
            "pods",
            words,
            "With one, every drain of its node is a while without a guard: replicas of the chart",
        ),
        _ => Finding::ok(TOPIC, "pods", words),
    }
}

fn version(guard: &GuardFacts, facts: &Facts) -> Finding {
    let (its, this) = (&guard.version, &facts.version);
    if its == this {
        return Finding::ok(TOPIC, "version", this.clone());
    }
    Finding::warn(
        TOPIC,
        "version",
        format!("the guard is {its}, this program is {this}"),
        "What this one finds may be said of another version: use the one of the guard",
    )
}
