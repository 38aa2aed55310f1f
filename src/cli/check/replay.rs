//! Recorded AdmissionReviews, judged again against a snapshot of the registry.
//!
//! The guard itself gives the verdicts, with its claims and its cluster in memory. What it lets
//! through is taken to have happened, in the order of the recording.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use crate::admission::review::{self, Request};
use crate::admission::{Guard, Metrics, Mode, OnUnresolved, Privileges, Settings, Verdict};
use crate::check::{Cluster, Finding, Level, Mark, Place, Rule};
use crate::claim::{CopyRef, MemberName, Record};
use crate::cluster::member::{Membership, Report};
use crate::cluster::memory::{MemoryCluster, credential};
use crate::cluster::observer::Observer;
use crate::object::wire::Namespace;
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::Registry as _;
use crate::registry::kubernetes::snapshot;
use crate::registry::memory::MemoryRegistry;
use crate::telemetry::Silent;

use super::settings::Problems;

/// How long one verdict may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// As in `serve`, where nothing else is said.
const CLAIM_DEADLINE: Duration = Duration::from_secs(90);

/// What to replay against what.
#[derive(Args)]
pub(super) struct ReplayArgs {
    /// Judge recorded AdmissionReviews again: a file with one in JSON on each line
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_CHECK_REPLAY", requires_all = ["claims", "member"])]
    replay: Option<PathBuf>,
    /// The registry they are judged against: kubectl get claims.asoguard.io -o json
    #[arg(long, value_name = "FILE", env = "ASO_GUARD_CHECK_CLAIMS")]
    claims: Option<PathBuf>,
    /// The member whose API server they were recorded at
    #[arg(long = "as", value_name = "NAME", env = "ASO_GUARD_CHECK_AS")]
    member: Option<String>,
}

/// A checked [`ReplayArgs`].
pub(super) struct Replay {
    reviews: PathBuf,
    claims: PathBuf,
    member: MemberName,
}

impl Replay {
    /// What is asked for, if anything is.
    pub(super) fn of(args: &ReplayArgs, problems: &mut Problems) -> Option<Self> {
        let (reviews, claims) = (args.replay.clone()?, args.claims.clone()?);
        match args.member.as_deref()?.parse() {
            Ok(member) => Some(Self {
                reviews,
                claims,
                member,
            }),
            Err(error) => {
                problems.add(format!("--as: {error}"));
                None
            }
        }
    }
}

/// Judges every review, and gives those that are refused or warned of.
///
/// # Errors
/// A file cannot be read; for a person.
pub(super) async fn run(asked: &Replay, clusters: Vec<Cluster>) -> anyhow::Result<Vec<Finding>> {
    let read =
        |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
    let records =
        snapshot(&read(&asked.claims)?).with_context(|| asked.claims.display().to_string())?;
    let reviews = read(&asked.reviews)?;
    let own = clusters
        .into_iter()
        .find(|cluster| *cluster.name() == asked.member);
    let stage = Stage::set(asked.member.clone(), own.as_ref(), &records).await?;
    let file: Arc<str> = asked.reviews.display().to_string().into();
    let mut found = Vec::new();
    for (at, line) in reviews.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let line_number = u32::try_from(at + 1).unwrap_or(u32::MAX);
        let place = Place {
            file: file.clone(),
            at: Mark {
                line: line_number,
                column: 1,
            },
        };
        match review::parse(line.as_bytes()) {
            Ok(request) => found.extend(stage.play(&request, place).await?),
            Err(error) => {
                let what = error.to_string();
                found.push(Finding::at(Rule::Unreadable, Level::Error, place, what));
            }
        }
    }
    Ok(found)
}

/// A member in memory.
struct Stage {
    guard: Guard,
    cluster: Arc<MemoryCluster>,
    observer: Arc<Observer>,
    /// By namespace.
    subscriptions: BTreeMap<String, String>,
}

impl Stage {
    async fn set(
        member: MemberName,
        own: Option<&Cluster>,
        records: &[Record],
    ) -> anyhow::Result<Self> {
        let registry = Arc::new(MemoryRegistry::new());
        let membership = Membership {
            name: member.clone(),
            cluster: "".into(),
        };
        membership.write(&*registry, &Report::default()).await?;
        for record in records {
            registry.put_claim(record, None).await?;
        }
        let subscriptions = subscriptions(&member, own, records);
        // A namespace of which nothing is known has the global credential, most likely.
        let global = subscriptions.values().next().map_or("", String::as_str);
        let cluster = Arc::new(MemoryCluster::new(global));
        for (namespace, subscription) in &subscriptions {
            cluster.set_subscription(namespace, subscription);
        }
        if let Some(own) = own {
            for (namespace, policy, _) in own.policies() {
                cluster.set_namespace_policy(namespace, Some(policy));
            }
            let default = own.default_policies().first().map(|(policy, _)| *policy);
            cluster.set_operator_policy(default);
            for manifest in own.objects() {
                let known = own.subscription(&manifest.facts).ok();
                know_credential(
                    &cluster,
                    &manifest.facts,
                    known.as_deref().unwrap_or(global),
                );
                cluster.store(ObjectFacts::clone(&manifest.facts));
            }
        }
        let observer = Observer::new(
            member.clone(),
            registry.clone(),
            cluster.clone(),
            CLAIM_DEADLINE,
        );
        let observer = Arc::new(observer);
        let guard = Guard {
            member,
            registry,
            cluster: cluster.clone(),
            follow_up: observer.clone(),
            settings: Settings {
                mode: Mode::Enforce,
                on_unresolved: OnUnresolved::Warn,
                claim_deadline: CLAIM_DEADLINE,
            },
            notices: Arc::new(Silent),
            metrics: Metrics::default(),
            privileges: Privileges::default(),
        };
        Ok(Self {
            guard,
            cluster,
            observer,
            subscriptions,
        })
    }

