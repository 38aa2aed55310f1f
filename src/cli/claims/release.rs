//! `aso-guard claims release`: taking a copy out of a claim by hand.
//!
//! A silent member still holds its claims; only a person can know that it is gone for good. The
//! person names the record that was seen, and it is changed on condition that it still is so.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;

use crate::claim::{CopyRef, HistoryAction, HistoryEntry, Justification, MemberName, Record};
use crate::registry::{PutOutcome, Versioned};

use crate::cli::question::agree;
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::cli::terminal::Style;
use crate::object::text::{printable, quoted};

use super::{find, show};

/// What to release, and why.
#[derive(Args)]
pub(super) struct ReleaseArgs {
    /// The resource: its ARM ID, or the end of it, such as rg-shop or resourceGroups/rg-shop
    resource: String,
    /// The copy: MEMBER, or MEMBER/NAMESPACE/KIND/NAME; needed where the claim has several
    #[arg(long, value_name = "COPY")]
    copy: Option<String>,
    /// Why; kept in the claim's history
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who you are; kept there too [default: this machine's user]
    #[arg(long, value_name = "NAME", env = "ASO_GUARD_ACTOR")]
    actor: Option<String>,
    /// The version of the claim that you saw; refused if it is another one by now
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Do not ask
    #[arg(long, requires = "version")]
    yes: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

pub(super) async fn run(args: &ReleaseArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let why = Justification::new(&args.reason).ok_or_else(|| {
        CommandError::Usage("--reason: say why, for whoever looks later".to_owned())
    })?;
    let registry = args.registry.open().await?;
    let known = find(&*registry, &args.registry, &args.resource).await?;
    let copy = chosen(&known.record, args.copy.as_deref())?;
    if let Some(seen) = &args.version
        && *seen != known.version.as_str()
    {
        return Err(moved_on(&known, Some(seen), &args.registry));
    }
    if !args.yes {
        let heard = show::heard(&*registry).await?;
        let now = Timestamp::now();
        let words = show::words(&known, &heard, Style::of_stdout(), now);
        writeln!(out, "{words}")?;
        ask(args, &known, &copy, out)?;
    }
    let entry = HistoryEntry {
        at: Timestamp::now(),
        by: actor(args.actor.as_deref()).into(),
        copy: copy.clone(),
        action: HistoryAction::Release,
        why,
        refusal: "".into(),
    };
    let next = known
        .record
        .without(&copy)
        .with_entry(&entry)
        .map_err(|_| CommandError::Failed("this reason cannot be used again".to_owned()))?;
    match registry.put_claim(&next, Some(&known.version)).await? {
        PutOutcome::Conflict => Err(moved_on(&known, None, &args.registry)),
        PutOutcome::Stored(_) => {
            writeln!(
                out,
                "Released {copy} from {}. If its object is still there and its cluster is heard \
                 from again, it is registered again.",
                known.record.identity
            )?;
            Ok(())
        }
    }
}

fn moved_on(
    known: &Versioned<Record>,
    seen: Option<&String>,
    registry: &RegistryArgs,
) -> CommandError {
    let was = seen.map_or_else(String::new, |seen| format!(" (you saw version {seen})"));
    CommandError::Failed(format!(
        "the claim on {} has changed meanwhile{was}; nothing was released. Look again: \
         aso-guard claims show {}{}",
        known.record.identity,
        quoted(known.record.identity.as_str()),
        registry.flags()
    ))
}

/// The copy that a person means.
fn chosen(record: &Record, named: Option<&str>) -> Result<CopyRef, CommandError> {
    let mut copies: Vec<&CopyRef> = record.copies.keys().collect();
    if let Some(named) = named {
        let member = named.parse::<MemberName>().ok();
        copies.retain(|copy| copy.to_string() == named || Some(&copy.member) == member.as_ref());
    }
    match copies[..] {
        [copy] => Ok(copy.clone()),
        [] if record.copies.is_empty() => Err(CommandError::Failed(format!(
            "the claim on {} has no copies: there is nothing to release",
            record.identity
        ))),
        _ => {
            let all = record
                .copies
                .keys()
                .map(|copy| format!("  --copy {}", quoted(&copy.to_string())));
            let all: Vec<String> = all.collect();
            Err(CommandError::Usage(format!(
                "--copy: say which of its copies to release:\n{}",
                all.join("\n")
            )))
        }
    }
}

fn ask(
    args: &ReleaseArgs,
    known: &Versioned<Record>,
    copy: &CopyRef,
    out: &mut impl Write,
) -> Result<(), CommandError> {
    let version = &known.version;
    let flags = format!(
        "aso-guard claims release {} --copy {} --reason {} --version {} --yes{}",
        quoted(known.record.identity.as_str()),
        quoted(&copy.to_string()),
        quoted(&args.reason),
        quoted(version.as_str()),
        args.registry.flags()
    );
    let question = format!(
        "After this, another copy may go live while the object of {copy} may still be reconciled, \
         if its cluster runs.\nRelease {copy} at version {version}?"
    );
    agree(&question, &flags, out)
}

/// The longest name of a person that is kept, in characters.
const ACTOR: usize = 200;

/// Who does it, as well as is known here.
pub(in crate::cli) fn actor(stated: Option<&str>) -> String {
    let environment = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let actor = stated
        .map(str::to_owned)
        .or_else(|| environment("USER"))
        .or_else(|| environment("LOGNAME"))
        .unwrap_or_else(|| "somebody at a terminal".to_owned());
    printable(&actor, ACTOR)
}
