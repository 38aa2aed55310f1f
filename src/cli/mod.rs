//! The command line.

mod certs;
mod config;
mod crds;
mod demo;
mod hub;
mod members;
mod metrics;
mod serve;
mod tls;
mod webhook;
mod webhook_server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// One Azure resource, one live reconciler: a validating admission webhook for
/// Azure Service Operator v2.
#[derive(Parser)]
#[command(name = "aso-guard", version, max_term_width = 100)]
pub struct Cli {
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
    /// Print the CRDs of the registry.
    Crds,
    /// Print what a hub needs: the CRDs, and by what members change only their own.
    Hub,
    /// The clusters that share a hub.
    Members(members::MembersArgs),
    /// Make a development CA and a serving certificate.
    Certs(certs::CertsArgs),
    /// Play ASO's four steps, and the mistakes on the way, through real servers on this machine.
    Demo(demo::DemoArgs),
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
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Fine => 0,
            Outcome::Failed => 1,
            Outcome::Usage => 2,
        })
    }
}

impl Cli {
    /// Runs the command, and tells on standard error what went wrong.
    pub async fn run(self) -> Outcome {
        let out = &mut std::io::stdout();
        let done = match self.command {
            Command::Serve(args) => return serve::run(*args).await,
            Command::Demo(args) => return demo::run(&args).await,
            Command::Members(args) => return members::run(args).await,
            Command::Webhook(args) => return webhook::run(&args, out).await,
            Command::Crds => crds::run(out),
            Command::Hub => hub::run(out),
            Command::Certs(args) => certs::run(&args, out),
        };
        match done {
            Ok(()) => Outcome::Fine,
            Err(error) => {
                eprintln!("aso-guard: {error:#}");
                Outcome::Usage
            }
        }
    }
}
