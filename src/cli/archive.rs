//! `aso-guard registry`: a registry's records in a file, and from there in another registry.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::registry::archive::{self, ArchiveError, Compared};

use super::Outcome;
use super::registry::{CommandError, RegistryArgs, all_were_read};

/// What to do with a registry as a whole.
#[derive(Args)]
pub(super) struct ArchiveArgs {
    #[command(subcommand)]
    command: ArchiveCommand,
}

#[derive(Subcommand)]
enum ArchiveCommand {
    /// Write all members, transfers and claims into a file, a line each
    Export(FileArgs),
    /// Add to a registry what such a file has and it has not; what it has stays as it is
    Import(FileArgs),
    /// Compare a registry with such a file; only reads
    Verify(FileArgs),
}

#[derive(Args)]
struct FileArgs {
    /// The file; - is standard output, or input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// How many records that differ are named.
const NAMED: usize = 10;

/// Runs it.
pub(super) async fn run(args: &ArchiveArgs) -> Outcome {
    let done = match &args.command {
        ArchiveCommand::Export(args) => export(args).await,
        ArchiveCommand::Import(args) => import(args).await,
        ArchiveCommand::Verify(args) => verify(args).await,
    };
    done.map_or_else(CommandError::report, |()| Outcome::Fine)
}

async fn export(args: &FileArgs) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    let mut out: Box<dyn Write> = match &*args.file {
        file if is_standard(file) => Box::new(io::stdout()),
        file => Box::new(BufWriter::new(
            File::create(file).map_err(|error| unusable(file, &error))?,
        )),
    };
    let exported = archive::export(&*registry, &mut out).await?;
    eprintln!(
        "{} members, {} transfers, {} claims",
        exported.members, exported.transfers, exported.claims
    );
    all_were_read(&exported.unreadable, registry.kubectl_flags())
}

async fn import(args: &FileArgs) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    let compared = archive::import(&*registry, open(&args.file)?).await?;
    eprintln!("{} added, {} there already", compared.added, compared.same);
    judge(&compared)
}

async fn verify(args: &FileArgs) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    let compared = archive::verify(&*registry, open(&args.file)?).await?;
    eprintln!("{} the same", compared.same);
    judge(&compared)
}

fn judge(compared: &Compared) -> Result<(), CommandError> {
    let mut words = Vec::new();
    for (what, names) in [
        ("missing in the registry", &compared.missing),
        (
            "otherwise in the registry, and left as it is",
            &compared.different,
        ),
    ] {
        if names.is_empty() {
            continue;
        }
        words.push(format!("{} {what}:", names.len()));
        words.extend(names.iter().take(NAMED).map(|name| format!("  {name}")));
        if let Some(more @ 1..) = names.len().checked_sub(NAMED) {
            words.push(format!("  and {more} more"));
        }
    }
    if words.is_empty() {
        return Ok(());
    }
    Err(CommandError::Failed(words.join("\n")))
}

fn open(file: &Path) -> Result<Box<dyn BufRead>, CommandError> {
    if is_standard(file) {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let opened = File::open(file).map_err(|error| unusable(file, &error))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn is_standard(file: &Path) -> bool {
    file == Path::new("-")
}

fn unusable(file: &Path, error: &io::Error) -> CommandError {
    CommandError::Usage(format!("{}: {error}", file.display()))
}

impl From<ArchiveError> for CommandError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Registry(error) => error.into(),
            ArchiveError::File(error) => error.into(),
            ArchiveError::Line { .. } => Self::Failed(error.to_string()),
        }
    }
}
