//! `aso-guard members`.

mod add;

use clap::{Args, Subcommand};

use super::Outcome;

/// The clusters that share a hub.
#[derive(Args)]
pub(super) struct MembersArgs {
    #[command(subcommand)]
    command: MembersCommand,
}

#[derive(Subcommand)]
enum MembersCommand {
    /// Make a cluster's identity on the hub, and its kubeconfig.
    Add(add::AddArgs),
}

/// Does it.
pub(super) async fn run(args: MembersArgs) -> Outcome {
    match args.command {
        MembersCommand::Add(args) => add::run(&args).await,
    }
}
