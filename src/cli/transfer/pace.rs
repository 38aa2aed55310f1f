//! How a transfer is driven, as flags.

use clap::Args;

use crate::cli::claims::actor;

/// How fast, how patiently, and by whom.
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
    actor: Option<String>,
}

impl PaceArgs {
    /// Who does it, as well as is known here.
    pub(super) fn actor(&self) -> String {
        actor(self.actor.as_deref())
    }
}
