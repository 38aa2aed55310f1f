//! One ASO object: which of its fields matter, and what can be in them.

use std::sync::Arc;

use serde::Deserialize;

use crate::check::place::Position;
use crate::check::yaml::{YamlNode, YamlValue};
use crate::object::text::{is_dns_label, is_dns_subdomain, is_kind};
use crate::object::wire::WireObject;
use crate::object::{
    CREDENTIAL_FROM_ANNOTATION, OPERATOR_NAMESPACE_ANNOTATION, POLICY_ANNOTATION,
    RESOURCE_ID_ANNOTATION,
};

use super::{DocumentReader, FieldLocations, Manifest, NAME, NAMESPACE, unrendered};

/// What of an object is handed on to be read: what [`ObjectFacts`](crate::object::ObjectFacts) is made of.
const READ: [&[&str]; 3] = [
    &[
        "name",
        "uid",
        "resourceVersion",
        "deletionTimestamp",
        "annotations",
    ],
    &["azureName", "azureNameFromConfig", "owner", "operatorSpec"],
    &["id"],
];

/// Why an object cannot be read.
pub(super) struct ManifestError {
    pub(super) at: Position,
    pub(super) what: String,
    /// How to render it, where that is all that is wrong.
    pub(super) render: Option<String>,
}

impl ManifestError {
    fn new(at: Position, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
            render: None,
        }
    }
}

impl DocumentReader<'_> {
    pub(super) fn manifest(
        &self,
        node: &YamlNode<'_>,
        group: &str,
        kind: &str,
    ) -> Result<Manifest, ManifestError> {
        for (path, is_good, what) in TEXTS {
            let node = match (self.holder, path) {
                (Some(holder), NAMESPACE) => holder,
                _ => node,
            };
            self.text(node, path, is_good, what)?;
        }
        let name = match node.find(NAME) {
            Some(name) if name.text().is_some() => name.at,
            _ if node.find(&["metadata", "generateName"]).is_some() => {
                let what =
                    "it has generateName instead of a name, so each apply makes another copy";
                return Err(ManifestError::new(node.at, what));
            }
            _ => return Err(ManifestError::new(node.at, "it has no metadata.name")),
        };
        let object = WireObject::deserialize(pruned(node));
        let object = object.map_err(|error| ManifestError::new(node.at, error.to_string()))?;
        let namespace = self.namespace_of(node);
        let annotation = |key| {
            let annotations = node.find(&["metadata", "annotations"]);
            let entry = annotations.and_then(|node| node.entry(key));
            entry.map(|entry| self.place(entry.at))
        };
        Ok(Manifest {
            facts: Arc::new(object.into_facts(group, kind, namespace)),
            name_from: name_from(node),
            marks: FieldLocations {
                object: Some(self.place(name)),
                policy: annotation(POLICY_ANNOTATION),
                resource_id: annotation(RESOURCE_ID_ANNOTATION),
                credential: annotation(CREDENTIAL_FROM_ANNOTATION),
                owner: node
                    .get("spec")
                    .and_then(|spec| spec.entry("owner"))
                    .map(|entry| self.place(entry.at)),
            },
        })
    }

    /// Whether a field, where it is set, is a text that is filled in, and one that can be there.
    fn text(
        &self,
        node: &YamlNode<'_>,
        path: &[&str],
        is_good: fn(&str) -> bool,
        what: &str,
    ) -> Result<(), ManifestError> {
        let Some(found) = node.find(path) else {
            return Ok(());
        };
        let field = match path {
            ["metadata", "annotations", key] => format!("the annotation {key}"),
            path => path.join("."),
        };
        let text: &str = match &found.value {
            YamlValue::Null => return Ok(()),
            YamlValue::Text(text) => text,
            _ => {
                let what = format!("{field} has to be a text; put it in quotes");
                return Err(ManifestError::new(found.at, what));
            }
        };
        if let Some(placeholder) = unrendered::find(text) {
            return Err(ManifestError {
                at: found.at,
                what: format!(
                    "{field} is {text:?}, and {} {:?} before it is applied",
                    placeholder.who(),
                    placeholder.text
                ),
                render: Some(placeholder.how(self.file)),
            });
        }
        if is_good(text) || text.is_empty() && path != NAME {
            return Ok(());
        }
        Err(ManifestError::new(
            found.at,
            format!("{field} is {text:?}, which is no {what} that Kubernetes takes"),
        ))
    }
}

/// The ConfigMap that `spec.azureNameFromConfig` names, and the key.
fn name_from(node: &YamlNode<'_>) -> Option<(Box<str>, Box<str>)> {
    let from = node.find(&["spec", "azureNameFromConfig"])?;
    let text = |key| Some(Box::from(from.get(key)?.text()?));
    Some((text("name")?, text("key")?))
}

/// A field that has to be a text, whether it is one that Kubernetes takes there, and as what.
type TextField = (&'static [&'static str], fn(&str) -> bool, &'static str);

/// The fields that have to be texts: all that identity, policy and credential hang on.
const TEXTS: [TextField; 14] = [
    (NAME, is_dns_subdomain, "name"),
    (NAMESPACE, is_dns_label, "name of a namespace"),
    (&["metadata", "annotations", POLICY_ANNOTATION], any, ""),
    (
        &["metadata", "annotations", RESOURCE_ID_ANNOTATION],
        any,
        "",
    ),
    (
        &["metadata", "annotations", CREDENTIAL_FROM_ANNOTATION],
        is_dns_subdomain,
        "name of a secret",
    ),
    (
        &["metadata", "annotations", OPERATOR_NAMESPACE_ANNOTATION],
        is_dns_label,
        "name of a namespace",
    ),
    (&["spec", "azureName"], any, ""),
    (
        &["spec", "azureNameFromConfig", "name"],
        is_dns_subdomain,
        "name of a ConfigMap",
    ),
    (&["spec", "azureNameFromConfig", "key"], any, ""),
    (&["spec", "owner", "group"], is_dns_subdomain, "API group"),
    (&["spec", "owner", "kind"], is_kind, "kind"),
    (&["spec", "owner", "name"], is_dns_subdomain, "name"),
    (&["spec", "owner", "armId"], any, ""),
    (&["status", "id"], any, ""),
];

fn any(_: &str) -> bool {
    true
}

/// The object with only those fields that are read of it.
fn pruned(node: &YamlNode<'_>) -> serde_json::Value {
    let parts = ["metadata", "spec", "status"].into_iter().zip(READ);
    let parts = parts.filter_map(|(part, read)| {
        let found = node.get(part)?;
        let YamlValue::Map(entries) = &found.value else {
            return Some((part.to_owned(), found.to_json()));
        };
        let kept = entries.iter().filter(|entry| read.contains(&&*entry.key));
        let kept = kept.map(|entry| (entry.key.to_string(), entry.node.to_json()));
        Some((part.to_owned(), serde_json::Value::Object(kept.collect())))
    });
    serde_json::Value::Object(parts.collect())
}
