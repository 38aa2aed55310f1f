//! What the API server is told is what the program would tell it.

use serde_json::{Value, json};

use crate::generated::printed;
use crate::helm::objects;
use crate::lab::object::Object;

const CA: &str = "-----BEGIN CERTIFICATE-----";

async fn registration(args: &[&str]) -> Value {
    let source = [
        "--set=certificates.source=secret",
        &format!("--set=certificates.caBundle={CA}"),
    ]
    .map(ToOwned::to_owned);
    let mut all: Vec<&str> = source.iter().map(String::as_str).collect();
    all.extend(args);
    let objects = objects(&all).await;
    let mut found = objects
        .into_iter()
        .filter(|object| object.kind() == "ValidatingWebhookConfiguration");
    let Object(found_one) = found.next().unwrap();
    assert_eq!(found.next(), None);
    found_one
}

fn webhook<'a>(registration: &'a Value, name: &str) -> &'a Value {
    let webhooks = registration["webhooks"].as_array().unwrap();
    webhooks
        .iter()
        .find(|webhook| webhook["name"] == format!("{name}.asoguard.io"))
        .unwrap()
}

#[tokio::test]
async fn in_enforce_the_registration_is_the_one_that_the_program_prints() {
    let mut rendered = registration(&["--set=mode=enforce"]).await;
    rendered["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("labels");
    let mut printed = printed(CA).await;
    for registration in [&mut rendered, &mut printed] {
        for webhook in registration["webhooks"].as_array_mut().unwrap() {
            webhook.as_object_mut().unwrap().remove("namespaceSelector");
        }
    }
    assert_eq!(rendered, printed);
}

#[tokio::test]
async fn audit_blocks_nothing_not_even_while_the_guard_is_away() {
    for webhook in registration(&[]).await["webhooks"].as_array().unwrap() {
        assert_eq!(webhook["failurePolicy"], "Ignore", "{}", webhook["name"]);
    }
}

#[tokio::test]
async fn each_verb_has_its_own_failure_policy_and_timeout() {
    let args = [
        "--set=mode=enforce,webhook.onFailure.delete=Ignore",
        "--set=webhook.timeoutSeconds.write=7,webhook.timeoutSeconds.delete=3",
    ];
    let rendered = registration(&args).await;
    let expected = [
        ("write", "Fail", 7),
        // A safe step waits for nobody, whatever is asked for.
        ("parked", "Ignore", 7),
        ("delete", "Ignore", 3),
        ("namespace", "Ignore", 3),
        ("mode", "Fail", 7),
        ("crd", "Ignore", 3),
    ];
    for (name, policy, seconds) in expected {
        let webhook = webhook(&rendered, name);
        assert_eq!(webhook["failurePolicy"], policy, "{name}");
        assert_eq!(webhook["timeoutSeconds"], seconds, "{name}");
    }
    assert_eq!(
        rendered["webhooks"].as_array().unwrap().len(),
        expected.len()
    );
}

#[tokio::test]
async fn the_guards_own_namespace_and_kube_system_are_exempt() {
    let rendered =
        registration(&["--set=webhook.exemptNamespaces={kube-system,aso-guard,other}"]).await;
    for name in ["write", "parked", "delete", "namespace"] {
        let selector = json!({"matchExpressions": [{
            "key": "kubernetes.io/metadata.name",
            "operator": "NotIn",
            "values": ["kube-system", "aso-guard", "other"],
        }]});
        assert_eq!(
            webhook(&rendered, name)["namespaceSelector"],
            selector,
            "{name}"
        );
    }
    assert_eq!(webhook(&rendered, "crd").get("namespaceSelector"), None);
}
