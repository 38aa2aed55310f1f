//! `aso-guard webhook test`: calls the guard as the API server would, by its registration.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use clap::Args;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;

use super::registered::WebhookConfigArgs;
use crate::admission::registration::{Expectation, Weakness, gaps};
use crate::cli::registry::CommandError;
use crate::doctor::probe;

/// Which registration, and where its guard is.
#[derive(Args)]
pub(super) struct TestArgs {
    #[command(flatten)]
    registered: WebhookConfigArgs,
    /// Connect to this address, whatever name the registration has, such as that of a
    /// `kubectl port-forward`; the certificate is checked by the name.
    #[arg(long, value_name = "ADDRESS", env = "ASO_GUARD_CONNECT")]
    connect: Option<SocketAddr>,
    /// That API servers let things through while no guard answers (failurePolicy Ignore) is
    /// meant, as in audit mode.
    #[arg(long)]
    may_ignore: bool,
}

/// Asks about a resource group that nobody has, as a dry run: the guard looks into the registry,
/// and writes nothing. Fails where the guard does not answer, is not trusted, or cannot tell, and
/// where API servers do not ask it about everything.
pub(super) async fn run(args: &TestArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let (api, server) = args.registered.api().await?;
    Ok(test(args, &api, &server, out).await?)
}

async fn test(
    args: &TestArgs,
    api: &Api<ValidatingWebhookConfiguration>,
    server: &str,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let name = &args.registered.name;
    let stored = api.get_opt(name).await;
    let stored = stored
        .with_context(|| format!("cannot read the webhook configuration {name} at {server}"))?;
    let stored = stored.with_context(|| {
        format!(
            "there is no webhook configuration {name}: the API server asks no guard. The Helm \
             chart makes it; without it: aso-guard webhook --service … | kubectl apply -f -"
        )
    })?;
    for line in probe::direct(&stored, args.connect).await? {
        writeln!(out, "{line}")?;
    }
    let gaps = gaps(&stored, &Expectation::printed(args.may_ignore));
    let ignores = gaps.iter().any(|gap| gap.what == Weakness::Ignores);
    let lines: Vec<String> = gaps.iter().map(|gap| format!("\n  {gap}")).collect();
    ensure!(
        gaps.is_empty(),
        "but API servers do not ask it about everything:{}{}\n`helm upgrade` brings the webhook \
         configuration {name} back, or `aso-guard webhook … | kubectl apply -f -`",
        lines.concat(),
        if ignores {
            "\nWhere Ignore is meant, say --may-ignore"
        } else {
            ""
        }
    );
    Ok(())
}
