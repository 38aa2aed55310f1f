//! The ValidatingWebhookConfiguration that has an API server call the webhook.

mod conditions;
mod gaps;
mod installed;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, RuleWithOperations, ServiceReference, ValidatingWebhook,
    ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};

use crate::object::{GUARDED_LABEL, MODE_LABEL, OVERRIDE_ANNOTATION, POLICY_ANNOTATION};

use super::privileges::Exempt;
use conditions::{
    cel_list, changes_annotation, changes_label, live_or_names_children, matters, parked,
};

pub use conditions::{of_aso, sets_mode_or_policy};
pub use gaps::{Expectation, Gap, Weakness, gaps};
pub use installed::{
    ByVerb, INSTALLED_ANNOTATION, Installed, InstalledTarget, UNMANAGED_ANNOTATION, is_left_alone,
    target_url, unmanaged, without_secret,
};

/// The configuration's name.
pub const NAME: &str = "aso-guard";
/// The path of the webhook, without its secret part.
pub const PATH: &str = "/validate";
/// The annotation by which AKS leaves a webhook configuration as it is.
pub const NO_ENFORCER: &str = "admissions.enforcer/disabled";
/// The end of each webhook's name.
pub const WEBHOOK_SUFFIX: &str = ".asoguard.io";
/// The webhook for CREATE and UPDATE; API servers name it in refusals.
pub const WRITE_WEBHOOK: &str = "write.asoguard.io";
/// The webhook for CREATE of copies that are parked by their own annotation.
pub const PARKED_WEBHOOK: &str = "parked.asoguard.io";
/// The webhook for DELETE.
pub const DELETE_WEBHOOK: &str = "delete.asoguard.io";
/// The webhook for namespaces that have ASO objects.
pub const NAMESPACE_WEBHOOK: &str = "namespace.asoguard.io";
/// The webhook for the mode and the policy of namespaces that have no ASO objects yet.
pub const MODE_WEBHOOK: &str = "mode.asoguard.io";
/// Where a namespace's annotations and labels can be changed.
pub const NAMESPACE_RESOURCES: [&str; 3] =
    ["namespaces", "namespaces/status", "namespaces/finalize"];
/// The webhook for the deletion of ASO's CRDs.
pub const CRD_WEBHOOK: &str = "crd.asoguard.io";
/// How long a create of a parked copy waits for an answer that cannot refuse it, in seconds.
pub const PARKED_TIMEOUT: i32 = 2;
/// The match condition by which the last is asked about ASO's CRDs only.
pub const OF_ASO: &str = "defines-a-kind-of-aso";

/// The match conditions by which exempt users and groups are not asked about.
pub const EXEMPTIONS: [&str; 2] = ["not-an-exempt-user", "not-in-an-exempt-group"];
/// The label by which namespaces are selected.
pub const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";
/// Where the API server finds the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookTarget {
    /// At a URL; for an API server outside the cluster, and for trying out.
    Url(String),
    /// At a Service, port 443.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The path.
        path: String,
    },
}

/// What the API server does when it gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub enum FailurePolicy {
    /// Refuses the request.
    Fail,
    /// Lets it through.
    Ignore,
}

/// What a registration is made of.
#[derive(Clone, Debug)]
pub struct Registration<'a> {
    /// Where the webhook is.
    pub target: WebhookTarget,
    /// The CA that its certificate is from, in PEM; `None` where somebody else puts it in.
    pub ca: Option<Vec<u8>>,
    /// ASO's API groups.
    pub groups: Vec<&'a str>,
    /// What the API server does without an answer.
    pub on_failure: ByVerb<FailurePolicy>,
    /// How long the API server waits for an answer, in seconds (1 to 30).
    pub timeout_seconds: ByVerb<u8>,
    /// What the API server is not to ask about.
    pub exempt: Exempt,
}

