//! `aso-guard check` over 10,000 manifests in two clusters, as a pipeline runs it: the whole
//! program, files included.
//!
//! `cargo bench --bench check`

#[path = "support/row.rs"]
mod row;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use row::row;

/// How many manifests there are, in all.
const MANIFESTS: usize = 10_000;
/// How many are in one file.
const IN_A_FILE: usize = 10;
/// How often it is run.
const TURNS: usize = 7;

/// A resource group and nine storage accounts in it, each the way people write them.
fn file(number: usize) -> String {
    let mut text = format!(
        "apiVersion: resources.azure.com/v1api20200601\nkind: ResourceGroup\nmetadata:\n  \
         name: rg-{number}\n  namespace: team-{}\nspec:\n  location: westeurope\n",
        number % 50
    );
    for account in 1..IN_A_FILE {
        text += &format!(
            "---\napiVersion: storage.azure.com/v1api20230101\nkind: StorageAccount\nmetadata:\n  \
             name: st{number}x{account}\n  namespace: team-{}\n  labels:\n    team: \"{number}\"\n  \
             annotations:\n    serviceoperator.azure.com/reconcile-policy: manage\nspec:\n  \
             location: westeurope\n  kind: StorageV2\n  sku:\n    name: Standard_LRS\n  owner:\n    \
             name: rg-{number}\n  accessTier: Hot\n  networkAcls:\n    defaultAction: Deny\n    \
             ipRules:\n      - value: 10.0.0.{account}\n  operatorSpec:\n    secrets:\n      key1:\n        \
             name: keys-{number}\n        key: key1\n",
            number % 50
        );
    }
    text
}

fn write(directory: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for number in 0..MANIFESTS / IN_A_FILE {
        let cluster = directory.join(["a", "b"][number % 2]);
        fs::create_dir_all(&cluster)?;
        let text = file(number);
        bytes += text.len() as u64;
        fs::write(cluster.join(format!("{number}.yaml")), text)?;
    }
    Ok(bytes)
}

fn run(directory: &Path) -> std::io::Result<Duration> {
    let begun = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_aso-guard"))
        .args(["check", "--cluster=a=a", "--cluster=b=b", "-o=json"])
        .current_dir(directory)
        .output()?;
    let took = begun.elapsed();
    assert!(output.status.success(), "{output:?}");
    Ok(took)
}

fn main() -> std::io::Result<()> {
    let directory = tempfile::tempdir()?;
    let bytes = write(directory.path())?;
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        turns.push(run(directory.path())?);
    }
    turns.sort();
    println!(
        "{MANIFESTS} manifests, {} KiB: median {:.3} s of {TURNS}, slowest {:.3} s",
        bytes / 1024,
        turns[TURNS / 2].as_secs_f64(),
        turns[TURNS - 1].as_secs_f64()
    );
    row(
        "`check` over 10,000 manifests of two clusters, 1,000 files, the whole program, seconds",
        "≤ 2",
        turns[TURNS / 2].as_secs_f64(),
        "cargo bench --bench check",
    );
    Ok(())
}
