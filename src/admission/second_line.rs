//! The policies by which an API server itself refuses what would destroy a resource or give it a
//! second live copy, by what the guard wrote down, while no guard answers.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ParamRef, ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBindingSpec,
    ValidatingAdmissionPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use crate::cluster::kube::protections::{POLICY_PREFIX, ROLE_LABEL};

use super::verdict::Mode;

/// Which policies there are: the end of the name, and what is in them.
const POLICIES: [(&str, &str); 3] = [
    ("objects", include_str!("second_line/objects.yaml")),
    ("namespaces", include_str!("second_line/namespaces.yaml")),
    (KINDS, include_str!("second_line/kinds.yaml")),
];
/// The policy for CRDs, which are in no namespace.
const KINDS: &str = "kinds";

/// What is said, how old it is, and how to go on.
const SAYS: &str = r#"variables.why + ' (written down by aso-guard of cluster ' + params.spec.cluster + ' at ' +
string(params.spec.writtenAt) + '; if that has changed since, try again in a few seconds; if you must, override it: annotation asoguard.io/override: "<why>")'"#;

/// The policies and their bindings, for the second line of one cluster.
#[derive(Clone, Debug)]
pub struct SecondLine<'a> {
    /// ASO's API groups.
    pub groups: Vec<&'a str>,
    /// The guard's own namespace.
    pub namespace: &'a str,
}

/// A policy, and what has it take effect.
pub type BoundPolicy = (ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding);

impl SecondLine<'_> {
    /// All of them. A policy that refuses, and the same once more that warns where the mode is
    /// audit: what a binding does depends on no mode.
    ///
    /// # Errors
    /// What is compiled in cannot be read.
    pub fn policies(&self) -> Result<Vec<BoundPolicy>, serde_yaml::Error> {
        let each = POLICIES
            .into_iter()
            .flat_map(|policy| [Mode::Enforce, Mode::Audit].map(|mode| (policy, mode)));
        each.map(|((name, text), mode)| self.policy(name, text, mode))
            .collect()
    }

    fn policy(&self, name: &str, text: &str, mode: Mode) -> Result<BoundPolicy, serde_yaml::Error> {
        let text = text.replace("'MODE'", &format!("'{}'", mode.as_str()));
        let mut spec: ValidatingAdmissionPolicySpec = serde_yaml::from_str(&text)?;
        let rules = spec.match_constraints.iter_mut().flat_map(groups_of);
        // Where the groups are left open, they are ASO's.
        for groups in rules.filter(|groups| groups.is_empty()) {
            *groups = self.groups.iter().map(|&group| group.to_owned()).collect();
        }
        for validation in spec.validations.iter_mut().flatten() {
            validation.message_expression = Some(SAYS.to_owned());
        }
        let name = format!("{POLICY_PREFIX}{name}-{}", mode.as_str());
        let policy = ValidatingAdmissionPolicy {
            metadata: named(&name),
            spec: Some(spec),
            ..ValidatingAdmissionPolicy::default()
        };
        Ok((policy, self.binding(&name, mode)))
    }

    fn binding(&self, name: &str, mode: Mode) -> ValidatingAdmissionPolicyBinding {
        let of_kinds = name.starts_with(&format!("{POLICY_PREFIX}{KINDS}-"));
        let role = if of_kinds { KINDS } else { "namespace" };
        let labels = BTreeMap::from([(ROLE_LABEL.to_owned(), role.to_owned())]);
        let action = if mode == Mode::Enforce {
            "Deny"
        } else {
            "Warn"
        };
        ValidatingAdmissionPolicyBinding {
            metadata: named(name),
            spec: Some(ValidatingAdmissionPolicyBindingSpec {
                policy_name: Some(name.to_owned()),
                param_ref: Some(ParamRef {
                    namespace: of_kinds.then(|| self.namespace.to_owned()),
                    parameter_not_found_action: Some("Allow".to_owned()),
                    selector: Some(LabelSelector {
                        match_labels: Some(labels),
                        ..LabelSelector::default()
                    }),
                    ..ParamRef::default()
                }),
                validation_actions: Some([action, "Audit"].map(str::to_owned).into()),
                ..ValidatingAdmissionPolicyBindingSpec::default()
            }),
        }
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}

fn groups_of(constraints: &mut MatchResources) -> impl Iterator<Item = &mut Vec<String>> {
    let rules = constraints.resource_rules.iter_mut().flatten();
    rules.filter_map(|rule: &mut NamedRuleWithOperations| rule.api_groups.as_mut())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_refuses_in_one_mode_and_warns_in_the_other() {
        let line = SecondLine {
            groups: vec!["resources.azure.com"],
            namespace: "aso-guard",
        };
        let policies = line.policies().unwrap();
        assert_eq!(policies.len(), 6);
        for (policy, binding) in policies {
            let (name, spec) = (policy.metadata.name.unwrap(), policy.spec.unwrap());
            let enforces = name.ends_with("enforce");
            let actions = binding.spec.unwrap().validation_actions.unwrap();
            assert_eq!(actions[0], if enforces { "Deny" } else { "Warn" });
            let text = serde_yaml::to_string(&spec).unwrap();
            assert!(!text.contains("MODE") && !text.contains("SAYS"), "{text}");
            assert_eq!(
                text.contains("resources.azure.com"),
                name.contains("objects")
            );
            assert_eq!(spec.failure_policy.as_deref(), Some("Ignore"));
        }
    }
}
