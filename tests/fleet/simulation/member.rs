//! A cluster of the fleet: what is stored in it, and the replicas of its guard.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use aso_guard::admission::{
    AdmissionMetrics, CutOffRequests, Guard, GuardSettings, Mode, OnUnresolved, Privileges,
};
use aso_guard::arm::Identity;
use aso_guard::claim::{CopyRef, MemberName, Memory, Remembered};
use aso_guard::cluster::ClusterError;
use aso_guard::cluster::enrolment::{EpochMemory, RegistryEpoch};
use aso_guard::cluster::fence::KnownFence;
use aso_guard::cluster::member::{MemberReport, Membership};
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::metrics::ObserverMetrics;
use aso_guard::cluster::observer::{Observer, WatchedChange};
use aso_guard::cluster::transfer_controller::{LabelSelectorQuery, TransferController};
use aso_guard::object::{ObjectFacts, ObjectKey};
use aso_guard::registry::Registry;
use aso_guard::telemetry::NoNotices;
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::resource::SUBSCRIPTION;

/// As `serve` has it, where nothing else is said.
const CLAIM_DEADLINE: Duration = Duration::from_secs(90);
/// How long a watch takes to tell of a change.
const WATCH: Duration = Duration::from_millis(20);
/// How long `serve` waits until it asks again, at its start.
const AGAIN: Duration = Duration::from_secs(2);

/// Which copies are live, by what the clusters have stored: what no claim is asked about.
#[derive(Default)]
pub struct Truth {
    live: HashMap<Identity, HashSet<CopyRef>>,
    /// How often a second copy of a resource was stored live.
    pub doubles: usize,
}

impl Truth {
    fn stored(&mut self, identity: &Identity, copy: CopyRef, is_live: bool) {
        let copies = self.live.entry(identity.clone()).or_default();
        let before = copies.len();
        if is_live {
            copies.insert(copy);
        } else {
            copies.remove(&copy);
        }
        if copies.len() > 1 && copies.len() > before {
            self.doubles += 1;
        }
        if copies.is_empty() {
            self.live.remove(identity);
        }
    }

    /// Every live copy, with what it is of.
    pub fn live(&self) -> impl Iterator<Item = (&Identity, &CopyRef)> {
        let all = self.live.iter();
        all.flat_map(|(identity, copies)| copies.iter().map(move |copy| (identity, copy)))
    }
}

/// A cluster.
pub struct Member {
    /// Its name.
    pub name: MemberName,
    /// What is stored in it.
    pub cluster: Arc<MemoryCluster>,
    /// The replicas of its guard.
    pub replicas: Vec<Arc<Replica>>,
    truth: Arc<Mutex<Truth>>,
}

/// A replica of a member's guard.
pub struct Replica {
    /// Gives its verdicts.
    pub guard: Guard,
    /// Keeps the claims true.
    pub observer: Arc<Observer>,
    /// Knows whether the registry can be judged by.
    pub epoch: Arc<RegistryEpoch>,
    /// How it reaches the registry.
    pub line: Arc<dyn Registry>,
    membership: Membership,
    transfers: TransferController,
}

/// What a cluster keeps of its registry, outside the registry.
#[derive(Default)]
struct Kept(Mutex<Option<Remembered>>);

#[async_trait]
impl EpochMemory for Kept {
    async fn recall(&self) -> Result<Memory, ClusterError> {
        let kept = self.0.lock().clone();
        Ok(kept.map_or(Memory::Fresh, Memory::Known))
    }

    async fn remember(&self, remembered: &Remembered) -> Result<(), ClusterError> {
        *self.0.lock() = Some(remembered.clone());
        Ok(())
    }
}

/// No transfer here goes by labels.
struct NoLabels;

#[async_trait]
impl LabelSelectorQuery for NoLabels {
    async fn labelled(&self, _: &str, _: &str) -> Result<HashSet<ObjectKey>, ClusterError> {
        Ok(HashSet::new())
    }
}

impl Member {
    /// A cluster with nothing in it, whose replicas have these lines.
    pub fn new(name: &MemberName, lines: Vec<Arc<dyn Registry>>, truth: Arc<Mutex<Truth>>) -> Self {
        let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
        let kept: Arc<dyn EpochMemory> = Arc::new(Kept::default());
        let replica = |line| Arc::new(Replica::new(name, line, &cluster, &kept));
        Self {
            name: name.clone(),
            replicas: lines.into_iter().map(replica).collect(),
            cluster,
            truth,
        }
    }

    /// A copy in this cluster.
    pub fn copy(&self, key: &ObjectKey) -> CopyRef {
        CopyRef {
            member: self.name.clone(),
            object: key.clone(),
        }
    }

