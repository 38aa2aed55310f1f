//! `aso-guard replay`: what the guard would have said, by the audit logs of clusters without it.

mod events;
mod history;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;

use crate::check::{CheckedCluster, Location, Position};
use crate::claim::MemberName;
use crate::registry::memory::MemoryRegistry;

use super::Outcome;
use super::check::{CheckPlan, ClusterArgs, PlannedCluster, SourceFiles, read};
use super::report::Report;
use super::simulated_member::SimulatedMember;
use events::{AuditEvent, SkippedEntry};
use history::{ReplayedHistory, ReplayedMember};

/// What stands for a subscription that nothing tells: one for all.
const SOME_SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// Which logs.
#[derive(Args)]
pub(super) struct ReplayArgs {
    /// A cluster's audit log, at level RequestResponse; may be repeated
    ///
    /// As the API server writes it, or as AKS exports it to a storage account or Log Analytics: a
    /// JSON value on each line, or an array. Several files are separated by commas.
    #[arg(
        long = "audit-log",
        value_name = "NAME=FILE",
        env = "ASO_GUARD_REPLAY_AUDIT_LOG",
        value_delimiter = ' ',
        required = true
    )]
    logs: Vec<String>,
    #[command(flatten)]
    clusters: ClusterArgs,
}

/// Replays, and writes what was found to standard output.
pub(super) async fn run(args: &ReplayArgs) -> Outcome {
    match replay(args).await {
        Ok(outcome) => outcome,
        Err(problem) => {
            eprintln!("aso-guard: cannot replay:\n{problem}");
            Outcome::Usage
        }
    }
}

async fn replay(args: &ReplayArgs) -> Result<Outcome, String> {
    let mut logs: Vec<(MemberName, &str)> = Vec::new();
    for flag in &args.logs {
        let (name, files) = flag.split_once('=').ok_or_else(|| {
            format!("  --audit-log: {flag:?} has no file; write it like a=audit.log")
        })?;
        let name: MemberName = name
            .parse()
            .map_err(|error| format!("  --audit-log: {error}"))?;
        logs.extend(files.split(',').map(|file| (name.clone(), file)));
    }
    let members: BTreeSet<MemberName> = logs.iter().map(|(name, _)| name.clone()).collect();
    let plan = CheckPlan::of(&args.clusters, members.iter(), None)
        .map_err(|problems| problems.to_string())?;
    let mut report = Report::new(Timestamp::now(), args.clusters.fail_on);
    let mut recorded = AuditLogs::default();
    for (member, file) in &logs {
        recorded.read(member, Path::new(file))?;
    }
    recorded.events.sort_by_key(|(_, event)| event.at);
    let mut files = SourceFiles::default();
    let mut history = ReplayedHistory::new(Arc::new(MemoryRegistry::new()));
    for mut planned in plan.clusters {
        let name = planned.settings.name.clone();
        let assumed = know_subscriptions(&mut planned, &recorded.events);
        if assumed {
            report.remarks.push(format!(
                "cluster {name}: no subscription is stated, and its log tells of none for some \
                 objects; they are taken to be in one, the same for all clusters: \
                 --subscription {name}=ID"
            ));
        }
        let cluster = read(&planned, &mut files, &mut report)?;
        set(&mut history, cluster, &mut report)
            .await
            .map_err(|error| format!("  {error:#}"))?;
    }
    play(&mut history, &recorded.events)
        .await
        .map_err(|error| format!("  {error:#}"))?;
    report.remarks.extend(recorded.remarks());
    report.remarks.push(summary(&history));
    report.findings.extend(history.found);
    report.ignore(&plan.ignore);
    Ok(report.print(args.clusters.output))
}

async fn set(
    history: &mut ReplayedHistory,
    cluster: CheckedCluster,
    report: &mut Report,
) -> anyhow::Result<()> {
    let name = cluster.name().clone();
    report
        .clusters
        .push((name.to_string(), cluster.objects().count()));
    let stage = SimulatedMember::set(cluster, history.registry.clone(), &[]).await?;
    history.members.insert(name, ReplayedMember::new(stage));
    Ok(())
}

