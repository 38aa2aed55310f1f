//! `aso-guard failover plan`.

use std::io::Write;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::claim::{LastHeard, MemberName};
use crate::cli::claims::view::{age, hold_word};
use crate::cli::output::{ListEntry, ListOutput, ListOutputArgs, OutputFormat};
use crate::cli::registry::{CommandError, RegistryArgs};
use crate::cli::terminal::Emphasis;
use crate::failover::{self, HeldClaim, Plan, TargetCopy};
use crate::registry::MemberRecord;

use super::refused;

/// Whose, and who is to take over.
#[derive(Args)]
pub(super) struct PlanArgs {
    /// The cluster that is lost
    #[arg(long, value_name = "NAME")]
    member: MemberName,
    /// The member that is to take over: what it has of each resource is told too
    #[arg(long, value_name = "NAME")]
    to: Option<MemberName>,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    output: ListOutputArgs,
}

pub(super) async fn run(args: &PlanArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let registry = args.registry.open_shard().await?;
    let look = async || {
        let planned = failover::plan(&*registry, &args.member, args.to.as_ref()).await;
        planned.map_err(|error| refused(error, &args.member, &args.registry))
    };
    if matches!(args.output.form(), OutputFormat::Table | OutputFormat::Wide) {
        writeln!(out, "{}", words(&look().await?, Timestamp::now()))?;
    }
    let find = async || {
        let planned = look().await?;
        Ok(ListOutput {
            nothing: "It holds nothing.",
            columns: vec!["HOLD", "RESOURCE", "COPY", "TARGET", "OTHERS", "TRANSFER"],
            entries: planned.claims.iter().map(entry).collect(),
            paint,
            unreadable: planned.unreadable,
            kubectl_flags: registry.kubectl_flags().to_owned(),
        })
    };
    args.output.write(find, out).await?;
    if matches!(args.output.form(), OutputFormat::Table) {
        write!(out, "{}", next(args, &look().await?.member))?;
    }
    Ok(())
}

/// What there is to know of the member, and how much it holds.
pub(super) fn words(plan: &Plan, now: Timestamp) -> String {
    let member = &plan.member;
    let live = plan.claims.iter().filter(|one| one.is_live());
    let mut words = format!(
        "{}: {}, at {} by its own clock.\n",
        member.name,
        LastHeard::since(member.heard, now).words(),
        member.heard
    );
    words += &match &member.fence {
        None => "Not fenced: it holds what it holds.\n".to_owned(),
        Some(fence) => format!(
            "Fenced {} ago by {} ({}): {}. What it held may be released from {} on.\n",
            age(fence.at, now),
            fence.by,
            fence.proof.as_str(),
            fence.why.as_str(),
            fence.until
        ),
    };
    if member
        .fence
        .as_ref()
        .is_some_and(|one| one.heard != member.heard)
    {
        words += "It wrote heartbeats since: it came back, and nothing of it is released.\n";
    }
    let in_transfer = plan.claims.iter().filter(|one| one.transfer.is_some());
    let count = |target| {
        plan.claims
            .iter()
            .filter(|one| one.target == target)
            .count()
    };
    words += &format!(
        "It holds {} resources, {} of them live, {} in open transfers",
        plan.claims.len(),
        live.count(),
        in_transfer.count()
    );
    if count(TargetCopy::Unasked) < plan.claims.len() {
        words += &format!(
            "; the target has {} of them parked, {} live, and {} not at all",
            count(TargetCopy::Parked),
            count(TargetCopy::Live),
            count(TargetCopy::Absent)
        );
    }
    words + ".\n"
}

/// What to type next.
fn next(args: &PlanArgs, member: &MemberRecord) -> String {
    let (name, flags) = (&args.member, args.registry.flags());
    match &member.fence {
        None => format!(
            "\nNothing was changed. If you know that its ASO does not write any more:\n  aso-guard \
             failover fence --member {name} --cluster-gone --reason WHY{flags}\n"
        ),
        Some(fence) if fence.heard != member.heard => format!(
            "\nKeep its ASO stopped, park there what others hold now, then:\n  aso-guard failover \
             undo --member {name}{flags}\n"
        ),
        Some(_) => format!(
            "\nNothing was changed. To release it:\n  aso-guard failover release --member {name} \
             --all --reason WHY{flags}\n"
        ),
    }
}

fn entry(held: &HeldClaim) -> ListEntry {
    let of_all = |all: Vec<String>| all.join(", ");
    let copies = held.copies.iter().map(|(copy, _)| copy.to_string());
    let companions: Vec<String> = held.companions.iter().map(ToString::to_string).collect();
    let state = if held.is_live() {
        "live"
    } else {
        held.copies.first().map_or("", |(_, hold)| hold_word(*hold))
    };
    let transfer = held.transfer.as_ref().map(ToString::to_string);
    ListEntry {
        name: held.identity.to_string(),
        json: json!({
            "resource": held.identity.to_string(),
            "hold": state,
            "copies": copies.clone().collect::<Vec<_>>(),
            "target": held.target.as_str(),
            "others": companions,
            "transfer": transfer,
        }),
        row: vec![
            state.to_owned(),
            held.identity.last_pair().to_owned(),
            of_all(copies.collect()),
            held.target.as_str().to_owned(),
            of_all(companions),
            transfer.unwrap_or_default(),
        ],
    }
}

fn paint(word: &str) -> Option<Emphasis> {
    (word == "live").then_some(Emphasis::Doubtful)
}
