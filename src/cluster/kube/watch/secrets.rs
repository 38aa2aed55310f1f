//! The watches of secrets, each of one name: more RBAC need not allow.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::task::JoinSet;

use crate::cluster::kube::credentials::secrets;
use crate::cluster::kube::watched::WatchedSecret;

use super::synced::SyncedWatch;
use super::{KindWatches, PAGE};

impl KindWatches {
    /// Watches the secrets that objects name as their credential, from the first object
    /// on that names one. Such a secret may come long after its objects, and ASO takes
    /// them up at once.
    pub(super) fn watch_named_secrets(&mut self) {
        let cluster = self.cluster.clone();
        self.tasks.spawn(async move {
            let mut watches = KindWatches {
                cluster: cluster.clone(),
                tasks: JoinSet::new(),
                kinds: HashMap::new(),
            };
            loop {
                let named = cluster.credentials.named();
                for name in cluster.credentials.take_unwatched() {
                    watches.watch_secrets(None, &name);
                }
                named.await;
            }
        });
    }

    pub(super) fn watch_secrets(
        &mut self,
        namespace: Option<&str>,
        name: &str,
    ) -> Arc<SyncedWatch> {
        let cluster = self.cluster.clone();
        let resource = secrets();
        let api: Api<WatchedSecret> = match namespace {
            Some(namespace) => Api::namespaced_with(cluster.client.clone(), namespace, &resource),
            None => Api::all_with(cluster.client.clone(), &resource),
        };
        let only = format!("metadata.name={name}");
        let config = watcher::Config::default().fields(&only).page_size(PAGE);
        let (name, within) = (name.to_owned(), namespace.map(str::to_owned));
        let mut listed = HashSet::new();
        self.follow(
            watcher(api, config).default_backoff(),
            "secrets",
            move |event| match event {
                Event::Init => listed.clear(),
                Event::InitApply(secret) | Event::Apply(secret) => {
                    let namespace = secret.metadata.namespace.clone().unwrap_or_default();
                    listed.insert(namespace.clone());
                    if cluster.credentials.put(secret) {
                        cluster.reconsider_credential(&namespace);
                    }
                }
                Event::InitDone => {
                    for namespace in
                        cluster
                            .credentials
                            .keep_only(&name, within.as_deref(), &listed)
                    {
                        cluster.reconsider_credential(&namespace);
                    }
                }
                Event::Delete(secret) => {
                    if cluster.credentials.remove(&secret.metadata) {
                        let namespace = secret.metadata.namespace.unwrap_or_default();
                        cluster.reconsider_credential(&namespace);
                    }
                }
            },
        )
    }
}
