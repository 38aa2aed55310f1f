//! `aso-guard transfer run`: the four steps, to their end.

use clap::Args;

use crate::cli::Outcome;
use crate::cli::question::agree;
use crate::cli::registry::CommandError;
use crate::cli::terminal::Style;
use crate::driver::{Obstacle, TransferState, look, reserve};
use crate::registry::{Registry, transfers};
use crate::transfer::{Transfer, TransferAction, TransferPhase};

use super::moved::MovedArgs;
use super::obstacles::{blocking, write_obstacles};
use super::pace::PaceArgs;
use super::summary::{self, RerunFlags};
use super::{named, plan};

/// What to move.
#[derive(Args)]
pub(super) struct RunArgs {
    /// The transfer's name: a new one, or that of one to go on with
    name: String,
    #[command(flatten)]
    moved: MovedArgs,
    /// Do not show the plan of a new transfer, and do not ask
    #[arg(long, env = "ASO_GUARD_YES")]
    yes: bool,
    #[command(flatten)]
    pace: PaceArgs,
}

/// Moves, and says how it ended.
pub(super) async fn run(args: &RunArgs) -> Result<Outcome, CommandError> {
    let name = named(&args.name)?;
    let moved = &args.moved;
    let registry = moved.registry.open().await?;
    let (transfer, begun) = moved.wanted.transfer(&*registry, &name).await?;
    if transfer.turned {
        return Err(CommandError::Failed(format!(
            "transfer {name} is being undone; go on with: aso-guard transfer undo {name}{}",
            moved.registry.flags()
        )));
    }
    match transfer.phase {
        TransferPhase::Opening | TransferPhase::Open => {}
        phase => {
            if phase == TransferPhase::Closing {
                transfers::close(&*registry, &name, None).await?;
            }
            println!("Transfer {name} is finished.");
            return Ok(Outcome::Fine);
        }
    }
    let (ends, found) = moved.open(&*registry, &transfer).await?;
    let (mut state, obstacles) = look(&*registry, transfer, ends, found).await?;
    nothing_blocks(&obstacles)?;
    if state.items.is_empty() && state.lost.is_empty() {
        return Err(CommandError::Failed(format!(
            "nothing is selected in {}: {}",
            state.way.from,
            state.transfer.selection.words()
        )));
    }
    if !begun && !args.yes {
        let out = &mut std::io::stdout();
        plan::table(&state, &obstacles, Style::of_stdout(), out)?;
        let way = &state.way;
        let question = format!("Move them from {} to {}?", way.from, way.to);
        agree(&question, "--yes", out)?;
    }
    state.transfer = reserved(&*registry, &state, &args.pace.actor()).await?;
    let state = state.with_reserved(&*registry).await?;
    let again = RerunFlags {
        flags: moved.flags(),
        accepted: moved.accepted(),
    };
    summary::drive(&*registry, state, &args.pace, &again).await
}

/// # Errors
/// Some of the obstacles have to be out of the way first.
fn nothing_blocks(obstacles: &[Obstacle]) -> Result<(), CommandError> {
    let count = blocking(obstacles).count();
    if count == 0 {
        return Ok(());
    }
    let mut text = Vec::new();
    write_obstacles(blocking(obstacles), Style::default(), &mut text)?;
    Err(CommandError::Failed(format!(
        "nothing was changed: {count} obstacles have to be out of the way first\n{}",
        String::from_utf8_lossy(&text).trim_end()
    )))
}

/// The transfer, with what is to be moved reserved for it.
async fn reserved(
    registry: &dyn Registry,
    state: &TransferState,
    by: &str,
) -> Result<Transfer, CommandError> {
    let transfer = &state.transfer;
    let entry = transfers::entry(TransferAction::Start, by, transfer.why.clone());
    let Some(opened) = reserve(registry, state, &entry).await? else {
        return Ok(transfer.clone());
    };
    for (identity, other) in &opened.taken {
        eprintln!("aso-guard: {identity} is moved by transfer {other} already");
    }
    for identity in &opened.deleting {
        eprintln!("aso-guard: {identity} is being deleted in Azure; it is too late for it");
    }
    Ok(opened.transfer)
}
