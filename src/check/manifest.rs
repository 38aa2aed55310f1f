//! What a manifest says, as far as it matters here.

mod inside;
mod object;
mod policy_key;
mod secret;
mod unrendered;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::arm::{self, Kinds};
use crate::object::text::is_dns_label;
use crate::object::{ObjectFacts, ObjectKey, POLICY_ANNOTATION};

use super::finding::{Finding, Level, Rule};
use super::place::{Location, Position};
use super::yaml::{YamlNode, documents};

use object::ManifestError;
pub use secret::{SecretManifest, is_subscription};

/// The end of every API group of ASO's.
const GROUP_SUFFIX: &str = ".azure.com";
/// The API group of ASO v1, which is another program.
const V1_GROUP: &str = "azure.microsoft.com";
/// No name in Azure is longer, in bytes.
const LONGEST_NAME: usize = 1024;
/// An ASO object, and where it is written.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object.
    pub facts: Arc<ObjectFacts>,
    /// The ConfigMap that it takes its name in Azure from, and the key in it.
    pub name_from: Option<(Box<str>, Box<str>)>,
    /// Where its parts are.
    pub marks: FieldLocations,
}

/// Where the parts of an object are written; nowhere for one that is in no file.
#[derive(Clone, Debug, Default)]
pub struct FieldLocations {
    /// The object: its name.
    pub object: Option<Location>,
    /// Its policy annotation.
    pub policy: Option<Location>,
    /// Its resource-id annotation.
    pub resource_id: Option<Location>,
    /// The annotation that names its credential.
    pub credential: Option<Location>,
    /// Its `spec.owner`.
    pub owner: Option<Location>,
}

/// What a document of interest is.
#[derive(Clone, Debug)]
pub enum Document {
    /// An ASO object.
    Object(Manifest),
    /// One that could not be read, and why in few words; its key where that is known.
    Unread(Option<ObjectKey>, &'static str),
    /// A namespace, and its policy annotation.
    Namespace {
        /// Its name.
        name: Box<str>,
        /// The policy annotation, and where it is written.
        policy: Option<(Box<str>, Option<Location>)>,
    },
    /// A secret with something in it that ASO reads.
    Secret(SecretManifest),
    /// A ConfigMap, of which objects may take their names in Azure.
    ConfigMap {
        /// Its namespace and name.
        id: (Box<str>, Box<str>),
        /// What it says.
        data: BTreeMap<Box<str>, Box<str>>,
    },
    /// A kind that the table of kinds lacks, defined by a CRD.
    Kind(arm::Kind),
    /// An object of this kind, of which its controller may make ASO objects that nobody can
    /// tell from its manifest.
    Maker(&'static str),
}

/// What a text holds.
#[derive(Clone, Debug, Default)]
pub struct Documents {
    /// The documents of interest, in their order.
    pub items: Vec<Document>,
    /// What is wrong with it, or could not be read.
    pub findings: Vec<Finding>,
}

/// Reads a file's text: YAML documents or JSON, and lists of either. Documents that are no
/// manifests, or of no interest, are passed over. `namespace` is where objects are that don't
/// say.
pub fn read(file: &Arc<str>, text: &str, namespace: &str) -> Documents {
    let mut reading = DocumentReader {
        file,
        namespace,
        holder: None,
        kinds: Kinds::builtin(),
        unrendered: 0,
        contents: Documents::default(),
    };
    let (found, error) = documents(text);
    for document in &found {
        reading.document(document, None);
    }
    if let Some(error) = error {
        reading.broken(text, error.at, &error.what);
    }
    if let (more @ 1.., Some(first)) = (
        reading.unrendered.saturating_sub(1),
        reading
            .contents
            .findings
            .iter_mut()
            .find(|one| is_unrendered(one)),
    ) {
        let objects = if more == 1 { "object" } else { "objects" };
        first.message += &format!("; so are {more} more {objects} in this file");
    }
    reading.contents
}

fn is_unrendered(finding: &Finding) -> bool {
    finding.rule == Rule::Unreadable && !finding.next.is_empty()
}

struct DocumentReader<'a> {
    file: &'a Arc<str>,
    namespace: &'a str,
    /// The object whose `spec.resources` is read: what is in it goes to its namespace.
    holder: Option<&'a YamlNode<'a>>,
    kinds: Kinds,
    /// How many objects wait for something to be filled in.
    unrendered: usize,
    contents: Documents,
}

impl<'a> DocumentReader<'a> {
    fn place(&self, at: Position) -> Location {
        Location {
            file: self.file.clone(),
            at,
        }
    }

