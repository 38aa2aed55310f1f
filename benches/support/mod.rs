//! What is measured, the load that is put on it, and the clocks.

#[path = "../../tests/wire/server.rs"]
pub mod server;

pub mod bare;
pub mod histogram;
pub mod load;
pub mod memory;
pub mod plot;
pub mod reviews;
pub mod row;

use std::sync::Arc;
use std::time::Duration;

use aso_guard::admission::{
    AdmissionMetrics, CutOffRequests, Guard, GuardSettings, Mode, OnUnresolved, Privileges, router,
};
use aso_guard::cluster::enrolment::{ProcessMemory, RegistryEpoch};
use aso_guard::cluster::fence::KnownFence;
use aso_guard::cluster::memory::MemoryCluster;
use aso_guard::cluster::observer::Observer;
use aso_guard::object::{ObjectFacts, ObjectKey};
use aso_guard::registry::Registry;
use aso_guard::telemetry::NoNotices;
use axum::Router;
use futures::FutureExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, interval};

use reviews::{GROUP, NAMESPACE, SUBSCRIPTION};

/// What threads of the server are called.
const SERVER_THREAD: &str = "bench-server";

/// As by default.
const CLAIM_DEADLINE: Duration = Duration::from_secs(90);

/// As by default.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A runtime for a server, on one thread: the other core is the client's.
pub fn server_runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(1).thread_name(SERVER_THREAD);
    builder.enable_all().build().unwrap()
}

/// A runtime for the client, on the calling thread.
pub fn client_runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The webhook of a cluster with one resource group, on this registry.
pub fn webhook(registry: Arc<dyn Registry>) -> Router {
    Webhook::of(registry, CLAIM_DEADLINE).router
}

/// A webhook, its cluster, and the observer that follows up what it admits.
pub struct Webhook {
    pub router: Router,
    pub cluster: Arc<MemoryCluster>,
    pub observer: Arc<Observer>,
    fence: Arc<KnownFence>,
}

impl Webhook {
    /// That of a cluster with one resource group, on this registry, which answers at once.
    pub fn of(registry: Arc<dyn Registry>, deadline: Duration) -> Self {
        let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
        let group = ObjectKey::new("resources.azure.com", "ResourceGroup", NAMESPACE, GROUP);
        cluster.store(ObjectFacts::named(group));
        let member: aso_guard::claim::MemberName = "a".parse().unwrap();
        let observer = Arc::new(Observer::new(
            member.clone(),
            registry.clone(),
            cluster.clone(),
            deadline,
        ));
        // As its heartbeat has read it.
        let fence = Arc::new(KnownFence::default());
        fence.read(Instant::now(), None);
        let (memory, limit) = (Arc::new(ProcessMemory), deadline);
        let epoch = RegistryEpoch::new(member.clone(), registry.clone(), memory, limit);
        // A registry in memory answers at once.
        epoch.look().now_or_never().unwrap().unwrap();
        let guard = Guard {
            epoch: Arc::new(epoch),
            member,
            registry,
            cluster: cluster.clone(),
            cut_off: CutOffRequests::default(),
            shards: Vec::new(),
            fence: fence.clone(),
            follow_up: observer.clone(),
            settings: GuardSettings {
                mode: Mode::Enforce,
                on_unresolved: OnUnresolved::Warn,
                claim_deadline: deadline,
            },
            notices: Arc::new(NoNotices),
            metrics: AdmissionMetrics::default(),
            privileges: Privileges::default(),
        };
        Self {
            router: router(Arc::new(guard)),
            cluster,
            observer,
            fence,
        }
    }

    /// Reads whether it is fenced, again and again, as its heartbeat does.
    pub fn heartbeat(&self) -> impl Future<Output = ()> + Send + 'static {
        let fence = self.fence.clone();
        async move {
            let mut ticks = interval(HEARTBEAT);
            loop {
                fence.read(ticks.tick().await, None);
            }
        }
    }
}

/// How long the threads of servers have worked until now. `None` where the system
/// does not say.
pub fn server_time() -> Option<Duration> {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let task = task.ok()?.path();
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        if name.trim_end() == SERVER_THREAD {
            let stat = std::fs::read_to_string(task.join("schedstat")).ok()?;
            let nanos = stat.split(' ').next()?.parse().ok()?;
            total += Duration::from_nanos(nanos);
        }
    }
    Some(total)
}
