//! The webhook configuration: which CAs it trusts, and what to change in it. Only `caBundle`
//! and the lists of API groups are ever touched, each by itself: AKS rewrites
//! configurations that are replaced as a whole.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingWebhook, ValidatingWebhookConfiguration,
};
use serde_json::{Value, json};

use super::plan::Ca;
use crate::admission::registration::{
    self, CRD_WEBHOOK, DELETE_WEBHOOK, PARKED_WEBHOOK, WEBHOOK_SUFFIX, WRITE_WEBHOOK,
};

/// The configuration, as read.
pub(super) struct Configuration(pub(super) ValidatingWebhookConfiguration);

/// What a configuration should hold.
pub(super) struct Wanted<'a> {
    /// These CAs, where the guard keeps its own certificates.
    pub(super) trust: Option<&'a BTreeSet<Ca>>,
    /// These API groups.
    pub(super) groups: &'a BTreeSet<String>,
}

impl Configuration {
    /// The guard's own webhooks, and where each stands.
    fn webhooks(&self) -> impl Iterator<Item = (usize, &ValidatingWebhook)> {
        let all = self.0.webhooks.iter().flatten().enumerate();
        all.filter(|(_, webhook)| webhook.name.ends_with(WEBHOOK_SUFFIX))
    }

    /// The CAs that all the webhooks trust; `None` where it has no webhook.
    pub(super) fn bundle(&self) -> Option<BTreeSet<Ca>> {
        self.webhooks()
            .map(|(_, webhook)| bundle_of(webhook))
            .reduce(|all, one| &all & &one)
    }

    /// The JSON patch that makes it hold what is wanted; `None` where it does. It applies to
    /// this version of the configuration only.
    pub(super) fn patch(&self, wanted: &Wanted<'_>, now: Timestamp) -> Option<Value> {
        let mut operations = Vec::new();
        if let Some(trust) = wanted.trust {
            operations.extend(self.trust(trust, now));
        }
        operations.extend(self.follow(wanted.groups));
        if operations.is_empty() {
            return None;
        }
        let version = self.0.metadata.resource_version.as_deref();
        operations.insert(0, replace("/metadata/resourceVersion", &version));
        Some(Value::Array(operations))
    }

    /// Adds CAs to each bundle, and takes out what has expired.
    fn trust(&self, trust: &BTreeSet<Ca>, now: Timestamp) -> Vec<Value> {
        let mut operations = Vec::new();
        for (at, webhook) in self.webhooks() {
            let held = bundle_of(webhook);
            let mut bundle: BTreeSet<Ca> = held.clone();
            bundle.retain(|ca| ca.is_of_use(now));
            bundle.extend(trust.iter().cloned());
            if bundle != held {
                let pem: String = bundle.iter().map(Ca::to_pem).collect();
                let path = format!("/webhooks/{at}/clientConfig/caBundle");
                // This replaces one that is there.
                let value = ByteString(pem.into_bytes());
                operations.push(json!({"op": "add", "path": path, "value": value}));
            }
        }
        operations
    }

    /// Adds API groups where the webhooks lack them. None is ever taken out: ASO may
    /// install its kinds at any time, and until the rule followed, nobody would ask.
    fn follow(&self, groups: &BTreeSet<String>) -> Vec<Value> {
        let mut operations = Vec::new();
        let mut all = groups.clone();
        for (at, webhook) in self.webhooks() {
            if ![WRITE_WEBHOOK, PARKED_WEBHOOK, DELETE_WEBHOOK].contains(&&*webhook.name) {
                continue;
            }
            for (rule_at, rule) in webhook.rules.iter().flatten().enumerate() {
                let held: BTreeSet<String> = rule.api_groups.iter().flatten().cloned().collect();
                all.extend(held.iter().cloned());
                if !held.contains("*") && !groups.is_subset(&held) {
                    let path = format!("/webhooks/{at}/rules/{rule_at}/apiGroups");
                    operations.push(replace(&path, &(&held | groups)));
                }
            }
        }
        for (at, webhook) in self.webhooks().filter(|(_, w)| w.name == CRD_WEBHOOK) {
            for (condition_at, condition) in webhook.match_conditions.iter().flatten().enumerate() {
                let names = |group: &String| condition.expression.contains(&format!("'{group}'"));
                if condition.name == registration::OF_ASO && !groups.iter().all(names) {
                    let path = format!("/webhooks/{at}/matchConditions/{condition_at}/expression");
                    let expression = registration::of_aso(all.iter().map(String::as_str));
                    operations.push(replace(&path, &expression.expression));
                }
            }
        }
        operations
    }
}

fn replace(path: &str, value: &impl serde::Serialize) -> Value {
    json!({"op": "replace", "path": path, "value": value})
}

fn bundle_of(webhook: &ValidatingWebhook) -> BTreeSet<Ca> {
    let bundle = webhook.client_config.ca_bundle.as_ref();
    bundle.map_or_else(BTreeSet::new, |pem| Ca::all(&pem.0))
}
