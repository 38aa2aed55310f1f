//! Registers a guard with its API server, and waits until the API server asks it.

use std::path::Path;
use std::time::Duration;

use super::control_plane::install;
use super::guard::Plan;
use super::kubectl::Kubectl;
use super::object::Object;
use super::wait::until;

/// The API server takes up a new configuration within a second or so.
const REGISTERED: Duration = Duration::from_secs(30);

/// Applies what `aso-guard webhook` prints for this URL.
pub async fn register(
    plan: &Plan,
    kubectl: &Kubectl,
    url: &str,
    ca_file: &Path,
) -> anyhow::Result<()> {
    let ca_file = ca_file.to_string_lossy();
    let mut args = vec!["webhook", "--url", url];
    if plan.self_signed {
        args.push("--without-ca");
    } else {
        args.extend(["--ca-file", &*ca_file]);
    }
    args.extend(plan.webhook_args.iter().map(String::as_str));
    let printed = plan.print(&args).await?;
    install(kubectl, &Object::documents(&printed)?).await?;
    until("the API server to ask the guard", REGISTERED, async || {
        asked(kubectl).await
    })
    .await
}

/// A policy that ASO doesn't know is something that the guard, and nobody else, has a word on.
async fn asked(kubectl: &Kubectl) -> anyhow::Result<()> {
    let probe = Object::of("ResourceGroup", "probe").policy("Skip");
    match kubectl.dry_run().create(&probe).await {
        Ok(answer) => anyhow::ensure!(!answer.warnings.is_empty(), "nobody warned"),
        Err(refusal) => anyhow::ensure!(
            refusal.message.contains("admission webhook"),
            "refused by somebody else: {refusal}"
        ),
    }
    Ok(())
}