impl Registration<'_> {
    /// The object to apply.
    pub fn configuration(&self) -> ValidatingWebhookConfiguration {
        // AKS rewrites webhook configurations that lack this.
        let enforcer = (NO_ENFORCER.to_owned(), "true".to_owned());
        let installed = Installed::of(
            &self.target,
            self.on_failure,
            self.timeout_seconds,
            &self.exempt,
        );
        let installed = serde_json::to_string(&installed).unwrap_or_default();
        let installed = (INSTALLED_ANNOTATION.to_owned(), installed);
        ValidatingWebhookConfiguration {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                annotations: Some(BTreeMap::from([enforcer, installed])),
                ..ObjectMeta::default()
            },
            webhooks: Some(vec![
                self.webhook(
                    WRITE_WEBHOOK,
                    &["CREATE", "UPDATE"],
                    Some(vec![live_or_names_children(), matters()]),
                ),
                self.parked_copies(),
                self.webhook(DELETE_WEBHOOK, &["DELETE"], None),
                self.namespaces(),
                self.modes(),
                self.definitions(),
            ]),
        }
    }

    /// A parked copy may be created whatever happens to the webhook, and soon; it is asked
    /// because others may wait for the copy as their owner.
    fn parked_copies(&self) -> ValidatingWebhook {
        let timeout = PARKED_TIMEOUT.min(self.timeout_seconds.write.into());
        ValidatingWebhook {
            timeout_seconds: Some(timeout),
            failure_policy: Some(format!("{:?}", FailurePolicy::Ignore)),
            ..self.webhook(PARKED_WEBHOOK, &["CREATE"], Some(vec![parked()]))
        }
    }

    fn webhook(
        &self,
        name: &str,
        operations: &[&str],
        match_conditions: Option<Vec<MatchCondition>>,
    ) -> ValidatingWebhook {
        // Subresources are not in it: status updates never call.
        let rule = rule(&self.groups, &["*"], &["*"], operations, "Namespaced");
        self.asked(name, rule, match_conditions)
    }

    fn asked(
        &self,
        name: &str,
        rule: RuleWithOperations,
        match_conditions: Option<Vec<MatchCondition>>,
    ) -> ValidatingWebhook {
        let deletes = rule.operations.iter().flatten().any(|one| one == "DELETE");
        ValidatingWebhook {
            name: name.to_owned(),
            admission_review_versions: vec!["v1".to_owned()],
            side_effects: "NoneOnDryRun".to_owned(),
            failure_policy: Some(format!("{:?}", self.on_failure.of(deletes))),
            match_policy: Some("Equivalent".to_owned()),
            timeout_seconds: Some(self.timeout_seconds.of(deletes).into()),
            rules: Some(vec![rule]),
            namespace_selector: Some(self.judged_namespaces()),
            match_conditions: self.with_exemptions(match_conditions),
            client_config: self.client_config(),
            ..ValidatingWebhook::default()
        }
    }

    fn judged_namespaces(&self) -> LabelSelector {
        let exempt = LabelSelectorRequirement {
            key: NAMESPACE_LABEL.to_owned(),
            operator: "NotIn".to_owned(),
            values: Some(self.exempt.namespaces().to_vec()),
        };
        LabelSelector {
            match_expressions: Some(vec![exempt]),
            ..LabelSelector::default()
        }
    }

    fn with_exemptions(
        &self,
        conditions: Option<Vec<MatchCondition>>,
    ) -> Option<Vec<MatchCondition>> {
        let (users, groups) = (&self.exempt.users, &self.exempt.groups);
        let [of_users, of_groups] = EXEMPTIONS;
        let mut all = Vec::new();
        if !users.is_empty() {
            all.push(MatchCondition {
                name: of_users.to_owned(),
                expression: format!("!(request.userInfo.username in {})", cel_list(users)),
            });
        }
        if !groups.is_empty() {
            all.push(MatchCondition {
                name: of_groups.to_owned(),
                expression: format!(
                    "!request.userInfo.groups.exists(group, group in {})",
                    cel_list(groups)
                ),
            });
        }
        all.extend(conditions.into_iter().flatten());
        (!all.is_empty()).then_some(all)
    }

    /// Only namespaces that the observer has labelled, and of their UPDATEs only those
    /// that change the policy of what is in them, or take the label away.
    fn namespaces(&self) -> ValidatingWebhook {
        let changes = [
            "request.operation == 'DELETE'".to_owned(),
            changes_annotation(POLICY_ANNOTATION),
            changes_label(GUARDED_LABEL),
            changes_label(MODE_LABEL),
            // Nor may it say by itself that a refusal is overridden.
            changes_annotation(OVERRIDE_ANNOTATION),
        ];
        let matters = MatchCondition {
            name: "deletes-or-changes-what-counts-inside".to_owned(),
            expression: changes.join(" ||\n"),
        };
        let operations = ["UPDATE", "DELETE"];
        let rule = rule(&[""], &["v1"], &NAMESPACE_RESOURCES, &operations, "Cluster");
        let guarded = (GUARDED_LABEL.to_owned(), "true".to_owned());
        ValidatingWebhook {
            object_selector: Some(LabelSelector {
                match_labels: Some(BTreeMap::from([guarded])),
                ..LabelSelector::default()
            }),
            ..self.asked(NAMESPACE_WEBHOOK, rule, Some(vec![matters]))
        }
    }

    /// Of the namespaces that the webhook above is not asked about, only those whose mode
    /// is set, changed or taken away, and those whose policy changes: their first object
    /// may be on its way.
    fn modes(&self) -> ValidatingWebhook {
        let operations = ["CREATE", "UPDATE"];
        let rule = rule(&[""], &["v1"], &NAMESPACE_RESOURCES, &operations, "Cluster");
        self.asked(MODE_WEBHOOK, rule, Some(vec![sets_mode_or_policy()]))
    }

    /// Only ASO's CRDs: others do not depend on the guard.
    fn definitions(&self) -> ValidatingWebhook {
        let of_aso = of_aso(self.groups.iter().copied());
        let rule = rule(
            &["apiextensions.k8s.io"],
            &["*"],
            &["customresourcedefinitions"],
            &["DELETE"],
            "Cluster",
        );
        ValidatingWebhook {
            // A CRD is in no namespace.
            namespace_selector: None,
            ..self.asked(CRD_WEBHOOK, rule, Some(vec![of_aso]))
        }
    }

    fn client_config(&self) -> WebhookClientConfig {
        let (url, service) = match &self.target {
            WebhookTarget::Url(url) => (Some(url.clone()), None),
            WebhookTarget::Service {
                namespace,
                name,
                path,
            } => {
                let service = ServiceReference {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    path: Some(path.clone()),
                    port: Some(443),
                };
                (None, Some(service))
            }
        };
        WebhookClientConfig {
            ca_bundle: self.ca.clone().map(ByteString),
            url,
            service,
        }
    }
}

