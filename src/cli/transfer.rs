//! `aso-guard transfer`: declared moves of many resources.

mod endpoints;
mod finish;
mod list;
mod moved;
mod obstacles;
mod pace;
mod plan;
mod run;
mod show;
mod start;
mod status;
mod summary;
mod undo;
mod view;
mod wanted;

use clap::{Args, Subcommand};

use crate::claim::TransferName;
use crate::driver::LookError;
use crate::registry::transfers::TransferError;

use super::Outcome;
use super::registry::CommandError;

/// What to do with transfers.
#[derive(Args)]
pub(super) struct TransferArgs {
    #[command(subcommand)]
    command: TransferCommand,
}

#[derive(Subcommand)]
enum TransferCommand {
    /// What a transfer would do, and what stands in its way; changes nothing
    Plan(Box<plan::PlanArgs>),
    /// Move resources by the four steps, or go on where that was cut off
    Run(Box<run::RunArgs>),
    /// Take everything back to where it came from
    Undo(Box<undo::UndoArgs>),
    /// Declare a move, and protect what is moved until it is finished
    Start(Box<start::StartArgs>),
    /// How far each resource is
    Status(status::StatusArgs),
    /// End a transfer: what it moved may be deleted again, and go live anywhere
    Finish(finish::FinishArgs),
    /// All transfers
    List(list::ListTransfersArgs),
}

/// Runs it.
pub(super) async fn run(args: &TransferArgs) -> Outcome {
    let out = &mut std::io::stdout();
    let done = match &args.command {
        TransferCommand::Plan(args) => plan::run(args, out).await,
        TransferCommand::Run(args) => run::run(args).await,
        TransferCommand::Undo(args) => undo::run(args).await,
        TransferCommand::Start(args) => start::run(args, out).await.map(fine),
        TransferCommand::Status(args) => status::run(args, out).await.map(fine),
        TransferCommand::Finish(args) => finish::run(args, out).await.map(fine),
        TransferCommand::List(args) => list::run(args, out).await.map(fine),
    };
    done.unwrap_or_else(CommandError::report)
}

fn fine((): ()) -> Outcome {
    Outcome::Fine
}

/// A transfer by its name.
///
/// # Errors
/// It is no name.
pub(super) fn named(text: &str) -> Result<TransferName, CommandError> {
    text.parse()
        .map_err(|error| CommandError::Usage(format!("{error}")))
}

impl From<TransferError> for CommandError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Registry(error) => error.into(),
            TransferError::Missing { .. }
            | TransferError::Differs { .. }
            | TransferError::Moving { .. }
            | TransferError::Over { .. } => Self::Failed(error.to_string()),
        }
    }
}

impl From<LookError> for CommandError {
    fn from(error: LookError) -> Self {
        match error {
            LookError::Registry(error) => error.into(),
            LookError::Cluster(error) => Self::Unreachable(error.words),
        }
    }
}
