//! What must not be deleted or made live in this cluster, written down where its API server's
//! own policies read it: they refuse by it while no guard answers.
//!
//! Any number of replicas write the same. Nothing rests on it being in time: the guard judges by
//! the claims themselves.

mod dirty;
mod following;
mod kinds;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::arm::{self, NextOwner};
use crate::claim::{KnownEpoch, MemberName};
use crate::object::ObjectFacts;
use crate::policy::{Policy, effective};
use crate::protection::{KnownClaims, NamespaceProtection, ObjectState, of_namespace};
use crate::registry::{FollowClaims, Registry};

use super::enrolment::RegistryEpoch;
use super::resolve::{self, Freshness};
use super::{Cluster, ClusterError, FollowUp};
pub use dirty::DirtyNamespaces;
use following::Progress;
use kinds::KindsInUse;

/// How long changes are gathered before they are written down.
const SETTLE: Duration = Duration::from_millis(50);
/// How often one namespace is written at most.
const PACE: Duration = Duration::from_millis(500);
/// How soon what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is written down anew that nothing has changed.
const REFRESH: Duration = Duration::from_mins(2);
/// How often every namespace is looked at, whatever was reported of it.
const COMPARE: Duration = Duration::from_mins(10);
/// How many namespaces are written together.
const AT_ONCE: usize = 4;

/// Which policy reads what is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectionRole {
    /// Those for the objects of the namespace it is in, and for the namespace itself.
    Namespace,
    /// The one for the CRDs of the cluster.
    Kinds,
}

/// Where it is written down.
#[async_trait]
pub trait ProtectionStore: Send + Sync {
    /// The namespaces in which something is written down.
    async fn namespaces(&self) -> Result<HashSet<Arc<str>>, ClusterError>;

    /// Has this, and no more, be what is written down in a namespace. `old`: how old it may be
    /// without being written down once more.
    async fn write(
        &self,
        namespace: &str,
        role: ProtectionRole,
        protection: NamespaceProtection,
        old: Duration,
    ) -> Result<(), ClusterError>;
}

/// Writes it down for one member.
pub struct ProtectionController {
    /// The member.
    pub member: MemberName,
    /// Where claims are kept.
    pub registry: Arc<dyn Registry>,
    /// Tells of claims as they change.
    pub claims: Arc<dyn FollowClaims>,
    /// The member's own cluster.
    pub cluster: Arc<dyn Cluster>,
    /// Knows which claims list an object.
    pub follow_up: Arc<dyn FollowUp>,
    /// Where it is written down.
    pub store: Arc<dyn ProtectionStore>,
    /// The namespaces that are to be looked at.
    pub dirty: Arc<DirtyNamespaces>,
    /// The guard's own namespace, where it is written down for CRDs.
    pub own_namespace: Arc<str>,
    /// Namespaces in which nothing is judged.
    pub exempt: Vec<String>,
    /// Whether the claims know all copies: while they do not, nothing is written down that is less.
    pub epoch: Arc<RegistryEpoch>,
    /// What was found so far.
    pub state: ProtectionsState,
}

/// What was found so far.
pub struct ProtectionsState {
    known: Mutex<KnownClaims>,
    progress: Progress,
    ready: AtomicBool,
    kinds: Mutex<KindsInUse>,
    /// The namespaces in which something is written down.
    written: Mutex<HashSet<Arc<str>>>,
    /// Those that could not be written when that was last tried.
    failed: Mutex<BTreeSet<Arc<str>>>,
}

/// What is written down, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecondLineReport {
    /// In how many namespaces something is.
    pub namespaces: usize,
    /// Those in which it may be out of date, in their order.
    pub stale: Vec<String>,
}

impl ProtectionsState {
    /// Nothing was found yet.
    pub fn new(member: &MemberName) -> Self {
        Self {
            known: Mutex::new(KnownClaims::new(member.clone())),
            progress: Progress::default(),
            ready: AtomicBool::new(false),
            kinds: Mutex::default(),
            written: Mutex::default(),
            failed: Mutex::default(),
        }
    }
}

impl ProtectionController {
    /// Works until it is to stop.
    pub async fn run(&self, shutdown: &CancellationToken) {
        let work = async {
            tokio::join!(self.follow_own(), self.follow_others(), self.keep_writing());
        };
        shutdown.run_until_cancelled(work).await;
    }

