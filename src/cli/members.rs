//! `aso-guard members`: the clusters that share the registry.

mod add;
mod awaited;
mod rename;
mod replace;

use std::collections::BTreeSet;
use std::io::Write;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::claim::{Fence, LastHeard, MemberName, MemberNameError, Record};
use crate::registry::{
    ClaimScope, CopyFilter, MemberRecord, MemberStanding, PutOutcome, Registry, RegistryError,
    Sample, SecondLine, edit, sharded,
};

use super::Outcome;
use super::claims::view;
use super::output::{ListEntry, ListOutput, ListOutputArgs, OutputFormat};
use super::question::agree;
use super::registry::{CommandError, RegistryArgs};
use super::terminal::Emphasis;
use awaited::{AWAITED, awaited_under, forget_awaited, unheard};

/// How many of the claims that a member holds are named.
const NAMED: usize = 10;

/// What to do with members.
#[derive(Args)]
pub(super) struct MembersArgs {
    #[command(subcommand)]
    command: MembersCommand,
}

#[derive(Subcommand)]
enum MembersCommand {
    /// The clusters that share the registry
    List(ListMembersArgs),
    /// Make a cluster's identity on the hub, and its kubeconfig; or print how to in Azure
    Add(add::AddArgs),
    /// Remove the record of a cluster that is gone for good
    Forget(ForgetArgs),
    /// Give all that a cluster holds to the same cluster under another name
    Rename(rename::RenameArgs),
    /// Give the name of a cluster that was rebuilt to the new one
    Replace(replace::ReplaceArgs),
}

/// How to list members; wide counts what each holds.
#[derive(Args)]
struct ListMembersArgs {
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    output: ListOutputArgs,
}

