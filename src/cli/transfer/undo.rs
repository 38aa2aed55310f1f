//! `aso-guard transfer undo`: everything goes back to where it came from.
//!
//! It is the same as a transfer, the other way: the target's copies are parked, the source's
//! are woken with the policy that they had, and what the transfer made at the target is
//! deleted.

use clap::Args;

use crate::claim::Justification;
use crate::cli::Outcome;
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::driver::TransferState;
use crate::registry::transfers;
use crate::transfer::{TransferAction, TransferPhase};

use super::endpoints::EndpointArgs;
use super::named;
use super::pace::PaceArgs;
use super::summary::{self, RerunFlags};

/// What to undo.
#[derive(Args)]
pub(super) struct UndoArgs {
    /// The transfer's name
    name: String,
    /// Why; kept with the transfer
    #[arg(long, value_name = "TEXT", env = "ASO_GUARD_REASON")]
    reason: Option<String>,
    #[command(flatten)]
    endpoints: EndpointArgs,
    #[command(flatten)]
    pace: PaceArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Undoes, and says how it ended.
pub(super) async fn run(args: &UndoArgs) -> Result<Outcome, CommandError> {
    let name = named(&args.name)?;
    let registry = args.registry.open().await?;
    let known = registry.transfer(&name).await?;
    let Some(known) = known.map(|known| known.record) else {
        return Err(CommandError::Failed(format!(
            "there is no transfer {name}; see: aso-guard transfer list{}",
            args.registry.flags()
        )));
    };
    match (known.phase, known.turned) {
        (TransferPhase::Finished, true) => {
            println!("Transfer {name} is undone.");
            return Ok(Outcome::Fine);
        }
        (TransferPhase::Closing, true) => {
            transfers::close(&*registry, &name, None).await?;
            println!("Transfer {name} is undone.");
            return Ok(Outcome::Fine);
        }
        (TransferPhase::Finished | TransferPhase::Closing, false) => {
            return Err(CommandError::Failed(format!(
                "transfer {name} is finished. To move everything back, start another one: \
                 aso-guard transfer run {name}-back --from {} --to {}{}",
                known.to,
                known.from,
                args.registry.flags()
            )));
        }
        (TransferPhase::Opening | TransferPhase::Open, _) => {}
    }
    // From now on its target is what it leads away from.
    let endpoints = args
        .endpoints
        .open(&*registry, &known.from, &known.to)
        .await?;
    for problem in &endpoints.problems {
        eprintln!("aso-guard: {problem}");
    }
    let turned = if known.turned && known.phase == TransferPhase::Open {
        known
    } else {
        let why = args.reason.as_deref().and_then(Justification::new);
        let entry = transfers::entry(TransferAction::Undo, &args.pace.actor(), why);
        let opened = transfers::turn(&*registry, &name, &entry).await?;
        opened.transfer
    };
    let state = TransferState::look(&*registry, turned, endpoints.to, endpoints.from).await?;
    let again = RerunFlags {
        flags: format!("{}{}", args.endpoints.flags(), args.registry.flags()),
        accepted: String::new(),
    };
    summary::drive(&*registry, state, &args.pace, &again).await
}
