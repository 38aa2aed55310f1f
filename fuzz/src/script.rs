//! Lines that stand for objects and what is done to them:
//!
//! ```text
//! a create ResourceGroup rg | azure=rg-prod | policy=skip
//! ```
//!
//! Words, then fields. Whatever stands where a word is expected means one of the
//! words, so that each slip of a fuzzer is another story and not just bad grammar.

use serde_json::{Map, Value, json};

/// One line.
pub struct Line<'a> {
    words: Vec<&'a str>,
    fields: Vec<(&'a str, &'a str)>,
}

/// Kinds of every scope and naming, and one that nobody knows.
const KINDS: [(&str, &str); 15] = [
    ("resources.azure.com", "ResourceGroup"),
    ("storage.azure.com", "StorageAccount"),
    ("storage.azure.com", "StorageAccountsBlobService"),
    ("storage.azure.com", "StorageAccountsBlobServicesContainer"),
    ("network.azure.com", "VirtualNetwork"),
    ("network.azure.com", "VirtualNetworksSubnet"),
    ("authorization.azure.com", "RoleAssignment"),
    ("authorization.azure.com", "RoleDefinition"),
    ("documentdb.azure.com", "SqlRoleAssignment"),
    ("insights.azure.com", "DiagnosticSetting"),
    ("dbforpostgresql.azure.com", "FlexibleServer"),
    ("dbforpostgresql.azure.com", "User"),
    ("subscription.azure.com", "Alias"),
    ("entra.azure.com", "SecurityGroup"),
    ("shop.azure.com", "Thing"),
];

const NAMES: [&str; 6] = [
    "rg",
    "st",
    "net",
    "default",
    "b7b0a9a3-5f3c-4d76-9f0e-4d1f3a4c2b11",
    "x",
];

/// The fields of an object, and where they stand in it.
const FIELDS: [(&str, &str); 17] = [
    ("azure", "/spec/azureName"),
    ("owner", "/spec/owner/name"),
    ("owner-group", "/spec/owner/group"),
    ("owner-kind", "/spec/owner/kind"),
    ("arm-id", "/spec/owner/armId"),
    ("config", "/spec/azureNameFromConfig/name"),
    ("convention", "/spec/operatorSpec/namingConvention"),
    ("status", "/status/id"),
    ("deleted", "/metadata/deletionTimestamp"),
    (
        "policy",
        "/metadata/annotations/serviceoperator.azure.com~1reconcile-policy",
    ),
    (
        "id",
        "/metadata/annotations/serviceoperator.azure.com~1resource-id",
    ),
    (
        "credential",
        "/metadata/annotations/serviceoperator.azure.com~1credential-from",
    ),
    (
        "found",
        "/metadata/annotations/serviceoperator.azure.com~1azure-name-from-config",
    ),
    (
        "override",
        "/metadata/annotations/serviceoperator.azure.com~1child-resource-id-override",
    ),
    (
        "busy",
        "/metadata/annotations/serviceoperator.azure.com~1poller-resume-token",
    ),
    ("tag", "/spec/tags/a"),
    ("note", "/metadata/annotations/note"),
];

/// The lines of a text, at most so many.
pub fn lines(text: &str, most: usize) -> Vec<Line<'_>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.take(most).map(Line::read).collect()
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        let mut parts = line.split('|');
        let words = parts.next().unwrap_or_default();
        Self {
            words: words.split_whitespace().collect(),
            fields: parts
                .filter_map(|part| part.trim_matches(' ').split_once('='))
                .collect(),
        }
    }

    /// Which of `all` the word at a place means.
    pub fn choice<T: Copy>(&self, at: usize, all: &[(&str, T)]) -> T {
        let word = self.words.get(at).copied().unwrap_or_default();
        let found = all.iter().find(|(name, _)| *name == word);
        found.map_or_else(|| all[sum(word) % all.len()].1, |(_, one)| *one)
    }

    /// What a field says.
    pub fn field(&self, name: &str) -> Option<&'a str> {
        let found = self.fields.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| *value)
    }

    /// The group and kind that the word at a place names.
    pub fn kind(&self, at: usize) -> (&'static str, &'static str) {
        let all = KINDS.map(|(group, kind)| (kind, (group, kind)));
        self.choice(at, &all)
    }

    /// The object that the words from a place on name, with the fields of the line.
    pub fn object(&self, at: usize, namespace: &str, uid: &str) -> Value {
        let (group, kind) = self.kind(at);
        let name = self.choice(at + 1, &NAMES.map(|name| (name, name)));
        let object = json!({
            "apiVersion": format!("{group}/v1"),
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace, "uid": uid},
        });
        self.changed(object)
    }

    /// The object with the fields of the line; what a field leaves empty is taken out.
    pub fn changed(&self, mut object: Value) -> Value {
        for (name, value) in &self.fields {
            let place = FIELDS.iter().find(|(known, _)| known == name);
            let (_, pointer) = place.unwrap_or(&FIELDS[sum(name) % FIELDS.len()]);
            set(&mut object, pointer, value);
        }
        object
    }
}

fn sum(word: &str) -> usize {
    word.bytes().map(usize::from).sum()
}

fn set(object: &mut Value, pointer: &str, value: &str) {
    let mut at = object;
    let words: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|w| w.replace("~1", "/"))
        .collect();
    let Some((last, way)) = words.split_last() else {
        return;
    };
    for word in way {
        let Value::Object(fields) = at else { return };
        at = fields.entry(word).or_insert_with(|| Map::new().into());
    }
    let Value::Object(fields) = at else { return };
    if value.is_empty() {
        fields.remove(last);
    } else {
        fields.insert(
            last.clone(),
            json!(value.replace("\\n", "\n").replace("\\0", "\0")),
        );
    }
}
