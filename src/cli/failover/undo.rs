//! `aso-guard failover undo`.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;

use crate::claim::MemberName;
use crate::cli::claims::actor;
use crate::cli::question::agree;
use crate::cli::registry::{CommandError, RegistryArgs, all_were_read};
use crate::failover;

use super::refused;

/// Whose fence.
#[derive(Args)]
pub(super) struct UndoArgs {
    /// The cluster
    #[arg(long, value_name = "NAME")]
    member: MemberName,
    /// Who you are; kept in the claims' history [default: this machine's user]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACTOR")]
    actor: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: &UndoArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let name = &args.member;
    let registry = args.registry.open_shard().await?;
    if !args.yes {
        let question = format!(
            "The guard of {name} lets copies go live again, where nobody else holds the resource; \
             what was released and nobody took over is {name}'s again. What others took over stays \
             theirs: park it in {name} before its ASO starts.\nTake the fence of {name} off?"
        );
        agree(&question, "--yes", out)?;
    }
    let by = actor(args.actor.as_deref());
    let undone = failover::undo(&*registry, name, &by, Timestamp::now).await;
    let undone = undone.map_err(|error| refused(error, name, &args.registry))?;
    writeln!(
        out,
        "{name} is no longer fenced; {} claims were given back. What others hold now: aso-guard \
         claims list --state conflict{}",
        undone.given_back,
        args.registry.flags()
    )?;
    all_were_read(&undone.unreadable, registry.kubectl_flags())
}
