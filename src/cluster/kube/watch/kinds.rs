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

use crate::arm::Kinds;
use crate::cluster::kube::watched::WatchedObject;

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
        let cluster = self.cluster.clone();
        let synced = Arc::new(SyncedWatch::default());
        let (done, watched) = (synced.clone(), resource.clone());
        let task = self.tasks.spawn(async move {
            let api: Api<WatchedObject> = Api::all_with(cluster.client.clone(), &resource);
            let config = watcher::Config::default().page_size(PAGE);
            let mut events = watcher(api, config).default_backoff().boxed();
            let mut stale = HashSet::new();
            let facts = |object: WatchedObject| object.into_facts(&resource.group, &resource.kind);
            while let Some(event) = events.next().await {
                if matches!(event, Ok(Event::InitDone | Event::Apply(_))) {
                    cluster.set_watched(&resource, true);
                }
                match event {
                    Ok(Event::Init) => {
                        stale = cluster.store.keys_of(&resource.group, &resource.kind);
                    }
                    Ok(Event::InitApply(object)) => {
                        let object = facts(object);
                        stale.remove(&object.key);
                        cluster.stored(object, true);
                    }
                    Ok(Event::InitDone) => {
                        for key in stale.drain() {
                            cluster.gone(&key);
                        }
                        done.set();
                    }
                    Ok(Event::Apply(object)) => cluster.stored(facts(object), false),
                    Ok(Event::Delete(object)) => cluster.gone(&facts(object).key),
                    // A group that came after the roles were written must not keep the guard
                    // from all the others.
                    Err(error) if is_forbidden(&error) && is_new(&resource.group) => {
                        if cluster.set_watched(&resource, false) {
                            warn!(
                                kind = %resource.kind, group = %resource.group,
                                "may not read this kind, so what becomes of its objects goes \
                                 unseen: grant get, list and watch on its group (the chart's \
                                 rbac.moreApiGroups)"
                            );
                        }
                        done.set();
                    }
                    // Some objects are stored in another version than the kind's now, and ASO, which
                    // converts them, is gone.
                    Err(error) if is_unconverted(&error) => {
                        if cluster.set_watched(&resource, false) {
                            warn!(
                                kind = %resource.kind, group = %resource.group, %error,
                                "the API server does not give this kind's objects, so what becomes \
                                 of them goes unseen: start ASO, which converts them"
                            );
                        }
                        done.set();
                    }
                    Err(error) => warn!(
                        kind = %resource.kind, group = %resource.group, %error,
                        "the watch broke off; trying again"
                    ),
                }
            }
        });
        WatchedKind {
            resource: watched,
            task,
            synced,
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
