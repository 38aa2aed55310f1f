//! What is generated into the chart is what the program says.

use std::fs;

use serde_json::Value;

use crate::GUARD;
use crate::helm::chart;
use crate::lab::guard::Plan;

/// Fails where a file of the chart is not as it should be; writes it where that is asked for.
pub fn in_step(file: &str, expected: &str) {
    let path = chart(file);
    if fs::read_to_string(&path).unwrap_or_default() == expected {
        return;
    }
    assert_eq!(
        std::env::var("INSTA_UPDATE").as_deref(),
        Ok("always"),
        "deploy/chart/{file} is behind. INSTA_UPDATE=always cargo test --test chart writes it."
    );
    fs::write(path, expected).unwrap();
}

/// What `aso-guard webhook` prints for the Service that the chart makes, with a CA, in PEM, or
/// without one, and with more flags.
pub async fn printed(ca: Option<&str>, more: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    fs::write(&file, ca.unwrap_or_default()).unwrap();
    let ca = match ca {
        Some(_) => format!("--ca-file={}", file.display()),
        None => "--without-ca".to_owned(),
    };
    let mut args = vec!["webhook", "--service=aso-guard/aso-guard", &*ca];
    args.extend(more);
    let printed = Plan::enforce(GUARD).print(&args).await.unwrap();
    serde_yaml::from_str(&printed).unwrap()
}

#[tokio::test]
async fn the_crds_are_those_that_the_program_prints() {
    let printed = Plan::enforce(GUARD).print(&["crds"]).await.unwrap();
    in_step("files/crds.yaml", &printed);
}

#[tokio::test]
async fn the_second_line_is_what_the_program_prints() {
    let printed = Plan::enforce(GUARD).print(&["protection"]).await.unwrap();
    in_step("files/protection.yaml", &printed);
}

/// Its CRDs are in a file of their own.
#[tokio::test]
async fn the_hubs_policies_are_those_that_the_program_prints() {
    let plan = Plan::enforce(GUARD);
    let hub = plan.print(&["hub"]).await.unwrap();
    let crds = plan.print(&["crds"]).await.unwrap();
    let policies = hub.strip_prefix(&*format!("{crds}---\n")).unwrap();
    in_step("files/hub.yaml", policies);
}

/// Where the webhook is, the chart says.
#[tokio::test]
async fn the_webhooks_are_those_that_the_program_prints() {
    let mut registration = printed(None, &[]).await;
    for webhook in registration["webhooks"].as_array_mut().unwrap() {
        webhook.as_object_mut().unwrap().remove("clientConfig");
    }
    let yaml = serde_yaml::to_string(&registration).unwrap();
    in_step("files/webhook.yaml", &yaml);
}

/// Helm reads what is in the chart's directory alone.
#[test]
fn the_alerts_are_those_of_the_dashboards() {
    in_step(
        "files/alerts.yaml",
        include_str!("../../deploy/dashboards/alerts.yaml"),
    );
}

#[test]
fn the_chart_is_of_the_same_version_as_the_program() {
    let chart: Value =
        serde_yaml::from_str(&fs::read_to_string(chart("Chart.yaml")).unwrap()).unwrap();
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{key}");
    }
}
