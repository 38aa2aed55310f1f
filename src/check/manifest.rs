//! What a manifest says, as far as it matters here.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::arm::{self, Kinds};
use crate::object::wire::Object;
use crate::object::{
    CREDENTIAL_FROM_ANNOTATION, ObjectFacts, POLICY_ANNOTATION, RESOURCE_ID_ANNOTATION,
};

use crate::resolve::SecretFacts;

use super::place::{Mark, Place};
use super::yaml::{Node, Value, documents};

/// The end of every API group of ASO's.
const GROUP_SUFFIX: &str = ".azure.com";
/// What of an object is handed on to be read: what [`ObjectFacts`] is made of.
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

/// An ASO object, and where it is written.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object.
    pub facts: Arc<ObjectFacts>,
    /// Where its parts are.
    pub marks: Marks,
}

/// Where the parts of an object are written; nowhere for one that is in no file.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// The object: its name.
    pub object: Option<Place>,
    /// Its policy annotation.
    pub policy: Option<Place>,
    /// Its resource-id annotation.
    pub resource_id: Option<Place>,
    /// The annotation that names its credential.
    pub credential: Option<Place>,
    /// Its `spec.owner`.
    pub owner: Option<Place>,
}

/// What a document of interest is.
#[derive(Clone, Debug)]
pub enum Item {
    /// An ASO object.
    Object(Manifest),
    /// A namespace, and its policy annotation.
    Namespace {
        /// Its name.
        name: Box<str>,
        /// The policy annotation, and where it is written.
        policy: Option<(Box<str>, Option<Place>)>,
    },
    /// A secret with something in it that ASO reads.
    Secret(Secret),
    /// A kind that the table of kinds lacks, defined by a CRD.
    Kind(arm::Kind),
}

/// What is read of a secret: three of its keys, never the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it says.
    pub facts: SecretFacts,
    /// Where its `DEFAULT_RECONCILE_POLICY` is written.
    pub default_policy_at: Option<Place>,
}

/// Something in a file that could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong, for a person.
    pub what: String,
    /// Whether it leaves an object unread that may matter; else it is worth a note only.
    pub matters: bool,
}

/// What a text holds.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The documents of interest, in their order.
    pub items: Vec<Item>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Reads a file's text: YAML documents or JSON, and lists of either. Documents that are no
/// manifests, or of no interest, are passed over. `namespace` is where objects are that don't
/// say.
pub fn read(file: &Arc<str>, text: &str, namespace: &str) -> Contents {
    let mut reading = Reading {
        file,
        namespace,
        kinds: Kinds::builtin(),
        contents: Contents::default(),
    };
    let (found, error) = documents(text);
    for document in &found {
        reading.document(document);
    }
    if let Some(error) = error {
        let hint = if text.contains("{{") {
            "; a template has to be rendered first (helm template, kubectl kustomize)"
        } else {
            ""
        };
        reading.problem(error.at, format!("{}{hint}", error.what));
    }
    reading.contents
}

struct Reading<'a> {
    file: &'a Arc<str>,
    namespace: &'a str,
    kinds: Kinds,
    contents: Contents,
}

