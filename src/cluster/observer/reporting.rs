//! What slipped past the webhook, shown to those who own the objects: Events, metrics.
//!
//! Two copies of a resource are live in two clusters, and each cluster's observer tells
//! its own people. The one that adopts second sees it in the record; the other hears of
//! it from the registry, which is asked for conflicts and orphans every few seconds.

mod conflicts;
mod newcomers;
mod orphans;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::arm::Identity;
use crate::claim::{MemberName, Record};
use crate::cluster::Parking;
use crate::cluster::fence::KnownFence;
use crate::cluster::lists_due::{self, ListsDue};
use crate::cluster::metrics::ObserverMetrics;
use crate::cluster::pace;
use crate::cluster::resolve::ResolvedObject;
use crate::object::ObjectKey;
use crate::registry::RegistryError;
use crate::telemetry::{NoNotices, Notice, Notices, Severity};

use super::Observer;

/// How often the registry is asked for conflicts and orphans, and how much less often for each
/// member: on a hub, each answer takes a look at all claims.
const POLL: Duration = Duration::from_secs(3);
const POLL_EACH: Duration = Duration::from_millis(100);
const LONGEST_POLL: Duration = Duration::from_mins(1);
/// The same where an answer takes long, so that asking never keeps a registry busy: this
/// many times as long as the answer took.
const REST: u32 = 4;
/// How often it is asked for the members, and how much less often for each that there is: every
/// one of them is read by all others.
const MEMBERS: Duration = Duration::from_secs(30);
const EACH_MEMBER: Duration = Duration::from_secs(1);
/// How often what lasts is told again: API servers forget Events after an hour.
const AGAIN: Duration = Duration::from_mins(30);
/// How many objects that nobody can place are named.
const NAMED: usize = 5;
/// What the observer does, in Events.
const ACTION: &str = "Observe";

/// How an observer shows what it finds.
pub struct Reporting {
    /// Told of it.
    pub notices: Arc<dyn Notices>,
    /// Counts it.
    pub metrics: ObserverMetrics,
    /// Parks newcomers; `None` where conflicts are shown only.
    pub parking: Option<Arc<dyn Parking>>,
    /// Whether a person has declared this cluster lost: then nothing is parked.
    pub fence: Arc<KnownFence>,
    /// How long all copies of a resource may be parked before that is told.
    pub orphaned_after: Duration,
}

impl Default for Reporting {
    /// Tells nobody.
    fn default() -> Self {
        Self {
            notices: Arc::new(NoNotices),
            metrics: ObserverMetrics::default(),
            parking: None,
            fence: Arc::default(),
            orphaned_after: Duration::from_mins(10),
        }
    }
}

/// What is shown just now.
#[derive(Default)]
pub(super) struct ReportedState {
    state: Mutex<Reported>,
    /// A conflict was written or ended here: it need not wait for its turn.
    pub(super) news: Notify,
}

#[derive(Default)]
struct Reported {
    conflicts: HashMap<ReportKey, LastReport>,
    /// Copies whose resource nobody reconciles.
    orphaned: HashMap<ReportKey, LastReport>,
    /// Copies whose resource is held by a cluster that is no member.
    abandoned: HashMap<ReportKey, LastReport>,
    unresolved: BTreeMap<ObjectKey, Arc<str>>,
    members: HashSet<MemberName>,
}

/// A copy of this member's: of what, and which object.
type ReportKey = (Identity, ObjectKey);

#[derive(Clone)]
struct LastReport {
    uid: Option<Arc<str>>,
    at: Instant,
}

impl ReportedState {}

impl Reported {
    /// Whether this is to be told: for the first time, or again.
    fn is_due(
        known: &mut HashMap<ReportKey, LastReport>,
        of: ReportKey,
        uid: Option<&Arc<str>>,
    ) -> bool {
        let now = Instant::now();
        let recent = known.get(&of).is_some_and(|reported| {
            reported.uid.as_ref() == uid && now.duration_since(reported.at) < AGAIN
        });
        if !recent {
            known.insert(
                of,
                LastReport {
                    uid: uid.cloned(),
                    at: now,
                },
            );
        }
        !recent
    }
}

impl Observer {
    /// Shows conflicts, orphans and members until told to stop.
    pub(super) async fn keep_showing(&self, shutdown: &CancellationToken) {
        let (mut members_at, mut orphans_at) = (Instant::now(), Instant::now());
        let mut lists = ListsDue::default();
        let mut failing = false;
        loop {
            let is_due = lists.are_due(&*self.registry, &self.member).await;
            if Instant::now() >= members_at {
                if let Err(error) = self.show_members().await {
                    warn!(%error, "cannot tell which members there are");
                }
                let again = members_again(self.known_members(), lists.are_dear());
                members_at = Instant::now() + again;
            }
            let members = self.known_members();
            let poll = pace::period(POLL, POLL_EACH, LONGEST_POLL, members);
            let began = Instant::now();
            let mut next = began + pace::spread(poll);
            if is_due {
                let outcome = self.show_conflicts().await;
                next = next_after(began, poll);
                if let (Err(error), false) = (&outcome, failing) {
                    warn!(%error, "cannot tell which claims are in conflict; trying again");
                }
                failing = outcome.is_err();
            }
            let began = Instant::now();
            if is_due && !failing && began >= orphans_at {
                if let Err(error) = self.show_orphans().await {
                    warn!(%error, "cannot tell which claims are orphaned");
                }
                orphans_at = next_after(began, poll);
            }
            if is_due && failing {
                lists.failed();
            }
            let soon = async {
                tokio::select! {
                    () = self.show_numbers_until(next) => {}
                    () = self.reported.news.notified() => lists.forget(),
                }
            };
            if shutdown.run_until_cancelled(soon).await.is_none() {
                return;
            }
        }
    }

