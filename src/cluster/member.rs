//! The member's own record: its identity, and its heartbeat.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::claim::MemberName;
use crate::cluster::fence::KnownFence;
use crate::registry::{
    MemberRecord, NextRegistry, Registry, RegistryError, Sample, SecondLine, edit,
};

use super::enrolment::RegistryEpoch;
use super::protections::SecondLineReport;

/// How often a member writes that it is there.
pub const HEARTBEAT: Duration = Duration::from_secs(15);

/// How often it looks whether it has something else to say, which is written at once.
const NEWS: Duration = Duration::from_secs(1);

/// How many kinds are named at most.
const NAMED: usize = 16;

/// What a member says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberReport {
    /// It still goes through objects that are older than its guard.
    pub enrolling: bool,
    /// How many of its objects nobody can place.
    pub unresolved: u32,
    /// The first few of those: namespace/kind/name.
    pub some: Vec<String>,
    /// The installed kinds that may not be read: kind.group.
    pub unwatched: Vec<String>,
    /// What API servers do not ask about though they should, a line each.
    pub webhook_gaps: Vec<String>,
    /// What it has written down for its API servers to refuse by; `None` where it writes nothing
    /// down.
    pub second_line: Option<SecondLineReport>,
    /// When the token expires by which it asks the hub, where that is known.
    pub hub_token_expires: Option<Timestamp>,
    /// The `id` of the registry that this replica has as the next one, where it fits.
    pub next: Option<Arc<str>>,
}

/// A cluster under a member name: what [`join`] makes sure is one and the same.
#[derive(Clone)]
pub struct Membership {
    /// The name.
    pub name: MemberName,
    /// The mode in force where a namespace sets none.
    pub mode: Arc<str>,
    /// The UID of the cluster's namespace `kube-system`.
    pub cluster: Arc<str>,
    /// Told what the record says of a fence.
    pub fence: Arc<KnownFence>,
    /// What is known of the registry's epoch: a record that went back in time is not written over
    /// before that was seen.
    pub epoch: Arc<RegistryEpoch>,
}

