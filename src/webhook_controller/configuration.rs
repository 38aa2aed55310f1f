//! The webhook configuration: which CAs it trusts, where it has API servers call, and what to
//! change in it. Only `caBundle`, the path, the lists of API groups, and what an older version
//! asked about namespaces are ever touched, each by itself: AKS rewrites configurations that
//! are replaced as a whole.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use serde_json::{Value, json};

use super::plan::Ca;
use crate::admission::registration::{
    self, CRD_WEBHOOK, DELETE_WEBHOOK, MODE_WEBHOOK, NAMESPACE_RESOURCES, NAMESPACE_WEBHOOK,
    PARKED_WEBHOOK, PATH, WEBHOOK_SUFFIX, WRITE_WEBHOOK,
};
use crate::server::path::{PathEnd, PathSecret};

/// The match condition of a version that was not asked about the policy of a namespace
/// without ASO objects.
const SETS_MODE: &str = "sets-the-mode";

/// The configuration, as read.
pub(super) struct WebhookConfiguration(pub(super) ValidatingWebhookConfiguration);

/// What a configuration should hold.
pub(super) struct DesiredConfiguration<'a> {
    /// These CAs, where the guard keeps its own certificates.
    pub(super) trust: Option<&'a BTreeSet<Ca>>,
    /// This path, where it is to change.
    pub(super) path: Option<&'a PathSecret>,
    /// These API groups.
    pub(super) groups: &'a BTreeSet<String>,
}

impl WebhookConfiguration {
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

    /// Where API servers are told to call, by the end of the path.
    pub(super) fn paths(&self) -> BTreeSet<PathEnd> {
        let targets = self.webhooks().map(|(_, webhook)| &webhook.client_config);
        let ends = targets.filter_map(|target| path_of(target)?.rsplit_once(PATH));
        let ends = ends.filter_map(|(_, end)| match end.strip_prefix('/') {
            Some(secret) => secret.parse().ok().map(Some),
            None => end.is_empty().then_some(None),
        });
        ends.collect()
    }

    /// Whether AKS leaves it alone, so that more than the bundle may change.
    pub(super) fn is_left_alone(&self) -> bool {
        registration::is_left_alone(&self.0)
    }

    /// The JSON patch that makes it hold what is wanted; `None` where it does. It applies to
    /// this version of the configuration only.
    pub(super) fn patch(&self, wanted: &DesiredConfiguration<'_>, now: Timestamp) -> Option<Value> {
        let mut operations = Vec::new();
        if let Some(trust) = wanted.trust {
            operations.extend(self.trust(trust, now));
        }
        if let Some(secret) = wanted.path {
            operations.extend(self.point_to(secret));
        }
        operations.extend(self.follow(wanted.groups));
        operations.extend(self.cover_namespaces());
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

    /// Has API servers call at this path. What stands before the guard's part of it stays.
    fn point_to(&self, secret: &PathSecret) -> Vec<Value> {
        let changed = self.webhooks().filter_map(|(at, webhook)| {
            let target = &webhook.client_config;
            let now = path_of(target)?;
            let (before, _) = now.rsplit_once(PATH)?;
            let new = format!("{before}{}", secret.below(PATH));
            let member = if target.url.is_some() {
                "url"
            } else {
                "service/path"
            };
            let path = format!("/webhooks/{at}/clientConfig/{member}");
            (new != now).then(|| replace(&path, &new))
        });
        changed.collect()
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

    /// Has a configuration of an older version ask about all that can be changed of a
    /// namespace: through its subresources, and before its first object is seen.
    fn cover_namespaces(&self) -> Vec<Value> {
        let mut operations = Vec::new();
        for (at, webhook) in self.webhooks() {
            let is_mode = webhook.name == MODE_WEBHOOK;
            if !is_mode && webhook.name != NAMESPACE_WEBHOOK {
                continue;
            }
            for (rule_at, rule) in webhook.rules.iter().flatten().enumerate() {
                let mut resources = rule.resources.clone().unwrap_or_default();
                let lacks = |one: &&str| !resources.iter().any(|held| held == one || held == "*/*");
                let lacking: Vec<&str> = NAMESPACE_RESOURCES.into_iter().filter(lacks).collect();
                if !lacking.is_empty() {
                    let path = format!("/webhooks/{at}/rules/{rule_at}/resources");
                    resources.extend(lacking.into_iter().map(str::to_owned));
                    operations.push(replace(&path, &resources));
                }
            }
            for (condition_at, condition) in webhook.match_conditions.iter().flatten().enumerate() {
                if is_mode && condition.name == SETS_MODE {
                    let wanted = registration::sets_mode_or_policy();
                    let path = format!("/webhooks/{at}/matchConditions/{condition_at}");
                    operations.push(replace(&format!("{path}/name"), &wanted.name));
                    operations.push(replace(&format!("{path}/expression"), &wanted.expression));
                    let path = format!("/webhooks/{at}/objectSelector");
                    operations.push(json!({"op": "add", "path": path, "value": {}}));
                }
            }
        }
        operations
    }
}

fn replace(path: &str, value: &impl serde::Serialize) -> Value {
    json!({"op": "replace", "path": path, "value": value})
}

/// The path of its Service, or its URL.
fn path_of(target: &WebhookClientConfig) -> Option<&str> {
    let service = target.service.as_ref();
    let of_service = service.and_then(|service| service.path.as_deref());
    target.url.as_deref().or(of_service)
}

fn bundle_of(webhook: &ValidatingWebhook) -> BTreeSet<Ca> {
    let bundle = webhook.client_config.ca_bundle.as_ref();
    bundle.map_or_else(BTreeSet::new, |pem| Ca::all(&pem.0))
}
