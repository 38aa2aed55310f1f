//! `aso-guard transfer finish`.

use std::io::Write;

use clap::Args;

use crate::claim::Justification;
use crate::registry::{ClaimScope, transfers};
use crate::transfer::TransferAction;

use crate::cli::claims::actor;
use crate::cli::registry::{CommandError, RegistryArgs};

use super::named;

/// Which transfer to end.
#[derive(Args)]
pub(super) struct FinishArgs {
    /// Its name
    name: String,
    /// End it though not all resources have arrived
    #[arg(long, requires = "reason")]
    force: bool,
    /// Why; kept with the transfer
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Who you are; kept there too [default: this machine's user]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACTOR")]
    actor: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: &FinishArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let name = named(&args.name)?;
    let why = args.reason.as_deref().map(|text| {
        let empty = || CommandError::Usage("--reason: say why, for whoever looks later".to_owned());
        Justification::new(text).ok_or_else(empty)
    });
    let registry = args.registry.open().await?;
    let mut entry = transfers::entry(
        TransferAction::Finish,
        &actor(args.actor.as_deref()),
        why.transpose()?,
    );
    // Where the record is gone, claims may still be reserved for it.
    if let Some(known) = registry.transfer(&name).await? {
        let transfer = &known.record;
        if !transfer.is_open() {
            writeln!(
                out,
                "Transfer {name} is over already ({}).",
                transfer.state()
            )?;
            return Ok(());
        }
        let tally = transfers::note(&*registry, &known).await?.tally;
        entry.unfinished = tally.unfinished();
        if entry.unfinished > 0 && !args.force {
            return Err(CommandError::Failed(format!(
                "{} of {} resources have not arrived ({}); nothing was changed.\nSee which: \
                 aso-guard transfer status {name}{flags}\nTo end it all the same: aso-guard \
                 transfer finish {name} --force --reason '<why>'{flags}",
                entry.unfinished,
                tally.total(),
                tally.words(),
                flags = args.registry.flags(),
            )));
        }
    } else {
        let reserved = ClaimScope::Reserved(Some(name.clone()));
        let listed = registry.claims(&reserved).await?;
        if listed.records.is_empty() && listed.unreadable.is_empty() {
            return Err(CommandError::Failed(format!(
                "there is no transfer {name}; see them all: aso-guard transfer list{}",
                args.registry.flags()
            )));
        }
    }
    transfers::close(&*registry, &name, Some(&entry)).await?;
    writeln!(
        out,
        "Transfer {name} is finished: what it moved may be deleted again, and go live anywhere."
    )?;
    Ok(())
}
