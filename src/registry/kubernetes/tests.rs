use std::convert::Infallible;

use http::{Request, Response};
use kube::client::Body;
use rstest::rstest;
use schemars::schema_for;
use tower::service_fn;

use super::crd::ClaimEntry;
use super::*;

#[tokio::test]
async fn a_credential_that_ended_is_said_to_need_a_restart() {
    let unauthorized = service_fn(async |_: Request<Body>| {
        let status = r#"{"kind": "Status", "status": "Failure", "message": "Unauthorized",
            "reason": "Unauthorized", "code": 401}"#;
        let body = Body::from(status.as_bytes().to_vec());
        Response::builder().status(401).body(body)
    });
    let registry = KubernetesRegistry::new(Client::new(unauthorized, "default"), "hub");
    let error = registry.members().await.unwrap_err().to_string();
    let expected = "the registry hub refused: Unauthorized: its kubeconfig's credential";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.ends_with("kubectl rollout restart"), "{error}");
}

/// A claim as an API server gives it, last heard at some time.
fn stored(identity: &str, heard: &str) -> String {
    let identity: Identity = identity.parse().unwrap();
    format!(
        r#"{{"apiVersion": "asoguard.io/v1alpha1", "kind": "Claim",
            "metadata": {{"name": "{}", "resourceVersion": "7"}},
            "spec": {{"identity": "{identity}"}},
            "status": {{"resource": "", "state": "Live", "lastHeard": "{heard}"}}}}"#,
        convert::claim_name(&identity)
    )
}

#[tokio::test]
async fn a_claim_that_cannot_be_read_is_listed_beside_those_that_can() {
    let good = stored(
        "/subscriptions/s/resourceGroups/good",
        "2026-01-01T00:00:00Z",
    );
    let bad = stored(
        "/subscriptions/s/resourceGroups/bad",
        "2026-01-01T00:00:00+99:99",
    );
    let list = format!(
        r#"{{"apiVersion": "v1", "kind": "List", "metadata": {{}}, "items": [{bad}, {good}]}}"#
    );
    let hub = service_fn(move |request: Request<Body>| {
        let one = request.uri().path().contains("/claims/");
        let body = if one { &bad } else { &list };
        let body = Body::from(body.clone().into_bytes());
        std::future::ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let registry = KubernetesRegistry::new(Client::new(hub, "default"), "hub");
    let listed = registry.claims(&ClaimScope::All).await.unwrap();
    let [read] = &listed.records[..] else {
        panic!("{listed:?}");
    };
    assert_eq!(read.record.identity.name(), "good");
    let [unreadable] = &listed.unreadable[..] else {
        panic!("{listed:?}");
    };
    let bad: Identity = "/subscriptions/s/resourceGroups/bad".parse().unwrap();
    assert_eq!(unreadable.identity.as_ref(), Some(&bad));
    assert!(unreadable.why.contains("lastHeard") || unreadable.why.contains("time"));
    let one = registry.claim(&bad).await.unwrap_err();
    assert!(
        matches!(&one, RegistryError::Corrupt(same) if same == unreadable),
        "{one}"
    );
    // It is of its own resource, and of nothing else.
    let elsewhere = ClaimScope::Below("/subscriptions/s/resourceGroups/good".parse().unwrap());
    let listed = registry.claims(&elsewhere).await.unwrap();
    assert!(listed.unreadable.is_empty(), "{listed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_never_answers_is_given_up_on() {
    let nobody =
        service_fn(|_: Request<Body>| std::future::pending::<Result<Response<Body>, Infallible>>());
    let registry = KubernetesRegistry::new(Client::new(nobody, "default"), "hub");
    let identity: Identity = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
    let gives_up_after = |error: RegistryError, limit: Duration| {
        let said = error.to_string();
        assert!(
            said.ends_with(&format!("no answer within {limit:?}")),
            "{said}"
        );
    };
    gives_up_after(registry.claim(&identity).await.unwrap_err(), CALL_TIMEOUT);
    let listed = registry.claims(&ClaimScope::All).await;
    gives_up_after(listed.unwrap_err(), PAGE_TIMEOUT);
}

/// A claim with one entry in its history, which is written with these fields.
fn with_entry(fields: &str) -> Claim {
    let claim = stored("/subscriptions/s/resourceGroups/rg", "2026-01-01T00:00:00Z");
    let mut claim: serde_json::Value = serde_json::from_str(&claim).unwrap();
    let mut entry: serde_json::Value = serde_json::from_str(fields).unwrap();
    for (field, value) in [
        ("at", "2026-01-01T00:00:00Z"),
        ("by", "alice"),
        ("why", "because"),
        ("member", "a"),
        ("namespace", "x"),
        ("group", "resources.azure.com"),
        ("kind", "ResourceGroup"),
        ("name", "rg"),
    ] {
        entry[field] = value.into();
    }
    claim["status"]["history"] = serde_json::json!([entry]);
    serde_json::from_value(claim).unwrap()
}

#[rstest]
#[case::deprecated(r#"{"deed": "delete", "against": "PeersDepend"}"#)]
#[case::mixed(r#"{"action": "delete", "against": "PeersDepend"}"#)]
#[case::both(r#"{"action": "delete", "deed": "create", "refusal": "PeersDepend", "against": ""}"#)]
fn deprecated_fields_of_a_history_are_read_and_written_no_more(#[case] fields: &str) {
    let record = convert::from_claim(&with_entry(fields)).unwrap();
    let written = convert::to_claim(&record, None, Timestamp::now());
    let expected = with_entry(r#"{"action": "delete", "refusal": "PeersDepend"}"#);
    assert_eq!(
        written.status.unwrap().history,
        expected.status.unwrap().history
    );
}

#[rstest]
#[case::nothing("{}", "status.history.action is missing")]
#[case::unknown(r#"{"deed": "misuse"}"#, "status.history.action: \"misuse\" is none")]
fn an_entry_says_what_was_done(#[case] fields: &str, #[case] why: &str) {
    let read = convert::from_claim(&with_entry(fields));
    assert_eq!(read.unwrap_err(), why);
}

#[test]
fn the_hub_compares_all_that_an_entry_says() {
    let policies = [
        include_str!("../../../deploy/hub/claims.yaml"),
        include_str!("../../../deploy/hub/transfers.yaml"),
    ];
    let entries = [schema_for!(ClaimEntry), schema_for!(crd::TransferEntry)];
    for (policy, schema) in policies.into_iter().zip(entries) {
        let fields = schema.get("properties").unwrap().as_object().unwrap();
        for field in fields.keys() {
            let read = [format!("entry.{field}"), format!("entry.?{field}.")];
            assert!(read.iter().any(|read| policy.contains(read)), "{field}");
        }
    }
}