/// Which member to forget.
#[derive(Args)]
struct ForgetArgs {
    /// Its name
    name: String,
    /// Forget it though it was heard from a moment ago
    #[arg(long)]
    yes_it_is_gone: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Runs it.
pub(super) async fn run(args: &MembersArgs) -> Outcome {
    let out = &mut std::io::stdout();
    let done = match &args.command {
        MembersCommand::Add(args) => add::run(args, out).await,
        MembersCommand::List(args) => list(args, out).await,
        MembersCommand::Forget(args) => forget(args, out).await,
        MembersCommand::Rename(args) => rename::run(args, out).await,
        MembersCommand::Replace(args) => replace::run(args, out).await,
    };
    done.map_or_else(CommandError::report, |()| Outcome::Fine)
}

async fn list(args: &ListMembersArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let registry = args.registry.open().await?;
    let counted = matches!(
        args.output.form(),
        OutputFormat::Wide | OutputFormat::Json | OutputFormat::Yaml
    );
    let mut columns = vec![
        "STATE", "NAME", "MODE", "HEARD", "FENCED", "VERSION", "TOKEN", "TROUBLE",
    ];
    if counted {
        columns.extend(["LIVE", "PARKED", "CLUSTER"]);
    }
    let find = async || {
        let mut listed = registry.members().await?;
        let mut awaited = BTreeSet::new();
        for shard in sharded::each(&*registry) {
            match shard.epoch().await {
                Ok(epoch) => awaited.extend(awaited_under(epoch.map(|known| known.record))),
                Err(RegistryError::Corrupt(one)) => listed.unreadable.push(one),
                Err(error) => return Err(error.into()),
            }
        }
        let mut entries = Vec::new();
        let now = Timestamp::now();
        for member in listed.records {
            let is_awaited = awaited.remove(&member.record.name);
            let held = if counted {
                Some(holdings(&*registry, &member.record.name).await?)
            } else {
                None
            };
            entries.push(entry(&member.record, held.as_ref(), is_awaited, now));
        }
        entries.extend(awaited.iter().map(|name| unheard(name, counted)));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(ListOutput {
            nothing: "No members.",
            columns: columns.clone(),
            entries,
            paint,
            unreadable: listed.unreadable,
            kubectl_flags: registry.kubectl_flags().to_owned(),
        })
    };
    args.output.write(find, out).await
}

/// What a member has in the registry.
struct Holdings {
    live: Vec<Record>,
    parked: usize,
    /// Claims of it that cannot be read.
    unreadable: usize,
}

async fn holdings(registry: &dyn Registry, name: &MemberName) -> Result<Holdings, CommandError> {
    let scope = ClaimScope::Of(name.clone(), CopyFilter::AnyCopy);
    let listed = registry.claims(&scope).await?;
    let unreadable = listed.unreadable.len();
    let claims = listed.records.into_iter();
    let is_live = |record: &Record| record.live().any(|(copy, _)| copy.member == *name);
    let (live, parked): (Vec<Record>, Vec<Record>) =
        claims.map(|known| known.record).partition(is_live);
    Ok(Holdings {
        live,
        parked: parked.len(),
        unreadable,
    })
}

/// `is_awaited`: the registry may not know all its copies.
fn entry(
    member: &MemberRecord,
    held: Option<&Holdings>,
    is_awaited: bool,
    now: Timestamp,
) -> ListEntry {
    let state = if is_awaited {
        AWAITED
    } else {
        member.standing(now).as_str()
    };
    let mut json = json!({
        "name": member.name.as_str(),
        "state": state,
        "awaited": is_awaited,
        "heard": member.heard.to_string(),
        "version": &*member.version,
        "cluster": &*member.cluster,
        "mode": &*member.mode,
        "unresolved": sample(&member.unresolved),
        "unwatched": sample(&member.unwatched),
        "webhookGaps": sample(&member.webhook_gaps),
        "secondLine": member.second_line.as_ref().map(second_line),
        "fence": member.fence.as_ref().map(fence),
        "hubTokenExpires": member.hub_token_expires.map(|at| at.to_string()),
    });
    let mut row = vec![
        state.to_owned(),
        member.name.to_string(),
        member.mode.to_string(),
        view::age(member.heard, now),
        member
            .fence
            .as_ref()
            .map_or_else(String::new, |fence| view::age(fence.at, now)),
        member.version.to_string(),
        token(member.hub_token_expires, now),
        trouble(member),
    ];
    if let Some(held) = held {
        json["live"] = held.live.len().into();
        json["parked"] = held.parked.into();
        json["unreadable"] = held.unreadable.into();
        row.push(held.live.len().to_string());
        row.push(held.parked.to_string());
        row.push(member.cluster.to_string());
    }
    ListEntry {
        name: member.name.to_string(),
        json,
        row,
    }
}

/// For how long its hub token is good still; empty where it does not end, or does not say.
fn token(expires: Option<Timestamp>, now: Timestamp) -> String {
    match expires {
        None => String::new(),
        Some(end) if end <= now => "expired".to_owned(),
        Some(end) => view::age(now, end),
    }
}

fn second_line(second_line: &SecondLine) -> Value {
    json!({"namespaces": second_line.namespaces, "stale": sample(&second_line.stale)})
}

fn fence(fence: &Fence) -> Value {
    json!({
        "at": fence.at.to_string(),
        "by": &*fence.by,
        "why": fence.why.as_str(),
        "proof": fence.proof.as_str(),
        "until": fence.until.to_string(),
    })
}

fn sample(sample: &Sample) -> Value {
    json!({"count": sample.count, "some": sample.some})
}

/// What its guard does not see, in a few words; the record's conditions say more.
fn trouble(member: &MemberRecord) -> String {
    let stale = member.second_line.as_ref().map(|line| line.stale.count);
    let all = [
        (member.unresolved.count, "unresolved"),
        (member.unwatched.count, "kinds unwatched"),
        (member.webhook_gaps.count, "webhook gaps"),
        (stale.unwrap_or_default(), "namespaces' protection stale"),
    ];
    let some = all.iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = some
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    words.join(", ")
}

fn paint(word: &str) -> Option<Emphasis> {
    match word {
        "Ready" => Some(Emphasis::Good),
        "Enrolling" | AWAITED => Some(Emphasis::Doubtful),
        "Silent" => Some(Emphasis::Bad),
        _ => None,
    }
}

async fn forget(args: &ForgetArgs, out: &mut impl Write) -> Result<(), CommandError> {
    let name: MemberName = args
        .name
        .parse()
        .map_err(|error: MemberNameError| CommandError::Usage(error.to_string()))?;
    let registry = args.registry.open_shard().await?;
    let Some(known) = registry.member(&name).await? else {
        let epoch = registry.epoch().await?.map(|known| known.record);
        if awaited_under(epoch).contains(&name) {
            return forget_awaited(args, &*registry, &name, out).await;
        }
        let flags = args.registry.flags();
        return Err(CommandError::Failed(format!(
            "no member is called {name}; see them all: aso-guard members list{flags}"
        )));
    };
    let now = Timestamp::now();
    let held = holdings(&*registry, &name).await?;
    write!(
        out,
        "{}",
        still_holds(&known.record, &held, now, &args.registry)
    )?;
    if known.record.standing(now) != MemberStanding::Silent && !args.yes_it_is_gone {
        return Err(CommandError::Failed(format!(
            "{name} was {}: it is there. Stop its aso-guard first; if it is gone all the same, \
             say so: --yes-it-is-gone",
            LastHeard::since(known.record.heard, now).words()
        )));
    }
    if !args.yes {
        agree(&format!("Forget {name}?"), "--yes", out)?;
    }
    match registry.remove_member(&name, &known.version).await? {
        PutOutcome::Conflict => Err(CommandError::Failed(format!(
            "{name} wrote meanwhile: it is there. Nothing was changed"
        ))),
        PutOutcome::Stored(_) => {
            edit::epoch(&*registry, |epoch| epoch.forgetting(&name)).await?;
            writeln!(
                out,
                "Forgot {name}. A cluster may register under that name again; its claims stay \
                 until their copies are released or seen gone."
            )?;
            Ok(())
        }
    }
}

/// What a member still holds, for a person.
fn still_holds(
    member: &MemberRecord,
    held: &Holdings,
    now: Timestamp,
    registry: &RegistryArgs,
) -> String {
    let name = &member.name;
    let mut words = format!(
        "{name}: {}, version {}, cluster {}\n",
        LastHeard::since(member.heard, now).words(),
        member.version,
        member.cluster
    );
    if held.unreadable > 0 {
        words += &format!(
            "{} claims that it may hold cannot be read; see: aso-guard claims list --member {name}{}\n",
            held.unreadable,
            registry.flags()
        );
    } else if held.live.is_empty() && held.parked == 0 {
        return words + "It holds nothing.\n";
    }
    words += &format!(
        "It still holds {} live and {} parked copies:\n",
        held.live.len(),
        held.parked
    );
    for record in held.live.iter().take(NAMED) {
        words += &format!("  {}\n", record.identity);
    }
    if held.live.len() > NAMED {
        words += &format!("  and {} more\n", held.live.len() - NAMED);
    }
    words += &format!(
        "  all of them: aso-guard claims list --member {name}{flags}\n  \
         to release one: aso-guard claims release RESOURCE --copy {name} --reason WHY{flags}\n  \
         to take over all: aso-guard failover plan --member {name}{flags}\n",
        flags = registry.flags()
    );
    words
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::never_or_unknown(None, "")]
    #[case::far(Some("2026-03-31T12:00:00Z"), "30d")]
    #[case::soon(Some("2026-03-01T13:00:00Z"), "60m")]
    #[case::just_now(Some("2026-03-01T12:00:00Z"), "expired")]
    #[case::past(Some("2026-02-01T12:00:00Z"), "expired")]
    fn for_how_long_a_token_is_good(#[case] expires: Option<&str>, #[case] said: &str) {
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let expires = expires.map(|at| at.parse().unwrap());
        assert_eq!(token(expires, now), said);
    }
}
