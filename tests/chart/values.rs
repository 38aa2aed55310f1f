//! Every value is explained where it stands, in the README's table, and has its place in the
//! schema.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::generated::in_step;
use crate::helm::chart;

const BEGIN: &str = "<!-- values -->\n";
const END: &str = "<!-- /values -->\n";

/// A value with its explanation.
struct Documented {
    path: Vec<String>,
    text: String,
}

impl Documented {
    fn pointer(&self) -> String {
        self.path.iter().flat_map(|key| ["/", key]).collect()
    }
}

/// The values that have a `# --` comment, in their order.
fn documented(yaml: &str) -> Vec<Documented> {
    let mut found = Vec::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut text: Option<String> = None;
    for line in yaml.lines() {
        let content = line.trim_start();
        if let Some(first) = content.strip_prefix("# -- ") {
            text = Some(first.to_owned());
        } else if let Some(more) = content.strip_prefix("# ") {
            if let Some(text) = &mut text {
                let _ = write!(text, " {more}");
            }
        } else if let Some((key, _)) = content.split_once(':') {
            let indent = line.len() - content.len();
            open.retain(|(outer, _)| *outer < indent);
            open.push((indent, key.to_owned()));
            if let Some(text) = text.take() {
                let path = open.iter().map(|(_, key)| key.clone()).collect();
                found.push(Documented { path, text });
            }
        }
    }
    found
}

/// The paths of all leaves; lists and empty maps are leaves.
fn leaves(value: &Value, pointer: &str, into: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(map) if !map.is_empty() => {
            for (key, value) in map {
                leaves(value, &format!("{pointer}/{key}"), into);
            }
        }
        _ => drop(into.insert(pointer.to_owned())),
    }
}

fn defaults() -> (String, Value) {
    let yaml = fs::read_to_string(chart("values.yaml")).unwrap();
    let values = serde_yaml::from_str(&yaml).unwrap();
    (yaml, values)
}

#[test]
fn every_value_is_explained() {
    let (yaml, values) = defaults();
    let pointers: Vec<String> = documented(&yaml).iter().map(Documented::pointer).collect();
    let mut all = BTreeSet::new();
    leaves(&values, "", &mut all);
    let explained = |leaf: &str| {
        let mut pointers = pointers.iter();
        pointers.any(|pointer| leaf == pointer || leaf.starts_with(&format!("{pointer}/")))
    };
    let silent: Vec<&String> = all.iter().filter(|leaf| !explained(leaf)).collect();
    assert!(silent.is_empty(), "no `# --` comment: {silent:?}");
    assert!(pointers.len() > 50, "{pointers:?}");
}

#[test]
fn the_readme_has_a_table_of_all_values() {
    let (yaml, values) = defaults();
    let mut table = "| value | default | meaning |\n| --- | --- | --- |\n".to_owned();
    for value in documented(&yaml) {
        let default = values.pointer(&value.pointer()).unwrap();
        let (path, text) = (value.path.join("."), &value.text);
        let _ = writeln!(table, "| `{path}` | `{default}` | {text} |");
    }
    let readme = fs::read_to_string(chart("README.md")).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    in_step(
        "README.md",
        &format!("{before}{BEGIN}\n{table}\n{END}{after}"),
    );
}

/// The properties of a schema, as far as it names them.
fn properties(schema: &Value, pointer: &str, into: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(map) => {
            // Other charts' keys are there, too.
            let open = pointer == "/global";
            assert!(
                open || schema["additionalProperties"] == false,
                "{pointer} takes any key: a typo would go unnoticed"
            );
            for (key, schema) in map {
                properties(schema, &format!("{pointer}/{key}"), into);
            }
        }
        None => drop(into.insert(pointer.to_owned())),
    }
}

#[test]
fn the_schema_has_a_place_for_each_value_and_for_no_other() {
    let schema = fs::read_to_string(chart("values.schema.json")).unwrap();
    let schema = serde_json::from_str(&schema).unwrap();
    let (mut known, mut all) = (BTreeSet::new(), BTreeSet::new());
    properties(&schema, "", &mut known);
    leaves(&defaults().1, "", &mut all);
    let within = |leaf: &str, known: &str| leaf == known || leaf.starts_with(&format!("{known}/"));
    let unknown = all
        .iter()
        .filter(|leaf| !known.iter().any(|known| within(leaf, known)));
    let unused = known
        .iter()
        .filter(|known| !all.iter().any(|leaf| within(leaf, known)));
    let stray: Vec<&String> = unknown.chain(unused).collect();
    assert!(stray.is_empty(), "in one of the two only: {stray:?}");
}
