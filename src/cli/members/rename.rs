//! `aso-guard members rename`: a cluster goes by another name.

use std::io::Write;

use clap::Args;

use crate::claim::MemberName;
use crate::cli::failover::refused;
use crate::cli::question::agree;
use crate::cli::registry::{CommandError, RegistryArgs, all_were_read};
use crate::failover::{self, LISTENED};

/// Which cluster, and what it is called from now on.
#[derive(Args)]
pub(super) struct RenameArgs {
    /// What it is called
    old: MemberName,
    /// What it will be called: its guard's --cluster from then on
    new: MemberName,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: &RenameArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let (old, new) = (&args.old, &args.new);
    if old == new {
        return Err(CommandError::Usage(format!("it is called {new} already")));
    }
    let registry = args.registry.open_shard().await?;
    if !args.yes {
        let question = format!(
            "All that {old} holds will be held by {new}: one cluster under another name. Its guard \
             has to be stopped: aso-guard webhook delete --context {old}, then scale it to nothing.\n\
             Rename {old} to {new}?"
        );
        agree(&question, "--yes", out)?;
    }
    writeln!(out, "Watching {old} for {} s …", LISTENED.as_secs())?;
    let progress = |claims| eprintln!("{claims} claims renamed");
    let renamed = failover::rename(&*registry, old, new, progress).await;
    let renamed = renamed.map_err(|error| refused(error, old, &args.registry))?;
    writeln!(out, "Renamed {old} to {new}: {} claims.", renamed.claims)?;
    if !renamed.unreadable.is_empty() {
        writeln!(
            out,
            "The record of {old} stays, for some claims cannot be read, and may be of it. Mend or \
             delete those, then do the same again."
        )?;
    }
    let flags = args.registry.flags();
    writeln!(
        out,
        "Next: install its guard as {new} (the chart's value cluster, or serve --cluster {new}). On \
         a hub with members' own credentials, make one of that name first: aso-guard members add \
         {new}\nThen see whether it is Ready: aso-guard members list{flags}"
    )?;
    all_were_read(&renamed.unreadable, registry.kubectl_flags())
}
