//! `aso-guard transfer`: declared moves of many resources.

mod finish;
mod list;
mod start;
mod status;
mod view;

use clap::{Args, Subcommand};

use crate::claim::TransferName;
use crate::registry::transfers::TransferError;

use super::registry::CommandError;
use super::{Outcome, drive};

/// What to do with transfers.
#[derive(Args)]
pub(super) struct TransferArgs {
    #[command(subcommand)]
    command: TransferCommand,
}

#[derive(Subcommand)]
enum TransferCommand {
    /// What a transfer would do, and what stands in its way; changes nothing
    Plan(Box<drive::PlanArgs>),
    /// Move resources by the four steps, or go on where that was cut off
    Run(Box<drive::RunArgs>),
    /// Take everything back to where it came from
    Undo(Box<drive::UndoArgs>),
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
        TransferCommand::Plan(args) => return drive::plan(args).await,
        TransferCommand::Run(args) => return drive::run(args).await,
        TransferCommand::Undo(args) => return drive::undo(args).await,
        TransferCommand::Start(args) => start::run(args, out).await,
        TransferCommand::Status(args) => status::run(args, out).await,
        TransferCommand::Finish(args) => finish::run(args, out).await,
        TransferCommand::List(args) => list::run(args, out).await,
    };
    done.map_or_else(CommandError::tell, |()| Outcome::Fine)
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
            TransferError::Missing(_)
            | TransferError::Differs { .. }
            | TransferError::Over { .. } => Self::Failed(error.to_string()),
        }
    }
}
