//! Small manifests of any of ASO's kinds, made from the schemas of their CRDs: what is required,
//! and no more.

use aso_guard::arm::{Kind, Naming, Scope};
use regex::Regex;
use serde_json::{Map, Value, json};

use crate::lab::crds::SUBSCRIPTION;
use crate::lab::object::Object;

/// The secret and the config map that manifests refer to.
pub const VALUES: &str = "values";

/// A kind as its CRD has it.
pub struct Definition {
    /// The CRD, with no more than one version that people write and the one that is stored.
    pub crd: Object,
    /// The version that people write.
    version: String,
    /// The version that is stored.
    stored: String,
}

impl Definition {
    /// Takes from a CRD what a cluster needs for manifests in the newest stable version. All of
    /// ASO's kinds with all of their versions take an API server minutes and gigabytes.
    pub fn of(crd: &Object) -> Self {
        let versions = crd.0["spec"]["versions"].as_array().cloned();
        let mut versions = versions.unwrap_or_default();
        let stored = versions.iter().find(|version| version["storage"] == true);
        let stored = stored.and_then(|version| version["name"].as_str());
        let stored = stored.unwrap_or_default().to_owned();
        let version = stored.strip_suffix("storage").unwrap_or(&stored).to_owned();
        versions.retain(|one| one["name"] == *stored || one["name"] == *version);
        for one in &mut versions {
            let schema = &mut one["schema"]["openAPIV3Schema"];
            undescribed(schema);
            schema["properties"]["status"] =
                json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        }
        Self {
            crd: crd.clone().with("/spec/versions", versions),
            version,
            stored,
        }
    }

    /// Its API group.
    pub fn group(&self) -> &str {
        self.crd.text("/spec/group")
    }

    /// Its name.
    pub fn kind(&self) -> &str {
        self.crd.text("/spec/names/kind")
    }

    /// The path of its objects in a namespace, as people write them.
    pub fn collection(&self, namespace: &str) -> String {
        self.path(&self.version, namespace)
    }

    /// The path of its objects in a namespace, as they are stored.
    pub fn stored_collection(&self, namespace: &str) -> String {
        self.path(&self.stored, namespace)
    }

    fn path(&self, version: &str, namespace: &str) -> String {
        let (group, plural) = (self.group(), self.crd.text("/spec/names/plural"));
        format!("/apis/{group}/{version}/namespaces/{namespace}/{plural}")
    }

    /// An object of this kind, in what the object with the owner's name is.
    pub fn manifest(&self, kind: &Kind, name: &str, azure_name: &str, owner: &str) -> Object {
        let spec = &self.spec()["properties"];
        let required = required(self.spec()).filter(|name| !matches!(*name, "owner" | "azureName"));
        let mut object = Object::new(
            &format!("{}/{}", self.group(), self.version),
            self.kind(),
            name,
        );
        for field in required {
            object = object.with(
                &format!("/spec/{field}"),
                value(field, &spec[field], azure_name),
            );
        }
        if kind.naming == Naming::AzureName {
            object = object.azure_name(azure_name);
        }
        let object = completed(object);
        match &kind.scope {
            Scope::Subscription | Scope::Tenant => object,
            Scope::ResourceGroup | Scope::Child { .. } | Scope::Inside { .. } => {
                object.owner(owner)
            }
            Scope::Extension => object.extends(&Object::of("ResourceGroup", owner)),
        }
    }

    fn spec(&self) -> &Value {
        let versions = self.crd.0["spec"]["versions"].as_array();
        let mut versions = versions.into_iter().flatten();
        let version = versions.find(|version| version["name"] == *self.version);
        version.map_or(&Value::Null, |version| {
            &version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        })
    }
}

/// Takes the descriptions off a schema: they are most of it.
fn undescribed(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            // A property may have that name, too.
            fields.retain(|name, value| name != "description" || !value.is_string());
            fields.values_mut().for_each(undescribed);
        }
        Value::Array(items) => items.iter_mut().for_each(undescribed),
        _ => {}
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema["required"].as_array().into_iter().flatten();
    names.filter_map(Value::as_str)
}

/// Something that a schema takes.
fn value(name: &str, schema: &Value, text: &str) -> Value {
    if let Some(first) = schema["enum"].get(0) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("string") => string(name, schema, text),
        Some("integer" | "number") => match &schema["minimum"] {
            Value::Null => 1.into(),
            least => least.clone(),
        },
        Some("boolean") => true.into(),
        Some("array") => json!([value(name, &schema["items"], text)]),
        _ => object(schema, text),
    }
}

