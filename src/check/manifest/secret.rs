//! Secrets, as far as ASO reads them, and what makes secrets later.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::check::place::{Location, Position};
use crate::check::yaml::YamlNode;
use crate::resolve::SecretFacts;

use super::unrendered;

/// What is read of a secret: three of its keys, never the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretManifest {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it says.
    pub facts: SecretFacts,
    /// Why its subscription cannot be read, though the secret is there: `is encrypted`.
    pub hidden: Option<String>,
    /// Where its `DEFAULT_RECONCILE_POLICY` is written.
    pub default_policy_at: Option<Location>,
}

/// What a key is set to.
enum SecretValue {
    Plain(Arc<str>, Position),
    Hidden(String),
}

/// Whether a text is a subscription's ID.
pub fn is_subscription(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok() && text.len() == 36
}

/// A Secret in namespace `namespace`.
pub(super) fn secret(
    node: &YamlNode<'_>,
    namespace: &str,
    file: &Arc<str>,
) -> Option<SecretManifest> {
    let name = node.find(&["metadata", "name"])?.text()?;
    let value = |key: &str| {
        let plain = node.find(&["stringData", key]);
        plain.and_then(as_written).or_else(|| {
            let encoded = node.find(&["data", key])?;
            decoded(encoded.text()?, encoded.at)
        })
    };
    Some(made(namespace, name, file, value))
}

/// The secret that a controller makes of this object, if it is one of those that do: of its
/// values git has at most those of a template.
pub(super) fn made_later(
    node: &YamlNode<'_>,
    group: &str,
    kind: &str,
    namespace: &str,
    file: &Arc<str>,
) -> Vec<SecretManifest> {
    let text = |path: &[&str]| node.find(path).and_then(YamlNode::text);
    let own = text(&["metadata", "name"]);
    let (name, template): (_, &[&str]) = match (group, kind) {
        ("bitnami.com", "SealedSecret") => {
            let name = text(&["spec", "template", "metadata", "name"]);
            (name.or(own), &["spec", "template", "data"])
        }
        ("external-secrets.io", "ExternalSecret") => {
            let name = text(&["spec", "target", "name"]);
            (name.or(own), &["spec", "target", "template", "data"])
        }
        ("secrets-store.csi.x-k8s.io", "SecretProviderClass") => {
            return provided(node, namespace, file);
        }
        _ => return Vec::new(),
    };
    let template = node.find(template);
    let secrets = name.map(|name| {
        let stated = |key: &str| template.and_then(|node| node.get(key)).and_then(as_written);
        let hidden = || SecretValue::Hidden(format!("comes from the {kind} of the same namespace"));
        let value = |key: &str| match (key, stated(key)) {
            (SUBSCRIPTION, found) => Some(found.unwrap_or_else(hidden)),
            (_, found) => found,
        };
        made(namespace, name, file, value)
    });
    secrets.into_iter().collect()
}

/// The secrets that the secrets store's driver makes.
fn provided(node: &YamlNode<'_>, namespace: &str, file: &Arc<str>) -> Vec<SecretManifest> {
    let Some(objects) = node.find(&["spec", "secretObjects"]) else {
        return Vec::new();
    };
    let names = objects.items().iter();
    let names = names.filter_map(|one| one.get("secretName").and_then(YamlNode::text));
    let hidden = |key: &str| {
        let why = "comes from a SecretProviderClass".to_owned();
        (key == SUBSCRIPTION).then_some(SecretValue::Hidden(why))
    };
    names
        .map(|name| made(namespace, name, file, hidden))
        .collect()
}

const SUBSCRIPTION: &str = "AZURE_SUBSCRIPTION_ID";

fn made(
    namespace: &str,
    name: &str,
    file: &Arc<str>,
    value: impl Fn(&str) -> Option<SecretValue>,
) -> SecretManifest {
    let written = |key| match value(key) {
        Some(SecretValue::Plain(text, at)) if unrendered::find(&text).is_none() => Some((text, at)),
        _ => None,
    };
    let (subscription, hidden) = match value(SUBSCRIPTION) {
        None => (None, None),
        Some(SecretValue::Hidden(why)) => (None, Some(why)),
        Some(SecretValue::Plain(text, _)) if is_subscription(&text) => (Some(text), None),
        // What it says instead may be another secret value.
        Some(SecretValue::Plain(text, _)) => {
            let said = unrendered::find(&text).map_or_else(String::new, |found| {
                format!(" ({:?} is not filled in)", found.text)
            });
            let why = format!("has an {SUBSCRIPTION} that is no subscription's ID{said}");
            (None, Some(why))
        }
    };
    let (default_policy, policy_at) = written("DEFAULT_RECONCILE_POLICY").unzip();
    SecretManifest {
        namespace: namespace.into(),
        name: name.into(),
        facts: SecretFacts {
            subscription,
            default_policy,
            target_namespaces: written("AZURE_TARGET_NAMESPACES").map(|(text, _)| text),
            outrun: false,
        },
        hidden,
        default_policy_at: policy_at.map(|at| Location {
            file: file.clone(),
            at,
        }),
    }
}

fn as_written(node: &YamlNode<'_>) -> Option<SecretValue> {
    plain(node.text()?, node.at)
}

fn plain(text: &str, at: Position) -> Option<SecretValue> {
    let text = text.trim();
    if text.starts_with("ENC[") {
        return Some(SecretValue::Hidden("is encrypted".to_owned()));
    }
    (!text.is_empty()).then(|| SecretValue::Plain(text.into(), at))
}

fn decoded(text: &str, at: Position) -> Option<SecretValue> {
    let bytes = BASE64.decode(text.trim()).ok();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(decoded) => plain(&decoded, at),
        // SOPS and templates leave what is no base64.
        None if text.starts_with("ENC[") || unrendered::find(text).is_some() => plain(text, at),
        None => Some(SecretValue::Hidden("has data that is no base64".to_owned())),
    }
}
