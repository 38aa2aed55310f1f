//! `--keep`: the guards stay up, with a question to ask them by hand.

use std::fs;
use std::io::Write;

use anyhow::Context as _;
use tempfile::TempDir;

use super::api_server::dry_run_of_create;
use super::environment::DemoEnvironment;
use super::manifest;
use super::printer::StoryPrinter;

/// Writes the CA and a review, and says how to use them. The files are gone when
/// what this gives is dropped.
pub(super) fn offer<W: Write>(
    environment: &DemoEnvironment,
    printer: &mut StoryPrinter<W>,
) -> anyhow::Result<TempDir> {
    let directory = tempfile::Builder::new()
        .prefix("aso-guard-demo-")
        .tempdir()
        .context("cannot make a temporary directory")?;
    let write = |name: &str, text: &[u8]| {
        let path = directory.path().join(name);
        let written = fs::write(&path, text);
        written.with_context(|| format!("cannot write {}", path.display()))?;
        anyhow::Ok(path.display().to_string())
    };
    let manifest = manifest::read("shop/group.yaml").next();
    let review = dry_run_of_create(manifest.context("no manifest to ask about")?)?;
    let review = write("review.json", &serde_json::to_vec_pretty(&review)?)?;
    let ca = write("ca.pem", environment.ca.as_bytes())?;
    let [a, b] = [&environment.clusters.a, &environment.clusters.b].map(|one| one.webhook.url());
    printer.line(&format!(
        "\nBoth guards stay up until ctrl-c: cluster a's at {a}, b's at {b}.\n\
         Ask one yourself: may the resource group go live in cluster a, too?\n\n   \
         curl --cacert {ca} --data @{review} {a}\n\n\
         The review is a dry run, so it leaves no trace. Ask b's guard the same, or put another\n\
         azureName into it, and the answer is yes."
    ))?;
    Ok(directory)
}
