//! The copy that is made at the target: the object at the source without what makes sense in
//! one cluster only.

use serde_json::{Map, Value, json};

use crate::object::POLICY_ANNOTATION;
use crate::policy::{self, Policy};

/// On a copy that a transfer parked: the policy annotation it had before, as it was written;
/// empty where it had none.
pub const POLICY_BEFORE_ANNOTATION: &str = "asoguard.io/policy-before";
/// On a copy that a transfer made: that transfer's name.
pub const MADE_BY_ANNOTATION: &str = "asoguard.io/made-by-transfer";

/// Annotations and labels that say something about one cluster's own object. Where the target's
/// ASO finds the namespace of another operator, it never touches the copy.
const OF_ONE_CLUSTER: [&str; 13] = [
    POLICY_ANNOTATION,
    POLICY_BEFORE_ANNOTATION,
    MADE_BY_ANNOTATION,
    "serviceoperator.azure.com/resource-id",
    "serviceoperator.azure.com/poller-resume-token",
    "serviceoperator.azure.com/poller-resume-id",
    "serviceoperator.azure.com/latest-reconciled-generation",
    "serviceoperator.azure.com/operator-namespace",
    "serviceoperator.azure.com/owner-name",
    "serviceoperator.azure.com/owner-group-kind",
    "serviceoperator.azure.com/owner-uid",
    "serviceoperator.azure.com/last-reconciled-version",
    "kubectl.kubernetes.io/last-applied-configuration",
];

/// A tool that applies objects by itself, as the marks on them tell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GitOpsTool {
    /// Flux: a Kustomization, `namespace/name`.
    FluxKustomization(String),
    /// Flux: a HelmRelease, `namespace/name`.
    FluxHelmRelease(String),
    /// An Argo CD Application.
    ArgoCd(String),
    /// A Helm release, `namespace/name`.
    Helm(String),
}

/// Labels and annotations by which tools know what is theirs.
const FLUX: [&str; 2] = ["kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"];
const ARGO_INSTANCE: &str = "argocd.argoproj.io/instance";
const ARGO_TRACKING: &str = "argocd.argoproj.io/tracking-id";
const HELM: [&str; 2] = [
    "meta.helm.sh/release-namespace",
    "meta.helm.sh/release-name",
];

impl GitOpsTool {
    /// The tool that an object is applied by.
    pub fn of(object: &Value) -> Option<Self> {
        let label = |name: &str| text(object, "labels", name);
        let annotation = |name: &str| text(object, "annotations", name);
        let flux = |prefix: &str| {
            let name = label(&format!("{prefix}name"))?;
            let namespace = label(&format!("{prefix}namespace")).unwrap_or("flux-system");
            Some(format!("{namespace}/{name}"))
        };
        let argo = || {
            let id = annotation(ARGO_TRACKING).and_then(|id| id.split(':').next());
            id.or(label(ARGO_INSTANCE)).map(str::to_owned)
        };
        let helm = || {
            let [namespace, name] = HELM.map(annotation);
            Some(format!("{}/{}", namespace.unwrap_or("default"), name?))
        };
        flux(FLUX[0])
            .map(Self::FluxKustomization)
            .or_else(|| flux(FLUX[1]).map(Self::FluxHelmRelease))
            .or_else(|| argo().map(Self::ArgoCd))
            .or_else(|| helm().map(Self::Helm))
    }

    /// Its name, for people.
    pub fn words(&self) -> String {
        match self {
            Self::FluxKustomization(name) => format!("Flux's Kustomization {name}"),
            Self::FluxHelmRelease(name) => format!("Flux's HelmRelease {name}"),
            Self::ArgoCd(name) => format!("the Argo CD Application {name}"),
            Self::Helm(name) => format!("the Helm release {name}"),
        }
    }

    /// Whether it puts back by itself what somebody else changed.
    pub fn reverts(&self) -> bool {
        !matches!(self, Self::Helm(_))
    }

    /// What to do about it before a transfer.
    pub fn advice(&self) -> String {
        let split = |name: &str| {
            let (namespace, name) = name.split_once('/').unwrap_or(("flux-system", name));
            (namespace.to_owned(), name.to_owned())
        };
        match self {
            Self::FluxKustomization(name) => {
                let (namespace, name) = split(name);
                format!("flux suspend kustomization {name} -n {namespace}")
            }
            Self::FluxHelmRelease(name) => {
                let (namespace, name) = split(name);
                format!("flux suspend helmrelease {name} -n {namespace}")
            }
            Self::ArgoCd(name) => format!("argocd app set {name} --sync-policy none"),
            Self::Helm(name) => format!(
                "in the target, let Helm take the copies over with helm install --take-ownership; \
                 in the source, take them out of {name}"
            ),
        }
    }
}

fn text<'a>(object: &'a Value, list: &str, name: &str) -> Option<&'a str> {
    let found = object.get("metadata")?.get(list)?.get(name)?.as_str()?;
    (!found.is_empty()).then_some(found)
}

/// How the copy at the target differs from the object at the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetCopy<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// The `apiVersion` that both clusters serve.
    pub api_version: &'a str,
    /// Its policy annotation; `None` for none.
    pub policy: Option<&'a str>,
    /// `spec.azureName`, where it has to be stated.
    pub azure_name: Option<&'a str>,
    /// The transfer that makes it.
    pub transfer: &'a str,
}