    /// Takes note of who is a member, and tells of what those hold who are none any more.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn show_members(&self) -> Result<(), RegistryError> {
        let listed = self.registry.members().await?;
        let now: HashSet<_> = listed.names().into_iter().collect();
        let members = listed.records.into_iter().map(|known| known.record);
        self.show.metrics.set_members(&members.collect::<Vec<_>>());
        let before = std::mem::replace(&mut self.reported.state.lock().members, now.clone());
        for gone in before.difference(&now) {
            self.show_left_by(gone).await?;
        }
        self.abandoned_ended().await
    }

    /// Tells of an object whose resource cannot be worked out, once, and when it can.
    pub(super) fn show_resolution(&self, object: &ObjectKey, uid: &str, resolved: &ResolvedObject) {
        match &resolved.identity {
            Err(why) => self.show_unresolved(object, uid, &why.to_string()),
            Ok(resolution) => {
                if self
                    .reported
                    .state
                    .lock()
                    .unresolved
                    .remove(object)
                    .is_some()
                {
                    let words = format!("it is {}", resolution.identity);
                    self.report(
                        object,
                        Some(&uid.into()),
                        ObjectReport::normal("Resolved", words),
                    );
                }
            }
        }
    }

    pub(super) fn show_unresolved(&self, object: &ObjectKey, uid: &str, why: &str) {
        let uid: Arc<str> = uid.into();
        let unresolved = &mut self.reported.state.lock().unresolved;
        let before = unresolved.insert(object.clone(), uid.clone());
        if before.is_none_or(|before| before != uid) {
            let words =
                format!("cannot tell which Azure resource this is, so nobody guards it: {why}");
            self.report(
                object,
                Some(&uid),
                ObjectReport::warning("Unresolved", words),
            );
        }
    }

    /// Forgets what was shown of an object that is gone.
    pub(super) fn show_gone(&self, object: &ObjectKey) {
        self.reported.state.lock().unresolved.remove(object);
    }

    /// How many members there are, as far as is known.
    pub(super) fn known_members(&self) -> usize {
        self.reported.state.lock().members.len()
    }

    /// How many objects nobody can place, and the first few of them.
    pub fn unresolved(&self) -> (u32, Vec<String>) {
        let state = self.reported.state.lock();
        let some = state.unresolved.keys().take(NAMED);
        let some = some.map(ToString::to_string).collect();
        let count = u32::try_from(state.unresolved.len()).unwrap_or(u32::MAX);
        (count, some)
    }

    async fn show_numbers_until(&self, then: Instant) {
        loop {
            self.show_numbers();
            let now = Instant::now();
            if now >= then {
                return;
            }
            tokio::time::sleep_until(then.min(now + POLL)).await;
        }
    }

    fn show_numbers(&self) {
        let metrics = &self.show.metrics;
        let mut counts = BTreeMap::new();
        self.claim_index
            .count_states(|state| *counts.entry(state.as_str()).or_default() += 1);
        metrics.set_claims(&counts);
        let state = self.reported.state.lock();
        metrics.unresolved.set(count(state.unresolved.len()));
        let orphaned = state.orphaned.len() + state.abandoned.len();
        metrics.orphaned.set(count(orphaned));
        drop(state);
        let (waiting, since) = self.queue.depth();
        metrics.waiting.set(count(waiting));
        metrics
            .lag
            .set(since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
        let backlog = self.backlog.lock().as_ref().map_or(0, HashSet::len);
        metrics.enrolling.set(count(backlog));
    }

    fn report(&self, object: &ObjectKey, uid: Option<&Arc<str>>, news: ObjectReport) {
        self.show.notices.report(Notice {
            object: object.clone(),
            uid: uid.cloned(),
            severity: news.severity,
            reason: news.reason,
            action: ACTION,
            message: news.words,
            occasion: news.occasion,
        });
    }
}

/// What there is to tell of an object.
struct ObjectReport {
    severity: Severity,
    reason: &'static str,
    words: String,
    /// What the other replicas of this member see of it, too.
    occasion: String,
}

impl ObjectReport {
    fn warning(reason: &'static str, words: String) -> Self {
        Self {
            severity: Severity::Warning,
            reason,
            words,
            occasion: String::new(),
        }
    }

    fn normal(reason: &'static str, words: String) -> Self {
        Self {
            severity: Severity::Normal,
            ..Self::warning(reason, words)
        }
    }

    /// The occasion is how a record has come to be: every replica reads the same there.
    fn of(self, record: &Record) -> Self {
        let occasion = record.since().map(|since| since.to_string());
        Self {
            occasion: occasion.unwrap_or_default(),
            ..self
        }
    }
}

/// How long to wait until the members are asked for again, of whom there are so many.
fn members_again(members: usize, are_lists_dear: bool) -> Duration {
    let most = lists_due::AT_LEAST;
    let least = if are_lists_dear { most } else { MEMBERS };
    pace::spread(pace::period(least, EACH_MEMBER, most, members))
}

/// When to ask the registry again, after a question that was put then and is put so often.
fn next_after(began: Instant, poll: Duration) -> Instant {
    let took = began.elapsed();
    Instant::now() + pace::spread(poll).max(took * REST)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
