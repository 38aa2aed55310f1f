//! What slipped past the webhook, shown to those who own the objects: Events, metrics.
//!
//! Two copies of a resource are live in two clusters, and each cluster's observer tells
//! its own people. The one that adopts second sees it in the record; the other hears of
//! it from the registry, which is asked for conflicts every few seconds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::arm::Identity;
use crate::claim::{ClaimState, CopyRef, MemberName, Record};
use crate::cluster::Parking;
use crate::cluster::metrics::Metrics;
use crate::cluster::resolve::Resolved;
use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::Policy;
use crate::registry::{RegistryError, Scope};
use crate::telemetry::{Notice, Notices, Severity, Silent};

use super::{ObserveError, Observer};

/// How often the registry is asked for conflicts.
const CONFLICTS: Duration = Duration::from_secs(3);
/// How often it is asked for the members.
const MEMBERS: Duration = Duration::from_secs(30);
/// How often what lasts is told again: API servers forget Events after an hour.
const AGAIN: Duration = Duration::from_mins(30);
/// How many claims are looked at together to see whether nobody reconciles them.
const ORPHANS: usize = 100;
/// What the observer does, in Events.
const ACTION: &str = "Observe";

/// How an observer shows what it finds.
pub struct Show {
    /// Told of it.
    pub notices: Arc<dyn Notices>,
    /// Counts it.
    pub metrics: Metrics,
    /// Parks newcomers; `None` where conflicts are shown only.
    pub parking: Option<Arc<dyn Parking>>,
    /// How long all copies of a resource may be parked before that is told.
    pub orphaned_after: Duration,
}

impl Default for Show {
    /// Tells nobody.
    fn default() -> Self {
        Self {
            notices: Arc::new(Silent),
            metrics: Metrics::default(),
            parking: None,
            orphaned_after: Duration::from_mins(10),
        }
    }
}

/// What is shown just now.
#[derive(Default)]
pub(super) struct Shown {
    state: Mutex<State>,
    /// A conflict was written or ended here: it need not wait for its turn.
    pub(super) news: Notify,
}

#[derive(Default)]
struct State {
    conflicts: HashMap<(Identity, ObjectKey), Told>,
    /// Copies whose resource nobody reconciles.
    orphaned: HashMap<(Identity, ObjectKey), Told>,
    unresolved: HashMap<ObjectKey, Arc<str>>,
    members: HashSet<MemberName>,
}

#[derive(Clone)]
struct Told {
    uid: Option<Arc<str>>,
    at: Instant,
}

