//! Two clusters and a registry, in memory.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::admission::review::{self, parse};
use aso_guard::admission::{
    AdmissionMetrics, CutOffRequests, Guard, GuardSettings, Mode, OnUnresolved, Privileges,
};
use aso_guard::claim::{MemberName, Record};
use aso_guard::cluster::enrolment::{ProcessMemory, RegistryEpoch};
use aso_guard::cluster::member::{MemberReport, Membership};
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::observer::{Observer, WatchedChange};
use aso_guard::object::{ObjectFacts, ObjectKey, wire};
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::{ClaimScope, Registry as _};
use aso_guard::telemetry::NoNotices;
use futures::FutureExt as _;
use serde_json::Value;

use super::answer::Answer;

/// Where the objects are, unless something else is said.
pub const NAMESPACE: &str = "team";

const DEADLINE: Duration = Duration::from_secs(90);

/// The registry of all members.
pub type Registry = MemoryRegistry;

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
}

/// Waits for something, on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// A cluster with its guard.
pub struct Member {
    pub name: MemberName,
    pub cluster: Arc<MemoryCluster>,
    pub observer: Arc<Observer>,
    /// In enforce mode.
    pub guard: Arc<Guard>,
    /// The same in audit mode, to be asked with dry runs.
    pub audit: Arc<Guard>,
}

impl Member {
    /// An empty cluster.
    pub fn new(name: &str, registry: &Arc<Registry>) -> Self {
        let name: MemberName = name.parse().unwrap();
        let memory = Arc::new(ProcessMemory);
        let epoch = RegistryEpoch::new(name.clone(), registry.clone(), memory, DEADLINE);
        let epoch = Arc::new(epoch);
        epoch.look().now_or_never().unwrap().unwrap();
        let membership = Membership {
            epoch: epoch.clone(),
            mode: "enforce".into(),
            name: name.clone(),
            cluster: name.as_str().into(),
            fence: Arc::default(),
        };
        let report = MemberReport::default();
        let joined = membership.write(&**registry, &report).now_or_never();
        joined.unwrap().unwrap();
        let cluster = Arc::new(MemoryCluster::new("s1"));
        let observer = Observer::new(name.clone(), registry.clone(), cluster.clone(), DEADLINE);
        let observer = Arc::new(observer);
        let guard = |mode| {
            Arc::new(Guard {
                member: name.clone(),
                registry: registry.clone(),
                cluster: cluster.clone(),
                cut_off: CutOffRequests::default(),
                shards: Vec::new(),
                fence: Arc::default(),
                follow_up: observer.clone(),
                settings: GuardSettings {
                    mode,
                    on_unresolved: OnUnresolved::Warn,
                    claim_deadline: DEADLINE,
                },
                notices: Arc::new(NoNotices),
                metrics: AdmissionMetrics::default(),
                privileges: Privileges::default(),
                epoch: epoch.clone(),
            })
        };
        Self {
            guard: guard(Mode::Enforce),
            audit: guard(Mode::Audit),
            name,
            cluster,
            observer,
        }
    }

    /// Has the observer look at an object.
    pub async fn look(&self, key: &ObjectKey) {
        self.observer.look(key).await.unwrap();
    }

    /// Stores an object, and has the observer see it.
    pub async fn store(&self, facts: ObjectFacts) {
        let stored = self.cluster.store(facts);
        self.observer
            .changed(&stored.key, &stored.uid, WatchedChange::Relevant);
        self.look(&stored.key).await;
    }

    /// Removes an object, and has the observer see that.
    pub async fn remove(&self, key: &ObjectKey) {
        self.cluster.remove(key);
        self.look(key).await;
    }
}

/// A guard's answer to a review.
pub async fn ask(guard: &Guard, review: &Value) -> Answer {
    let body = review.to_string();
    let request = parse(body.as_bytes()).unwrap();
    let verdict = guard.judge(&request, Duration::from_secs(5)).await;
    let answer = serde_json::to_vec(&review::ReviewAnswer::new(&request.uid, &verdict)).unwrap();
    Answer::read(&answer, &request.uid)
}

/// All claims, by identity.
pub async fn claims(registry: &Registry) -> Vec<Record> {
    let known = registry.claims(&ClaimScope::All).await.unwrap().records;
    let mut records: Vec<Record> = known.into_iter().map(|known| known.record).collect();
    records.sort_by(|a, b| a.identity.cmp(&b.identity));
    records
}

/// What the guard reads of an object; `None` where it is none.
pub fn facts(object: &Value) -> Option<ObjectFacts> {
    let read: wire::WireObject = serde_json::from_value(object.clone()).ok()?;
    let (group, _) = object["apiVersion"].as_str()?.split_once('/')?;
    let namespace = object["metadata"]["namespace"].as_str()?;
    Some(read.into_facts(group, object["kind"].as_str()?, namespace))
}
