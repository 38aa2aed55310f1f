//! Flux' kustomize-controller in one cluster.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::lab::control_plane::ControlPlane;
use crate::lab::object::Object;
use crate::lab::process::Process;
use crate::lab::{account, http, kubeconfig, ports};

/// The namespace and the account that Flux gives itself.
const NAMESPACE: &str = "flux-system";
const NAME: &str = "kustomize-controller";
const READY: Duration = Duration::from_mins(1);

/// A running kustomize-controller; it ends when it is dropped.
pub struct Flux {
    _process: Process,
}

impl Flux {
    /// Starts it as Flux installs it: its own account, which may do anything.
    pub async fn start(programs: &Path, cluster: &ControlPlane) -> anyhow::Result<Self> {
        let directory = cluster.directory();
        let admin = cluster.kubectl(NAMESPACE).await?;
        for object in account_objects() {
            admin.apply(&object).await?;
        }
        let token = account::token(&admin, NAMESPACE, NAME).await?;
        let kubeconfig = directory.join("flux.kubeconfig");
        kubeconfig::write(&kubeconfig, &[cluster.entry_with_token(&token)])?;
        // It clears away what looks like its own files there.
        let files = directory.join("flux");
        fs::create_dir_all(&files)?;
        let port = ports::free()?;
        let process = Process::new(NAME, &programs.join(NAME), directory)
            .env("KUBECONFIG", kubeconfig)
            .env("RUNTIME_NAMESPACE", NAMESPACE)
            .env("TMPDIR", files)
            .args([
                &format!("--health-addr=127.0.0.1:{port}"),
                "--metrics-addr=0",
                "--watch-all-namespaces",
            ]);
        process.start()?;
        let ready = async || {
            let (status, body) = http::get(port, "/readyz").await?;
            anyhow::ensure!(status == 200, "/readyz says {status}: {body}");
            Ok(())
        };
        process.ready(READY, ready).await?;
        Ok(Self { _process: process })
    }
}

fn account_objects() -> [Object; 3] {
    let account = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}]);
    let role = json!({
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "cluster-admin",
    });
    [
        Object::namespace(NAMESPACE),
        Object::new("v1", "ServiceAccount", NAME),
        Object::new("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", NAME)
            .with("/roleRef", role)
            .with("/subjects", account),
    ]
}

/// Flux' own CRD of a Kustomization, and small ones of its sources, whose controller is played.
pub fn crds(programs: &Path) -> Vec<Object> {
    let file = programs.join("kustomize.toolkit.fluxcd.io_kustomizations.yaml");
    let mut crds = Object::documents(&fs::read_to_string(file).unwrap()).unwrap();
    let sources = [
        ("GitRepository", "gitrepositories"),
        ("OCIRepository", "ocirepositories"),
        ("Bucket", "buckets"),
    ];
    crds.extend(sources.map(|(kind, plural)| any("source.toolkit.fluxcd.io", "v1", kind, plural)));
    crds
}

/// The CRD of a kind that takes any field.
pub fn any(group: &str, version: &str, kind: &str, plural: &str) -> Object {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let name = format!("{plural}.{group}");
    Object::new("apiextensions.k8s.io/v1", "CustomResourceDefinition", &name).with(
        "/spec",
        json!({
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural},
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": anything, "status": anything},
                }},
                "subresources": {"status": {}},
            }],
        }),
    )
}