    /// What is written down. Where claims cannot be followed, all of it may be out of date.
    pub fn report(&self) -> SecondLineReport {
        let failed = self.state.failed.lock().clone();
        let written = self.state.written.lock();
        let all: BTreeSet<Arc<str>> = written.iter().chain(&failed).cloned().collect();
        let namespaces = all.len();
        let stale = if self.state.progress.is_well() {
            failed
        } else {
            all
        };
        SecondLineReport {
            namespaces,
            stale: stale.iter().map(ToString::to_string).collect(),
        }
    }

    /// Writes what is due, as soon as its turn comes.
    async fn keep_writing(&self) {
        let mut due: HashMap<Arc<str>, Instant> = HashMap::new();
        let mut last: HashMap<Arc<str>, Instant> = HashMap::new();
        let (mut refresh, mut compare) = (Instant::now() + REFRESH, Instant::now());
        loop {
            let next = due.values().copied().chain([refresh, compare]).min();
            let next = next.unwrap_or(refresh);
            tokio::select! {
                () = self.dirty.wait() => tokio::time::sleep(SETTLE).await,
                () = tokio::time::sleep_until(next) => {}
            }
            let now = Instant::now();
            last.retain(|_, at| now < *at + PACE);
            if now >= compare {
                compare = now + COMPARE;
                self.look_at_all().await;
            }
            if now >= refresh {
                refresh = now + REFRESH;
                self.look_at_written();
            }
            for namespace in self.dirty.take() {
                let soonest = last.get(&namespace).map_or(now, |at| *at + PACE);
                let known = due.entry(namespace).or_insert(soonest);
                *known = soonest.min(*known);
            }
            if !self.is_ready() {
                for at in due.values_mut() {
                    *at = now + PACE;
                }
                continue;
            }
            let turn = due
                .extract_if(|_, at| *at <= now)
                .map(|(namespace, _)| namespace);
            let turn: Vec<Arc<str>> = turn.collect();
            let failed = self.write_all(&turn).await;
            let now = Instant::now();
            last.extend(turn.into_iter().map(|namespace| (namespace, now)));
            due.extend(failed.into_iter().map(|namespace| (namespace, now + RETRY)));
        }
    }

    /// Writes these namespaces down, and gives those that failed: an error of one is no other's
    /// trouble.
    async fn write_all(&self, namespaces: &[Arc<str>]) -> Vec<Arc<str>> {
        let writes = stream::iter(namespaces.to_vec()).map(|namespace| async move {
            match self.write(&namespace).await {
                Ok(()) => {
                    self.state.failed.lock().remove(&namespace);
                    None
                }
                Err(error) => {
                    self.report_failure(&namespace, &error);
                    Some(namespace)
                }
            }
        });
        let failed: Vec<Option<Arc<str>>> = writes.buffer_unordered(AT_ONCE).collect().await;
        failed.into_iter().flatten().collect()
    }

    /// One line for an outage: it fails every namespace.
    fn report_failure(&self, namespace: &Arc<str>, error: &ClusterError) {
        let mut failed = self.state.failed.lock();
        let is_first = failed.is_empty();
        failed.insert(namespace.clone());
        if is_first {
            warn!(%namespace, %error, "could not write down what is protected in a namespace while no guard answers; trying again");
        } else {
            debug!(%namespace, %error, "could not write down what is protected");
        }
    }

    /// Writes down what is protected in one namespace.
    ///
    /// # Errors
    /// The cluster's API server did not do its part.
    pub async fn write(&self, namespace: &Arc<str>) -> Result<(), ClusterError> {
        let (store, role) = (&*self.store, ProtectionRole::Namespace);
        if *namespace == self.own_namespace {
            let kinds = self.state.kinds.lock().in_all_namespaces();
            let protection = NamespaceProtection {
                kinds,
                ..NamespaceProtection::default()
            };
            let role = ProtectionRole::Kinds;
            store.write(namespace, role, protection, REFRESH).await?;
        }
        if self.exempt.iter().any(|exempt| **exempt == **namespace) {
            return Ok(());
        }
        let epoch = self.epoch.known_alone();
        let mut protection = self.protection(namespace).await?;
        let kinds = std::mem::take(&mut protection.kinds);
        if self.state.kinds.lock().set(namespace, kinds) {
            self.dirty.add(&self.own_namespace);
        }
        let is_empty = protection.is_empty();
        // What was never written need not be looked for, but after a start.
        if is_empty && !self.state.written.lock().contains(namespace) {
            return Ok(());
        }
        self.confirm(epoch.as_ref()).await?;
        // Facts that may be old are not called fresh.
        let old = if self.state.progress.is_well() {
            REFRESH
        } else {
            Duration::MAX
        };
        store.write(namespace, role, protection, old).await?;
        let mut written = self.state.written.lock();
        if is_empty {
            written.remove(namespace);
        } else {
            written.insert(namespace.clone());
        }
        Ok(())
    }