fn object(schema: &Value, text: &str) -> Value {
    let properties = schema["properties"].as_object().cloned();
    let properties = properties.unwrap_or_default();
    let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
    names.sort_unstable();
    match &names[..] {
        ["key", "name"] => json!({"key": "value", "name": VALUES}),
        _ if names.contains(&"armId") => json!({"armId": arm_id(text)}),
        // One of several: of such a schema nothing is required.
        [_, _, ..] if schema["required"].is_null() && properties.values().all(is_object) => {
            let first = names[0];
            json!({first: value(first, &properties[first], text)})
        }
        _ => {
            let fields = required(schema)
                .map(|name| (name.to_owned(), value(name, &properties[name], text)));
            Value::Object(fields.collect::<Map<String, Value>>())
        }
    }
}

fn is_object(schema: &Value) -> bool {
    schema["type"] == "object"
}

/// What ASO wants of a kind and its schema doesn't say.
fn completed(object: Object) -> Object {
    match (object.group(), object.kind()) {
        ("communication.azure.com", "Domain") => object.azure_name("AzureManagedDomain"),
        ("kusto.azure.com", "Database") => object.with("/spec/readWrite/kind", "ReadWrite"),
        _ => object,
    }
}

fn string(name: &str, schema: &Value, text: &str) -> Value {
    let likely = match name {
        "location" => "westeurope".to_owned(),
        "id" => arm_id(text),
        _ => text.to_owned(),
    };
    let pattern = schema["pattern"]
        .as_str()
        .and_then(|it| Regex::new(it).ok());
    let fits = |one: &String| pattern.as_ref().is_none_or(|pattern| pattern.is_match(one));
    let candidates = [likely, "10.0.0.1".to_owned()];
    let fitting = candidates.iter().find(|one| fits(one));
    fitting.unwrap_or(&candidates[0]).as_str().into()
}

/// The ID of something that is not there; nobody asks for it.
fn arm_id(name: &str) -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/other/providers/\
         Microsoft.Network/virtualNetworks/{name}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_has_what_is_required_and_no_more() {
        let crd = Object::yaml(
            r"
            spec:
              group: g.azure.com
              names: {kind: Thing, plural: things}
              versions:
                - name: v1
                  schema: &schema
                    openAPIV3Schema:
                      properties:
                        spec:
                          required: [azureName, owner, location, sku, ip, rules, secret, to, either]
                          properties:
                            azureName: {type: string}
                            owner: {type: object}
                            location: {type: string, description: told}
                            description: {type: string}
                            sku: {type: string, enum: [Basic, Other]}
                            ip: {type: string, pattern: '^[0-9.]+$'}
                            rules:
                              type: array
                              items:
                                type: object
                                required: [count]
                                properties: {count: {type: integer}, no: {type: string}}
                            secret: {type: object, properties: {key: {}, name: {}}}
                            to:
                              type: object
                              properties: {armId: {}, group: {}, kind: {}, name: {}}
                            either:
                              type: object
                              properties:
                                one: {type: object, required: [a], properties: {a: {type: string}}}
                                other: {type: object}
                - {name: v1storage, storage: true, schema: *schema}
                - {name: v0, schema: *schema}
            ",
        );
        let definition = Definition::of(&crd);
        let names = definition.crd.0["spec"]["versions"].as_array().unwrap();
        let names: Vec<&Value> = names.iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["v1", "v1storage"]);
        assert!(definition.spec()["properties"]["description"].is_object());
        let kind = Kind {
            group: "g.azure.com".into(),
            kind: "Thing".into(),
            arm_type: "M.G/things".into(),
            scope: Scope::ResourceGroup,
            naming: Naming::AzureName,
            learned: false,
        };
        let made = definition.manifest(&kind, "of-1", "azure1", "rg");
        let expected = json!({
            "azureName": "azure1", "owner": {"name": "rg"}, "location": "westeurope",
            "sku": "Basic", "ip": "10.0.0.1", "rules": [{"count": 1}],
            "secret": {"key": "value", "name": VALUES}, "to": {"armId": arm_id("azure1")},
            "either": {"one": {"a": "azure1"}},
        });
        assert_eq!(made.0["spec"], expected);
        assert_eq!(made.api_version(), "g.azure.com/v1");
    }
}