    /// Stores an object that was there before its guards.
    pub fn has(&self, object: ObjectFacts, identity: &Identity) {
        let copy = self.copy(&object.key);
        self.truth.lock().stored(identity, copy, is_live(&object));
        self.cluster.store(object);
    }

    /// Stores an object, of which the replicas hear soon.
    pub async fn store(&self, object: ObjectFacts, identity: &Identity) {
        let (key, uid) = (object.key.clone(), object.uid.clone());
        let is_new = self.cluster.stored(&key).is_none();
        let change = if is_new && is_live(&object) {
            WatchedChange::CreatedLive
        } else {
            WatchedChange::Relevant
        };
        self.has(object, identity);
        self.tell(&key, &uid, change).await;
    }

    /// Removes an object, of which the replicas hear soon.
    pub async fn remove(&self, object: &ObjectFacts, identity: &Identity) {
        let copy = self.copy(&object.key);
        self.truth.lock().stored(identity, copy, false);
        self.cluster.remove(&object.key);
        self.tell(&object.key, &object.uid, WatchedChange::Relevant)
            .await;
    }

    async fn tell(&self, key: &ObjectKey, uid: &Arc<str>, change: WatchedChange) {
        sleep(WATCH).await;
        for replica in &self.replicas {
            replica.observer.changed(key, uid, change);
        }
    }
}

fn is_live(object: &ObjectFacts) -> bool {
    object.annotations.policy.as_deref() != Some("skip")
}

impl Replica {
    fn new(
        name: &MemberName,
        line: Arc<dyn Registry>,
        cluster: &Arc<MemoryCluster>,
        kept: &Arc<dyn EpochMemory>,
    ) -> Self {
        let fence = Arc::<KnownFence>::default();
        let observer = Observer::new(name.clone(), line.clone(), cluster.clone(), CLAIM_DEADLINE);
        let observer = Arc::new(observer);
        let epoch = RegistryEpoch::new(name.clone(), line.clone(), kept.clone(), CLAIM_DEADLINE);
        let epoch = Arc::new(epoch);
        let guard = Guard {
            member: name.clone(),
            registry: line.clone(),
            cluster: cluster.clone(),
            cut_off: CutOffRequests::default(),
            shards: Vec::new(),
            fence: fence.clone(),
            follow_up: observer.clone(),
            settings: GuardSettings {
                mode: Mode::Enforce,
                on_unresolved: OnUnresolved::Warn,
                claim_deadline: CLAIM_DEADLINE,
            },
            notices: Arc::new(NoNotices),
            metrics: AdmissionMetrics::default(),
            privileges: Privileges::default(),
            epoch: epoch.clone(),
        };
        let membership = Membership {
            name: name.clone(),
            mode: "enforce".into(),
            cluster: format!("uid-of-{name}").into(),
            fence,
            epoch: epoch.clone(),
        };
        let transfers = TransferController {
            member: name.clone(),
            registry: line.clone(),
            labels: Arc::new(NoLabels),
            metrics: ObserverMetrics::default(),
        };
        Self {
            guard,
            observer,
            epoch,
            line,
            membership,
            transfers,
        }
    }

    /// Registers, and then works until told to stop, in the order of `serve`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let working = async {
            while self.epoch.look().await.is_err() {
                sleep(AGAIN).await;
            }
            let joined = self.membership.join(&*self.line).await;
            joined.expect("each cluster has a name of its own");
            tokio::join!(self.beat(&stop), self.observe(&stop));
        };
        stop.run_until_cancelled(working).await;
    }

    async fn beat(&self, stop: &CancellationToken) {
        let report = || MemberReport {
            enrolling: self.is_enrolling(),
            ..MemberReport::default()
        };
        let beating = self.membership.keep_beating(&*self.line, report, stop);
        beating.await.expect("nobody takes the name");
    }

    async fn observe(&self, stop: &CancellationToken) {
        while self.observer.compare().await.is_err() {
            sleep(AGAIN).await;
        }
        let observing = self.observer.clone().run(stop.clone());
        let enrolling = self.epoch.run(&*self.observer, stop);
        tokio::join!(observing, enrolling, self.transfers.run(stop));
    }

    /// Whether it may not judge by the claims, or has not brought all in.
    pub fn is_enrolling(&self) -> bool {
        !self.observer.has_caught_up() || self.epoch.is_enrolling()
    }

    /// Whether it judges by the claims, and has nothing left to bring up to date.
    pub fn is_settled(&self) -> bool {
        !self.is_enrolling() && self.epoch.known().is_some() && self.observer.is_idle()
    }
}
