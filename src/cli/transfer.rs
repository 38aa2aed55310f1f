//! `aso-guard transfer`: declared moves of many resources.

mod finish;
mod list;
mod start;
mod status;
mod view;

use clap::{Args, Subcommand};

use crate::claim::TransferName;
use crate::registry::transfers::TransferError;

use super::registry::Stop;
use super::{Outcome, drive};

/// What to do with transfers.
#[derive(Args)]
pub(super) struct TransferArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
    List(list::ListArgs),
}

/// Runs it.
pub(super) async fn run(args: &TransferArgs) -> Outcome {
    let out = &mut std::io::stdout();
    let done = match &args.command {
        Command::Plan(args) => return drive::plan(args).await,
        Command::Run(args) => return drive::run(args).await,
        Command::Undo(args) => return drive::undo(args).await,
        Command::Start(args) => start::run(args, out).await,
        Command::Status(args) => status::run(args, out).await,
        Command::Finish(args) => finish::run(args, out).await,
        Command::List(args) => list::run(args, out).await,
    };
    done.map_or_else(Stop::tell, |()| Outcome::Fine)
}

/// A transfer by its name.
///
/// # Errors
/// It is no name.
pub(super) fn named(text: &str) -> Result<TransferName, Stop> {
    text.parse()
        .map_err(|error| Stop::Usage(format!("{error}")))
}

impl From<TransferError> for Stop {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Registry(error) => error.into(),
            TransferError::Missing(_)
            | TransferError::Differs { .. }
            | TransferError::Over { .. } => Self::Failed(error.to_string()),
        }
    }
}
