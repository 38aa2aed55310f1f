use rstest::rstest;
use serde_json::{Value, json};

use super::super::INSTALLED_ANNOTATION;
use super::*;

fn said(stored: &ValidatingWebhookConfiguration, expected: &Expectation) -> Vec<String> {
    let gaps = gaps(stored, expected);
    gaps.iter().map(Gap::to_string).collect()
}

fn printed() -> Expectation {
    Expectation::printed(false)
}

/// The registration that the guard prints, as stored, after a change by somebody.
fn changed(change: impl FnOnce(&mut Value)) -> ValidatingWebhookConfiguration {
    let kinds = Kinds::builtin();
    let registration = Registration {
        target: WebhookTarget::Url("https://127.0.0.1/validate".to_owned()),
        ca: None,
        groups: kinds.groups().chain(["new.azure.com"]).collect(),
        on_failure: ByVerb::both(FailurePolicy::Fail),
        timeout_seconds: ByVerb::both(5),
        exempt: Exempt::new(
            &["sandbox".to_owned()],
            vec!["robot".to_owned()],
            vec!["admins".to_owned()],
        ),
    };
    let mut stored = serde_json::to_value(registration.configuration()).unwrap();
    change(&mut stored);
    serde_json::from_value(stored).unwrap()
}

#[test]
fn what_the_guard_prints_has_no_gap() {
    assert_eq!(said(&changed(|_| {}), &printed()), [""; 0]);
    let wider = changed(|stored| {
        for webhook in stored["webhooks"].as_array_mut().unwrap() {
            webhook["rules"][0]["apiGroups"] = json!(["*"]);
            webhook["matchConditions"] = json!([]);
            webhook["namespaceSelector"] = json!({});
            webhook["objectSelector"] = json!({});
        }
    });
    assert_eq!(said(&wider, &printed()), [""; 0]);
}

const WRITE: &str = "/webhooks/0";
const NAMESPACE: &str = "/webhooks/3";
const CRD: &str = "/webhooks/5";

#[rstest]
#[case::ignored(WRITE, "failurePolicy", json!("Ignore"), "write.asoguard.io: failurePolicy is Ignore")]
#[case::no_update(
    WRITE, "rules",
    json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"], "resources": ["*"]}]),
    "write.asoguard.io: its rules leave out CREATE and UPDATE of * in group"
)]
#[case::one_version(
    WRITE, "rules",
    json!([{"apiGroups": ["*"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["*"]}]),
    "write.asoguard.io: its rules leave out"
)]
#[case::no_rule(WRITE, "rules", json!([]), "write.asoguard.io: its rules leave out")]
#[case::another_scope(
    NAMESPACE, "rules",
    json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "Namespaced"}]),
    "namespace.asoguard.io: its rules leave out"
)]
#[case::some_namespaces(
    WRITE, "namespaceSelector", json!({"matchLabels": {"team": "blue"}}),
    "write.asoguard.io: its namespaceSelector leaves out"
)]
#[case::some_objects(
    WRITE, "objectSelector", json!({"matchLabels": {"team": "blue"}}),
    "write.asoguard.io: its objectSelector leaves out"
)]
#[case::other_objects(
    NAMESPACE, "objectSelector", json!({"matchLabels": {"team": "blue"}}),
    "namespace.asoguard.io: its objectSelector leaves out"
)]
#[case::another_condition(
    WRITE, "matchConditions", json!([{"name": "never", "expression": "false"}]),
    "write.asoguard.io: its matchCondition never is none of the guard's"
)]
#[case::a_changed_condition(
    WRITE, "matchConditions", json!([{"name": "changes-policy-or-identity", "expression": "false"}]),
    "write.asoguard.io: its matchCondition changes-policy-or-identity is none"
)]
#[case::fewer_groups(
    CRD, "matchConditions",
    json!([{"name": "defines-a-kind-of-aso", "expression": "oldObject.spec.group in ['x']"}]),
    "crd.asoguard.io: its matchCondition defines-a-kind-of-aso is none"
)]
fn what_is_narrower_is_told(
    #[case] webhook: &str,
    #[case] member: &str,
    #[case] value: Value,
    #[case] expected: &str,
) {
    let stored = changed(|stored| stored.pointer_mut(webhook).unwrap()[member] = value);
    let gaps = said(&stored, &printed());
    assert!(gaps.len() == 1 && gaps[0].starts_with(expected), "{gaps:?}");
}

#[test]
fn a_webhook_that_was_taken_out_is_missed() {
    let stored = changed(|stored| drop(stored["webhooks"].as_array_mut().unwrap().remove(2)));
    let gaps = said(&stored, &printed());
    assert_eq!(
        gaps,
        ["delete.asoguard.io is not there: the guard does not see deletes"]
    );
}

#[test]
fn some_groups_are_told_and_the_rest_is_counted() {
    let stored = changed(|stored| {
        stored["webhooks"][2]["rules"][0]["apiGroups"] = json!(["storage.azure.com"]);
    });
    let gaps = said(&stored, &printed());
    assert_eq!(gaps.len(), 1);
    assert!(
        gaps[0].contains("leave out DELETE of * in group"),
        "{gaps:?}"
    );
    assert!(gaps[0].contains(" more"), "{gaps:?}");
}

