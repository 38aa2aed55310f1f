//! Helm, and the chart.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::lab::binaries;
use crate::lab::object::Object;

/// Rendering takes a moment; installing waits for no pods.
const PATIENCE: Duration = Duration::from_mins(2);

/// What every installation has to say.
pub const REQUIRED: &str = "--set=cluster=main,image.repository=registry.example/aso-guard";

/// The chart's directory, or a file in it.
pub fn chart(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy/chart")
        .join(file)
}

/// The file of a topology.
pub fn topology(name: &str) -> String {
    let file = chart(&format!("topologies/{name}.yaml"));
    format!("--values={}", file.display())
}

/// Runs Helm: what it printed, or what it complained of. Of the user's own Helm it knows nothing.
pub async fn helm(args: &[&str]) -> Result<String, String> {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let program = PROGRAM
        .get_or_try_init(binaries::helm)
        .await
        .map_err(|error| format!("{error:#}"))?;
    let home = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    for kind in ["CACHE", "CONFIG", "DATA"] {
        command.env(format!("HELM_{kind}_HOME"), home.path());
    }
    let run = command
        .env_remove("KUBECONFIG")
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(PATIENCE, run)
        .await
        .map_err(|_| format!("helm {args:?} still runs after {PATIENCE:?}"))?
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// `helm template` for a release `aso-guard` in the namespace `aso-guard`.
pub async fn template(args: &[&str]) -> Result<String, String> {
    let chart = chart("");
    let mut all = vec!["template", "aso-guard", chart.to_str().unwrap_or_default()];
    all.extend(["--namespace=aso-guard"]);
    all.extend(args);
    helm(&all).await
}

/// The rendered objects, hooks and tests included.
pub async fn objects(args: &[&str]) -> Vec<Object> {
    let mut all = vec![REQUIRED];
    all.extend(args);
    Object::documents(&template(&all).await.unwrap()).unwrap()
}
