//! `aso-guard transfer start`.

use std::collections::HashSet;
use std::io::Write;
use std::time::Duration;

use clap::Args;

use crate::arm::Identity;
use crate::registry::transfers::{self, OpenedTransfer};
use crate::registry::{ClaimScope, CopyFilter, Registry};
use crate::transfer::{Transfer, TransferAction, TransferPhase};

use crate::cli::claims::actor;
use crate::cli::registry::{CommandError, RegistryArgs};

use super::named;
use super::wanted::WantedArgs;

/// How long the source's guard may take to say which of its objects have the labels.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many resources are named before the rest is counted.
const NAMED: usize = 10;

/// What to move, and where to.
#[derive(Args)]
pub(super) struct StartArgs {
    /// What to call the transfer
    name: String,
    #[command(flatten)]
    wanted: WantedArgs,
    /// Who you are; kept there too [default: this machine's user]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACTOR")]
    actor: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: &StartArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let wanted = args.wanted.described(&named(&args.name)?)?;
    let registry = args.registry.open().await?;
    members_are_there(&*registry, &wanted).await?;
    if registry.transfer(&wanted.name).await?.is_none() {
        something_is_there(&*registry, &wanted, args).await?;
    }
    let entry = transfers::entry(
        TransferAction::Start,
        &actor(args.actor.as_deref()),
        wanted.why.clone(),
    );
    transfers::start(&*registry, &wanted, &entry).await?;
    let opened = if wanted.selection.labels.is_some() {
        opened_by_its_guard(&*registry, &wanted).await?
    } else {
        transfers::open(&*registry, &wanted.name, &|_| true).await?
    };
    report(&opened, args, out)
}

async fn members_are_there(registry: &dyn Registry, wanted: &Transfer) -> Result<(), CommandError> {
    let mut enrolling = false;
    // The target first: what is said of the source says more.
    for place in [&wanted.to, &wanted.from] {
        let known = registry.member(&place.member).await?.ok_or_else(|| {
            CommandError::Failed(format!(
                "no cluster called {} is in the registry; see: aso-guard members list{}",
                place.member,
                registry.flags()
            ))
        })?;
        enrolling = known.record.enrolling;
    }
    if enrolling {
        return Err(CommandError::Failed(format!(
            "cluster {} is still enrolling: not all its objects are in the registry yet. \
             Try again once it is ready by: aso-guard members list{}",
            wanted.from.member,
            registry.flags()
        )));
    }
    Ok(())
}

/// A transfer of nothing is a slip of the pen.
async fn something_is_there(
    registry: &dyn Registry,
    wanted: &Transfer,
    args: &StartArgs,
) -> Result<(), CommandError> {
    let scope = ClaimScope::Of(wanted.from.member.clone(), CopyFilter::AnyCopy);
    let mut at = None;
    loop {
        let page = registry.claims_page(&scope, at.as_ref()).await?;
        let found = page.claims.iter().any(|known| {
            let mut copies = known.record.copies.keys();
            copies.any(|copy| wanted.takes(&known.record.identity, copy))
        });
        if found {
            return Ok(());
        }
        at = page.next;
        if at.is_none() {
            return Err(CommandError::Failed(format!(
                "nothing in {} is meant by: {}. See what is there: aso-guard claims list \
                 --member {} -n {}{}",
                wanted.from,
                wanted.selection.words(),
                wanted.from.member,
                wanted.from.namespace,
                args.registry.flags()
            )));
        }
    }
}

/// No claim knows labels: the guard of the source opens the transfer.
async fn opened_by_its_guard(
    registry: &dyn Registry,
    wanted: &Transfer,
) -> Result<OpenedTransfer, CommandError> {
    let opening = async {
        loop {
            let known = registry.transfer(&wanted.name).await?;
            match known.map(|known| known.record) {
                Some(transfer) if transfer.phase == TransferPhase::Opening => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Some(transfer) => {
                    let progress = transfers::look(registry, &transfer).await?;
                    return Ok(OpenedTransfer {
                        transfer,
                        progress,
                        taken: Vec::new(),
                        deleting: Vec::new(),
                        unreadable: Vec::new(),
                    });
                }
                None => {
                    return Err(CommandError::Failed(format!(
                        "transfer {} was removed meanwhile",
                        wanted.name
                    )));
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, opening)
        .await
        .unwrap_or_else(|_| {
            Err(CommandError::Unreachable(format!(
                "cluster {} has not said within {} s which of its objects have the labels; the \
                 transfer is declared, and opens once it does. See: aso-guard transfer status {}",
                wanted.from.member,
                PATIENCE.as_secs(),
                wanted.name
            )))
        })
}

fn report(
    opened: &OpenedTransfer,
    args: &StartArgs,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let transfer = &opened.transfer;
    let (name, flags) = (&transfer.name, args.registry.flags());
    writeln!(
        out,
        "Transfer {name} is open: {} resources of {} may go live in {} only, and are not deleted \
         in Azure by anybody.\nFirst, park them in {}. How far they are: aso-guard transfer \
         status {name} --watch{flags}",
        transfer.covered, transfer.from, transfer.to, transfer.from
    )?;
    let mut trouble = Vec::new();
    let deleting = opened.deleting.iter().collect::<HashSet<_>>();
    if !deleting.is_empty() {
        let names = opened.deleting.iter().map(Identity::to_string);
        trouble.push(format!(
            "too late for {} of them, whose delete in Azure was admitted before:\n{}",
            deleting.len(),
            lines(names)
        ));
    }
    if !opened.taken.is_empty() {
        let names = opened.taken.iter();
        let names = names.map(|(identity, other)| format!("{identity} (transfer {other})"));
        trouble.push(format!(
            "{} more are left out, for another transfer moves them:\n{}",
            opened.taken.len(),
            lines(names)
        ));
    }
    if !opened.unreadable.is_empty() {
        trouble.push(format!(
            "{} claims cannot be read, and are not covered; nothing is decided on them:\n{}",
            opened.unreadable.len(),
            lines(opened.unreadable.iter().map(ToString::to_string))
        ));
    }
    if trouble.is_empty() {
        Ok(())
    } else {
        Err(CommandError::Failed(trouble.join("\n")))
    }
}

fn lines(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.take(NAMED).map(|name| format!("  {name}"));
    let mut lines: Vec<String> = first.collect();
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}
