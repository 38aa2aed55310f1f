//! `aso-guard check` with real Helm on the PATH: a repository of Argo CD's with a chart.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::GUARD;
use crate::lab::binaries;

#[tokio::test]
async fn a_chart_is_rendered_with_the_values_of_each_cluster() {
    let helm = binaries::helm().await.unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/platforms/argocd");
    let home = tempfile::tempdir().unwrap();
    let check = |more: &[&str]| {
        let output = Command::new(GUARD)
            .args(["check", "-o=json"])
            .args(more)
            .env("PATH", helm.parent().unwrap())
            .env("HOME", home.path())
            .current_dir(&repository)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let found = report["findings"].as_array().unwrap().iter();
        let found = found.map(|one| format!("{} {}", one["rule"], one["resource"]));
        (found.collect::<Vec<_>>(), report["remarks"].to_string())
    };
    let (found, remarks) = check(&[
        "--subscription=00000000-0000-0000-0000-000000000001",
        "--cluster=a=helm:charts/shop:clusters/a/values.yaml,clusters/a/root.yaml",
        "--cluster=b=helm:charts/shop:clusters/b/values.yaml,clusters/b/root.yaml",
        "--ignore=live-under-parked",
    ]);
    // The group is parked in b; nobody thought of the vault.
    let vault = "\"conflict\" \"/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-shop/providers/Microsoft.KeyVault/vaults/kv-shop\"";
    assert_eq!(found, [vault]);
    assert!(remarks.contains("2 Application may make"), "{remarks}");
}
