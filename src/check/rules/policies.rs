//! Policies that ASO does not know.

use crate::check::cluster::{CheckedCluster, CheckedResolution};
use crate::check::finding::{Finding, Level, Rule};
use crate::object::POLICY_ANNOTATION;
use crate::policy::{self, Policy};

/// Those of namespaces, and the default.
pub(super) fn of_cluster(cluster: &CheckedCluster) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = cluster.name();
    let default = cluster
        .default_policies()
        .into_iter()
        .map(|(policy, place)| ("DEFAULT_RECONCILE_POLICY".to_owned(), policy, place));
    let namespaces = cluster.policies().map(|(namespace, policy, place)| {
        (
            format!("the annotation {POLICY_ANNOTATION} of namespace {namespace}"),
            policy,
            place,
        )
    });
    for (what, policy, place) in namespaces.chain(default) {
        let Err(error) = policy.parse::<Policy>() else {
            continue;
        };
        if policy.is_empty() {
            continue;
        }
        found.push(Finding {
            place: place.cloned(),
            next: "Correct it; case and white space count.".to_owned(),
            ..Finding::new(
                Rule::UnknownPolicy,
                Level::Error,
                format!("in cluster {name}, {what} is passed over by ASO: {error}"),
            )
        });
    }
    found
}

/// The policy of an object.
pub(super) fn of_object(resolved: &CheckedResolution) -> Option<Finding> {
    let unknown = resolved.policy.unknown.as_ref()?;
    (unknown.at == policy::PolicySource::Object).then(|| Finding {
        next: "Correct it; case and white space count.".to_owned(),
        ..Finding::new(
            Rule::UnknownPolicy,
            Level::Error,
            format!(
                "ASO passes over the policy {unknown}, and takes {}: it knows manage, skip and \
                 detach-on-delete",
                resolved.policy.policy
            ),
        )
    })
}