    fn find(&mut self, rule: Rule, level: Level, at: Position, what: String) {
        let finding = Finding::at(rule, level, self.place(at), what);
        self.contents.findings.push(finding);
    }

    fn note(&mut self, at: Position, what: String) {
        self.find(Rule::Unreadable, Level::Note, at, what);
    }

    /// A text that is no YAML. It matters where it may hide something of ASO's.
    fn broken(&mut self, text: &str, at: Position, what: &str) {
        let level = if text.contains(".azure.com/") {
            Level::Error
        } else if text.contains("aso-credential") || text.contains("aso-controller-settings") {
            Level::Warning
        } else {
            return self.note(at, format!("{what}; nothing in this file is ASO's"));
        };
        let hint = if text.contains("{{") {
            "; a template has to be rendered first (helm template, kubectl kustomize)"
        } else {
            ""
        };
        self.find(Rule::Unreadable, level, at, format!("{what}{hint}"));
    }

    /// `of_list`: the apiVersion and kind of what is in a typed list and does not say itself.
    fn document(&mut self, node: &'a YamlNode<'a>, of_list: Option<(&str, &str)>) {
        let text = |key| node.get(key).and_then(YamlNode::text);
        let version = text("apiVersion").or(of_list.map(|(version, _)| version));
        let kind = text("kind").or(of_list.map(|(_, kind)| kind));
        let (Some(version), Some(kind)) = (version, kind) else {
            return;
        };
        let group = version.split_once('/').map_or("", |(group, _)| group);
        if let (Some(of), Some(items)) = (kind.strip_suffix("List"), node.get("items")) {
            let of_list = (!of.is_empty()).then_some((version, of));
            for item in items.items() {
                self.document(item, of_list);
            }
            return;
        }
        match (group, kind) {
            ("", "Namespace") => self.namespace(node),
            ("", "Secret") => {
                let secret = secret::secret(node, self.namespace_of(node), self.file);
                self.contents.items.extend(secret.map(Document::Secret));
            }
            ("", "ConfigMap") => self.config_map(node),
            ("", _) => {}
            ("apiextensions.k8s.io", "CustomResourceDefinition") => self.definition(node),
            (V1_GROUP, kind) => self.note(
                node.at,
                format!("{kind} is one of ASO v1's kinds ({V1_GROUP}); check reads those of v2"),
            ),
            (group, kind) if group.ends_with(GROUP_SUFFIX) => self.object(node, group, kind),
            (group, kind) => self.others(node, group, kind),
        }
    }

    /// What may be names in it: short texts that are filled in.
    fn config_map(&mut self, node: &YamlNode<'_>) {
        let (Some(name), Some(data)) = (node.find(NAME).and_then(YamlNode::text), node.get("data"))
        else {
            return;
        };
        let is_name = |text: &str| {
            (1..=LONGEST_NAME).contains(&text.len()) && unrendered::find(text).is_none()
        };
        let data = data.texts().into_iter().filter(|(_, text)| is_name(text));
        let data: BTreeMap<_, _> = data.map(|(key, text)| (key.into(), text.into())).collect();
        if !data.is_empty() {
            let id = (self.namespace_of(node).into(), name.into());
            self.contents.items.push(Document::ConfigMap { id, data });
        }
    }

    /// What is none of ASO's, and may hold or make what is.
    fn others(&mut self, node: &'a YamlNode<'a>, group: &str, kind: &str) {
        if inside::applies_its_resources(group, kind) {
            self.holder = Some(node);
            let resources = node.find(&["spec", "resources"]);
            for resource in resources.map(YamlNode::items).unwrap_or_default() {
                self.document(resource, None);
            }
            self.holder = None;
            return;
        }
        let namespace = self.namespace_of(node);
        let secrets = secret::made_later(node, group, kind, namespace, self.file);
        self.contents
            .items
            .extend(secrets.into_iter().map(Document::Secret));
        let maker = inside::maker(group, kind).map(Document::Maker);
        self.contents.items.extend(maker);
        let mut inner = Vec::new();
        inside::objects(node, &self.kinds, &mut inner);
        if let [(at, first), more @ ..] = &*inner {
            let others = match more.len() {
                0 => String::new(),
                more => format!(" and {more} more of ASO's objects"),
            };
            self.note(
                *at,
                format!(
                    "this {kind} has a {first}{others} inside, not looked at: what it makes of it, \
                     only its controller knows"
                ),
            );
            let unread = inner
                .iter()
                .map(|_| Document::Unread(None, "inside another object"));
            self.contents.items.extend(unread);
        }
    }

