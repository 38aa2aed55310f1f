//! An API server that does not serve everything at once.

use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::service_fn;

use crate::cluster::Cluster as _;
use crate::cluster::kube::CredentialSettings;
use crate::cluster::kube::discovery::stored::storage_version_hash;
use crate::object::ObjectKey;
use crate::resolve::Freshness;

use super::*;

const CRD: &str = "resourcegroups.resources.azure.com";

/// What the API server says of its groups, and of any object.
#[derive(Default)]
struct Answers {
    groups: Mutex<Value>,
    object: Mutex<Value>,
    /// The version that resource groups are stored in.
    stored: Mutex<&'static str>,
    /// The lists of resources that were asked for.
    lists: Mutex<Vec<String>>,
}

impl Answers {
    /// The resources of a group and version, such as `/apis/resources.azure.com/v1api20200601`.
    fn resources(&self, path: &str) -> Value {
        let list = path.trim_start_matches("/apis/").to_owned();
        let stored = *self.stored.lock();
        let (group, kind) = ("resources.azure.com", "ResourceGroup");
        let resource = json!({
            "name": "resourcegroups", "singularName": "", "namespaced": true, "kind": kind,
            "verbs": ["get"],
            "storageVersionHash": storage_version_hash(group, stored, kind),
        });
        let resources = json!({"groupVersion": list, "resources": [resource]});
        self.lists.lock().push(list);
        resources
    }
}

fn nothing() -> Value {
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": []})
}

fn missing() -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
        "reason": "NotFound", "message": "not found", "details": {},
    })
}

fn resource_groups() -> Value {
    let resource = json!({
        "resource": "resourcegroups",
        "responseKind": {"group": "", "version": "", "kind": "ResourceGroup"},
        "scope": "Namespaced",
        "verbs": ["get", "list", "watch"],
    });
    let version = |name: &str| json!({"version": name, "resources": [resource]});
    let versions = json!([version("v1api20200601"), version("v1api20200601storage")]);
    let mut list = nothing();
    list["items"] = json!([{"metadata": {"name": "resources.azure.com"}, "versions": versions}]);
    list
}

fn watches(answers: &Arc<Answers>) -> KindWatches {
    let answers = answers.clone();
    let client = service_fn(move |request: Request<Body>| {
        let answers = answers.clone();
        async move {
            let path = request.uri().path();
            let body = match path {
                "/apis" => answers.groups.lock().clone(),
                path if path.ends_with("/rg") => answers.object.lock().clone(),
                path if path.contains("/customresourcedefinitions/") => missing(),
                path if path.starts_with("/apis/silent.azure.com/") => return Err("silent"),
                path if path.split('/').count() == 4 => answers.resources(path),
                _ => std::future::pending().await,
            };
            let status = if body["code"] == 404 { 404 } else { 200 };
            let response = Response::builder().status(status);
            let body = Body::from(body.to_string().into_bytes());
            Ok(response.body(body).unwrap())
        }
    });
    let settings = CredentialSettings {
        operators: ["aso".into()].into(),
        subscription: Some("sub".to_owned()),
    };
    KindWatches {
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
    *answers.groups.lock() = resource_groups();
    watches.follow_kinds(&wanted).await;
    let object = crate::object::ObjectFacts::named(key());
    watches.cluster.stored(object, false);

    *answers.groups.lock() = nothing();
    watches.follow_kinds(&wanted).await;
    assert_eq!(watches.cluster.objects().len(), 1);
    assert!(watches.kinds.contains_key(CRD));

    watches.follow_kinds(&WantedCrds::of(&[])).await;
    assert_eq!(watches.cluster.objects().len(), 0);
}

#[tokio::test]
async fn an_api_server_that_serves_a_kind_on_after_its_crd_is_gone_keeps_no_object() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    *answers.groups.lock() = resource_groups();
    watches.follow_kinds(&WantedCrds::of(&[CRD])).await;
    let object = crate::object::ObjectFacts::named(key());
    watches.cluster.stored(object, false);

    watches.follow_kinds(&WantedCrds::of(&[])).await;
    assert_eq!(watches.cluster.objects().len(), 0);
    let read = watches.cluster.object(&key(), Freshness::Store).await;
    assert_eq!(read.unwrap(), None);
}

