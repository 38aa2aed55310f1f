//! Which CRDs of ASO's there are.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::api_server::GROUP_SUFFIX;

use super::synced::SyncedWatch;
use super::{KindWatches, PAGE};

/// A CRD's `metadata.generation`: with another one, its versions may be others.
type Generation = Option<i64>;

/// The CRDs of ASO's groups, by name.
#[derive(Default)]
pub(super) struct WantedCrds {
    generations: Arc<Mutex<HashMap<String, Generation>>>,
    pub(super) changed: Arc<Notify>,
    pub(super) synced: Arc<SyncedWatch>,
}

impl WantedCrds {
    #[cfg(test)]
    pub(super) fn of(names: &[&str]) -> Self {
        let wanted = Self::default();
        wanted
            .generations
            .lock()
            .extend(names.iter().map(|&name| (name.to_owned(), None)));
        wanted
    }

    #[cfg(test)]
    pub(super) fn at(name: &str, generation: i64) -> Self {
        let wanted = Self::default();
        wanted
            .generations
            .lock()
            .insert(name.to_owned(), Some(generation));
        wanted
    }

    /// The names, each with the generation of the CRD.
    pub(super) fn all(&self) -> HashMap<String, Generation> {
        self.generations.lock().clone()
    }
}

impl KindWatches {
    /// Watches CRDs by their metadata only: 281 bodies are 40 MiB.
    pub(super) fn watch_crds(&mut self) -> Arc<WantedCrds> {
        let api: Api<PartialObjectMeta<CustomResourceDefinition>> =
            Api::all(self.cluster.client.clone());
        let config = watcher::Config::default().page_size(PAGE);
        let events = watcher(api, config).default_backoff();
        let mut wanted = WantedCrds::default();
        let (known, changed) = (wanted.generations.clone(), wanted.changed.clone());
        let mut listed = HashMap::new();
        let synced = self.follow(events, "CRDs", move |event| {
            let mut known = known.lock();
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
                        listed.insert(name, crd.metadata.generation);
                    }
                    false
                }
                Event::InitDone => {
                    *known = std::mem::take(&mut listed);
                    true
                }
                Event::Apply(crd) => {
                    let (name, generation) = (crd.name_any(), crd.metadata.generation);
                    name.ends_with(GROUP_SUFFIX)
                        && known.insert(name, generation) != Some(generation)
                }
                Event::Delete(crd) => known.remove(&crd.name_any()).is_some(),
            };
            if differs {
                changed.notify_one();
            }
        });
        wanted.synced = synced;
        Arc::new(wanted)
    }
}