/// Why a cluster may not go by a name.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Another cluster has the name.
    #[error(
        "another cluster is registered as {name} (its kube-system namespace has UID {theirs}, \
         this cluster's has {ours}; last heard from {heard}).\n\
         Two clusters under one name would share their copies and blind the guard.\n\
         Start this one with another --cluster name; or, if this is the other one, rebuilt, and no \
         ASO runs there any more: aso-guard members replace {name} --uid {ours}{registry}"
    )]
    NameTaken {
        /// The name.
        name: MemberName,
        /// The registered cluster's UID.
        theirs: Arc<str>,
        /// This cluster's UID.
        ours: Arc<str>,
        /// When the registered cluster last wrote, by its own clock.
        heard: Timestamp,
        /// The flags by which people's `aso-guard` reaches the registry.
        registry: String,
    },
    /// This member's record is gone, or is an earlier one: so may others be.
    #[error(
        "the registry no longer has this cluster's record as it was written last: it went back in time, or somebody removed the record"
    )]
    WentBack,
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Membership {
    /// Writes the member's record: that this cluster goes by this name, and is
    /// there. Replicas of one cluster write the same.
    ///
    /// # Errors
    /// [`JoinError::NameTaken`] where another cluster has the name: the guard must
    /// not run. [`JoinError::WentBack`] where the record is not the one that was written last.
    pub async fn write(
        &self,
        registry: &dyn Registry,
        report: &MemberReport,
    ) -> Result<(), JoinError> {
        let began = Instant::now();
        let (least, epoch) = (self.epoch.writes(), self.epoch.remembered());
        let written = AtomicU32::new(0);
        edit::member(registry, &self.name, |before| {
            self.is_ours(before, registry.flags())?;
            let writes = before.map_or(0, |before| before.writes);
            if writes < least {
                return Err(JoinError::WentBack);
            }
            written.store(writes.saturating_add(1), Ordering::Relaxed);
            // Only people fence a member, and only they take the fence off.
            let fence = before.and_then(|before| before.fence.clone());
            self.fence.read(began, fence.clone());
            let now = Timestamp::now();
            let unresolved = Sample {
                count: report.unresolved,
                some: report.some.clone(),
                since: since(
                    before.map(|before| &before.unresolved),
                    report.unresolved,
                    now,
                ),
            };
            let unwatched = before.map(|before| &before.unwatched);
            let unwatched = sample(&report.unwatched, unwatched, now);
            let gaps = before.map(|before| &before.webhook_gaps);
            let webhook_gaps = sample(&report.webhook_gaps, gaps, now);
            let second_line = report.second_line.as_ref().map(|found| {
                let stale = before.and_then(|before| Some(&before.second_line.as_ref()?.stale));
                SecondLine {
                    namespaces: u32::try_from(found.namespaces).unwrap_or(u32::MAX),
                    stale: sample(&found.stale, stale, now),
                }
            });
            Ok(Some(MemberRecord {
                name: self.name.clone(),
                cluster: self.cluster.clone(),
                version: env!("CARGO_PKG_VERSION").into(),
                enrolling: report.enrolling,
                heard: now,
                mode: self.mode.clone(),
                unresolved,
                unwatched,
                webhook_gaps,
                second_line,
                hub_token_expires: report.hub_token_expires,
                fence,
                policy_changes: before
                    .map_or_else(Vec::new, |before| before.policy_changes.clone()),
                writes: written.load(Ordering::Relaxed),
                epoch: epoch.clone(),
                next: next_of(report, before, now),
            }))
        })
        .await?;
        self.epoch.wrote(written.into_inner());
        Ok(())
    }

    /// Whether a record is of this cluster, or of none.
    fn is_ours(&self, record: Option<&MemberRecord>, flags: &str) -> Result<(), JoinError> {
        let other = record.filter(|other| other.cluster != self.cluster);
        other.map_or(Ok(()), |other| {
            Err(JoinError::NameTaken {
                name: self.name.clone(),
                theirs: other.cluster.clone(),
                ours: self.cluster.clone(),
                heard: other.heard,
                registry: flags.to_owned(),
            })
        })
    }

    /// Writes until the registry answers.
    ///
    /// # Errors
    /// Another cluster has the name.
    pub async fn join(&self, registry: &dyn Registry) -> Result<(), JoinError> {
        loop {
            let report = MemberReport {
                enrolling: true,
                ..MemberReport::default()
            };
            match self.write(registry, &report).await {
                Err(error @ (JoinError::Registry(_) | JoinError::WentBack)) => {
                    warn!(%error, "cannot register this cluster yet; trying again in 2 s");
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    if let Err(error) = self.epoch.look().await {
                        warn!(%error, "cannot tell whether the registry is the one that it was");
                    }
                }
                outcome => {
                    if outcome.is_ok() {
                        info!(cluster = %self.name, uid = %self.cluster, "registered this cluster");
                    }
                    return outcome;
                }
            }
        }
    }

    /// Writes a heartbeat every [`HEARTBEAT`], and what is new at once, until told to stop.
    ///
    /// # Errors
    /// Another cluster took the name, after somebody removed this member's record.
    pub async fn keep_beating(
        &self,
        registry: &dyn Registry,
        report: impl Fn() -> MemberReport,
        shutdown: &CancellationToken,
    ) -> Result<(), JoinError> {
        loop {
            let said = report();
            let mut next = Instant::now() + HEARTBEAT;
            match self.write(registry, &said).await {
                Err(JoinError::Registry(error)) => warn!(%error, "could not write the heartbeat"),
                Err(error @ JoinError::WentBack) => {
                    warn!(%error, "the heartbeat was not written: looking at the registry first");
                    self.epoch.look_now();
                    next = Instant::now() + NEWS;
                }
                Err(taken) => return Err(taken),
                Ok(()) => {}
            }
            let due = async {
                loop {
                    tokio::time::sleep(NEWS).await;
                    if Instant::now() >= next || report() != said {
                        break;
                    }
                }
            };
            if shutdown.run_until_cancelled(due).await.is_none() {
                return Ok(());
            }
        }
    }
}

/// How many there are, and the first few.
fn sample(all: &[String], before: Option<&Sample>, now: Timestamp) -> Sample {
    let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
    Sample {
        count,
        some: all.iter().take(NAMED).cloned().collect(),
        since: since(before, count, now),
    }
}

/// The registry that all replicas have as the next one, by what this one and the last one said.
fn next_of(
    report: &MemberReport,
    before: Option<&MemberRecord>,
    now: Timestamp,
) -> Option<NextRegistry> {
    let id = report.next.clone()?;
    let before = before.and_then(|before| before.next.as_ref());
    let same = before.filter(|before| before.id == id);
    let since = same.map_or(now, |before| before.since);
    Some(NextRegistry { id, since })
}

/// Since when there have been some, or none.
fn since(before: Option<&Sample>, count: u32, now: Timestamp) -> Timestamp {
    before
        .filter(|before| (before.count > 0) == (count > 0))
        .map_or(now, |before| before.since)
}
