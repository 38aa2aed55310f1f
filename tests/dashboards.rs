//! The dashboard's and the alerts' queries: they parse, and name only metrics and
//! labels that there are.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use promql_parser::parser::{self, Expr, VectorSelector};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;

/// What the names of all metrics begin with.
const PREFIX: &str = "aso_guard_";
/// A counter of API servers themselves: calls of a webhook that failed, and were not needed.
const OF_API_SERVERS: &str = "apiserver_admission_webhook_fail_open_count";
/// Labels of the metrics, and those that Prometheus puts on what it scrapes.
const LABELS: [&str; 11] = [
    "cluster",
    "dry_run",
    "kind",
    "le",
    "member",
    "name",
    "namespace",
    "operation",
    "outcome",
    "reason",
    "verdict",
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every metric that the guard serves, as `docs/metrics.md` lists them; another
/// test holds that list against the code.
fn served() -> BTreeSet<String> {
    let list = read("docs/metrics.md");
    let names = list.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names = names.filter(|name| name.starts_with(PREFIX) && name.len() > PREFIX.len());
    names.map(str::to_owned).collect()
}

/// The queries of the dashboard and of the alerts, with where each stands.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/dashboards/dashboard.json")).unwrap();
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let query = target["expr"].as_str().unwrap();
            // What Grafana puts in.
            let query = query.replace("$__rate_interval", "5m");
            queries.push((
                panel["title"].to_string(),
                query.replace("$namespace", ".*").replace("$cluster", ".*"),
            ));
        }
    }
    let alerts: Value = serde_yaml::from_str(&read("deploy/dashboards/alerts.yaml")).unwrap();
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        let query = rule["expr"].as_str().unwrap();
        queries.push((rule["alert"].to_string(), query.to_owned()));
    }
    queries
}

/// The series that a query asks for.
#[derive(Default)]
struct Series(Vec<VectorSelector>);

impl ExprVisitor for Series {
    type Error = String;

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, String> {
        match expr {
            Expr::VectorSelector(series) => self.0.push(series.clone()),
            Expr::MatrixSelector(range) => self.0.push(range.vs.clone()),
            _ => {}
        }
        Ok(true)
    }
}

#[test]
fn queries_name_only_what_is_served() {
    let served = served();
    let queries = queries();
    assert!(queries.len() > 20, "{queries:?}");
    for (place, query) in queries {
        let parsed = parser::parse(&query).unwrap_or_else(|why| panic!("{place}: {why}"));
        let mut series = Series::default();
        walk_expr(&mut series, &parsed).unwrap();
        assert!(!series.0.is_empty(), "{place} asks for nothing");
        for one in series.0 {
            let name = one.name.unwrap();
            if name == OF_API_SERVERS {
                continue;
            }
            let of_histogram = ["_bucket", "_sum", "_count"];
            let base = of_histogram.iter().find_map(|end| name.strip_suffix(end));
            assert!(
                served.contains(base.unwrap_or(&name)),
                "{place}: {name} is no metric of aso-guard"
            );
            for matcher in &one.matchers.matchers {
                assert!(
                    LABELS.contains(&&*matcher.name),
                    "{place}: {}",
                    matcher.name
                );
            }
        }
    }
}

/// What a heading's anchor is called.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let kept = heading.chars().filter(kept).collect::<String>();
    kept.to_lowercase().replace(' ', "-")
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let alerts: Value = serde_yaml::from_str(&read("deploy/dashboards/alerts.yaml")).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    let linked: BTreeSet<String> = rules
        .iter()
        .map(|rule| {
            let (name, annotations) = (&rule["alert"], &rule["annotations"]);
            let url = annotations["runbook_url"].as_str().unwrap_or_default();
            let section = url.strip_prefix("docs/alerts.md#");
            let section = section.unwrap_or_else(|| panic!("{name}: no section: {url:?}"));
            assert_eq!(section, anchor(name.as_str().unwrap()));
            section.to_owned()
        })
        .collect();
    let document = read("docs/alerts.md");
    let sections = document.lines().filter_map(|line| line.strip_prefix("## "));
    let sections: BTreeSet<String> = sections.map(anchor).collect();
    assert_eq!(linked, sections);
}

#[test]
fn every_alert_says_what_to_do() {
    let alerts: Value = serde_yaml::from_str(&read("deploy/dashboards/alerts.yaml")).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(!rules.is_empty());
    for rule in rules {
        for text in ["summary", "description", "runbook"] {
            let text = rule["annotations"][text].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{}: says nothing", rule["alert"]);
        }
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{severity}");
    }
}
