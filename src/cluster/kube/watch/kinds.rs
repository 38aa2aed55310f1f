//! The watch of one installed kind.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::Api;
use kube::api::ApiResource;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::task::AbortHandle;
use tracing::warn;

use crate::api_server::watching::WatchConnections;
use crate::arm::Kinds;
use crate::cluster::kube::KubeCluster;
use crate::cluster::kube::watched::WatchedObject;
use crate::object::ObjectKey;

use super::synced::SyncedWatch;
use super::{KindWatches, PAGE};

/// A kind that is watched.
pub(super) struct WatchedKind {
    pub(super) resource: ApiResource,
    pub(super) task: AbortHandle,
    pub(super) synced: Arc<SyncedWatch>,
}

impl KindWatches {
    pub(super) fn watch_kind(&mut self, resource: ApiResource) -> WatchedKind {
        let synced = Arc::new(SyncedWatch::default());
        let watch = KindWatch {
            cluster: self.cluster.clone(),
            resource: resource.clone(),
            stale: HashSet::new(),
            synced: synced.clone(),
        };
        WatchedKind {
            resource,
            task: self.tasks.spawn(watch.run()),
            synced,
        }
    }
}

/// One watch, as it goes on.
struct KindWatch {
    cluster: Arc<KubeCluster>,
    resource: ApiResource,
    /// What was known before a list, and was not in it yet.
    stale: HashSet<ObjectKey>,
    synced: Arc<SyncedWatch>,
}

impl KindWatch {
    async fn run(mut self) {
        let watching = self.cluster.watching.as_ref();
        let place = watching.and_then(WatchConnections::place);
        let (client, _place) = place.map_or_else(
            || (self.cluster.client.clone(), None),
            |(client, place)| (client, Some(place)),
        );
        let api: Api<WatchedObject> = Api::all_with(client, &self.resource);
        let config = watcher::Config::default().page_size(PAGE);
        let mut events = watcher(api, config).default_backoff().boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => self.failed(&error),
            }
        }
    }

    fn take(&mut self, event: Event<WatchedObject>) {
        let Self {
            cluster, resource, ..
        } = self;
        let facts = |object: WatchedObject| object.into_facts(&resource.group, &resource.kind);
        if matches!(event, Event::InitDone | Event::Apply(_)) {
            cluster.set_watched(resource, true);
        }
        match event {
            Event::Init => self.stale = cluster.store.keys_of(&resource.group, &resource.kind),
            Event::InitApply(object) => {
                let object = facts(object);
                self.stale.remove(&object.key);
                cluster.stored(object, true);
            }
            Event::InitDone => {
                for key in self.stale.drain() {
                    cluster.gone(&key);
                }
                self.synced.set();
            }
            Event::Apply(object) => cluster.stored(facts(object), false),
            Event::Delete(object) => cluster.gone(&facts(object).key),
        }
    }

    fn failed(&self, error: &watcher::Error) {
        let resource = &self.resource;
        // A group that came after the roles were written must not keep the guard from all the
        // others.
        if is_forbidden(error) && is_new(&resource.group) {
            if self.cluster.set_watched(resource, false) {
                warn!(
                    kind = %resource.kind, group = %resource.group,
                    "may not read this kind, so what becomes of its objects goes unseen: grant \
                     get, list and watch on its group (the chart's rbac.moreApiGroups)"
                );
            }
            self.synced.set();
        } else if is_unconverted(error) {
            // Some objects are stored in another version than the kind's now, and ASO, which
            // converts them, is gone.
            if self.cluster.set_watched(resource, false) {
                warn!(
                    kind = %resource.kind, group = %resource.group, %error,
                    "the API server does not give this kind's objects, so what becomes of them \
                     goes unseen: start ASO, which converts them"
                );
            }
            self.synced.set();
        } else {
            warn!(
                kind = %resource.kind, group = %resource.group, %error,
                "the watch broke off; trying again"
            );
        }
    }
}

/// Whether the API server could not have an object converted to the version that was asked for.
fn is_unconverted(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchError(status) if status.message.contains("conversion webhook")
    )
}

/// Whether RBAC has it that the list or the watch is none of the guard's business.
fn is_forbidden(error: &watcher::Error) -> bool {
    matches!(
        error,
        watcher::Error::InitialListFailed(kube::Error::Api(status))
            | watcher::Error::WatchStartFailed(kube::Error::Api(status))
            | watcher::Error::WatchError(status) if status.code == 403
    )
}

/// Whether the built-in table lacks the group, so that roles may lack it, too.
fn is_new(group: &str) -> bool {
    !Kinds::builtin().groups().any(|known| known == group)
}
