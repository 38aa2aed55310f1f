//! The forms of a report.

use serde_json::Value;

use crate::run::{check_in, repository};

#[test]
fn the_table_reads_well() {
    let said = check_in(&repository(), &[], "");
    insta::assert_snapshot!(said.out);
}

#[test]
fn github_shows_findings_beside_the_lines() {
    let said = check_in(&repository(), &["-o", "github"], "");
    insta::assert_snapshot!(said.out);
    assert_eq!(said.code, Some(1));
}

#[test]
fn sarif_names_rules_places_and_the_other_copy() {
    let said = check_in(&repository(), &["-o", "sarif"], "");
    let log: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 12);
    for result in results {
        let rule = &run["tool"]["driver"]["rules"]
            [usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(repository().join(uri).is_file(), "{uri}");
    }
    let twin = results
        .iter()
        .rfind(|result| result["ruleId"] == "conflict")
        .unwrap();
    let other = &twin["relatedLocations"][0]["physicalLocation"];
    assert_eq!(
        other["artifactLocation"]["uri"],
        "clusters/a/shop/group.yaml"
    );
    let mut prints: Vec<_> = results
        .iter()
        .map(|result| {
            result["partialFingerprints"]["asoGuard/v1"]
                .as_str()
                .unwrap()
        })
        .collect();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), 12, "fingerprints tell findings apart");
}

#[test]
fn yaml_says_what_json_says() {
    let json: Value =
        serde_json::from_str(&check_in(&repository(), &["-o", "json"], "").out).unwrap();
    let yaml: Value =
        serde_yaml::from_str(&check_in(&repository(), &["-o", "yaml"], "").out).unwrap();
    assert_eq!(json, yaml);
}

#[test]
fn policy_reports_are_by_cluster_and_namespace() {
    let said = check_in(&repository(), &["-o", "policyreport"], "");
    let reports: Vec<Value> = serde_yaml::Deserializer::from_str(&said.out)
        .map(|document| serde::Deserialize::deserialize(document).unwrap())
        .collect();
    let of = |cluster: &str, namespace: &str| {
        reports.iter().find(|report| {
            report["metadata"]["labels"]["asoguard.io/cluster"] == cluster
                && report["metadata"]["namespace"] == namespace
        })
    };
    let shop = of("a", "shop").unwrap();
    assert_eq!(shop["apiVersion"], "wgpolicyk8s.io/v1alpha2");
    // Both sides of a twin are told of it.
    for cluster in ["a", "b"] {
        let results = of(cluster, "shop").unwrap()["results"].as_array().unwrap();
        assert!(
            results.iter().any(|one| one["rule"] == "conflict"),
            "{cluster}"
        );
    }
    let said = check_in(&repository(), &["-o", "openreports"], "");
    assert!(
        said.out.contains("apiVersion: openreports.io/v1alpha1"),
        "{}",
        said.out
    );
}