impl Reading<'_> {
    fn place(&self, at: Mark) -> Place {
        Place {
            file: self.file.clone(),
            at,
        }
    }

    fn problem(&mut self, at: Mark, what: String) {
        let place = self.place(at);
        self.contents.problems.push(Problem {
            place,
            what,
            matters: true,
        });
    }

    fn document(&mut self, node: &Node<'_>) {
        let text = |key| node.get(key).and_then(Node::text);
        let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            return;
        };
        let group = version.split_once('/').map_or("", |(group, _)| group);
        if let (true, Some(Value::List(items))) =
            (kind.ends_with("List"), node.get("items").map(|n| &n.value))
        {
            for item in items {
                self.document(item);
            }
            return;
        }
        match (group, kind) {
            ("", "Namespace") => self.namespace(node),
            ("", "Secret") => self.secret(node),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => self.definition(node),
            (group, kind) if group.ends_with(GROUP_SUFFIX) => self.object(node, group, kind),
            _ => {}
        }
    }

    fn object(&mut self, node: &Node<'_>, group: &str, kind: &str) {
        if !self.kinds.groups().any(|known| known == group) {
            let place = self.place(node.at);
            let what = format!(
                "{kind} is not looked at: {group} is no API group of ASO that aso-guard knows"
            );
            self.contents.problems.push(Problem {
                place,
                what,
                matters: false,
            });
            return;
        }
        match self.manifest(node, group, kind) {
            Ok(manifest) => self.contents.items.push(Item::Object(manifest)),
            Err((at, what)) => self.problem(at, format!("this {kind} cannot be read: {what}")),
        }
    }

    fn manifest(
        &self,
        node: &Node<'_>,
        group: &str,
        kind: &str,
    ) -> Result<Manifest, (Mark, String)> {
        let name = node.find(&["metadata", "name"]);
        let name = match name.map(|name| (name.at, name.text())) {
            Some((at, Some(text))) if is_name(text) => at,
            Some((at, _)) => {
                return Err((at, "metadata.name is no name that Kubernetes takes".into()));
            }
            None if node.find(&["metadata", "generateName"]).is_some() => {
                let what =
                    "it has generateName instead of a name, so each apply makes another copy";
                return Err((node.at, what.into()));
            }
            None => return Err((node.at, "it has no metadata.name".into())),
        };
        for path in TEXTS {
            match node.find(path).map(|node| (node.at, &node.value)) {
                None | Some((_, Value::Text(_) | Value::Null)) => {}
                Some((at, _)) => {
                    let field = path.join(".");
                    return Err((at, format!("{field} has to be a text; put it in quotes")));
                }
            }
        }
        let object =
            Object::deserialize(pruned(node)).map_err(|error| (node.at, error.to_string()))?;
        let namespace = self.namespace_of(node);
        let annotation = |key| {
            let annotations = node.find(&["metadata", "annotations"]);
            let entry = annotations.and_then(|node| node.entry(key));
            entry.map(|entry| self.place(entry.at))
        };
        Ok(Manifest {
            facts: Arc::new(object.into_facts(group, kind, namespace)),
            marks: Marks {
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

    fn namespace_of<'n>(&'n self, node: &'n Node<'_>) -> &'n str {
        let stated = node.find(&["metadata", "namespace"]).and_then(Node::text);
        stated
            .filter(|text| !text.is_empty())
            .unwrap_or(self.namespace)
    }

    fn namespace(&mut self, node: &Node<'_>) {
        let Some(name) = node.find(&["metadata", "name"]).and_then(Node::text) else {
            return;
        };
        let policy = node.find(&["metadata", "annotations", POLICY_ANNOTATION]);
        let policy = policy.and_then(|node| Some((node.text()?.into(), Some(self.place(node.at)))));
        let name = name.into();
        self.contents.items.push(Item::Namespace { name, policy });
    }

    fn secret(&mut self, node: &Node<'_>) {
        let Some(name) = node.find(&["metadata", "name"]).and_then(Node::text) else {
            return;
        };
        let value = |key: &str| {
            let plain = node.find(&["stringData", key]);
            let plain = plain.and_then(|node| Some((node.text()?.to_owned(), node.at)));
            let (text, at) = plain.or_else(|| {
                let encoded = node.find(&["data", key])?;
                let bytes = BASE64.decode(encoded.text()?.trim()).ok()?;
                Some((String::from_utf8(bytes).ok()?, encoded.at))
            })?;
            let text = text.trim();
            (!text.is_empty()).then(|| (Arc::<str>::from(text), self.place(at)))
        };
        let (default_policy, default_policy_at) = value("DEFAULT_RECONCILE_POLICY").unzip();
        let secret = Secret {
            namespace: self.namespace_of(node).into(),
            name: name.into(),
            facts: SecretFacts {
                subscription: value("AZURE_SUBSCRIPTION_ID").map(|(text, _)| text),
                default_policy,
                target_namespaces: value("AZURE_TARGET_NAMESPACES").map(|(text, _)| text),
                outrun: false,
            },
            default_policy_at,
        };
        self.contents.items.push(Item::Secret(secret));
    }

    fn definition(&mut self, node: &Node<'_>) {
        let text = |path: &[&str]| node.find(path).and_then(Node::text);
        let (Some(group), Some(kind)) =
            (text(&["spec", "group"]), text(&["spec", "names", "kind"]))
        else {
            return;
        };
        if !group.ends_with(GROUP_SUFFIX) || self.kinds.get(group, kind).is_some() {
            return;
        }
        // A CRD that tells nothing leaves its kind unknown; its objects say so.
        if let Ok(facts) = arm::CrdFacts::deserialize(node.to_json())
            && let Ok(kind) = arm::learn(&facts)
        {
            self.contents.items.push(Item::Kind(kind));
        }
    }
}

/// The fields that have to be texts.
const TEXTS: [&[&str]; 10] = [
    &["metadata", "namespace"],
    &["metadata", "annotations", POLICY_ANNOTATION],
    &["metadata", "annotations", RESOURCE_ID_ANNOTATION],
    &["metadata", "annotations", CREDENTIAL_FROM_ANNOTATION],
    &["spec", "azureName"],
    &["spec", "owner", "group"],
    &["spec", "owner", "kind"],
    &["spec", "owner", "name"],
    &["spec", "owner", "armId"],
    &["status", "id"],
];

/// The object with only those fields that are read of it.
fn pruned(node: &Node<'_>) -> serde_json::Value {
    let parts = ["metadata", "spec", "status"].into_iter().zip(READ);
    let parts = parts.filter_map(|(part, read)| {
        let found = node.get(part)?;
        let Value::Map(entries) = &found.value else {
            return Some((part.to_owned(), found.to_json()));
        };
        let kept = entries.iter().filter(|entry| read.contains(&&*entry.key));
        let kept = kept.map(|entry| (entry.key.to_string(), entry.node.to_json()));
        Some((part.to_owned(), serde_json::Value::Object(kept.collect())))
    });
    serde_json::Value::Object(parts.collect())
}

/// Whether Kubernetes takes it as an object's name.
fn is_name(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let edge = |c: char| c.is_ascii_alphanumeric();
    (1..=253).contains(&text.len())
        && text.bytes().all(inner)
        && text.starts_with(edge)
        && text.ends_with(edge)
}
