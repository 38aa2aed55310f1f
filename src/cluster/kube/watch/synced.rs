//! Whether a watch has had its first list.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Whether a watch has had its first list.
#[derive(Default)]
pub(super) struct SyncedWatch {
    done: AtomicBool,
    notify: Notify,
}

impl SyncedWatch {
    pub(super) fn set(&self) {
        self.done.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }

    pub(super) async fn wait(&self) {
        loop {
            let notified = self.notify.notified();
            if self.done.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }
}