    /// Claims that were lost say nothing of what they protected: what was written down stays.
    /// Asked after what is protected was worked out: whoever deletes claims by a list deletes the
    /// epoch first. `before`: what was known of it before.
    async fn confirm(&self, before: Option<&Arc<KnownEpoch>>) -> Result<(), ClusterError> {
        let why = match self.epoch.confirm(before).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(_)) => {
                "the registry does not know all copies: what was written down stays".to_owned()
            }
            Err(error) => error.to_string(),
        };
        let what = "what is protected".to_owned();
        Err(ClusterError { what, why })
    }

    /// What is protected in a namespace, by what is known.
    async fn protection(&self, namespace: &str) -> Result<NamespaceProtection, ClusterError> {
        let mut objects = Vec::new();
        for object in self.cluster.in_namespace(namespace) {
            objects.push(self.state_of(object).await?);
        }
        let facts = self.cluster.namespace(namespace, Freshness::Known).await?;
        let known = self.state.known.lock();
        let protected = facts.protect.is_some();
        Ok(of_namespace(&self.member, &objects, &known, protected))
    }

    async fn state_of(&self, object: Arc<ObjectFacts>) -> Result<ObjectState, ClusterError> {
        let trust = Freshness::Known;
        let policy = resolve::effective_policy(&*self.cluster, &object, trust).await?;
        let owner = match arm::next_owner(&self.cluster.kinds(), &object) {
            Ok(NextOwner::Object(owner)) => Some(owner),
            _ => None,
        };
        Ok(ObjectState {
            policy: policy.policy,
            default_policy: self.default_policy(&object).await?,
            identities: self.follow_up.claims_of(&object.key).unwrap_or_default(),
            owner,
            object,
        })
    }

    /// The policy of an object where neither it nor its namespace says one.
    async fn default_policy(&self, object: &ObjectFacts) -> Result<Policy, ClusterError> {
        let (cluster, trust) = (&*self.cluster, Freshness::Known);
        let mut known = Vec::new();
        let operator = resolve::look_up(cluster, object, trust, &mut known, |one| {
            one.operator_policy()
        });
        Ok(effective(None, None, operator.await?.as_deref()).policy)
    }

    /// Whether all claims and all objects are known: before that, what is written down is not
    /// made less.
    fn is_ready(&self) -> bool {
        if self.state.ready.load(Ordering::Relaxed) || !self.state.progress.is_complete() {
            return self.state.ready.load(Ordering::Relaxed);
        }
        // Either all objects are in the index, or none is yet.
        let objects = self.cluster.objects();
        let indexed = objects
            .first()
            .is_none_or(|object| self.follow_up.claims_of(&object.key).is_some());
        self.state.ready.store(indexed, Ordering::Relaxed);
        indexed
    }

    /// Has every namespace looked at that has objects, or in which something is written down.
    async fn look_at_all(&self) {
        match self.store.namespaces().await {
            Ok(found) => {
                for namespace in &found {
                    self.dirty.add(namespace);
                }
                self.state.written.lock().extend(found);
            }
            Err(error) => warn!(%error, "cannot list what was written down before"),
        }
        for object in self.cluster.objects() {
            self.dirty.add(&object.key.namespace);
        }
        self.dirty.add(&self.own_namespace);
    }

    fn look_at_written(&self) {
        for namespace in self.state.written.lock().iter() {
            self.dirty.add(namespace);
        }
        self.dirty.add(&self.own_namespace);
    }
}
