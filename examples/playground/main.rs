//! The lab to play with: clusters `a` and `b`, a hub, and aso-guard in front of both.
//!
//! `cargo run --release --example playground`, then `kubectl` as it prints; with `-- --aso` Azure
//! Service Operator itself runs in both clusters. Ctrl-c takes all of it down.

#[path = "../../tests/lab/mod.rs"]
mod lab;

mod aso;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use clap::{Parser, ValueEnum};

use lab::reaper::Reaper;
use lab::world::{Lab, Plan};
use lab::{guard, kubeconfig};

/// Boots two clusters, a hub and the guards, and leaves them running until ctrl-c.
#[derive(Parser)]
struct Arguments {
    /// What the guards do; `none` shows how the same mistakes end without aso-guard.
    #[arg(long, value_enum, default_value = "enforce")]
    guard: Mode,
    /// Runs Azure Service Operator itself in both clusters, and an Azure on this machine that
    /// shows what arrives. The first time it builds ASO with Go, for some twenty minutes.
    #[arg(long)]
    aso: bool,
}

#[derive(Clone, Copy, ValueEnum, PartialEq)]
enum Mode {
    Enforce,
    Audit,
    None,
}

/// What a team has in Azure, as it would be in its repository.
const TEAM: &str = "\
apiVersion: resources.azure.com/v1api20200601
kind: ResourceGroup
metadata:
  name: rg-team
  namespace: default
spec:
  azureName: rg-team
  location: westeurope
---
apiVersion: storage.azure.com/v20250601
kind: StorageAccount
metadata:
  name: teamdata
  namespace: default
spec:
  azureName: teamdata0001
  location: westeurope
  owner:
    name: rg-team
  kind: StorageV2
  sku:
    name: Standard_LRS
  accessTier: Hot
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let guard = match arguments.guard {
        Mode::Enforce => Some(guard::Plan::enforce(aso_guard()?)),
        Mode::Audit => Some(guard::Plan::audit(aso_guard()?)),
        Mode::None => None,
    };
    println!("Starting clusters a and b, and their hub …");
    let (lab, aso) = if arguments.aso {
        let (lab, aso) = Box::pin(aso::start(guard.as_ref())).await?;
        (lab, Some(aso))
    } else {
        let plan = Plan {
            guard,
            ..Plan::default()
        };
        (Lab::start(&plan).await?, None)
    };
    let directory = Reaper::get()?.root();
    write_files(&lab, directory)?;
    let page = aso.as_ref().map(|aso| aso.page.as_str());
    print!("{}", first_lines(directory, arguments.guard, page));
    tokio::signal::ctrl_c().await?;
    println!("\nTaking it all down.");
    drop(lab);
    Ok(())
}

/// Builds the guard in this program's own profile: cargo builds no binaries for examples.
fn aso_guard() -> anyhow::Result<PathBuf> {
    let example = std::env::current_exe()?;
    let profile_directory = example
        .parent()
        .and_then(Path::parent)
        .context("this program is not in cargo's target directory")?;
    let profile = match profile_directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let target = profile_directory.parent().context("no target directory")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // What cargo tells this program about its package would have build scripts run again, and
    // without the example itself its dependencies would be built again, with fewer features.
    let of_this_run = std::env::vars_os().filter_map(|(name, _)| {
        let text = name.to_str()?;
        let is_cargos = text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_");
        is_cargos.then_some(name)
    });
    let mut command = Command::new(cargo);
    for name in of_this_run {
        command.env_remove(name);
    }
    let built = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--bin", "aso-guard", "--example", "playground"])
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .status()
        .context("running cargo to build aso-guard")?;
    anyhow::ensure!(built.success(), "aso-guard could not be built");
    Ok(profile_directory.join("aso-guard"))
}

fn write_files(lab: &Lab, directory: &Path) -> anyhow::Result<()> {
    let clusters = [&lab.a.control_plane, &lab.b.control_plane, lab.hub()];
    let contexts = clusters.map(|cluster| cluster.admin().clone());
    kubeconfig::write(&directory.join("kubeconfig"), &contexts)?;
    fs::write(directory.join("team.yaml"), TEAM)?;
    Ok(())
}

/// Where to see what arrives in Azure.
fn watch(page: Option<&str>) -> String {
    let Some(page) = page else {
        return String::new();
    };
    format!(
        "
What arrives in Azure, and from whose ASO (aso-a or aso-b), is at

    {page}           in a browser; it refreshes itself
    curl {page}/diary
"
    )
}

fn first_lines(directory: &Path, mode: Mode, page: Option<&str>) -> String {
    let watch = watch(page);
    let directory = directory.display();
    let claims = match mode {
        Mode::None => "",
        Mode::Enforce | Mode::Audit => "    kubectl --context hub get claims\n",
    };
    let mistake = match mode {
        Mode::Enforce => "refused",
        Mode::Audit => "goes through, with a warning",
        Mode::None => "goes through, without a word",
    };
    format!(
        "
Ready. In another terminal:

    cd {directory}
    export KUBECONFIG=$PWD/kubeconfig
{watch}
A team's resource group and storage account are managed by ASO in cluster a.

    kubectl --context a apply -f team.yaml
{claims}
The first mistake, two live copies of one resource: {mistake}.

    kubectl --context b apply -f team.yaml

The move to cluster b, as ASO's guide says.

    kubectl --context a annotate -f team.yaml serviceoperator.azure.com/reconcile-policy=skip
    # (make sure that ASO runs in b)
    kubectl --context b apply -f team.yaml

The first mistake again, from behind: taking skip off in a while b is live: {mistake}.

    kubectl --context a annotate -f team.yaml serviceoperator.azure.com/reconcile-policy-

The second mistake, deleting in Azure what somebody else still has a copy of: {mistake}.

    kubectl --context b delete -f team.yaml

The last step of the move; Azure is not touched.

    kubectl --context a delete -f team.yaml
{claims}
Logs, certificates and data are in {directory} as well.
Ctrl-c here takes all of it down.
"
    )
}
