//! One test's own corner of the lab: a namespace of its name in each cluster, people who work
//! there, and, should the test fail, a report of what there is to see.

use std::path::PathBuf;

use serde_json::json;

use super::crds;
use super::guard::Guard;
use super::kubectl::Kubectl;
use super::object::Object;
use super::report::{Mark, report};
use super::wait::eventually;
use super::world::{Cluster, Lab};

/// Tells one story. Dropped while its test panics, it prints the report.
pub struct Story<'lab> {
    /// A person in the first cluster.
    pub a: Kubectl,
    /// A person in the second cluster.
    pub b: Kubectl,
    /// An administrator of the hub.
    pub hub: Kubectl,
    /// The lab it plays in.
    pub lab: &'lab Lab,
    namespace: String,
    marks: Vec<Mark>,
}

impl<'lab> Story<'lab> {
    /// Begins a story in the namespace `name` of both clusters. No two stories share a name.
    pub async fn begin(lab: &'lab Lab, name: &str) -> Self {
        let marks = [&lab.a, &lab.b]
            .into_iter()
            .filter_map(Cluster::maybe_guard)
            .flat_map(Guard::replicas)
            .map(|replica| Mark::now(&replica.process))
            .collect();
        let people = async |kubeconfig: PathBuf| match Kubectl::new(&kubeconfig, name).await {
            Ok(kubectl) => kubectl.trying_again(),
            Err(error) => panic!("a client for {}: {error:#}", kubeconfig.display()),
        };
        let story = Self {
            a: people(lab.a.control_plane.kubeconfig()).await,
            b: people(lab.b.control_plane.kubeconfig()).await,
            hub: people(lab.hub().kubeconfig()).await,
            lab,
            namespace: name.to_owned(),
            marks,
        };
        for kubectl in [&story.a, &story.b] {
            story.namespace(kubectl, name).await;
        }
        story
    }

    /// Makes a namespace in one of the clusters, and puts the same person into it.
    pub async fn namespace(&self, kubectl: &Kubectl, name: &str) -> Kubectl {
        if let Err(refusal) = kubectl.apply(&Object::namespace(name)).await {
            panic!("namespace {name}: {refusal}");
        }
        kubectl.in_namespace(name)
    }

    /// Somebody who may do anything that Kubernetes has a say in, and is nobody to the guard.
    pub async fn developer(&self, kubectl: &Kubectl) -> Kubectl {
        let binding = Object::new(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            "developers",
        )
        .with(
            "/roleRef",
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}),
        )
        .with(
            "/subjects",
            json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "developers"}]),
        );
        if let Err(refusal) = kubectl.apply(&binding).await {
            panic!("rights for developers: {refusal}");
        }
        let dora = kubectl.in_the_name_of("dora", "developers");
        // The API server takes note of rights a moment later.
        eventually("developers to have their rights", async || {
            Ok(dora.raw("/api/v1/namespaces").await.map(drop)?)
        })
        .await;
        dora
    }

    /// A name in Azure that no other story uses: all of them share a subscription.
    pub fn azure_name(&self, name: &str) -> String {
        format!("{name}-{}", self.namespace)
    }

    /// A resource group with the Kubernetes name `name`.
    pub fn resource_group(&self, name: &str) -> Object {
        Object::of("ResourceGroup", name).azure_name(&self.azure_name(name))
    }

    /// The ARM ID of [`Story::resource_group`].
    pub fn resource_group_id(&self, name: &str) -> String {
        let subscription = crds::SUBSCRIPTION;
        let name = self.azure_name(name);
        format!("/subscriptions/{subscription}/resourceGroups/{name}")
    }
}

impl Drop for Story<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", report(self.lab, &self.namespace, &self.marks));
        }
    }
}
