//! The hub as a user sets it up: CRDs, RBAC and policies, and an identity for each member,
//! which may do no more than a member has to.

use std::path::PathBuf;

use super::control_plane::{ControlPlane, install};
use super::guard::Plan;
use super::object::Object;

/// `aso-guard hub | kubectl apply -f -`.
pub async fn install_on(plan: &Plan, hub: &ControlPlane) -> anyhow::Result<()> {
    let printed = plan.print(&["hub"]).await?;
    let kubectl = hub.kubectl("default").await?;
    install(&kubectl, &Object::documents(&printed)?).await
}

/// `aso-guard members add`.
pub async fn add_member(plan: &Plan, hub: &ControlPlane, name: &str) -> anyhow::Result<()> {
    let (admin, out) = (hub.kubeconfig(), member_kubeconfig(hub, name));
    let (admin, out) = (admin.to_string_lossy(), out.to_string_lossy());
    let args = ["members", "add", name, "--hub", &*admin, "--out", &*out];
    plan.print(&args).await.map(drop)
}

/// What [`add_member`] wrote.
pub fn member_kubeconfig(hub: &ControlPlane, name: &str) -> PathBuf {
    hub.directory().join(format!("{name}.member.kubeconfig"))
}

/// The hub as a member's `--registry`.
pub fn registry(hub: &ControlPlane, name: &str) -> String {
    format!("kubernetes:{}", member_kubeconfig(hub, name).display())
}
