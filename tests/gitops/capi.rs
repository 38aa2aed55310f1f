//! Cluster API around ASO's objects: its Cluster, an object of the Azure provider that owns
//! them, clusterctl itself, and what the provider does when a Cluster is paused or resumed.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::flux::any;
use crate::lab::binaries;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::process::Process;
use crate::lab::reaper::Reaper;
use crate::lab::story::Story;
use crate::lab::wait::until;

/// clusterctl looks again after five seconds and more.
const PATIENCE: Duration = Duration::from_mins(2);
/// The label of the CRDs whose objects clusterctl looks at.
const CLUSTERCTL: &str = "clusterctl.cluster.x-k8s.io";
/// The provider's annotation that has clusterctl wait.
const BLOCK_MOVE: &str = "clusterctl.cluster.x-k8s.io/block-move";
/// Where the provider keeps the policy from before a pause.
const BEFORE: &str = "sigs.k8s.io/cluster-api-provider-azure-pre-pause-reconcile-policy";

/// Cluster API's own CRDs, and a small one of the provider's.
pub fn crds(programs: &Path) -> Vec<Object> {
    let of = |file: &str| {
        let text = fs::read_to_string(programs.join(file)).unwrap();
        Object::documents(&text).unwrap()
    };
    let group = "infrastructure.cluster.x-k8s.io";
    let kind = "AzureASOManagedCluster";
    let mut crds = of("cluster.x-k8s.io_clusters.yaml");
    crds.push(any(group, "v1beta1", kind, "azureasomanagedclusters"));
    let crds = crds.into_iter().map(|crd| crd.labelled(CLUSTERCTL, ""));
    crds.chain(of("clusterctl.cluster.x-k8s.io_providers.yaml"))
        .collect()
}

/// Has clusterctl look at objects of one of ASO's kinds, as it does where the provider ships
/// ASO's CRDs: before its release 1.25, or by hand.
pub async fn known_to_clusterctl(who: &Kubectl, crd: &str) {
    let crd = Object::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", crd);
    who.label(&crd, CLUSTERCTL, Some("")).await.unwrap();
}

/// A workload cluster `shop` that is up and running. The object of the provider that is to own
/// ASO's.
pub async fn cluster(who: &Kubectl) -> Object {
    let infrastructure = json!({
        "apiGroup": "infrastructure.cluster.x-k8s.io",
        "kind": "AzureASOManagedCluster",
        "name": "shop",
    });
    let cluster = shop().with("/spec/infrastructureRef", infrastructure);
    let cluster = who.create(&cluster).await.unwrap().object;
    let condition = json!({
        "type": "ControlPlaneInitialized",
        "status": "True",
        "reason": "Initialized",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let status = json!({
        "initialization": {"infrastructureProvisioned": true, "controlPlaneInitialized": true},
        "conditions": [condition],
    });
    who.patch_status(&cluster, status).await.unwrap();
    let provider = provider().annotated(BLOCK_MOVE, "true").owned_by(&cluster);
    who.create(&provider).await.unwrap().object
}

fn shop() -> Object {
    Object::new("cluster.x-k8s.io/v1beta2", "Cluster", "shop")
}

fn provider() -> Object {
    let group = "infrastructure.cluster.x-k8s.io/v1beta1";
    Object::new(group, "AzureASOManagedCluster", "shop")
}

/// The Azure provider of Cluster API in the cluster of this [`Kubectl`].
pub struct Provider<'a>(pub &'a Kubectl);

impl Provider<'_> {
    /// Waits for the Cluster to be paused, parks what it owns, and lets clusterctl go on.
    pub async fn pauses(&self, owned: &Object) {
        self.waits(true).await;
        let before = self.0.get(owned).await.unwrap().object;
        let policy = before.annotation(POLICY).unwrap_or_default();
        let annotations = json!({BEFORE: policy, POLICY: "skip"});
        self.patches(owned, annotations).await;
        self.lets_go().await;
    }

    /// The same where it owns nothing that is to be parked.
    pub async fn lets_go(&self) {
        self.waits(true).await;
        self.patches(&provider(), json!({BLOCK_MOVE: null})).await;
    }

    /// Waits for the Cluster to be resumed, and gives what it owns the policy from before.
    pub async fn resumes(&self, owned: &Object) -> anyhow::Result<()> {
        self.waits(false).await;
        let stored = self.0.get(owned).await?.object;
        let policy = stored
            .annotation(BEFORE)
            .filter(|policy| !policy.is_empty());
        let annotations = json!({BEFORE: null, POLICY: policy});
        let patch = json!({"metadata": {"annotations": annotations}});
        Ok(self.0.patch(owned, patch).await.map(drop)?)
    }

    async fn patches(&self, object: &Object, annotations: Value) {
        let patch = json!({"metadata": {"annotations": annotations}});
        self.0.patch(object, patch).await.unwrap();
    }

    async fn waits(&self, paused: bool) {
        let what = format!("the Cluster's pause to be {paused}");
        let is = until(&what, PATIENCE, async || {
            let cluster = self.0.get(&shop()).await?.object;
            let is = cluster.0["spec"]["paused"] == true;
            anyhow::ensure!(is == paused, "{}", cluster.0["spec"]);
            Ok(())
        });
        is.await.unwrap();
    }
}

/// `clusterctl move` of the story's namespace from `a` to `b`.
pub struct Move(Process);

impl Move {
    /// Starts it.
    pub async fn begin(story: &Story<'_>) -> Self {
        let programs = binaries::gitops().await.unwrap();
        let home = Reaper::get().unwrap().directory("clusterctl").unwrap();
        let kubeconfig = |cluster: &crate::lab::world::Cluster| {
            let path = cluster.control_plane.kubeconfig();
            path.to_str().unwrap().to_owned()
        };
        let clusterctl = Process::new("clusterctl", &programs.join("clusterctl"), &home)
            .env("HOME", &home)
            .env("XDG_CONFIG_HOME", &home)
            .env("CLUSTERCTL_DISABLE_VERSIONCHECK", "true")
            .args(["move", "-v", "5", "--namespace", story.a.namespace()])
            .args(["--kubeconfig", &kubeconfig(&story.lab.a)])
            .args(["--to-kubeconfig", &kubeconfig(&story.lab.b)]);
        clusterctl.start().unwrap();
        Self(clusterctl)
    }

    /// Waits until it has ended well.
    pub async fn ends(&self) {
        let ended = tokio::time::timeout(PATIENCE, self.0.end()).await;
        let log = self.0.log_tail(40);
        let status = ended.unwrap_or_else(|_| panic!("it still runs:\n{log}"));
        assert!(status.unwrap().success(), "{log}");
    }

    /// Waits until it says this, between two attempts. All it said.
    pub async fn says(&self, words: &str) -> String {
        let said = self.0.ready(PATIENCE, async || {
            let log = fs::read_to_string(self.0.log())?;
            anyhow::ensure!(log.contains(words), "it has not said {words:?}");
            Ok(log)
        });
        said.await.unwrap()
    }
}