#[test]
fn to_ignore_may_be_meant() {
    let stored = changed(|stored| {
        for webhook in stored["webhooks"].as_array_mut().unwrap() {
            webhook["failurePolicy"] = json!("Ignore");
        }
    });
    assert_eq!(said(&stored, &Expectation::printed(true)), [""; 0]);
    assert_eq!(said(&stored, &printed()).len(), 5);
}

/// As it was installed, after a change by somebody.
fn since_installed(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let stored = changed(change);
    let installed = Installed::stated(&changed(|_| {})).unwrap();
    said(&stored, &Expectation::installed(installed))
}

#[test]
fn what_was_chosen_is_no_gap() {
    assert_eq!(since_installed(|_| {}), [""; 0]);
    let generous = since_installed(|stored| {
        stored["webhooks"][0]["timeoutSeconds"] = json!(30);
        stored["webhooks"][0]["clientConfig"]["url"] = json!("https://127.0.0.1/validate/secret");
        stored["webhooks"][0]["namespaceSelector"] = json!(null);
    });
    assert_eq!(generous, [""; 0]);
}

#[rstest]
#[case::other_namespaces(
    "namespaceSelector",
    json!({"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["prod"]}]}),
    "write.asoguard.io: its namespaceSelector leaves out"
)]
#[case::as_aks_does(
    "namespaceSelector",
    json!({"matchExpressions": [{"key": "control-plane", "operator": "DoesNotExist"}]}),
    "write.asoguard.io: its namespaceSelector leaves out"
)]
#[case::another_user(
    "matchConditions",
    json!([{"name": "not-an-exempt-user", "expression": "request.userInfo.username != 'me'"}]),
    "write.asoguard.io: its matchCondition not-an-exempt-user is none of the guard's"
)]
#[case::less_time("timeoutSeconds", json!(1), "write.asoguard.io: timeoutSeconds is 1, less")]
#[case::exact("matchPolicy", json!("Exact"), "write.asoguard.io: matchPolicy is Exact")]
#[case::elsewhere(
    "clientConfig", json!({"url": "https://elsewhere/validate/secret"}),
    "write.asoguard.io: it leads to https://elsewhere/validate, not"
)]
#[case::to_a_service(
    "clientConfig",
    json!({"service": {"namespace": "a", "name": "b", "path": "/validate/secret", "port": 9}}),
    "write.asoguard.io: it leads to https://b.a.svc:9/validate, not"
)]
fn what_is_less_than_was_chosen_is_told(
    #[case] member: &str,
    #[case] value: Value,
    #[case] expected: &str,
) {
    let gaps = since_installed(|stored| stored["webhooks"][0][member] = value);
    assert!(gaps.len() == 1 && gaps[0].starts_with(expected), "{gaps:?}");
}

#[test]
fn aks_is_to_leave_it_alone() {
    let gaps = since_installed(|stored| stored["metadata"]["annotations"] = json!(null));
    assert_eq!(
        gaps,
        [
            "the annotation admissions.enforcer/disabled is not \"true\": AKS may narrow the webhooks"
        ]
    );
}

#[test]
fn a_service_has_a_ca() {
    let of_service = |installed: &mut Installed| {
        installed.target = InstalledTarget::Service {
            namespace: "guard".to_owned(),
            name: "guard".to_owned(),
            port: 8443,
        };
    };
    let mut installed = Installed::stated(&changed(|_| {})).unwrap();
    of_service(&mut installed);
    let service = json!({"namespace": "guard", "name": "guard", "path": "/validate", "port": 8443});
    let mut stored = changed(|stored| {
        for webhook in stored["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"] = json!({"service": service, "caBundle": "UEVN"});
        }
    });
    let expected = Expectation::installed(installed);
    assert_eq!(said(&stored, &expected), [""; 0]);
    stored.webhooks.as_mut().unwrap()[5].client_config.ca_bundle = None;
    assert_eq!(
        said(&stored, &expected),
        ["crd.asoguard.io: its caBundle is empty, so API servers trust no guard"]
    );
}

/// During an upgrade, guards of two versions run; neither turns the other's rules back.
#[test]
fn the_rules_of_another_version_are_its_own() {
    let mut installed = Installed::stated(&changed(|_| {})).unwrap();
    installed.version = "99.0.0".to_owned();
    let stored = changed(|stored| {
        stored["webhooks"][0]["matchConditions"] = json!([{"name": "new", "expression": "true"}]);
        stored["webhooks"][0]["failurePolicy"] = json!("Ignore");
    });
    let gaps = said(&stored, &Expectation::installed(installed));
    assert!(
        gaps.len() == 1 && gaps[0].contains("failurePolicy is Ignore"),
        "{gaps:?}"
    );
}

#[test]
fn no_secret_is_in_what_was_chosen() {
    let target = WebhookTarget::Url("https://guard.example/validate/secret".to_owned());
    let on_failure = ByVerb::both(FailurePolicy::Fail);
    let installed = Installed::of(&target, on_failure, ByVerb::both(10), &Exempt::default());
    let text = serde_json::to_string(&installed).unwrap();
    assert!(text.contains("https://guard.example/validate\""), "{text}");
    let mut stored = changed(|_| {});
    let annotations = stored.metadata.annotations.as_mut().unwrap();
    annotations.insert(INSTALLED_ANNOTATION.to_owned(), text);
    assert_eq!(Installed::stated(&stored), Some(installed));
    let annotations = stored.metadata.annotations.as_mut().unwrap();
    annotations.insert(INSTALLED_ANNOTATION.to_owned(), "{}".to_owned());
    assert_eq!(Installed::stated(&stored), None);
}
