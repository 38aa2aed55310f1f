//! `aso-guard dashboard`: the registry as pages for a browser on this machine.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use tokio_util::sync::CancellationToken;

use crate::board::Board;
use crate::board::host_check::HostCheck;
use crate::registry::ReadOnlyRegistry;
use crate::server::shutdown::ShutdownSignals;
use crate::server::{bind, ops};

use super::Outcome;
use super::registry::{CommandError, RegistryArgs};
use crate::cli::problems::Problems;

/// Where to show what.
#[derive(Args)]
pub(super) struct DashboardArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    /// Where to listen; port 0 lets the system choose
    #[arg(
        long,
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:8090",
        env = "ASO_GUARD_DASHBOARD_LISTEN"
    )]
    listen: String,
    /// Listen beyond this machine: there is no login, so whoever reaches the port sees all claims
    #[arg(long, env = "ASO_GUARD_DASHBOARD_ALLOW_REMOTE")]
    allow_remote: bool,
    /// A name by which browsers call the board, with --allow-remote; others are not answered
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        env = "ASO_GUARD_DASHBOARD_HOST"
    )]
    host: Vec<String>,
}

/// Runs it until it is told to end.
pub(super) async fn run(args: &DashboardArgs) -> Outcome {
    let done = show(args).await;
    done.map_or_else(CommandError::report, |()| Outcome::Fine)
}

async fn show(args: &DashboardArgs) -> Result<(), CommandError> {
    let (listen, host_check) = args.check()?;
    let registry = ReadOnlyRegistry::new(args.registry.open().await?);
    let board = Board::new(registry, args.registry.url());
    let bound = bind(listen).await;
    let (listener, address) =
        bound.map_err(|error| CommandError::Usage(format!("--listen: {error}")))?;
    let signals = ShutdownSignals::listen().context("cannot listen for signals");
    let signals = signals.map_err(|error| CommandError::Failed(format!("{error:#}")))?;
    println!("The board is at http://{address}/ until ctrl-c. It only reads.");
    let stop = CancellationToken::new();
    let router = board.clone().router(host_check);
    let served = async {
        tokio::select! {
            () = ops::run_ops(listener, router, stop.clone()) => {}
            () = board.count() => {}
        }
    };
    tokio::select! {
        () = served => Ok(()),
        _impatient = signals.watch(stop.clone()) => Ok(()),
    }
}

impl DashboardArgs {
    /// # Errors
    /// All that is wrong with them.
    fn check(&self) -> Result<(SocketAddr, HostCheck), CommandError> {
        let mut problems = Problems::default();
        let listen = self.listen.parse::<SocketAddr>().ok();
        if listen.is_none() {
            problems.add(format!(
                "--listen: {:?} is no address with a port, such as 127.0.0.1:8090 or [::1]:8090",
                self.listen
            ));
        }
        if listen.is_some_and(|listen| !listen.ip().is_loopback()) && !self.allow_remote {
            problems.add(format!(
                "--listen: {} can be reached from other machines, and the board has no login: \
                 whoever reaches it sees all claims. Listen on 127.0.0.1, and come from elsewhere \
                 by ssh -L or kubectl port-forward; if it is meant, add --allow-remote",
                self.listen
            ));
        }
        if !self.host.is_empty() && !self.allow_remote {
            problems.add(
                "--host: only with --allow-remote; otherwise the board answers to localhost and \
                 loopback addresses alone",
            );
        }
        let strange = |name: &&String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
            name.is_empty() || !name.chars().all(plain)
        };
        for name in self.host.iter().filter(strange) {
            problems.add(format!(
                "--host: {name:?} is no host name; give it without http:// and without a port"
            ));
        }
        let host_check = if self.allow_remote {
            HostCheck::remote(&self.host)
        } else {
            HostCheck::local()
        };
        match listen {
            Some(listen) if problems.is_empty() => Ok((listen, host_check)),
            _ => Err(problems.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DashboardArgs,
    }

    fn checked(line: &[&str]) -> Result<SocketAddr, String> {
        let line = [&["dashboard"], line].concat();
        let checked = Line::parse_from(line).args.check();
        checked
            .map(|(listen, _)| listen)
            .map_err(|stop| match stop {
                CommandError::Usage(words) => words,
                CommandError::Unreachable(words) | CommandError::Failed(words) => panic!("{words}"),
                CommandError::Enough => panic!("nothing was written"),
            })
    }

    #[rstest]
    #[case(&[])]
    #[case(&["--listen", "[::1]:0"])]
    #[case(&["--listen", "127.9.9.9:80"])]
    #[case(&["--listen", "0.0.0.0:80", "--allow-remote"])]
    #[case(&["--listen", "0.0.0.0:80", "--allow-remote", "--host", "board.example,b"])]
    fn it_listens_where_only_this_machine_reaches_it(#[case] line: &[&str]) {
        checked(line).unwrap();
    }

    #[rstest]
    #[case(&["--listen", "0.0.0.0:80"], &["--allow-remote"])]
    #[case(&["--listen", "[::]:80"], &["--allow-remote"])]
    #[case(&["--listen", "localhost"], &["no address"])]
    #[case(&["--host", "board.example"], &["--allow-remote"])]
    #[case(&["--listen", "0.0.0.0:80", "--host", "http://b:80"], &["sees all claims", "only with", "without http"])]
    fn beyond_this_machine_only_if_that_is_meant(#[case] line: &[&str], #[case] expected: &[&str]) {
        let words = checked(line).unwrap_err();
        for expected in expected {
            assert!(words.contains(expected), "{words}");
        }
    }
}