impl Shown {
    /// No call panics while it holds the lock, so a poisoned one is as good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this is to be told: for the first time, or again.
    fn is_due(
        known: &mut HashMap<(Identity, ObjectKey), Told>,
        of: (Identity, ObjectKey),
        uid: Option<&Arc<str>>,
    ) -> bool {
        let now = Instant::now();
        let recent = known
            .get(&of)
            .is_some_and(|told| told.uid.as_ref() == uid && now.duration_since(told.at) < AGAIN);
        if !recent {
            known.insert(
                of,
                Told {
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
        let mut members_at = Instant::now();
        let mut failing = false;
        loop {
            if Instant::now() >= members_at {
                members_at = Instant::now() + MEMBERS;
                if let Err(error) = self.show_members().await {
                    warn!(%error, "cannot tell which members there are");
                }
            }
            let outcome = self.show_conflicts().await;
            if let (Err(error), false) = (&outcome, failing) {
                warn!(%error, "cannot tell which claims are in conflict; trying again");
            }
            failing = outcome.is_err();
            if !failing && let Err(error) = self.show_orphans().await {
                warn!(%error, "cannot tell which claims are orphaned");
            }
            self.show_numbers();
            let soon = async {
                tokio::select! {
                    () = tokio::time::sleep(CONFLICTS) => {}
                    () = self.shown.news.notified() => {}
                }
            };
            if shutdown.run_until_cancelled(soon).await.is_none() {
                return;
            }
        }
    }

    /// Tells of conflicts that began or ended, and parks newcomers where that is wanted.
    ///
    /// # Errors
    /// The registry or the API server did not answer.
    pub async fn show_conflicts(&self) -> Result<(), ObserveError> {
        let found = self.registry.claims(&Scope::InConflict).await?;
        let mut lasting = HashSet::new();
        let mut to_park = Vec::new();
        for record in found.iter().map(|known| &known.record) {
            for (copy, held) in record.live().filter(|(copy, _)| copy.member == self.member) {
                let of = (record.identity.clone(), copy.object.clone());
                lasting.insert(of.clone());
                let uid = held.stored.as_ref().map(|stored| &stored.uid);
                if State::is_due(&mut self.shown.state().conflicts, of, uid) {
                    let words = record.conflict_words(copy);
                    self.tell(&copy.object, uid, Severity::Warning, "Conflict", words);
                    warn!(object = %copy.object, identity = %record.identity, copies = %record.live_words(), "conflict");
                }
                if record.is_to_step_back(copy) {
                    to_park.push((record.identity.clone(), copy.clone()));
                }
            }
        }
        self.conflicts_ended(&lasting).await?;
        let resources: HashSet<&Identity> = lasting.iter().map(|(identity, _)| identity).collect();
        self.show.metrics.conflicts.set(count(resources.len()));
        if let Some(parking) = &self.show.parking {
            for (identity, copy) in to_park {
                if let Err(error) = self.park(&**parking, &identity, &copy).await {
                    warn!(object = %copy.object, %identity, %error, "cannot park a newcomer; trying again");
                }
            }
        }
        Ok(())
    }

    async fn conflicts_ended(
        &self,
        lasting: &HashSet<(Identity, ObjectKey)>,
    ) -> Result<(), RegistryError> {
        let ended: Vec<_> = {
            let state = self.shown.state();
            let ended = state
                .conflicts
                .iter()
                .filter(|(of, _)| !lasting.contains(of));
            ended
                .map(|(of, told)| (of.clone(), told.uid.clone()))
                .collect()
        };
        for ((identity, object), uid) in ended {
            let known = self.registry.claim(&identity).await?;
            let now = known.map_or_else(
                || "no copy is left".to_owned(),
                |known| known.record.live_words(),
            );
            info!(%object, %identity, copies = %now, "the conflict has ended");
            self.tell(
                &object,
                uid.as_ref(),
                Severity::Normal,
                "ConflictEnded",
                format!("the conflict has ended: {now}"),
            );
            self.shown.state().conflicts.remove(&(identity, object));
        }
        Ok(())
    }

    /// Parks a newcomer. The claim is read once more, then the object, and the API server
    /// takes the patch only while the object is as it was read.
    async fn park(
        &self,
        parking: &dyn Parking,
        identity: &Identity,
        copy: &CopyRef,
    ) -> Result<(), ObserveError> {
        let Some(known) = self.registry.claim(identity).await? else {
            return Ok(());
        };
        let Some(object) = self.cluster.read(&copy.object).await? else {
            return Ok(());
        };
        let uid: Arc<str> = (&*object.uid).into();
        let claimed = known
            .record
            .copies
            .get(copy)
            .and_then(|held| held.stored.as_ref());
        let is_the_same = claimed.is_some_and(|stored| stored.uid == uid);
        if !known.record.is_to_step_back(copy) || !is_the_same || !may_be_parked(&object) {
            return Ok(());
        }
        if parking.park(&object).await? {
            self.show.metrics.parked.inc();
            self.queue.add(copy.object.clone());
            info!(object = %copy.object, %identity, "parked a newcomer");
            let words = format!(
                "parked by aso-guard (--on-conflict park): it came on top of another live copy; {}",
                known.record.live_words()
            );
            self.tell(
                &copy.object,
                Some(&uid),
                Severity::Warning,
                "ParkedNewcomer",
                words,
            );
        }
        Ok(())
    }

    /// Tells of copies that have been parked for long, while nobody reconciles their
    /// resource, and of those for whom that is over.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn show_orphans(&self) -> Result<(), RegistryError> {
        let due = self.ledger.parked_for(self.show.orphaned_after);
        let shown: HashSet<_> = self.shown.state().orphaned.keys().cloned().collect();
        let new = due.iter().filter(|of| !shown.contains(*of)).take(ORPHANS);
        for (identity, object) in new {
            // A peer may have gone live without our seeing it.
            let known = self.registry.claim(identity).await?;
            let Some(record) = known.map(|known| known.record) else {
                continue;
            };
            self.ledger.set_state(object, identity, record.state());
            let copy = self.copy(object);
            if record.state() == ClaimState::Parked && record.copies.contains_key(&copy) {
                self.tell_orphan(&record, &copy, Severity::Normal, record.orphan_words(&copy));
            }
        }
        let over: Vec<_> = {
            let mut state = self.shown.state();
            let is_over = |of: &(Identity, ObjectKey)| {
                self.ledger
                    .state(&of.1, &of.0)
                    .is_none_or(|now| now != ClaimState::Parked)
                    && !self.ledger.is_abandoned(&of.1, &of.0)
            };
            let over = state.orphaned.extract_if(|of, _| is_over(of));
            over.collect()
        };
        for ((_, object), told) in over {
            let words = "its resource has a reconciler again, or the copy is gone".to_owned();
            self.tell(
                &object,
                told.uid.as_ref(),
                Severity::Normal,
                "OrphanedEnded",
                words,
            );
        }
        Ok(())
    }

    /// Tells of a claim whose live copy belongs to a cluster that is no member any more.
    pub(super) fn show_holder_gone(&self, record: &Record) {
        let members = self.shown.state().members.clone();
        let gone = record
            .live()
            .find(|(copy, _)| !members.is_empty() && !members.contains(&copy.member));
        for copy in record
            .copies
            .keys()
            .filter(|copy| copy.member == self.member)
        {
            self.ledger
                .set_abandoned(&copy.object, &record.identity, gone.is_some());
            if let Some((holder, _)) = gone {
                let words = format!(
                    "its live copy {holder} belongs to a cluster that is not in the registry any more: \
                     nobody reconciles it, and nobody else may. If that cluster is gone for good, release its claim: aso-guard claims release --help"
                );
                self.tell_orphan(record, copy, Severity::Warning, words);
            }
        }
    }

    fn tell_orphan(&self, record: &Record, copy: &CopyRef, severity: Severity, words: String) {
        let of = (record.identity.clone(), copy.object.clone());
        let stored = record
            .copies
            .get(copy)
            .and_then(|held| held.stored.as_ref());
        let uid = stored.map(|stored| &stored.uid);
        if State::is_due(&mut self.shown.state().orphaned, of, uid) {
            self.tell(&copy.object, uid, severity, "Orphaned", words);
        }
    }

    /// Takes note of who is a member.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn show_members(&self) -> Result<(), RegistryError> {
        let members = self.registry.members().await?;
        let members: Vec<_> = members.into_iter().map(|known| known.record).collect();
        self.show.metrics.set_members(&members);
        self.shown.state().members = members.into_iter().map(|member| member.name).collect();
        Ok(())
    }

    /// Tells of an object whose resource cannot be worked out, once, and when it can.
    pub(super) fn show_resolution(&self, object: &ObjectFacts, resolved: &Resolved) {
        let uid: Arc<str> = (&*object.uid).into();
        match &resolved.identity {
            Err(why) => {
                let before = self
                    .shown
                    .state()
                    .unresolved
                    .insert(object.key.clone(), uid.clone());
                if before.is_none_or(|before| before != uid) {
                    let words = format!(
                        "cannot tell which Azure resource this is, so nobody guards it: {why}"
                    );
                    self.tell(
                        &object.key,
                        Some(&uid),
                        Severity::Warning,
                        "Unresolved",
                        words,
                    );
                }
            }
            Ok(resolution) => {
                if self.shown.state().unresolved.remove(&object.key).is_some() {
                    let words = format!("it is {}", resolution.identity);
                    self.tell(&object.key, Some(&uid), Severity::Normal, "Resolved", words);
                }
            }
        }
    }

    /// Forgets what was shown of an object that is gone.
    pub(super) fn show_gone(&self, object: &ObjectKey) {
        self.shown.state().unresolved.remove(object);
    }

    fn show_numbers(&self) {
        let metrics = &self.show.metrics;
        let mut counts = BTreeMap::new();
        self.ledger
            .count_states(|state| *counts.entry(state.as_str()).or_default() += 1);
        metrics.set_claims(&counts);
        let state = self.shown.state();
        metrics.unresolved.set(count(state.unresolved.len()));
        metrics.orphaned.set(count(state.orphaned.len()));
        drop(state);
        let (waiting, since) = self.queue.depth();
        metrics.waiting.set(count(waiting));
        metrics
            .lag
            .set(since.map_or(0.0, |since| since.elapsed().as_secs_f64()));
        let backlog = self.backlog().as_ref().map_or(0, HashSet::len);
        metrics.enrolling.set(count(backlog));
    }

    fn tell(
        &self,
        object: &ObjectKey,
        uid: Option<&Arc<str>>,
        severity: Severity,
        reason: &'static str,
        message: String,
    ) {
        self.show.notices.tell(Notice {
            object: object.clone(),
            uid: uid.cloned(),
            severity,
            reason,
            action: ACTION,
            message,
        });
    }
}

/// Whether the observer may set the policy of an object: only where nobody has decided
/// anything but what ASO does anyway.
fn may_be_parked(object: &ObjectFacts) -> bool {
    let own = object.annotations.policy.as_deref().unwrap_or_default();
    !object.terminating && (own.is_empty() || own == Policy::Manage.to_string())
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
