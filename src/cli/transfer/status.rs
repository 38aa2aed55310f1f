//! `aso-guard transfer status`.

use std::io::{IsTerminal as _, Write};

use clap::Args;
use jiff::Timestamp;

use crate::registry::{Registry, transfers};
use crate::transfer::{Transfer, TransferProgress};

use crate::cli::output::{LOOK, OutputArgs, OutputFormat, yaml};
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::cli::terminal::Style;

use super::{named, view};

/// Which transfer, and how to show it.
#[derive(Args)]
pub(super) struct StatusArgs {
    /// Its name
    name: String,
    /// Go on until every resource has arrived, or the transfer ends
    #[arg(long, short)]
    watch: bool,
    /// Show what has arrived, too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: &StatusArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let name = named(&args.name)?;
    let registry = args.registry.open().await?;
    let mut printed: Option<(Transfer, TransferProgress)> = None;
    loop {
        let known = registry.transfer(&name).await?;
        let transfer = known
            .ok_or_else(|| transfers::TransferError::missing(&name, &*registry))?
            .record;
        let progress = of(&*registry, &transfer).await?;
        let now = (transfer, progress);
        if printed.as_ref() != Some(&now) {
            show(args, &now.0, &now.1, printed.is_some(), out)?;
        }
        let over = !now.0.is_open() || now.1.tally.unfinished() == 0;
        let trouble = now.1.tally.trouble();
        if !args.watch || over {
            return match trouble {
                0 => Ok(()),
                _ => Err(CommandError::Failed(format!(
                    "{trouble} resources need a look: {}",
                    now.1.tally.words()
                ))),
            };
        }
        printed = Some(now);
        tokio::time::sleep(LOOK).await;
    }
}

/// How far it is by its claims; of one that is over, what was written down last.
pub(super) async fn of(
    registry: &dyn Registry,
    transfer: &Transfer,
) -> Result<TransferProgress, CommandError> {
    let noted = transfer.status.as_ref();
    match noted.filter(|_| !transfer.is_open()) {
        Some(noted) => Ok(TransferProgress {
            resources: Vec::new(),
            tally: noted.tally,
        }),
        None => Ok(transfers::look(registry, transfer).await?),
    }
}

fn show(
    args: &StatusArgs,
    transfer: &Transfer,
    progress: &TransferProgress,
    again: bool,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let now = Timestamp::now();
    match args.output.form {
        OutputFormat::Json if args.watch => writeln!(out, "{}", view::json(transfer, progress))?,
        OutputFormat::Json => writeln!(out, "{:#}", view::json(transfer, progress))?,
        OutputFormat::Yaml => {
            if args.watch {
                writeln!(out, "---")?;
            }
            yaml(&view::json(transfer, progress), out)?;
        }
        OutputFormat::Name => writeln!(out, "{}", transfer.name)?,
        OutputFormat::Table | OutputFormat::Wide => {
            let terminal = std::io::stdout().is_terminal();
            if again && !terminal {
                writeln!(out, "{now:.0} {}", progress.tally.words())?;
            } else {
                if again {
                    // To the top left, and what was there is gone.
                    write!(out, "\x1b[H\x1b[2J")?;
                }
                let all = args.all || args.output.form == OutputFormat::Wide;
                let words = view::words(transfer, progress, all, Style::of_stdout(), now);
                write!(out, "{words}")?;
            }
        }
    }
    out.flush()?;
    Ok(())
}
