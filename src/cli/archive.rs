//! `aso-guard registry`: a registry's records in a file, and from there in another registry; and a
//! fleet's move to another registry.

mod moving;

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};

use crate::registry::Registry;
use crate::registry::archive::{self, ArchiveError, Compared, Exported};

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
    /// Move the fleet to another registry, as far as it can go now, and say what is next
    Move(moving::MoveArgs),
    /// Say whether a registry knows all copies, and whether the fleet moves from it or to it
    Status(moving::StatusArgs),
}

#[derive(Args)]
struct FileArgs {
    /// The file; - is standard output, or input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// How often it is said how far it is.
const PERIOD: Duration = Duration::from_secs(5);

/// Runs it.
pub(super) async fn run(args: &ArchiveArgs) -> Outcome {
    let done = match &args.command {
        ArchiveCommand::Export(args) => export(args).await,
        ArchiveCommand::Import(args) => import(args).await,
        ArchiveCommand::Verify(args) => verify(args).await,
        ArchiveCommand::Move(args) => moving::go(args).await,
        ArchiveCommand::Status(args) => moving::status(args).await,
    };
    done.map_or_else(CommandError::report, |()| Outcome::Fine)
}

/// What is not whole has another name: nobody is to read it into a registry.
async fn export(args: &FileArgs) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    if is_standard(&args.file) {
        return export_into(&*registry, &mut io::stdout()).await;
    }
    let mut unfinished = args.file.clone().into_os_string();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let file = File::create(&unfinished).map_err(|error| unusable(&unfinished, &error))?;
    let exported = export_into(&*registry, &mut BufWriter::new(file)).await;
    if !matches!(exported, Err(CommandError::Unreachable(_))) {
        fs::rename(&unfinished, &args.file).map_err(|error| unusable(&args.file, &error))?;
    }
    exported
}

async fn export_into(registry: &dyn Registry, out: &mut impl Write) -> Result<(), CommandError> {
    let progress = Progress::new(None);
    let exported = archive::export(registry, out, |done| progress.at(done)).await;
    let Exported {
        members,
        transfers,
        claims,
        unreadable,
    } = exported.map_err(|error| progress.stopped(error, "begin anew"))?;
    eprintln!("{members} members, {transfers} transfers, {claims} claims");
    all_were_read(&unreadable, registry.kubectl_flags())
}

async fn import(args: &FileArgs) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    let progress = Progress::new(records_of(&args.file)?);
    let compared = archive::import(&*registry, open(&args.file)?, |done| progress.at(done)).await;
    let compared = compared.map_err(|error| progress.stopped(error, "go on"))?;
    eprintln!("{} added, {} there already", compared.added, compared.same);
    judge(&compared)
}

async fn verify(args: &FileArgs) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    let progress = Progress::new(records_of(&args.file)?);
    let compared = archive::verify(&*registry, open(&args.file)?, |done| progress.at(done)).await;
    let compared = compared.map_err(|error| progress.stopped(error, "begin anew"))?;
    eprintln!("{} the same", compared.same);
    judge(&compared)
}

/// How far it is, written to standard error now and then.
struct Progress {
    total: Option<usize>,
    done: Cell<usize>,
    said_at: Cell<Instant>,
}

impl Progress {
    /// `total`: of how many records, where that is known.
    fn new(total: Option<usize>) -> Self {
        Self {
            total,
            done: Cell::new(0),
            said_at: Cell::new(Instant::now()),
        }
    }

    fn at(&self, done: usize) {
        self.done.set(done);
        if self.said_at.get().elapsed() >= PERIOD {
            self.said_at.set(Instant::now());
            eprintln!("{}", self.words());
        }
    }

    fn words(&self) -> String {
        let done = self.done.get();
        match self.total {
            Some(total) => format!("{done} of {total}"),
            None => done.to_string(),
        }
    }

    /// Why it stopped, and how far it came. `next`: what the same command comes to then.
    fn stopped(&self, error: ArchiveError, next: &str) -> CommandError {
        match error.into() {
            CommandError::Unreachable(why) => CommandError::Unreachable(format!(
                "{why}\n{} records are done; to {next}, run the same command again",
                self.words()
            )),
            other => other,
        }
    }
}

/// How many records a file has; standard input is read once only.
fn records_of(file: &Path) -> Result<Option<usize>, CommandError> {
    if is_standard(file) {
        return Ok(None);
    }
    let lines = open(file)?.split(b'\n');
    Ok(Some(lines.count()))
}

fn judge(compared: &Compared) -> Result<(), CommandError> {
    let mut words = Vec::new();
    for (what, names) in [
        ("missing in the registry", &compared.missing),
        (
            "otherwise in the registry, and left as it is",
            &compared.different,
        ),
        ("not taken by the registry", &compared.refused),
    ] {
        if names.count == 0 {
            continue;
        }
        words.push(format!("{} {what}:", names.count));
        words.extend(names.first.iter().map(|name| format!("  {name}")));
        if let Some(more @ 1..) = names.count.checked_sub(names.first.len()) {
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
