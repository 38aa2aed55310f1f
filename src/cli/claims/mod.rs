//! `aso-guard claims`: who holds what.

mod filter;
mod list;
mod release;
mod show;
pub(super) mod view;

pub(super) use release::actor;

use clap::{Args, Subcommand};

use crate::arm::{self, Identity};
use crate::claim::Record;
use crate::registry::{ClaimScope, Registry, Versioned};

use super::Outcome;
use super::registry::{CommandError, RegistryArgs};

/// What to do with claims.
#[derive(Args)]
pub(super) struct ClaimsArgs {
    #[command(subcommand)]
    command: ClaimsCommand,
}

#[derive(Subcommand)]
enum ClaimsCommand {
    /// Who holds which resource
    List(list::ListClaimsArgs),
    /// Everything about one claim, its history included
    Show(show::ShowArgs),
    /// Take a copy out of a claim by hand, because its cluster never will
    Release(release::ReleaseArgs),
}

/// Runs it.
pub(super) async fn run(args: &ClaimsArgs) -> Outcome {
    let out = &mut std::io::stdout();
    let done = match &args.command {
        ClaimsCommand::List(args) => list::run(args, out).await,
        ClaimsCommand::Show(args) => show::run(args, out).await,
        ClaimsCommand::Release(args) => release::run(args, out).await,
    };
    done.map_or_else(CommandError::report, |()| Outcome::Fine)
}

/// The claim that a person means: by its ARM ID, or by the end of it.
///
/// # Errors
/// There is none, or there are several.
async fn find(
    registry: &dyn Registry,
    args: &RegistryArgs,
    named: &str,
) -> Result<Versioned<Record>, CommandError> {
    if let Ok(identity) = named.parse::<Identity>() {
        let found = registry.claim(&identity).await?;
        return found
            .ok_or_else(|| CommandError::Failed(format!("there is no claim on {identity}")));
    }
    let end = format!("/{}", arm::folded(named.trim_start_matches('/')));
    let mut found = registry.claims(&ClaimScope::All).await?.records;
    found.retain(|known| known.record.identity.key().ends_with(&end));
    found.sort_by(|a, b| a.record.identity.cmp(&b.record.identity));
    match found.len() {
        0 => Err(CommandError::Failed(format!(
            "no claim is on a resource that ends with {named}; see them all: \
             aso-guard claims list{}",
            args.flags()
        ))),
        1 => Ok(found.remove(0)),
        _ => {
            let lines: Vec<String> = found
                .iter()
                .take(10)
                .map(|known| format!("  {}", known.record.identity))
                .collect();
            Err(CommandError::Usage(format!(
                "{} claims are on resources that end with {named}; name one by its ARM ID:\n{}",
                found.len(),
                lines.join("\n")
            )))
        }
    }
}
