//! Objects of ASO's inside other people's.

use crate::arm::Kinds;
use crate::check::place::Mark;
use crate::check::yaml::{Node, Value};

/// Whether Cluster API's Azure provider applies each of this kind's `spec.resources`, in the
/// namespace of the object that holds them. What ends in Template applies nothing by itself.
pub(super) fn applies_its_resources(group: &str, kind: &str) -> bool {
    let kinds = [
        "AzureASOManagedCluster",
        "AzureASOManagedControlPlane",
        "AzureASOManagedMachinePool",
    ];
    group == "infrastructure.cluster.x-k8s.io" && kinds.contains(&kind)
}

/// The kind, where what its objects come to is in no manifest: a chart elsewhere, a template
/// with its values in another object, a controller that names things itself.
pub(super) fn maker(group: &str, kind: &str) -> Option<&'static str> {
    const MAKERS: [(&str, &str); 8] = [
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("argoproj.io", "Application"),
        ("argoproj.io", "ApplicationSet"),
        ("kro.run", "ResourceGraphDefinition"),
        ("work.open-cluster-management.io", "ManifestWork"),
        ("infrastructure.cluster.x-k8s.io", "AzureCluster"),
        (
            "infrastructure.cluster.x-k8s.io",
            "AzureManagedControlPlane",
        ),
        ("infrastructure.cluster.x-k8s.io", "AzureManagedMachinePool"),
    ];
    let found = MAKERS.iter().find(|maker| **maker == (group, kind));
    if group == "kro.run" && found.is_none() {
        return Some("kro instance");
    }
    found.map(|(_, kind)| *kind)
}

/// Whole objects of ASO's anywhere inside a document: where, and of which kind. A reference has
/// no metadata.
pub(super) fn objects<'n>(node: &'n Node<'_>, kinds: &Kinds, found: &mut Vec<(Mark, &'n str)>) {
    match &node.value {
        Value::List(nodes) => {
            for node in nodes {
                objects(node, kinds, found);
            }
        }
        Value::Map(entries) => {
            let text = |key| node.get(key).and_then(Node::text);
            let group = text("apiVersion").and_then(|version| Some(version.split_once('/')?.0));
            if let (Some(group), Some(kind)) = (group, text("kind"))
                && matches!(
                    node.get("metadata"),
                    Some(Node {
                        value: Value::Map(_),
                        ..
                    })
                )
                && kinds.groups().any(|known| known == group)
            {
                found.push((node.at, kind));
                return;
            }
            for entry in entries {
                objects(&entry.node, kinds, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}