#[tokio::test]
async fn a_kind_is_read_in_the_version_that_it_is_stored_in_and_followed_to_another() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    *answers.groups.lock() = resource_groups();
    *answers.stored.lock() = "v1api20200601storage";
    let read = |watches: &KindWatches| watches.kinds[CRD].resource.api_version.clone();
    watches.follow_kinds(&WantedCrds::at(CRD, 1)).await;
    assert_eq!(read(&watches), "resources.azure.com/v1api20200601storage");
    let version = watches
        .cluster
        .api_version("resources.azure.com", "ResourceGroup");
    assert_eq!(
        version.as_deref(),
        Some("resources.azure.com/v1api20200601")
    );

    // Nothing is asked again before the CRD has changed, or it is time to.
    *answers.stored.lock() = "v1api20200601";
    watches.follow_kinds(&WantedCrds::at(CRD, 1)).await;
    assert_eq!(read(&watches), "resources.azure.com/v1api20200601storage");
    assert_eq!(answers.lists.lock().len(), 1);
    watches.follow_kinds(&WantedCrds::at(CRD, 2)).await;
    assert_eq!(read(&watches), "resources.azure.com/v1api20200601");
    *answers.stored.lock() = "v1api20200601storage";
    watches.discover_all(&WantedCrds::at(CRD, 2)).await;
    assert_eq!(read(&watches), "resources.azure.com/v1api20200601storage");
}

#[tokio::test]
async fn a_stored_version_that_is_not_served_is_not_asked_for() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    *answers.groups.lock() = resource_groups();
    *answers.stored.lock() = "v1api20180501storage";
    watches.follow_kinds(&WantedCrds::at(CRD, 1)).await;
    let read = &watches.kinds[CRD].resource.api_version;
    assert_eq!(read, "resources.azure.com/v1api20200601");
}

#[tokio::test]
async fn a_group_that_does_not_answer_keeps_nobody_from_the_others() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    let mut groups = resource_groups();
    let mut silent = groups["items"][0].clone();
    silent["metadata"]["name"] = "silent.azure.com".into();
    groups["items"].as_array_mut().unwrap().push(silent);
    *answers.groups.lock() = groups;
    *answers.stored.lock() = "v1api20200601storage";
    watches.follow_kinds(&WantedCrds::at(CRD, 1)).await;
    let read = &watches.kinds[CRD].resource.api_version;
    assert_eq!(read, "resources.azure.com/v1api20200601storage");
    assert!(!watches.cluster.installed.load().is_complete());
}

/// The kinds of groups that no table has, the CRDs of which say nothing.
fn unknown_kinds() -> Value {
    let resource = json!({
        "resource": "things",
        "responseKind": {"group": "", "version": "", "kind": "Thing"},
        "scope": "Namespaced",
        "verbs": ["get", "list", "watch"],
    });
    let version = |name: &str| json!({"version": name, "resources": [resource]});
    let group =
        |name: &str, versions: Value| json!({"metadata": {"name": name}, "versions": versions});
    let mut list = nothing();
    list["items"] = json!([
        group(
            "new.azure.com",
            json!([version("v20300101"), version("v20300101storage")])
        ),
        group("aks.azure.com", json!([version("v1")])),
    ]);
    list
}

#[tokio::test]
async fn what_is_asos_is_watched_although_nobody_can_tell_what_it_is_in_azure() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    *answers.groups.lock() = unknown_kinds();
    let crds = ["things.new.azure.com", "things.aks.azure.com"];
    watches.follow_kinds(&WantedCrds::of(&crds)).await;
    let kinds: Vec<&String> = watches.kinds.keys().collect();
    assert_eq!(kinds, ["things.new.azure.com"]);
    let groups = watches.cluster.groups().borrow().clone();
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), ["new.azure.com"]);
}

#[tokio::test]
async fn a_kind_that_is_not_served_says_nothing_of_its_objects() {
    let answers = Arc::new(Answers::default());
    let mut watches = watches(&answers);
    *answers.groups.lock() = nothing();
    watches.follow_kinds(&WantedCrds::of(&[CRD])).await;
    let error = watches
        .cluster
        .object(&key(), Freshness::Store)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("does not serve all kinds"),
        "{error}"
    );

    *answers.groups.lock() = resource_groups();
    watches.follow_kinds(&WantedCrds::of(&[CRD])).await;
    let mut missing = missing();
    *answers.object.lock() = missing.clone();
    watches
        .cluster
        .object(&key(), Freshness::Store)
        .await
        .unwrap_err();
    missing["details"]["name"] = "rg".into();
    *answers.object.lock() = missing;
    assert_eq!(
        watches
            .cluster
            .object(&key(), Freshness::Store)
            .await
            .unwrap(),
        None
    );
}
