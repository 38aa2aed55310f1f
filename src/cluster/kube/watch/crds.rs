//! Which CRDs of ASO's there are.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use tokio::sync::Notify;

use crate::cluster::kube::discovery::GROUP_SUFFIX;

use super::synced::Synced;
use super::{PAGE, Watches};

/// The CRDs of ASO's groups, by name.
#[derive(Default)]
pub(super) struct WantedCrds {
    names: Arc<Mutex<HashSet<String>>>,
    pub(super) changed: Arc<Notify>,
    pub(super) synced: Arc<Synced>,
}

impl WantedCrds {
    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn of(names: &[&str]) -> Self {
        let wanted = Self::default();
        wanted
            .names()
            .extend(names.iter().map(|&name| name.to_owned()));
        wanted
    }

    /// The names.
    pub(super) fn all(&self) -> HashSet<String> {
        self.names().clone()
    }
}

impl Watches {
    /// Watches CRDs by their metadata only: 281 bodies are 40 MiB.
    pub(super) fn watch_crds(&mut self) -> Arc<WantedCrds> {
        let api: Api<PartialObjectMeta<CustomResourceDefinition>> =
            Api::all(self.cluster.client.clone());
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher(api, config).default_backoff();
        let mut wanted = WantedCrds::default();
        let (names, changed) = (wanted.names.clone(), wanted.changed.clone());
        let mut listed = HashSet::new();
        let synced = self.follow(events, "CRDs", move |event| {
            let mut names = names.lock().unwrap_or_else(PoisonError::into_inner);
            let differs = match event {
                // What was known counts until the new list is complete: a CRD that is
                // not listed yet is not gone.
                Event::Init => {
                    listed.clear();
                    false
                }
                Event::InitApply(crd) => {
                    let name = crd.name_any();
                    if name.ends_with(GROUP_SUFFIX) {
                        listed.insert(name);
                    }
                    false
                }
                Event::InitDone => {
                    *names = std::mem::take(&mut listed);
                    true
                }
                Event::Apply(crd) => {
                    let name = crd.name_any();
                    name.ends_with(GROUP_SUFFIX) && names.insert(name)
                }
                Event::Delete(crd) => names.remove(&crd.name_any()),
            };
            if differs {
                changed.notify_one();
            }
        });
        wanted.synced = synced;
        Arc::new(wanted)
    }
}
