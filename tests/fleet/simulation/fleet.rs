//! All clusters of a fleet, started together.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::claim::MemberName;
use aso_guard::registry::Registry;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::member::{Member, Truth};
use super::random::Random;
use super::registry::{Line, Store};
use super::resource::Resource;
use super::service::{Backend, Service};

/// The namespace of all objects.
pub const NAMESPACE: &str = "team";
/// How many regions the clusters are spread over.
pub const REGIONS: usize = 3;

/// How large a fleet is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// How many clusters.
    pub clusters: usize,
    /// How many resources each begins with.
    pub resources: usize,
    /// How many replicas each guard has.
    pub replicas: usize,
    /// Where the claims are.
    pub backend: Backend,
    /// The cores of a hub's API server and etcd.
    pub cores: f64,
    /// Within which time all start.
    pub start_within: Duration,
    /// What all that looks random comes from.
    pub seed: u64,
}

/// A fleet that runs.
pub struct Fleet {
    /// How large it was made.
    pub size: Size,
    /// What it keeps its claims in.
    pub store: Arc<Store>,
    /// Its clusters.
    pub members: Vec<Arc<Member>>,
    /// What is live in them.
    pub truth: Arc<Mutex<Truth>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Fleet {
    /// Clusters with their resources, and guards that begin to start.
    pub fn start(size: Size) -> Self {
        let store = Arc::new(Store::new(Service::new(size.backend, size.cores)));
        let truth = Arc::<Mutex<Truth>>::default();
        let mut random = Random::new(size.seed, 1);
        let mut line = 0;
        let mut members = Vec::new();
        for number in 0..size.clusters {
            let name: MemberName = format!("c{number}").parse().expect("it is a name");
            // Regions are near and far.
            let latency = Duration::from_millis(5 + 15 * (number % REGIONS) as u64);
            let lines = (0..size.replicas).map(|_| {
                line += 1;
                let random = Random::new(size.seed, 1_000 + line);
                let store = store.clone();
                let region = number % REGIONS;
                Arc::new(Line::new(store, name.clone(), region, latency, random))
                    as Arc<dyn Registry>
            });
            let member = Member::new(&name, lines.collect(), truth.clone());
            for number in 0..size.resources {
                let resource = Resource::of(name.as_str(), number);
                let uid = format!("{name}-{number}");
                member.has(resource.object(NAMESPACE, &uid, None), &resource.identity());
            }
            members.push(Arc::new(member));
        }
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        for replica in members.iter().flat_map(|member| &member.replicas) {
            let (replica, stop) = (replica.clone(), stop.clone());
            let wait = random.part_of(size.start_within);
            tasks.spawn(async move {
                sleep(wait).await;
                replica.run(stop).await;
            });
        }
        Self {
            size,
            store,
            members,
            truth,
            stop,
            tasks,
        }
    }

    /// How many replicas are not settled.
    pub fn unsettled(&self) -> usize {
        let all = self.members.iter().flat_map(|member| &member.replicas);
        all.filter(|replica| !replica.is_settled()).count()
    }

    /// Waits until all replicas are settled. Gives how long that took; `None`: longer than this.
    pub async fn settle(&self, most: Duration) -> Option<Duration> {
        let began = Instant::now();
        while self.unsettled() > 0 {
            if began.elapsed() > most {
                return None;
            }
            sleep(Duration::from_millis(500)).await;
        }
        Some(began.elapsed())
    }

    /// Has all guards end.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
