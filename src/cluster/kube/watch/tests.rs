//! An API server that does not serve everything at once.

use std::sync::Mutex;

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tower::service_fn;

use crate::cluster::Cluster as _;
use crate::cluster::kube::CredentialSettings;
use crate::object::ObjectKey;
use crate::resolve::Trust;

use super::*;

const CRD: &str = "resourcegroups.resources.azure.com";

/// What the API server says of its groups, and of any object.
#[derive(Default)]
struct Answers {
    groups: Mutex<Value>,
    object: Mutex<Value>,
}

fn nothing() -> Value {
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": []})
}

fn resource_groups() -> Value {
    let resource = json!({
        "resource": "resourcegroups",
        "responseKind": {"group": "", "version": "", "kind": "ResourceGroup"},
        "scope": "Namespaced",
        "verbs": ["get", "list", "watch"],
    });
    let versions = json!([{"version": "v1api20200601", "resources": [resource]}]);
    let mut list = nothing();
    list["items"] = json!([{"metadata": {"name": "resources.azure.com"}, "versions": versions}]);
    list
}

fn watches(answers: &Arc<Answers>) -> Watches {
    let answers = answers.clone();
    let client = service_fn(move |request: Request<Body>| {
        let answers = answers.clone();
        async move {
            let path = request.uri().path();
            let body = match path {
                "/apis" => answers.groups.lock().unwrap().clone(),
                path if path.ends_with("/rg") => answers.object.lock().unwrap().clone(),
                _ => std::future::pending().await,
            };
            let status = if body["code"] == 404 { 404 } else { 200 };
            let response = Response::builder().status(status);
            response.body(Body::from(body.to_string().into_bytes()))
        }
    });
    let settings = CredentialSettings {
        operators: ["aso".into()].into(),
        subscription: Some("sub".to_owned()),
    };
    Watches {
        cluster: Arc::new(KubeCluster::new(Client::new(client, "default"), settings)),
        tasks: JoinSet::new(),
        kinds: HashMap::new(),
    }
}

fn key() -> ObjectKey {
    ObjectKey::new("resources.azure.com", "ResourceGroup", "ns", "rg")
}

#[tokio::test]
async fn an_api_server_that_starts_again_has_no_object_taken_for_gone() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    let wanted = WantedCrds::of(&[CRD]);
    *answers.groups.lock().unwrap() = resource_groups();
    watches.follow_kinds(&wanted).await;
    let object = crate::object::ObjectFacts::named(key());
    watches.cluster.stored(object, false);

    *answers.groups.lock().unwrap() = nothing();
    watches.follow_kinds(&wanted).await;
    assert_eq!(watches.cluster.objects().len(), 1);
    assert!(watches.kinds.contains_key(CRD));

    watches.follow_kinds(&WantedCrds::of(&[])).await;
    assert_eq!(watches.cluster.objects().len(), 0);
}

#[tokio::test]
async fn a_kind_that_is_not_served_says_nothing_of_its_objects() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    *answers.groups.lock().unwrap() = nothing();
    watches.follow_kinds(&WantedCrds::of(&[CRD])).await;
    let error = watches
        .cluster
        .object(&key(), Trust::Store)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("does not serve all kinds"),
        "{error}"
    );

    *answers.groups.lock().unwrap() = resource_groups();
    watches.follow_kinds(&WantedCrds::of(&[CRD])).await;
    let mut missing = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "not found", "details": {},
    });
    *answers.object.lock().unwrap() = missing.clone();
    watches
        .cluster
        .object(&key(), Trust::Store)
        .await
        .unwrap_err();
    missing["details"]["name"] = "rg".into();
    *answers.object.lock().unwrap() = missing;
    assert_eq!(
        watches.cluster.object(&key(), Trust::Store).await.unwrap(),
        None
    );
}