/// What was there before the logs begin, then all that they tell, in the order of time.
async fn play(
    history: &mut ReplayedHistory,
    events: &[(MemberName, AuditEvent)],
) -> anyhow::Result<()> {
    let mut met = BTreeSet::new();
    for (member, event) in events {
        let key = history::key_of(event, &event.answer);
        let is_first = key.is_some_and(|key| met.insert((member, key)));
        let changes = matches!(&*event.verb, "update" | "patch");
        if is_first && changes && !history::is_new(&event.answer) {
            history.was_there(member, event).await?;
        }
    }
    for (member, event) in events {
        history.play(member, event).await?;
    }
    if let Some((_, last)) = events.last() {
        history.end(last.at);
    }
    Ok(())
}

/// The events of all logs, and how much in them told nothing.
#[derive(Default)]
struct AuditLogs {
    events: Vec<(MemberName, AuditEvent)>,
    too_little: usize,
    no_events: usize,
}

impl AuditLogs {
    fn read(&mut self, member: &MemberName, file: &Path) -> Result<(), String> {
        let path = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| format!("  {path}: {error}"))?;
        let name: Arc<str> = crate::object::text::printable(&path, usize::MAX).into();
        for (line, entry) in events::entries(&text) {
            let place = Location {
                file: name.clone(),
                at: Position { line, column: 1 },
            };
            match entry
                .ok_or(SkippedEntry::NoEvent)
                .and_then(|entry| events::event(entry, place))
            {
                Ok(event) => self.events.push((member.clone(), event)),
                Err(SkippedEntry::NotOfInterest) => {}
                Err(SkippedEntry::TooLittle) => self.too_little += 1,
                Err(SkippedEntry::NoEvent) => self.no_events += 1,
            }
        }
        Ok(())
    }

    fn remarks(&self) -> Vec<String> {
        let few = (self.too_little > 0).then(|| {
            format!(
                "{} changes are in the logs without their object, and were not replayed: the audit \
                 policy has to log ASO's groups and namespaces at level RequestResponse",
                self.too_little
            )
        });
        let none =
            (self.no_events > 0).then(|| format!("{} entries are no audit events", self.no_events));
        few.into_iter().chain(none).collect()
    }
}

fn summary(history: &ReplayedHistory) -> String {
    let counts = &history.counts;
    let longest = match counts.conflicts {
        0 => String::new(),
        _ => format!(", the longest for {:#}", counts.longest),
    };
    format!(
        "{} requests were judged again: {} would have been refused; {} conflicts there were{longest}",
        counts.asked, counts.refused, counts.conflicts
    )
}

/// States what ASO wrote down of subscriptions, where nothing else is stated; gives whether
/// something had to be assumed.
fn know_subscriptions(planned: &mut PlannedCluster, events: &[(MemberName, AuditEvent)]) -> bool {
    let settings = &mut planned.settings;
    let own = events.iter().filter(|(member, _)| *member == settings.name);
    let mut known: BTreeMap<(String, Option<String>), String> = BTreeMap::new();
    for (_, event) in own {
        let text = |path: &str| Some(event.answer.pointer(path)?.as_str()?.to_owned());
        let from = "/metadata/annotations/serviceoperator.azure.com~1credential-from";
        if let (Some(namespace), Some(id)) = (
            text("/metadata/namespace"),
            history::known_subscription(&event.answer),
        ) {
            known.entry((namespace, text(from))).or_insert(id);
        }
    }
    for ((namespace, secret), id) in known {
        let of = settings.namespaces.entry(namespace).or_default();
        match secret {
            Some(secret) => {
                of.credentials.entry(secret).or_insert_with(|| id.into());
            }
            None if settings.subscription.is_none() => {
                of.subscription.get_or_insert_with(|| id.into());
            }
            None => {}
        }
    }
    let mut own = events.iter().filter(|(member, _)| *member == settings.name);
    let namespaces = &settings.namespaces;
    let is_told = |namespace: &str| {
        let of = namespaces.get(namespace);
        of.is_some_and(|of| of.subscription.is_some() || !of.credentials.is_empty())
    };
    let assumed = settings.subscription.is_none()
        && own.any(|(_, event)| !event.group.is_empty() && !is_told(&event.named.0));
    if assumed {
        settings.subscription = Some(SOME_SUBSCRIPTION.into());
    }
    assumed
}
