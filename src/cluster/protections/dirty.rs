//! The namespaces that are to be looked at.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The namespaces whose protection may be another one than is written down.
#[derive(Debug, Default)]
pub struct DirtyNamespaces {
    names: Mutex<HashSet<Arc<str>>>,
    news: Notify,
}

impl DirtyNamespaces {
    /// Adds one.
    pub fn add(&self, namespace: &Arc<str>) {
        self.names.lock().insert(namespace.clone());
        self.news.notify_one();
    }

    /// Takes all.
    pub(super) fn take(&self) -> HashSet<Arc<str>> {
        std::mem::take(&mut *self.names.lock())
    }

    /// Waits until there is one.
    pub(super) async fn wait(&self) {
        self.news.notified().await;
    }
}
