//! The watches: from the API server's events to what is known, and to the
//! observer's list of objects to look at.

mod crds;
mod kinds;
mod secrets;
mod synced;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ApiResource;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cluster::observer::Observer;
use crate::resolve::{NAMESPACE_SECRET, SETTINGS_SECRET};

use super::discovery::{self, InstalledKinds};
use super::watched::{is_guarded, namespace_of};
use super::{KubeCluster, store};
use crds::WantedCrds;
use kinds::WatchedKind;
use synced::SyncedWatch;

/// How many objects one page of a first list holds.
const PAGE: u32 = 500;
/// How long CRDs may go on changing before the kinds are discovered again.
const CRDS_SETTLE: Duration = Duration::from_millis(300);
/// How soon a CRD that is not served yet is looked for again.
const CRDS_RETRY: Duration = Duration::from_millis(500);
/// How long such a CRD is waited for at the start.
const CRDS_FIRST: Duration = Duration::from_secs(10);
/// How seldom such a CRD is looked for in the end.
const CRDS_RETRY_MAX: Duration = Duration::from_secs(30);
/// How often it is asked anew in which versions kinds are stored: an API server may have said what
/// was no longer so.
const REDISCOVER: Duration = Duration::from_mins(10);

/// The watches of a cluster, as they start and stop with the kinds' CRDs.
struct KindWatches {
    cluster: Arc<KubeCluster>,
    tasks: JoinSet<()>,
    /// The running watch of each installed kind, by plural and group.
    kinds: HashMap<String, WatchedKind>,
}

impl KubeCluster {
    /// Watches the cluster until told to stop, and tells `observer` of changes.
    /// `on_synced` is called once everything installed at the start is known.
    pub async fn watch(
        self: Arc<Self>,
        observer: Arc<Observer>,
        on_synced: impl FnOnce(),
        shutdown: CancellationToken,
    ) {
        // A second call would be a mistake of the program; the first observer stays.
        let _ = self.observer.set(observer);
        let mut watches = KindWatches {
            cluster: self,
            tasks: JoinSet::new(),
            kinds: HashMap::new(),
        };
        let running = watches.run(on_synced);
        shutdown.run_until_cancelled(running).await;
        watches.tasks.shutdown().await;
    }
}

impl KindWatches {
    async fn run(&mut self, on_synced: impl FnOnce()) {
        let mut first = vec![self.watch_namespaces()];
        if self.cluster.credentials.reads_secrets() {
            first.push(self.watch_secrets(None, NAMESPACE_SECRET));
            for operator in &*self.cluster.credentials.operators() {
                first.push(self.watch_secrets(Some(operator), SETTINGS_SECRET));
            }
            self.watch_named_secrets();
        }
        let wanted = self.watch_crds();
        first.push(wanted.synced.clone());
        for synced in &first {
            synced.wait().await;
        }
        self.follow_first_kinds(&wanted).await;
        for synced in self
            .kinds
            .values()
            .map(|kind| kind.synced.clone())
            .collect::<Vec<_>>()
        {
            synced.wait().await;
        }
        info!(
            kinds = self.kinds.len(),
            objects = self.cluster.store.objects().len(),
            "know the cluster"
        );
        self.cluster.is_known.store(true, Ordering::SeqCst);
        on_synced();
        let cluster = self.cluster.clone();
        self.tasks
            .spawn(async move { cluster.keep_labelling().await });
        let mut retry = CRDS_RETRY;
        loop {
            let is_complete = self.cluster.installed.load().is_complete();
            let wait = if is_complete { REDISCOVER } else { retry };
            let changed = tokio::time::timeout(wait, wanted.changed.notified()).await;
            retry = if is_complete || changed.is_ok() {
                CRDS_RETRY
            } else {
                (retry * 2).min(CRDS_RETRY_MAX)
            };
            tokio::time::sleep(CRDS_SETTLE).await;
            if is_complete && changed.is_err() {
                self.discover_all(&wanted).await;
            } else {
                self.follow_kinds(&wanted).await;
            }
        }
    }

    /// Waits a while for an API server that has itself just started to serve every kind.
    /// Longer would be of no use: a CRD may be broken for good.
    async fn follow_first_kinds(&mut self, wanted: &WantedCrds) {
        let deadline = Instant::now() + CRDS_FIRST;
        self.follow_kinds(wanted).await;
        while !self.cluster.installed.load().is_complete() && Instant::now() < deadline {
            tokio::time::sleep(CRDS_RETRY).await;
            self.follow_kinds(wanted).await;
        }
    }

