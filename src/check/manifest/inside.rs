//! Objects of ASO's inside other people's.

use crate::arm::Kinds;
use crate::check::place::Position;
use crate::check::yaml::{YamlNode, YamlValue};

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
pub(super) fn objects<'n>(
    node: &'n YamlNode<'_>,
    kinds: &Kinds,
    found: &mut Vec<(Position, &'n str)>,
) {
    match &node.value {
        YamlValue::List(nodes) => {
            for node in nodes {
                objects(node, kinds, found);
            }
        }
        YamlValue::Map(entries) => {
            let text = |key| node.get(key).and_then(YamlNode::text);
            let group = text("apiVersion").and_then(|version| Some(version.split_once('/')?.0));
            if let (Some(group), Some(kind)) = (group, text("kind"))
                && matches!(
                    node.get("metadata"),
                    Some(YamlNode {
                        value: YamlValue::Map(_),
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
        YamlValue::Null | YamlValue::Bool(_) | YamlValue::Number(_) | YamlValue::Text(_) => {}
    }
}