    async fn play(&self, request: &Request<'_>, place: Place) -> anyhow::Result<Option<Finding>> {
        for object in [request.object(), request.old_object()] {
            if let Ok(Some(object)) = object {
                self.know_credential_of(&object);
            }
        }
        // What is there is there, whoever let it in.
        if let Ok(Some(old)) = request.old_object()
            && self.cluster.stored(&old.key).is_none()
            && !is_namespace(request)
        {
            self.cluster.store(old);
        }
        let verdict = self.guard.judge(request, TIMEOUT).await;
        if verdict.allowed && request.dry_run != Some(true) {
            self.happen(request).await?;
        }
        Ok(self.finding(request, place, &verdict))
    }

    /// What the claims tell of its namespace is taken to be true of a secret that an object
    /// names, where no manifest told of it.
    fn know_credential_of(&self, object: &ObjectFacts) {
        if self.cluster.stored(&object.key).is_none()
            && let Some(subscription) = self.subscriptions.get(&*object.key.namespace)
        {
            know_credential(&self.cluster, object, subscription);
        }
    }

    /// What an admitted request comes to, and what the observer makes of it.
    async fn happen(&self, request: &Request<'_>) -> anyhow::Result<()> {
        if is_namespace(request) {
            if let Ok((_, Some(now))) = request.both::<Namespace>() {
                self.cluster.set_namespace_policy(now.name(), now.policy());
                let objects = crate::cluster::Cluster::in_namespace(&*self.cluster, now.name());
                for object in objects {
                    self.observer.look(&object.key).await?;
                }
            }
            return Ok(());
        }
        let (now, before) = (request.object(), request.old_object());
        let key: Option<ObjectKey> = match (&*request.operation, now, before) {
            ("CREATE" | "UPDATE", Ok(Some(now)), _) => {
                let key = now.key.clone();
                self.cluster.store(now);
                Some(key)
            }
            ("DELETE", _, Ok(Some(before))) => {
                self.cluster.remove(&before.key);
                Some(before.key)
            }
            _ => None,
        };
        if let Some(key) = key {
            self.observer.look(&key).await?;
        }
        Ok(())
    }

    fn finding(&self, request: &Request<'_>, place: Place, verdict: &Verdict) -> Option<Finding> {
        let (rule, level, words) = match (verdict.allowed, verdict.warnings.is_empty()) {
            (true, true) => return None,
            (true, false) => (Rule::Warned, Level::Warning, verdict.warnings.join("\n")),
            (false, _) => (Rule::Refused, Level::Error, verdict.message.clone()),
        };
        let object = request.object().ok().flatten();
        let object = object.or_else(|| request.old_object().ok().flatten());
        let reason = verdict.reason.map_or("", |reason| reason.as_str());
        let message = format!("{} {reason}: {words}", request.operation);
        Some(Finding {
            copy: object.map(|object| CopyRef {
                member: self.guard.member.clone(),
                object: object.key,
            }),
            ..Finding::at(rule, level, place, message)
        })
    }
}

/// Has a cluster know the secret that an object names as its credential.
fn know_credential(cluster: &MemoryCluster, object: &ObjectFacts, subscription: &str) {
    if let Some(name) = &object.annotations.credential_from {
        cluster.set_secret(&object.key.namespace, name, credential(subscription));
    }
}

fn is_namespace(request: &Request<'_>) -> bool {
    request.kind.group.is_empty() && request.kind.kind == "Namespace"
}

/// The subscriptions of a member's namespaces: as stated, else those that its claims are in.
fn subscriptions(
    member: &MemberName,
    own: Option<&Cluster>,
    records: &[Record],
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for record in records {
        for copy in record.copies.keys().filter(|copy| copy.member == *member) {
            if let Some(subscription) = record.identity.subscription() {
                found.insert(copy.object.namespace.to_string(), subscription.to_owned());
            }
        }
    }
    for manifest in own.into_iter().flat_map(Cluster::objects) {
        let namespace = manifest.facts.key.namespace.to_string();
        if let Some(Ok(subscription)) = own.map(|own| own.subscription(&manifest.facts)) {
            found
                .entry(namespace)
                .or_insert_with(|| subscription.to_string());
        }
    }
    found
}
