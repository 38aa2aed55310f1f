//! How a transfer ended: what was moved, what was not, and what to do about it.

use std::time::{Duration, Instant};

use crate::cli::Outcome;
use crate::cli::registry::CommandError;
use crate::driver::{TransferDriver, TransferState, troubles};
use crate::registry::{Registry, RegistryError, transfers};
use crate::transfer::TransferAction;

use super::pace::PaceArgs;
use super::show::ProgressDisplay;

/// How many resources are named that did not arrive.
const NAMED: usize = 20;

/// How the same command is given again.
pub(super) struct RerunFlags {
    /// The flags that lead to the same clusters and registry.
    pub(super) flags: String,
    /// Those that say what was accepted.
    pub(super) accepted: String,
}

/// Drives to the end, finishes the transfer where all arrived, and tells a person.
///
/// # Errors
/// The registry was away for too long.
pub(super) async fn drive(
    registry: &dyn Registry,
    state: TransferState,
    pace: &PaceArgs,
    again: &RerunFlags,
) -> Result<Outcome, CommandError> {
    let show = ProgressDisplay::new();
    let mut driver = TransferDriver {
        registry,
        state,
        parallel: usize::from(pace.parallel),
        patience: Duration::from_secs(60 * u64::from(pace.patience)),
        view: &show,
    };
    let began = Instant::now();
    let name = driver.state.transfer.name.clone();
    let back = driver.state.way_is_back();
    let verb = if back { "undo" } else { "run" };
    let command = format!(
        "aso-guard transfer {verb} {name}{}{}",
        again.flags, again.accepted
    );
    let came = driver.drive().await;
    show.end();
    let ending = came.map_err(|error| cut_off(&error, &command))?;
    driver.note().await;
    let state = &driver.state;
    let troubles = troubles(state, &ending);
    let (all, lost) = (state.items.len(), state.lost.len());
    let arrived = all - troubles.len();
    let took = began.elapsed().as_secs_f64();
    println!(
        "{arrived} of {} resources are live in {} and gone from {}, after {took:.1} s.",
        all + lost,
        state.way.to,
        state.way.from
    );
    if troubles.is_empty() && lost == 0 {
        let entry = transfers::entry(TransferAction::Finish, &pace.actor(), None);
        transfers::close(registry, &name, Some(&entry)).await?;
        let state = if back { "undone" } else { "finished" };
        println!("Transfer {name} is {state}.");
        return Ok(Outcome::Fine);
    }
    name_those(state, &troubles);
    eprintln!("The transfer stays open, and protects what it covers. Go on with:\n  {command}");
    if !back {
        eprintln!(
            "or take everything back with:\n  aso-guard transfer undo {name}{}",
            again.flags
        );
    }
    Ok(Outcome::Failed)
}

/// Names what did not arrive.
fn name_those(state: &TransferState, troubles: &[(usize, String)]) {
    for (at, why) in troubles.iter().take(NAMED) {
        let item = &state.items[*at];
        eprintln!("{}/{}: {why}", item.source_key.kind, item.source_key.name);
    }
    if troubles.len() > NAMED {
        eprintln!("and {} more", troubles.len() - NAMED);
    }
    for identity in state.lost.iter().take(NAMED) {
        eprintln!("{identity}: neither place has a copy of it");
    }
}

/// The registry was away for too long in the middle.
fn cut_off(error: &RegistryError, again: &str) -> CommandError {
    CommandError::Unreachable(format!(
        "{error}\nWhat was done stays done, and nothing is in danger; go on with:\n  {again}"
    ))
}
