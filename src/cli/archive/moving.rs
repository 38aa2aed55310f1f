//! `aso-guard registry move` and `status`: a fleet moves from one registry to another one.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;

use crate::claim::{EpochMember, MemberName, Migration};
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::object::text::quoted;
use crate::registry::migration::{MoveError, MovedBy, cancel, step};

/// How often it is looked who is awaited still.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(super) struct MoveArgs {
    /// The registry that the fleet leaves: kubernetes:<kubeconfig>[#context], or
    /// azure://<account>/<container>
    #[arg(long, value_name = "URL")]
    from: String,
    /// The registry that it goes to
    #[arg(long, value_name = "URL")]
    to: String,
    /// Close the old registry as soon as every guard has both: from then on verdicts need both, until
    /// the new one has all claims and judges alone
    #[arg(long, conflicts_with = "cancel")]
    close: bool,
    /// Give the move up, as long as the old registry is not closed for good
    #[arg(long)]
    cancel: bool,
}

#[derive(Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Goes as far as it can: cut off, it goes on when it is run again.
pub(super) async fn go(args: &MoveArgs) -> Result<(), CommandError> {
    let out = &mut io::stdout();
    let old = RegistryArgs::of(&args.from).open().await?;
    let new = RegistryArgs::of(&args.to).open().await?;
    if args.cancel {
        let words = if cancel(&*old).await? {
            "Given up: the old registry judges alone again. Guards may keep both."
        } else {
            "There is nothing to give up: the old registry judges alone."
        };
        return Ok(writeln!(out, "{words}")?);
    }
    let mut waited_for: Vec<MemberName> = Vec::new();
    loop {
        let moved = step((&*old, &*new), args.close, Timestamp::now()).await?;
        if let Some(words) = why_not(&moved, &args.from) {
            return Err(CommandError::Failed(words));
        }
        match &moved {
            MovedBy::Awaiting(names) if *names == waited_for => {}
            _ => writeln!(out, "{}", words(&moved, args))?,
        }
        match moved {
            MovedBy::Ready | MovedBy::Done => return Ok(()),
            MovedBy::Awaiting(names) => {
                waited_for = names;
                tokio::time::sleep(PAUSE).await;
            }
            _ => {}
        }
    }
}

/// What a step came to.
fn words(moved: &MovedBy, args: &MoveArgs) -> String {
    let (from, to) = (quoted(&args.from), quoted(&args.to));
    match moved {
        MovedBy::Prepared => format!(
            "Prepared: the new registry comes after the old one, and nobody judges by it alone.\n\
             Next: give every guard both, then run the same again:\n  --registry {from} \
             --next-registry {to} (the chart's registry.next)"
        ),
        MovedBy::Ready => "Every guard has both. Next: the same with --close. From then on verdicts \
                           need both registries, for some two minutes, until the new one judges alone."
            .to_owned(),
        MovedBy::Closing => "The old registry is closing: what it admits is written in the new one, \
                             too. Until it is closed, --cancel takes all back."
            .to_owned(),
        MovedBy::AllAwaited => "Every cluster brings its copies into the new registry, once what it \
                                admitted before is over."
            .to_owned(),
        MovedBy::Awaiting(names) => format!("Waiting for {}", listed(names)),
        MovedBy::Closed => "The old registry is closed for good.".to_owned(),
        MovedBy::Opened => "The new registry judges alone.".to_owned(),
        MovedBy::Done => format!(
            "The fleet has moved. Next: start every guard with the new registry alone (--registry \
             {to}), and only then remove the old one."
        ),
        MovedBy::Unready(_) | MovedBy::InTransfer(_) | MovedBy::Outrun => {
            "Somebody else is at it: looking again.".to_owned()
        }
    }
}

/// Why it does not go on by itself.
fn why_not(moved: &MovedBy, from: &str) -> Option<String> {
    match moved {
        MovedBy::Unready(why) => {
            let lines = why.iter().map(|one| format!("\n  {one}"));
            Some(format!(
                "the old registry is not closed yet; nothing is wrong, and it judges as before:{}",
                lines.collect::<String>()
            ))
        }
        MovedBy::InTransfer(names) => Some(format!(
            "the old registry cannot be closed for good while these transfers are not over: {}. Finish \
             or undo them (aso-guard transfer finish NAME --registry {}), then run the same again; \
             verdicts need both registries meanwhile",
            listed(names),
            quoted(from)
        )),
        _ => None,
    }
}

fn listed<T: ToString>(names: &[T]) -> String {
    let texts: Vec<String> = names.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// What a registry says of itself.
pub(super) async fn status(args: &StatusArgs) -> Result<(), CommandError> {
    let out = &mut io::stdout();
    let registry = args.registry.open_shard().await?;
    let Some(known) = registry.epoch().await? else {
        writeln!(out, "It has no claims yet: no guard has used it.")?;
        return Ok(());
    };
    let record = known.record;
    writeln!(
        out,
        "Registry {}, round {}",
        record.epoch.id, record.epoch.round
    )?;
    for (name, state) in &record.members {
        let words = match state {
            EpochMember::Enrolled => "all its copies are here",
            EpochMember::Awaited => "awaited: not all its copies are here",
            EpochMember::Forgotten => "gone for good",
        };
        writeln!(out, "  {name}: {words}")?;
    }
    let words = match &record.migration {
        None if record.is_whole() => "It judges alone.".to_owned(),
        None => "Nobody judges by it before those that are awaited have brought their copies in."
            .to_owned(),
        Some(Migration::After { old, .. }) => {
            format!("It comes after registry {old}, which the fleet has not left yet.")
        }
        Some(Migration::ClosingTo(new)) => {
            format!("It is closing: what it admits is written in registry {new}, too.")
        }
        Some(Migration::ClosedTo(new)) => {
            format!("It is closed for good: the fleet has moved to registry {new}.")
        }
    };
    writeln!(out, "{words}")?;
    Ok(())
}

impl From<MoveError> for CommandError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Registry(error) => error.into(),
            MoveError::Sharded => Self::Usage(error.to_string()),
            MoveError::Unfit(_) => Self::Failed(format!(
                "{error}. See what each says: aso-guard registry status --registry URL"
            )),
        }
    }
}
