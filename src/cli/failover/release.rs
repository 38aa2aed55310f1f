//! `aso-guard failover release`.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{Justification, MemberName};
use crate::cli::claims::actor;
use crate::cli::question::agree;
use crate::cli::registry::{CommandError, RegistryArgs, all_were_read};
use crate::failover::{self, Chosen, Releasing};
use crate::object::text::quoted;

use super::{plan, refused};

/// Whose, and which.
#[derive(Args)]
pub(super) struct ReleaseArgs {
    /// The cluster that is lost
    #[arg(long, value_name = "NAME")]
    member: MemberName,
    #[command(flatten)]
    chosen: ChosenArgs,
    /// Why; kept in the history of each claim
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How many claims are changed at once
    #[arg(
        long,
        value_name = "N",
        default_value = "8",
        value_parser = clap::value_parser!(u16).range(1..=64),
        env = "ASO_GUARD_PARALLEL"
    )]
    parallel: u16,
    /// Who you are; kept there too [default: this machine's user]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACTOR")]
    actor: Option<String>,
    /// Say what would be released, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Which of its claims.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct ChosenArgs {
    /// All that it holds
    #[arg(long)]
    all: bool,
    /// This resource, and what is inside
    #[arg(long, value_name = "ARM_ID")]
    below: Option<Identity>,
    /// What its copies in this namespace hold
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
}

impl ChosenArgs {
    fn chosen(&self) -> Chosen {
        match (&self.below, &self.namespace) {
            (Some(top), _) => Chosen::Below(top.clone()),
            (None, Some(namespace)) => Chosen::Namespace(namespace.clone()),
            (None, None) => Chosen::All,
        }
    }

    /// As flags.
    fn flags(&self) -> String {
        match self.chosen() {
            Chosen::All => "--all".to_owned(),
            Chosen::Below(top) => format!("--below {}", quoted(top.as_str())),
            Chosen::Namespace(namespace) => format!("--namespace {}", quoted(&namespace)),
        }
    }
}

pub(super) async fn run(args: &ReleaseArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let (name, flags) = (&args.member, args.registry.flags());
    let why = Justification::new(&args.reason).ok_or_else(|| {
        CommandError::Usage("--reason: say why, for whoever looks later".to_owned())
    })?;
    let registry = args.registry.open_shard().await?;
    let refuse = |error| refused(error, name, &args.registry);
    let wanted = Releasing {
        member: name.clone(),
        chosen: args.chosen.chosen(),
        by: actor(args.actor.as_deref()).into(),
        why,
        parallel: args.parallel.into(),
    };
    let mut planned = failover::plan(&*registry, name, None)
        .await
        .map_err(refuse)?;
    planned.claims.retain(|one| wanted.chosen.covers(one));
    write!(out, "{}", plan::words(&planned, Timestamp::now()))?;
    if args.dry_run {
        failover::may_be_taken_over(&*registry, name, Timestamp::now())
            .await
            .map_err(refuse)?;
        writeln!(out, "It would be released now. Nothing was changed.")?;
        return all_were_read(&planned.unreadable, registry.kubectl_flags());
    }
    if !args.yes {
        let question = format!(
            "After this, others may go live while the objects of {name} may still be reconciled, if \
             its ASO runs.\nRelease {} resources of {name}?",
            planned.claims.len()
        );
        let again = format!(
            "aso-guard failover release --member {name} {} --reason {} --yes{flags}",
            args.chosen.flags(),
            quoted(&args.reason)
        );
        agree(&question, &again, out)?;
    }
    let progress = |claims| eprintln!("{claims} claims released");
    let released = failover::release(&*registry, &wanted, Timestamp::now, progress).await;
    let released = released.map_err(refuse)?;
    writeln!(
        out,
        "Released {} claims of {name}. They are free: apply their manifests, or take `skip` off \
         their parked copies, in the cluster that takes over. Who did it and why is in each \
         claim's history.\nTo undo it where nobody took over: aso-guard failover undo --member \
         {name}{flags}",
        released.claims
    )?;
    all_were_read(&released.unreadable, registry.kubectl_flags())
}
