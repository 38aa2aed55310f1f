//! A report as objects that dashboards for policies read: PolicyReport (wgpolicyk8s.io) or its
//! successor, Report (openreports.io). One for each cluster and namespace with findings.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::check::{Finding, Level};
use crate::claim::CopyRef;

use super::Report;

/// What the objects are called in a namespace.
const NAME: &str = "aso-guard";
/// The label that says of which cluster a report is, by the name it was given.
const CLUSTER_LABEL: &str = "asoguard.io/cluster";

/// As PolicyReport and ClusterPolicyReport objects.
pub(super) fn policy_reports(report: &Report) -> Vec<Value> {
    objects(report, "wgpolicyk8s.io/v1alpha2", "PolicyReport")
}

/// As Report and ClusterReport objects.
pub(super) fn open_reports(report: &Report) -> Vec<Value> {
    objects(report, "openreports.io/v1alpha1", "Report")
}

fn objects(report: &Report, api_version: &str, kind: &str) -> Vec<Value> {
    let mut results: BTreeMap<(&str, &str), Vec<Value>> = BTreeMap::new();
    for finding in &report.findings {
        let related = finding.related.iter().map(|related| &related.copy);
        let mut copies: Vec<&CopyRef> = finding.copy.iter().chain(related).collect();
        copies.dedup();
        for copy in copies {
            let place = (copy.member.as_str(), &*copy.object.namespace);
            let one = result(report, finding, Some(copy));
            results.entry(place).or_default().push(one);
        }
        if finding.copy.is_none() {
            let one = result(report, finding, None);
            results.entry(("", "")).or_default().push(one);
        }
    }
    results
        .into_iter()
        .map(|((cluster, namespace), results)| {
            let mut object = json!({
                "apiVersion": api_version,
                "kind": if namespace.is_empty() { format!("Cluster{kind}") } else { kind.to_owned() },
                "metadata": {
                    "name": NAME,
                    "labels": {"app.kubernetes.io/managed-by": NAME},
                },
                "summary": summary(&results),
                "results": results,
            });
            if !namespace.is_empty() {
                object["metadata"]["namespace"] = namespace.into();
                object["metadata"]["labels"][CLUSTER_LABEL] = cluster.into();
            }
            object
        })
        .collect()
}

fn summary(results: &[Value]) -> Value {
    let count = |what: &str| results.iter().filter(|one| one["result"] == what).count();
    json!({
        "pass": 0,
        "fail": count("fail"),
        "warn": count("warn"),
        "error": 0,
        "skip": count("skip"),
    })
}

fn result(report: &Report, finding: &Finding, copy: Option<&CopyRef>) -> Value {
    let (result, severity) = match finding.level {
        Level::Error => ("fail", "high"),
        Level::Warning => ("warn", "medium"),
        Level::Note => ("skip", "info"),
    };
    let mut properties = BTreeMap::new();
    if let Some(identity) = &finding.identity {
        properties.insert("resource", identity.to_string());
    }
    if !finding.next.is_empty() {
        properties.insert("next", finding.next.clone());
    }
    if let Some(copy) = copy {
        properties.insert("group", copy.object.group.to_string());
    }
    let mut one = json!({
        "source": NAME,
        "policy": NAME,
        "rule": finding.rule.as_str(),
        "category": "Azure resources",
        "severity": severity,
        "result": result,
        "timestamp": {"seconds": report.at.as_second(), "nanos": 0},
        "message": finding.message,
        "properties": properties,
    });
    if let Some(copy) = copy {
        one["resources"] = json!([{
            "kind": &*copy.object.kind,
            "namespace": &*copy.object.namespace,
            "name": &*copy.object.name,
        }]);
    }
    one
}
