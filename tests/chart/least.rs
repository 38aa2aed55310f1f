//! No more than is needed: permissions, and what a pod may do.

use rstest::rstest;
use serde_json::{Value, json};

use crate::helm::{objects, topology};
use crate::lab::object::Object;

/// The rules of all roles.
fn rules(objects: &[Object]) -> Vec<Value> {
    let roles = objects
        .iter()
        .filter(|object| object.kind().ends_with("Role"));
    roles
        .flat_map(|role| role.0["rules"].as_array().cloned().unwrap())
        .collect()
}

fn has(rule: &Value, key: &str, value: &str) -> bool {
    rule[key]
        .as_array()
        .is_some_and(|values| values.contains(&json!(value)))
}

#[rstest]
#[case("audit-only")]
#[case("azure")]
#[case("cluster-per-environment")]
#[case("member")]
#[case("one-cluster")]
#[case("shards")]
#[tokio::test]
async fn secrets_and_registrations_are_touched_by_name_alone(#[case] name: &str) {
    let objects = objects(&[&topology(name)]).await;
    for rule in rules(&objects) {
        assert!(
            !has(&rule, "verbs", "*") && !has(&rule, "apiGroups", "*"),
            "{rule}"
        );
        for named in ["secrets", "validatingwebhookconfigurations"] {
            if has(&rule, "resources", named) {
                assert!(
                    !rule["resourceNames"].as_array().unwrap().is_empty(),
                    "{rule}"
                );
                // A Secret is made by its name in the object, which no rule sees; a registration
                // by server-side apply, which has the name in its path.
                let creates = has(&rule, "verbs", "create");
                assert!(!creates || named != "secrets", "{rule}");
            }
        }
        if has(&rule, "resources", "*") {
            let reads = json!(["get", "list", "watch"]);
            assert_eq!(rule["verbs"], reads, "{rule}");
        }
    }
}

/// With one credential for all, its subscription can be stated.
#[tokio::test]
async fn where_the_subscription_is_stated_no_credential_may_be_read() {
    let objects = objects(&[
        &topology("cluster-per-environment"),
        "--set=subscription=11111111-2222-3333-4444-555555555555",
    ])
    .await;
    let secrets: Vec<Value> = rules(&objects)
        .into_iter()
        .filter(|rule| has(rule, "resources", "secrets"))
        .map(|rule| rule["resourceNames"].clone())
        .collect();
    assert_eq!(secrets, [json!(["aso-guard-tls"])]);
}

#[tokio::test]
async fn a_hub_that_is_no_member_runs_nothing() {
    let objects = objects(&[&topology("hub")]).await;
    assert!(!objects.is_empty());
    for object in &objects {
        let runs = [
            "Deployment",
            "Job",
            "Pod",
            "ServiceAccount",
            "ValidatingWebhookConfiguration",
        ];
        assert!(!runs.contains(&object.kind()), "{object}");
    }
}

/// Pod Security's `restricted`, and a root file system that nobody writes to.
#[rstest]
#[case("audit-only")]
#[case("azure")]
#[case("cluster-per-environment")]
#[case("member")]
#[case("one-cluster")]
#[case("shards")]
#[tokio::test]
async fn pods_are_restricted(#[case] name: &str) {
    let objects = objects(&[&topology(name)]).await;
    let pods: Vec<&Value> = objects
        .iter()
        .filter_map(|object| match object.kind() {
            "Pod" => Some(&object.0["spec"]),
            "Deployment" | "Job" => Some(&object.0["spec"]["template"]["spec"]),
            _ => None,
        })
        .collect();
    assert_eq!(pods.len(), 3, "the guard, the test, the uninstallation");
    for pod in pods {
        let context = &pod["securityContext"];
        assert_eq!(context["runAsNonRoot"], true);
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
        for container in pod["containers"].as_array().unwrap() {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["readOnlyRootFilesystem"], true);
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
        }
        assert_eq!(pod.get("hostNetwork"), None);
    }
}