/// The copy that is made at the target.
///
/// Of the metadata only name, labels and annotations stay, without the marks of tools: a tool
/// of the target would take the copy for one of its own, and prune it.
pub fn copy_for(object: &Value, target: &TargetCopy<'_>) -> Value {
    let of = |list: &str| {
        let found = object.get("metadata").and_then(|meta| meta.get(list));
        found
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    };
    let mut labels = of("labels");
    let mut annotations = of("annotations");
    for list in [&mut labels, &mut annotations] {
        list.retain(|name, _| !is_of_one_cluster(name));
    }
    if let Some(policy) = target.policy {
        annotations.insert(POLICY_ANNOTATION.to_owned(), policy.into());
    }
    annotations.insert(MADE_BY_ANNOTATION.to_owned(), target.transfer.into());
    let mut spec = object.get("spec").cloned().unwrap_or_else(|| json!({}));
    if let (Some(name), Some(spec)) = (target.azure_name, spec.as_object_mut()) {
        spec.insert("azureName".to_owned(), name.into());
    }
    let mut metadata = json!({
        "name": object["metadata"]["name"],
        "namespace": target.namespace,
        "annotations": annotations,
    });
    if !labels.is_empty() {
        metadata["labels"] = labels.into();
    }
    json!({
        "apiVersion": target.api_version,
        "kind": object["kind"],
        "metadata": metadata,
        "spec": spec,
    })
}

fn is_of_one_cluster(name: &str) -> bool {
    OF_ONE_CLUSTER.contains(&name)
        || FLUX.iter().any(|prefix| name.starts_with(prefix))
        || HELM.contains(&name)
        || [ARGO_INSTANCE, ARGO_TRACKING].contains(&name)
}

/// What of an object its copy leaves out or changes, for people: `status`, finalizers, and
/// annotations by their names.
pub fn left_out(object: &Value) -> Vec<String> {
    let metadata = object.get("metadata").and_then(Value::as_object);
    let mut left = Vec::new();
    for field in ["ownerReferences", "finalizers"] {
        if metadata.is_some_and(|metadata| metadata.contains_key(field)) {
            left.push(format!("metadata.{field}"));
        }
    }
    for list in ["annotations", "labels"] {
        let names = metadata.and_then(|metadata| metadata.get(list)?.as_object());
        let names = names.into_iter().flat_map(Map::keys);
        left.extend(names.filter(|name| is_of_one_cluster(name)).cloned());
    }
    if object.get("status").is_some() {
        left.push("status".to_owned());
    }
    left
}

/// What policies are made of in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PolicyDefaults<'a> {
    /// The annotation of the namespace.
    pub namespace: Option<&'a str>,
    /// `DEFAULT_RECONCILE_POLICY`.
    pub operator: Option<&'a str>,
}

impl PolicyDefaults<'_> {
    /// The effective policy of an object with this annotation.
    pub fn effective(&self, annotation: Option<&str>) -> Policy {
        policy::effective(annotation, self.namespace, self.operator).policy
    }
}

/// The policy annotation with which a copy goes live at the other end, so that ASO does there
/// what it did here: the one `before` it was parked where that suffices, else one that says
/// it outright. `None`: no annotation.
pub fn live_annotation(
    before: Option<&str>,
    here: PolicyDefaults<'_>,
    there: PolicyDefaults<'_>,
) -> Option<String> {
    let before = before.filter(|before| !before.is_empty());
    let was = here.effective(before);
    if !was.is_live() {
        // It was parked by somebody else, in whatever way; now it is to go live.
        let plain = there.effective(None).is_live();
        return (!plain).then(|| Policy::Manage.to_string());
    }
    if there.effective(before) == was {
        return before.map(str::to_owned);
    }
    Some(was.to_string())
}

/// The `name` and `key` of a secret or a ConfigMap that a spec reads or writes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DataReference {
    /// The object's name, in the same namespace.
    pub name: String,
    /// Whether it is a ConfigMap and not a secret.
    pub is_config_map: bool,
    /// Whether ASO writes it (`spec.operatorSpec`) rather than reads it.
    pub is_written: bool,
}

impl DataReference {
    /// `secret x` or `ConfigMap x`.
    pub fn words(&self) -> String {
        let kind = if self.is_config_map {
            "ConfigMap"
        } else {
            "secret"
        };
        format!("{kind} {}", self.name)
    }
}

/// The secrets and ConfigMaps that an object's spec names, each once. ASO has them as objects
/// with `name` and `key` and nothing else: fields that end in `FromConfig` mean a ConfigMap,
/// others a secret; below `operatorSpec`, the parent's name tells.
pub fn references(object: &Value) -> Vec<DataReference> {
    let mut found = Vec::new();
    if let Some(spec) = object.get("spec").and_then(Value::as_object) {
        for (field, value) in spec {
            if field == "operatorSpec" {
                for (list, is_config_map) in [("secrets", false), ("configMaps", true)] {
                    let list = value.get(list).unwrap_or(&Value::Null);
                    collect(list, is_config_map, true, &mut found);
                }
            } else {
                let is_config_map = field.ends_with("FromConfig");
                collect(value, is_config_map, false, &mut found);
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn collect(value: &Value, is_config_map: bool, is_written: bool, found: &mut Vec<DataReference>) {
    match value {
        Value::Array(values) => values
            .iter()
            .for_each(|value| collect(value, is_config_map, is_written, found)),
        Value::Object(fields) => {
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            match (text("name"), text("key")) {
                (Some(name), Some(_)) if fields.len() == 2 => found.push(DataReference {
                    name: name.to_owned(),
                    is_config_map,
                    is_written,
                }),
                _ => {
                    for (field, value) in fields {
                        let config = is_config_map || !is_written && field.ends_with("FromConfig");
                        collect(value, config, is_written, found);
                    }
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
