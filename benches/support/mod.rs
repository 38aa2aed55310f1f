//! What is measured, the load that is put on it, and the clocks.

#[path = "../../tests/wire/server.rs"]
pub mod server;

pub mod bare;
pub mod load;
pub mod reviews;

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
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::telemetry::NoNotices;
use axum::Router;
use futures::FutureExt as _;
use tokio::runtime::{Builder, Runtime};

use reviews::{GROUP, NAMESPACE, SUBSCRIPTION};

/// What threads of the server are called.
const SERVER_THREAD: &str = "bench-server";

/// As by default.
const CLAIM_DEADLINE: Duration = Duration::from_secs(90);

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
pub fn webhook(registry: Arc<MemoryRegistry>) -> Router {
    let cluster = Arc::new(MemoryCluster::new(SUBSCRIPTION));
    let group = ObjectKey::new("resources.azure.com", "ResourceGroup", NAMESPACE, GROUP);
    cluster.store(ObjectFacts::named(group));
    let member: aso_guard::claim::MemberName = "a".parse().unwrap();
    let observer = Observer::new(
        member.clone(),
        registry.clone(),
        cluster.clone(),
        CLAIM_DEADLINE,
    );
    // As its heartbeat has read it.
    let fence = KnownFence::default();
    fence.read(tokio::time::Instant::now(), None);
    let (memory, limit) = (Arc::new(ProcessMemory), CLAIM_DEADLINE);
    let epoch = RegistryEpoch::new(member.clone(), registry.clone(), memory, limit);
    // A registry in memory answers at once.
    epoch.look().now_or_never().unwrap().unwrap();
    router(Arc::new(Guard {
        epoch: Arc::new(epoch),
        member,
        registry,
        cluster,
        cut_off: CutOffRequests::default(),
        shards: Vec::new(),
        fence: Arc::new(fence),
        follow_up: Arc::new(observer),
        settings: GuardSettings {
            mode: Mode::Enforce,
            on_unresolved: OnUnresolved::Warn,
            claim_deadline: CLAIM_DEADLINE,
        },
        notices: Arc::new(NoNotices),
        metrics: AdmissionMetrics::default(),
        privileges: Privileges::default(),
    }))
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
