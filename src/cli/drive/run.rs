//! `aso-guard transfer run`: the four steps, to their end.

use std::time::Duration;

use clap::Args;

use crate::claim::CopyRef;
use crate::cli::Outcome;
use crate::cli::claims::actor;
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::cli::terminal::Style;
use crate::cli::transfer::named;
use crate::registry::transfers;
use crate::registry::{Registry, RegistryError};
use crate::transfer::{Transfer, TransferAction, TransferPhase};

use super::args::EndpointArgs;
use super::check::find;
use super::driver::TransferDriver;
use super::obstacles::{ObstacleKind, ObstacleSeverity, Obstacles};
use super::plan::{blocking, write_obstacles};
use super::rehearsal::rehearse;
use super::show::ProgressDisplay;
use super::state::TransferState;
use super::summary::{self, RerunFlags};
use super::wanted::WantedArgs;

/// What to move.
#[derive(Args)]
pub(in crate::cli) struct RunArgs {
    /// The transfer's name: a new one, or that of one to go on with
    name: String,
    #[command(flatten)]
    wanted: WantedArgs,
    #[command(flatten)]
    endpoints: EndpointArgs,
    #[command(flatten)]
    pace: PaceArgs,
    /// An obstacle to go on with all the same: children-left, reference or tool; may be repeated
    #[arg(
        long,
        value_name = "RULE",
        value_enum,
        hide_possible_values = true,
        env = "ASO_GUARD_ACCEPT"
    )]
    accept: Vec<ObstacleKind>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// How it is driven.
#[derive(Args, Clone)]
pub(super) struct PaceArgs {
    /// How many objects are changed at once
    #[arg(
        long,
        value_name = "N",
        default_value = "8",
        value_parser = clap::value_parser!(u16).range(1..=64),
        env = "ASO_GUARD_PARALLEL"
    )]
    pub(super) parallel: u16,
    /// How many minutes to wait for an acknowledgement while nothing else happens
    #[arg(
        long,
        value_name = "MINUTES",
        default_value = "10",
        value_parser = clap::value_parser!(u16).range(1..),
        env = "ASO_GUARD_PATIENCE"
    )]
    pub(super) patience: u16,
    /// Who you are; kept with the transfer [default: this machine's user]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACTOR")]
    pub(super) actor: Option<String>,
}

/// Moves, and says how it ended.
pub(in crate::cli) async fn run(args: &RunArgs) -> Outcome {
    drive(args).await.unwrap_or_else(CommandError::tell)
}

impl PaceArgs {
    /// The driver of a transfer.
    pub(super) fn driver<'a>(
        &self,
        registry: &'a dyn Registry,
        state: TransferState,
    ) -> TransferDriver<'a> {
        TransferDriver {
            registry,
            state,
            parallel: usize::from(self.parallel),
            patience: Duration::from_secs(60 * u64::from(self.patience)),
            show: ProgressDisplay::new(),
        }
    }
}

async fn drive(args: &RunArgs) -> Result<Outcome, CommandError> {
    let name = named(&args.name)?;
    let registry = args.registry.open().await?;
    let (transfer, _) = args.wanted.transfer(&*registry, &name).await?;
    if transfer.turned {
        return Err(CommandError::Failed(format!(
            "transfer {name} is being undone; go on with: aso-guard transfer undo {name}{}",
            args.registry.flags()
        )));
    }
    match transfer.phase {
        TransferPhase::Finished => {
            println!("Transfer {name} is finished.");
            return Ok(Outcome::Fine);
        }
        TransferPhase::Closing => {
            transfers::close(&*registry, &name, None).await?;
            println!("Transfer {name} is finished.");
            return Ok(Outcome::Fine);
        }
        TransferPhase::Opening | TransferPhase::Open => {}
    }
    let endpoints = args
        .endpoints
        .open(&*registry, &transfer.from, &transfer.to)
        .await?;
    let mut found = Obstacles::accepting(&args.accept).map_err(CommandError::Usage)?;
    for problem in endpoints.problems {
        found.add(ObstacleKind::Member, None, problem);
    }
    let mut state = TransferState::look(&*registry, transfer, endpoints.from, endpoints.to).await?;
    find(&state, &mut found);
    rehearse(&state, &mut found).await;
    let obstacles = found.list();
    if blocking(&obstacles) > 0 {
        let blocking: Vec<_> = obstacles
            .into_iter()
            .filter(|one| one.weight == ObstacleSeverity::Blocks)
            .collect();
        let mut told = Vec::new();
        write_obstacles(&blocking, Style::default(), &mut told)?;
        return Err(CommandError::Failed(format!(
            "nothing was changed: {} obstacles have to be out of the way first\n{}",
            blocking.len(),
            String::from_utf8_lossy(&told).trim_end()
        )));
    }
    if state.items.is_empty() && state.lost.is_empty() {
        return Err(CommandError::Failed(format!(
            "nothing is selected in {}: {}",
            state.way.from,
            state.transfer.selection.words()
        )));
    }
    state.transfer = opened(&*registry, &state, args.pace.actor.as_deref()).await?;
    if state.lacks_reserved(&*registry).await? {
        state = state.again(&*registry).await?;
    }
    let accepted = args.accept.iter().map(|rule| rule.word());
    let accepted = accepted.fold(String::new(), |flags, word| flags + " --accept " + &word);
    let flags = format!("{}{}", args.endpoints.flags(), args.registry.flags());
    let again = RerunFlags { flags, accepted };
    let driver = args.pace.driver(&*registry, state);
    summary::finish(driver, &again, args.pace.actor.as_deref()).await
}

/// Starts the transfer, or takes in what came later; what is reserved stays so.
async fn opened(
    registry: &dyn Registry,
    state: &TransferState,
    by: Option<&str>,
) -> Result<Transfer, CommandError> {
    let transfer = &state.transfer;
    let reserved = state.items.iter().all(|item| {
        let claim = item.claim.as_ref();
        claim.is_some_and(|claim| claim.reserved.as_ref() == Some(&state.way))
    });
    if transfer.phase == TransferPhase::Open && reserved {
        return Ok(transfer.clone());
    }
    let entry = transfers::entry(TransferAction::Start, &actor(by), transfer.why.clone());
    transfers::start(registry, transfer, &entry).await?;
    let chosen = |copy: &CopyRef| {
        let mut items = state.items.iter();
        items.any(|item| item.source_key == copy.object)
    };
    let opened = transfers::open(registry, &transfer.name, &chosen).await?;
    for (identity, other) in &opened.taken {
        eprintln!("aso-guard: {identity} is moved by transfer {other} already");
    }
    for identity in &opened.doomed {
        eprintln!("aso-guard: {identity} is being deleted in Azure; it is too late for it");
    }
    Ok(opened.transfer)
}

/// The registry was away for too long in the middle.
pub(super) fn cut_off(error: &RegistryError, again: &str) -> CommandError {
    CommandError::Unreachable(format!(
        "{error}\nWhat was done stays done, and nothing is in danger; go on with:\n  {again}"
    ))
}
