//! A report as JSON.

use serde_json::{Value, json};

use crate::check::{CheckedObject, Finding, Location};
use crate::claim::CopyRef;

use super::Report;

/// The whole report.
pub(super) fn report(report: &Report) -> Value {
    let mut all = json!({
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "clusters": report.clusters.iter().map(|(name, objects)| json!({
            "name": name,
            "objects": objects,
        })).collect::<Vec<_>>(),
        "compared": json!({
            "surely": report.compared.sure,
            "byAssumption": report.compared.assumed,
            "not": report.compared.not,
        }),
        "complete": report.complete,
        "remarks": report.remarks,
        "summary": report.summary(),
    });
    if let Some(objects) = &report.objects {
        all["objects"] = objects.iter().map(seen).collect();
    }
    all
}

fn seen(seen: &CheckedObject) -> Value {
    json!({
        "object": object(&seen.copy),
        "place": seen.place.as_ref().map(place),
        "resource": seen.identity.as_ref().ok(),
        "unknown": seen.identity.as_ref().err(),
        "policy": seen.policy.policy,
        "policyFrom": seen.policy.source.to_string(),
        "restsOn": seen.rests_on,
    })
}

fn finding(finding: &Finding) -> Value {
    let related = finding.related.iter().map(|related| {
        json!({
            "object": object(&related.copy),
            "place": related.place.as_ref().map(place),
        })
    });
    json!({
        "rule": finding.rule.as_str(),
        "level": finding.level.as_str(),
        "object": finding.copy.as_ref().map(object),
        "place": finding.place.as_ref().map(place),
        "resource": finding.identity.as_ref().map(ToString::to_string),
        "message": finding.message,
        "next": finding.next,
        "related": related.collect::<Vec<_>>(),
    })
}

fn place(place: &Location) -> Value {
    json!({
        "file": &*place.file,
        "line": place.at.line,
        "column": place.at.column,
    })
}

fn object(copy: &CopyRef) -> Value {
    json!({
        "cluster": copy.member.as_str(),
        "namespace": &*copy.object.namespace,
        "group": &*copy.object.group,
        "kind": &*copy.object.kind,
        "name": &*copy.object.name,
    })
}
