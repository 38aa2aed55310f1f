//! Keys that look like ASO's policy annotation, and are not.

use crate::check::yaml::{YamlEntry, YamlNode, YamlValue};
use crate::object::POLICY_ANNOTATION;
use crate::policy::Policy;

/// The prefix of ASO's annotations.
const PREFIX: &str = "serviceoperator.azure.com";

/// The label or annotation by which an object's policy was meant to be set, where ASO sees none:
/// `label` or `annotation`, and the entry.
pub(super) fn near_miss<'n, 'a>(
    node: &'n YamlNode<'a>,
) -> Option<(&'static str, &'n YamlEntry<'a>)> {
    if node
        .find(&["metadata", "annotations", POLICY_ANNOTATION])
        .is_some()
    {
        return None;
    }
    let entries = |part| match node.find(&["metadata", part]).map(|node| &node.value) {
        Some(YamlValue::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let annotations = entries("annotations").iter().map(|one| ("annotation", one));
    let labels = entries("labels").iter().map(|one| ("label", one));
    annotations
        .chain(labels)
        .find(|(_, entry)| is_meant(&entry.key, entry.node.text().unwrap_or_default()))
}

fn is_meant(key: &str, value: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("", key));
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let letters: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    let named = [
        "reconcilepolicy",
        "reconciliationpolicy",
        "reconcilerpolicy",
    ];
    let is_asos =
        prefix.is_empty() || prefix.contains("azure") || prefix.contains("serviceoperator");
    let is_policy = Policy::ALL
        .iter()
        .any(|policy| policy.as_str().eq_ignore_ascii_case(value.trim()));
    named.contains(&&*letters) && is_asos || prefix == PREFIX && is_policy
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::is_meant;

    #[rstest]
    #[case("serviceoperator.azure.com/reconcilePolicy", "skip", true)]
    #[case("serviceoperator.azure.com/reconcile_policy", "x", true)]
    #[case("serviceoperator.azure.com/Reconcile-Policy", "skip", true)]
    #[case("serviceoperator.azure.com/reconcile", "skip", true)]
    #[case("serviceoperator.azure.com/policy", "Detach-On-Delete", true)]
    #[case("serviceoperators.azure.com/reconcile-policy", "skip", true)]
    #[case("reconcile-policy", "skip", true)]
    #[case("serviceoperator.azure.com/credential-from", "creds", false)]
    #[case("serviceoperator.azure.com/operator-namespace", "system", false)]
    #[case("kustomize.toolkit.fluxcd.io/reconcile", "disabled", false)]
    #[case("example.com/reconcile-policy", "skip", false)]
    #[case("operator.example.com/reconcile-policy", "skip", false)]
    #[case("policy", "skip", false)]
    fn keys_that_were_meant(#[case] key: &str, #[case] value: &str, #[case] meant: bool) {
        assert_eq!(is_meant(key, value), meant);
    }
}