    fn object(&mut self, node: &'a YamlNode<'a>, group: &str, kind: &str) {
        let is_known = self.kinds.groups().any(|known| known == group);
        if is_known && let Some((what, entry)) = policy_key::near_miss(node) {
            let (key, at) = (entry.key.to_string(), entry.at);
            self.near_miss(kind, what, &key, at);
        }
        match self.manifest(node, group, kind) {
            Ok(manifest) => self.contents.items.push(Document::Object(manifest)),
            // Of other people's groups that end like ASO's, nothing has to be readable.
            Err(_) if !is_known => {}
            Err(wrong) => self.unread(node, group, kind, wrong),
        }
    }

    fn near_miss(&mut self, kind: &str, what: &str, key: &str, at: Position) {
        let mut finding = Finding::at(
            Rule::UnknownPolicy,
            Level::Warning,
            self.place(at),
            format!(
                "ASO does not see the {what} {key:?}: it reads the annotation \
                 {POLICY_ANNOTATION} alone. So this {kind} has no policy of its own: it is live, \
                 and deleting it deletes in Azure"
            ),
        );
        finding.next = format!("Annotate it with {POLICY_ANNOTATION} instead.");
        self.contents.findings.push(finding);
    }

    fn unread(&mut self, node: &YamlNode<'_>, group: &str, kind: &str, wrong: ManifestError) {
        let namespace = self.namespace_of(node);
        let name = node.find(&["metadata", "name"]).and_then(YamlNode::text);
        let key = name.map(|name| ObjectKey::new(group, kind, namespace, name));
        let why = match wrong.render {
            Some(_) => "not rendered",
            None => "not readable",
        };
        self.contents.items.push(Document::Unread(key, why));
        let what = format!("this {kind} cannot be read: {}", wrong.what);
        if let Some(next) = wrong.render {
            self.unrendered += 1;
            if self.unrendered > 1 {
                return;
            }
            let found = Finding::at(Rule::Unreadable, Level::Error, self.place(wrong.at), what);
            self.contents.findings.push(Finding { next, ..found });
        } else {
            self.find(Rule::Unreadable, Level::Error, wrong.at, what);
        }
    }

    fn namespace_of<'n>(&'n self, node: &'n YamlNode<'_>) -> &'n str {
        let stated = |node: &'n YamlNode<'_>| node.find(NAMESPACE).and_then(YamlNode::text);
        let stated = self.holder.map_or_else(|| stated(node), stated);
        stated
            .filter(|text| !text.is_empty())
            .unwrap_or(self.namespace)
    }

    fn namespace(&mut self, node: &'a YamlNode<'a>) {
        let Some(name) = node.find(NAME).and_then(YamlNode::text) else {
            return;
        };
        if let Some((what, entry)) = policy_key::near_miss(node) {
            self.near_miss("Namespace", what, &entry.key, entry.at);
        }
        let policy = node.find(&["metadata", "annotations", POLICY_ANNOTATION]);
        let policy = policy.and_then(|node| Some((node.text()?, node.at)));
        let unrendered = policy.and_then(|(text, at)| Some((unrendered::find(text)?, text, at)));
        let item = match (unrendered, policy) {
            (Some((placeholder, text, at)), _) => {
                let what = format!(
                    "the policy of this Namespace is {text:?}, and {} {:?} before it is applied",
                    placeholder.who(),
                    placeholder.text
                );
                let place = self.place(at);
                self.contents.findings.push(Finding {
                    next: placeholder.how(self.file),
                    ..Finding::at(Rule::Unreadable, Level::Error, place, what)
                });
                return;
            }
            (None, policy) if is_dns_label(name) => Document::Namespace {
                name: name.into(),
                policy: policy.map(|(text, at)| (text.into(), Some(self.place(at)))),
            },
            _ => return,
        };
        self.contents.items.push(item);
    }

    fn definition(&mut self, node: &YamlNode<'_>) {
        let text = |path: &[&str]| node.find(path).and_then(YamlNode::text);
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
            self.contents.items.push(Document::Kind(kind));
        }
    }
}

const NAME: &[&str] = &["metadata", "name"];
const NAMESPACE: &[&str] = &["metadata", "namespace"];
