//! `aso-guard demo`: ASO's four steps and its two mistakes, played through real
//! servers on this machine.
//!
//! From the ground up: [`manifest`] is what a team has in its repository;
//! [`webhook`] calls a guard as an API server does; [`api_server`] simulates the
//! rest of an API server; [`environment`] is two clusters with their guards; [`story`]
//! is what happens there, and [`printer`] tells it.

mod api_server;
mod environment;
mod keep;
mod manifest;
mod printer;
mod story;
#[cfg(test)]
mod tests;
mod webhook;

use std::io::Write;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::admission::{GuardSettings, Mode, OnUnresolved};
use crate::server::shutdown::ShutdownSignals;

use super::Outcome;
use environment::DemoEnvironment;
use printer::StoryPrinter;
use story::StoryOutcome;

/// How the demo ends.
#[derive(Args)]
pub(super) struct DemoArgs {
    /// Leave the guards up at the end, to go on with by hand
    #[arg(long, env = "ASO_GUARD_DEMO_KEEP")]
    keep: bool,
}

/// Plays the story; [`Outcome::Failed`] where a verdict was not what it should be.
pub(super) async fn run(args: &DemoArgs) -> Outcome {
    let mut printer = StoryPrinter::new(std::io::stdout(), crate::cli::terminal::wants_colour());
    let settings = GuardSettings {
        mode: Mode::Enforce,
        on_unresolved: OnUnresolved::Warn,
        claim_deadline: Duration::from_secs(90),
    };
    match demo(args, settings, &mut printer).await {
        Ok(StoryOutcome::Good) => Outcome::Fine,
        Ok(StoryOutcome::WrongVerdict) => Outcome::Failed,
        Err(error) => {
            eprintln!("aso-guard: {error:#}");
            Outcome::Failed
        }
    }
}

async fn demo<W: Write>(
    args: &DemoArgs,
    settings: GuardSettings,
    printer: &mut StoryPrinter<W>,
) -> anyhow::Result<StoryOutcome> {
    let mut environment = DemoEnvironment::start(settings).await?;
    let [a, b] = [&environment.clusters.a, &environment.clusters.b].map(|one| one.webhook.url());
    printer.line(&format!(
        "Clusters a and b share an Azure subscription. In front of each stands a guard, a real HTTPS\n\
         server ({a} and {b});\n\
         the two API servers that ask them are simulated."
    ))?;
    let ending = tokio::select! {
        ending = story::play(&mut environment.clusters, printer) => ending?,
        error = environment.running.broken() => return Err(error),
    };
    if ending == StoryOutcome::Good {
        printer.claims(&environment.claims().await?)?;
        if args.keep {
            stay(&mut environment, printer).await?;
        }
    }
    environment.stop().await?;
    Ok(ending)
}

/// Until ctrl-c.
async fn stay<W: Write>(
    environment: &mut DemoEnvironment,
    printer: &mut StoryPrinter<W>,
) -> anyhow::Result<()> {
    let signals = ShutdownSignals::listen().context("cannot listen for signals")?;
    let _files = keep::offer(environment, printer)?;
    let stop = CancellationToken::new();
    tokio::select! {
        _impatient = signals.watch(stop.clone()) => Ok(()),
        () = stop.cancelled() => Ok(()),
        error = environment.running.broken() => Err(error),
    }
}
