//! `aso-guard failover`: a cluster is lost, and another one takes over what it held.

mod fence;
mod plan;
mod refused;
mod release;
mod undo;

pub(super) use refused::refused;

use clap::{Args, Subcommand};
use jiff::SignedDuration;

use super::Outcome;
use super::registry::CommandError;

/// What to do about a cluster that is lost.
#[derive(Args)]
pub(super) struct FailoverArgs {
    #[command(subcommand)]
    command: FailoverCommand,
}

#[derive(Subcommand)]
enum FailoverCommand {
    /// What a cluster holds, since when it was not heard from, and what another one has of it;
    /// changes nothing
    Plan(plan::PlanArgs),
    /// Say that a cluster's ASO does not write to Azure any more, and how that is sure
    Fence(fence::FenceArgs),
    /// Release what a fenced cluster held, so that others can go live
    Release(release::ReleaseArgs),
    /// Take a cluster's fence off, and give back what nobody took over
    Undo(undo::UndoArgs),
}

/// Runs it.
pub(super) async fn run(args: &FailoverArgs) -> Outcome {
    let out = &mut std::io::stdout();
    let done = match &args.command {
        FailoverCommand::Plan(args) => plan::run(args, out).await,
        FailoverCommand::Fence(args) => fence::run(args, out).await,
        FailoverCommand::Release(args) => release::run(args, out).await,
        FailoverCommand::Undo(args) => undo::run(args, out).await,
    };
    done.map_or_else(CommandError::report, |()| Outcome::Fine)
}

/// A time as people say it, such as `90m`.
fn duration(text: &str) -> Result<SignedDuration, String> {
    let parsed: Option<SignedDuration> = text.parse().ok();
    let parsed = parsed.filter(|parsed| !parsed.is_negative());
    parsed.ok_or_else(|| "no duration; say it as 90m or 24h".to_owned())
}