    /// Discovers what is installed, until the API server says, and brings the
    /// watches in line with it.
    async fn follow_kinds(&mut self, wanted: &WantedCrds) {
        let before = self.cluster.installed.load_full();
        self.discover(wanted, &before).await;
    }

    /// The same, and believes nothing of what it knows of the kinds' versions.
    async fn discover_all(&mut self, wanted: &WantedCrds) {
        self.discover(wanted, &InstalledKinds::default()).await;
    }

    async fn discover(&mut self, wanted: &WantedCrds, before: &InstalledKinds) {
        let cluster = self.cluster.clone();
        let wanted = wanted.all();
        let served = loop {
            match InstalledKinds::discover(&cluster.client, &wanted, before).await {
                Ok(served) => break served,
                Err(error) => {
                    warn!(%error, "cannot discover the installed kinds; trying again");
                    tokio::time::sleep(CRDS_RETRY).await;
                }
            }
        };
        let installed = served.with_crds(&wanted, &cluster.installed.load());
        if let Some(kinds) =
            discovery::learn(&cluster.client, &installed, &cluster.kinds.load()).await
        {
            cluster.kinds.store(Arc::new(kinds));
        }
        self.kinds.retain(|name, watched| {
            let now = installed.get(&watched.resource.group, &watched.resource.kind);
            let stays = now.is_some_and(|now| *now == watched.resource) && wanted.contains_key(name);
            if !stays {
                watched.task.abort();
                cluster.set_watched(&watched.resource, true);
                info!(kind = %watched.resource.kind, group = %watched.resource.group, "stopped watching");
                for key in cluster.store.keys_of(&watched.resource.group, &watched.resource.kind) {
                    if now.is_none() {
                        cluster.gone(&key);
                    }
                }
            }
            stays
        });
        let resources: Vec<ApiResource> = installed.all().cloned().collect();
        let groups = installed.groups(&cluster.kinds.load());
        cluster.installed.store(Arc::new(installed));
        // Of groups with names like ASO's, such as those of AKS, nothing is watched.
        for resource in resources
            .into_iter()
            .filter(|resource| groups.contains(&resource.group))
        {
            let name = discovery::crd_name(&resource);
            if wanted.contains_key(&name) && !self.kinds.contains_key(&name) {
                let watched = self.watch_kind(resource);
                self.kinds.insert(name, watched);
            }
        }
        cluster.groups.send_if_modified(|known| {
            let changed = *known != groups;
            *known = groups;
            changed
        });
    }

    fn watch_namespaces(&mut self) -> Arc<SyncedWatch> {
        let cluster = self.cluster.clone();
        let api: Api<PartialObjectMeta<Namespace>> = Api::all(cluster.client.clone());
        let config = watcher::Config::default().page_size(PAGE);
        let mut listed = HashSet::new();
        self.follow(
            watcher(api, config).default_backoff(),
            "namespaces",
            move |event| match event {
                Event::Init => listed.clear(),
                // What was deleted while the watch was broken is told of by nothing else.
                Event::InitDone => cluster.store.keep_namespaces(&listed),
                Event::Apply(namespace) | Event::InitApply(namespace) => {
                    listed.insert(namespace.name_any());
                    let known = store::NamespaceEntry {
                        facts: namespace_of(&namespace.metadata),
                        guarded: is_guarded(&namespace.metadata),
                    };
                    if cluster.store.put_namespace(&namespace.name_any(), known) {
                        cluster.reconsider_namespace(&namespace.name_any());
                    }
                }
                Event::Delete(namespace) => cluster.store.remove_namespace(&namespace.name_any()),
            },
        )
    }

    /// Runs a watch in a task of its own, and says when its first list is done.
    fn follow<T: Send + 'static>(
        &mut self,
        events: impl stream::Stream<Item = watcher::Result<Event<T>>> + Send + 'static,
        what: &'static str,
        mut take: impl FnMut(Event<T>) + Send + 'static,
    ) -> Arc<SyncedWatch> {
        let synced = Arc::new(SyncedWatch::default());
        let done = synced.clone();
        self.tasks.spawn(async move {
            let mut events = Box::pin(events);
            while let Some(event) = events.next().await {
                match event {
                    Ok(event) => {
                        let complete = matches!(event, Event::InitDone);
                        take(event);
                        if complete {
                            done.set();
                        }
                    }
                    Err(error) => warn!(watch = what, %error, "the watch broke off; trying again"),
                }
            }
        });
        synced
    }
}

#[cfg(test)]
mod tests;
