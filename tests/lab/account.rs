//! The guard's own account: the ServiceAccount that the Helm chart makes, with what the chart's
//! roles let it do, and nothing else.
//!
//! The roles are those of the rendered chart, which `tests/chart` compares with what Helm makes
//! of the chart now. So each story that passes shows that they suffice.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::control_plane::{ControlPlane, install};
use super::kubeconfig::{self, Server};
use super::kubectl::Kubectl;
use super::object::Object;
use super::wait::until;

/// The namespace of the chart's release, and the account in it.
const NAME: &str = "aso-guard";
/// Longer than any test.
const SECONDS: u32 = 24 * 3600;
/// Authorization follows the roles within a moment.
const NOTICED: Duration = Duration::from_secs(30);

/// A kubeconfig for the guard of this cluster: `registry` says whether the claims are here too,
/// `args` what else it is told, `through` which server it is to talk to, if not the cluster's own.
pub async fn member(
    cluster: &ControlPlane,
    registry: bool,
    args: &[String],
    through: Option<&Server>,
) -> anyhow::Result<PathBuf> {
    let has = |word: &str| args.iter().any(|arg| arg == word);
    let topology = match (registry, has("park"), has("available")) {
        (true, false, false) => "one-cluster",
        (false, false, false) => "member",
        (false, true, false) => "parking",
        (false, false, true) => "available",
        _ => anyhow::bail!("no story needs that"),
    };
    let rendered = rendered(topology)?;
    let wanted = rendered.into_iter().filter(allows);
    account(cluster, through, wanted.collect(), "/api/v1/namespaces").await
}

/// A token for a service account.
pub async fn token(admin: &Kubectl, namespace: &str, account: &str) -> anyhow::Result<String> {
    let request = Object::new("authentication.k8s.io/v1", "TokenRequest", "").with(
        "/spec",
        json!({"audiences": [], "expirationSeconds": SECONDS}),
    );
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
    let issued = admin.create_at(&path, &request).await?.object;
    Ok(issued.text("/status/token").to_owned())
}

/// What the chart makes of a topology's values.
fn rendered(topology: &str) -> anyhow::Result<Vec<Object>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/chart/snapshots")
        .join(format!("{topology}.snap"));
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let (_head, chart) = text
        .strip_prefix("---\n")
        .and_then(|text| text.split_once("---\n"))
        .with_context(|| format!("{} is no snapshot", file.display()))?;
    Object::documents(chart)
}

/// Whether it gives the guard's account its rights, or is what they are to; those of the hooks
/// are their own.
fn allows(object: &Object) -> bool {
    let kinds = [
        "Secret",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    ];
    let hook = object.annotation("helm.sh/hook");
    kinds.contains(&object.kind()) && hook.is_none()
}

async fn account(
    cluster: &ControlPlane,
    through: Option<&Server>,
    objects: Vec<Object>,
    may_list: &str,
) -> anyhow::Result<PathBuf> {
    let admin = cluster.kubectl(NAME).await?;
    let namespace = Object::namespace(NAME);
    install(&admin, &[namespace]).await?;
    install(&admin, &objects).await?;
    let token = token(&admin, NAME, NAME).await?;
    let path = cluster.directory().join("guard.kubeconfig");
    let entry = cluster.entry_with_token(&token);
    let entry = through.map_or_else(|| entry.clone(), |server| entry.through(server));
    kubeconfig::write(&path, &[entry])?;
    let guard = Kubectl::new(&path, NAME).await?;
    until(
        "the guard's account to have its rights",
        NOTICED,
        async || Ok(guard.raw(may_list).await.map(drop)?),
    )
    .await?;
    Ok(path)
}
