//! The namespaces that are to be looked at.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::lock;

/// The namespaces whose protection may be another one than is written down.
#[derive(Debug, Default)]
pub struct DirtyNamespaces {
    names: Mutex<HashSet<Arc<str>>>,
    news: Notify,
}

impl DirtyNamespaces {
    /// Adds one.
    pub fn add(&self, namespace: &Arc<str>) {
        lock(&self.names).insert(namespace.clone());
        self.news.notify_one();
    }

    /// Takes all.
    pub(super) fn take(&self) -> HashSet<Arc<str>> {
        std::mem::take(&mut *lock(&self.names))
    }

    /// Waits until there is one.
    pub(super) async fn wait(&self) {
        self.news.notified().await;
    }
}
