use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use super::*;

const WRITTEN: &str = "2026-03-01T12:00:00Z";

/// An API server with ASO's settings, written at a time, and its pods; `None`: nobody may
/// list them.
fn credentials(pods: Option<&[&str]>) -> Credentials {
    let pods = pods.map(|pods| {
        let pod = |created: &&str| json!({"metadata": {"creationTimestamp": created}});
        pods.iter().map(pod).collect::<Vec<Value>>()
    });
    let client = service_fn(move |request: Request<Body>| {
        let (code, body) = match (request.uri().path().ends_with("/pods"), &pods) {
            (false, _) => (200, settings()),
            (true, Some(pods)) => (200, json!({"metadata": {}, "items": pods})),
            (true, None) => (403, forbidden()),
        };
        let response = Response::builder().status(code);
        let response = response.body(Body::from(body.to_string().into_bytes()));
        std::future::ready(response)
    });
    let settings = CredentialSettings {
        operators: ["aso".into()].into(),
        subscription: None,
    };
    Credentials::new(Client::new(client, "default"), settings)
}

fn settings() -> Value {
    json!({"metadata": {
        "name": SETTINGS_SECRET, "namespace": "aso",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [
            {"manager": "helm", "time": "2026-01-01T00:00:00Z"},
            {"manager": "kubectl", "time": WRITTEN},
        ],
    }})
}

fn forbidden() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403,
        "reason": "Forbidden", "message": "no",
    })
}

async fn is_outrun(pods: Option<&[&str]>) -> bool {
    let credentials = credentials(pods);
    let found = credentials
        .find("aso", SETTINGS_SECRET, Freshness::Store)
        .await;
    let SecretLookup::Found(facts) = found.unwrap() else {
        panic!("it is there");
    };
    facts.outrun
}

#[tokio::test]
async fn an_aso_that_runs_since_before_its_settings_were_written_has_not_read_them() {
    let (before, after) = ("2026-03-01T11:59:59Z", "2026-03-01T12:00:01Z");
    assert!(is_outrun(Some(&[before])).await);
    assert!(is_outrun(Some(&[after, before])).await);
    assert!(is_outrun(Some(&[WRITTEN])).await);
    assert!(!is_outrun(Some(&[after])).await);
}

#[tokio::test]
async fn settings_that_a_watch_has_told_of_are_not_believed_before_aso_has_read_them() {
    let read = [
        ("2026-03-01T11:59:59Z", true),
        ("2026-03-01T12:00:01Z", false),
    ];
    for (started, outrun) in read {
        let credentials = credentials(Some(&[started]));
        let mut before = settings();
        before["data"] = json!({"AZURE_SUBSCRIPTION_ID": "MQ=="});
        for secret in [before, settings()] {
            credentials.put(serde_json::from_value(secret).unwrap());
        }
        for _ in 0..2 {
            let found = credentials
                .find("aso", SETTINGS_SECRET, Freshness::Known)
                .await;
            let SecretLookup::Found(facts) = found.unwrap() else {
                panic!("they are there");
            };
            assert_eq!(facts.outrun, outrun);
        }
        assert_eq!(credentials.unread.lock().is_empty(), !outrun);
    }
}

#[tokio::test]
async fn without_pods_to_be_seen_the_settings_are_believed() {
    assert!(!is_outrun(Some(&[])).await);
    assert!(!is_outrun(None).await);
}

#[tokio::test]
async fn a_name_is_watched_once_and_only_so_many_are() {
    let credentials = credentials(None);
    credentials.name(NAMESPACE_SECRET);
    assert!(credentials.take_unwatched().is_empty());
    for name in 0..MOST_NAMES + 9 {
        credentials.name(&format!("secret-{name}"));
        credentials.name("secret-0");
    }
    assert_eq!(credentials.take_unwatched().len(), MOST_NAMES);
    assert!(credentials.take_unwatched().is_empty());
}