fn rule(
    groups: &[&str],
    versions: &[&str],
    resources: &[&str],
    operations: &[&str],
    scope: &str,
) -> RuleWithOperations {
    let owned = |texts: &[&str]| Some(texts.iter().map(|&text| text.to_owned()).collect());
    RuleWithOperations {
        api_groups: owned(groups),
        api_versions: owned(versions),
        operations: owned(operations),
        resources: owned(resources),
        scope: Some(scope.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_reads_like_this() {
        let registration = Registration {
            target: WebhookTarget::Service {
                namespace: "aso-guard".to_owned(),
                name: "aso-guard".to_owned(),
                path: PATH.to_owned(),
            },
            ca: Some(b"PEM".to_vec()),
            groups: vec!["resources.azure.com", "storage.azure.com"],
            on_failure: ByVerb {
                write: FailurePolicy::Fail,
                delete: FailurePolicy::Ignore,
            },
            timeout_seconds: ByVerb::both(10),
            exempt: Exempt::default(),
        };
        insta::assert_yaml_snapshot!(registration.configuration());
    }

    #[test]
    fn what_is_exempt_is_not_asked_about() {
        let exempt = Exempt::new(
            &["kube-system".to_owned(), "sandbox".to_owned()],
            vec!["o'neil\\x".to_owned()],
            vec!["admins".to_owned()],
        );
        let registration = Registration {
            target: WebhookTarget::Url("https://example.test/validate".to_owned()),
            ca: Some(b"PEM".to_vec()),
            groups: vec!["resources.azure.com"],
            on_failure: ByVerb::both(FailurePolicy::Fail),
            timeout_seconds: ByVerb::both(10),
            exempt,
        };
        for webhook in registration.configuration().webhooks.unwrap() {
            assert_eq!(
                webhook.namespace_selector.is_none(),
                webhook.name == CRD_WEBHOOK
            );
            if let Some(selector) = webhook.namespace_selector {
                let values = selector.match_expressions.unwrap()[0].values.clone();
                assert_eq!(values.unwrap(), ["kube-system", "sandbox"]);
            }
            let conditions = webhook.match_conditions.unwrap();
            assert_eq!(
                conditions[0].expression,
                "!(request.userInfo.username in ['o\\'neil\\\\x'])"
            );
            assert_eq!(
                conditions[1].expression,
                "!request.userInfo.groups.exists(group, group in ['admins'])"
            );
        }
    }
}
