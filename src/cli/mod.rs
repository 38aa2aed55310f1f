//! The command line.

mod archive;
mod audit;
mod certs;
mod check;
mod claims;
mod client;
mod contexts;
mod crds;
mod dashboard;
mod demo;
mod doctor;
mod exempt;
mod explain;
mod failover;
mod generate;
mod hub;
mod members;
mod metrics;
mod output;
mod problems;
mod protection;
mod question;
#[cfg(test)]
mod reference;
mod registry;
mod replay;
mod report;
mod serve;
mod simulated_member;
mod terminal;
mod transfer;
mod webhook;
mod webhook_server;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::runtime::Runtime;

use crate::server::tls::install_crypto_provider;

/// One Azure resource, one live reconciler: a validating admission webhook for
/// Azure Service Operator v2.
#[derive(Parser)]
#[command(name = "aso-guard", version, max_term_width = 100)]
pub struct Cli {
    /// When to write in colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "WHEN",
        env = "ASO_GUARD_COLOR"
    )]
    color: terminal::Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the webhook and the observer of one cluster.
    Serve(Box<serve::ServeArgs>),
    /// Print the ValidatingWebhookConfiguration that has an API server call the webhook, test or
    /// delete the one that is there.
    Webhook(webhook::WebhookArgs),
    /// Check manifests of several clusters against each other, before they are applied.
    Check(Box<check::CheckArgs>),
    /// Whether the guard of a cluster does what it is there for, and what to do where it does not.
    Doctor(doctor::DoctorArgs),
    /// Report resources that are live in several places, in clusters as they are; only reads.
    Audit(audit::AuditArgs),
    /// What the guard would have refused, by the audit logs of clusters without it.
    Replay(Box<replay::ReplayArgs>),
    /// Who holds what: list, show and release claims.
    Claims(claims::ClaimsArgs),
    /// The clusters that share the registry: list, add, rename, replace and forget them.
    Members(members::MembersArgs),
    /// A cluster is lost: plan, fence it, release what it held, undo.
    Failover(failover::FailoverArgs),
    /// The registry as a whole: write it to a file, add a file to another one, compare.
    Registry(archive::ArchiveArgs),
    /// Show the registry in a browser: members, claims, conflicts, transfers. It only reads.
    Dashboard(dashboard::DashboardArgs),
    /// Moves of many resources: plan, run, undo them, or start, watch and finish them by hand.
    Transfer(transfer::TransferArgs),
    /// Print the CRDs of the registry.
    Crds,
    /// Print what a hub needs: the CRDs, and the RBAC and policies that limit each member to its
    /// own copies.
    Hub,
    /// Print what an API server needs to refuse by itself while no guard answers: a CRD and
    /// policies, for `serve --protection available`.
    Protection(protection::ProtectionArgs),
    /// Make a development CA and a serving certificate.
    Certs(certs::CertsArgs),
    /// Play ASO's four steps, and the mistakes on the way, through real servers on this machine.
    Demo(demo::DemoArgs),
    /// Print the completions of a shell.
    Completions(generate::CompletionsArgs),
    /// Write manual pages.
    Man(generate::ManArgs),
    /// Say what the reason of a refusal means, and what to do.
    Explain(explain::ExplainArgs),
    /// Print the version.
    Version,
}

/// How a command ended; see the exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 0: fine.
    Fine,
    /// 1: it ended early or found something.
    Failed,
    /// 2: flags, files or settings are wrong.
    Usage,
    /// 3: it could not reach something.
    Unreachable,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Failed => 1,
            Outcome::Usage => 2,
            Outcome::Unreachable => 3,
        })
    }
}

/// What the program does, from its command line to its exit code.
///
/// No binary needs an async body of its own, which would be compiled there once more.
pub fn main() -> ExitCode {
    install_crypto_provider();
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("aso-guard: cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(Cli::from_command_line().run());
    // What still blocks, such as looking up a name, is not waited for.
    runtime.shutdown_background();
    outcome.into()
}

impl Cli {
    /// Reads the command line; ends the process where it cannot be read, or asks for help.
    /// As `kubectl-aso_guard`, the program is kubectl's plugin, and calls itself that.
    fn from_command_line() -> Self {
        let called = std::env::args_os().next().unwrap_or_default();
        let mut command = Self::command();
        if is_plugin(Path::new(&called)) {
            command = command.bin_name("kubectl aso-guard");
        }
        let read = command.try_get_matches_from_mut(std::env::args_os());
        let read = read.and_then(|mut matches| Self::from_arg_matches_mut(&mut matches));
        read.unwrap_or_else(|error| error.format(&mut command).exit())
    }

    /// Runs the command, and tells on standard error what went wrong.
    async fn run(self) -> Outcome {
        self.color.set();
        let out = &mut std::io::stdout();
        let done = match self.command {
            Command::Serve(args) => return serve::run(*args).await,
            Command::Check(args) => return check::run(&args).await,
            Command::Doctor(args) => return doctor::run(&args).await,
            Command::Audit(args) => return audit::run(&args).await,
            Command::Replay(args) => return replay::run(&args).await,
            Command::Claims(args) => return claims::run(&args).await,
            Command::Members(args) => return members::run(&args).await,
            Command::Failover(args) => return failover::run(&args).await,
            Command::Registry(args) => return archive::run(&args).await,
            Command::Transfer(args) => return transfer::run(&args).await,
            Command::Dashboard(args) => return dashboard::run(&args).await,
            Command::Completions(args) => generate::completions(&args, Self::command(), out),
            Command::Man(args) => generate::man(&args, Self::command(), out),
            Command::Demo(args) => return demo::run(&args).await,
            Command::Webhook(args) => return webhook::run(&args, out).await,
            Command::Explain(args) => {
                let done = explain::run(&args, out);
                return done.map_or_else(registry::CommandError::report, |()| Outcome::Fine);
            }
            Command::Version => write_version(out),
            Command::Crds => crds::run(out),
            Command::Hub => hub::run(out),
            Command::Protection(args) => protection::run(&args, out),
            Command::Certs(args) => certs::run(&args, out),
        };
        match done {
            Ok(()) => Outcome::Fine,
            // Whoever reads it has read enough.
            Err(error) if is_broken_pipe(&error) => Outcome::Fine,
            Err(error) => {
                eprintln!("aso-guard: {error:#}");
                Outcome::Usage
            }
        }
    }
}

fn write_version(out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(out, "aso-guard {}", env!("CARGO_PKG_VERSION"))?;
    Ok(())
}

/// Whether something could not be written because nobody reads any more.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Whether kubectl called it: a plugin's file is named so, a dash written as an underscore.
fn is_plugin(called: &Path) -> bool {
    called
        .file_stem()
        .is_some_and(|name| name == "kubectl-aso_guard")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/usr/local/bin/kubectl-aso_guard", true)]
    #[case("kubectl-aso_guard.exe", true)]
    #[case("/usr/local/bin/aso-guard", false)]
    #[case("", false)]
    fn kubectls_plugin_is_known_by_its_name(#[case] called: &str, #[case] plugin: bool) {
        assert_eq!(is_plugin(Path::new(called)), plugin);
    }

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }
}
