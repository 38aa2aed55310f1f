//! The claims, as they change.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt as _;
use tokio::sync::Notify;
use tracing::warn;

use crate::arm::Identity;
use crate::protection::ToProtect;
use crate::registry::{ClaimEvent, ClaimScope, CopyFilter};

use super::ProtectionController;

/// How far the following is.
#[derive(Debug, Default)]
pub(super) struct Progress {
    own: Source,
    others: Source,
    /// The member has copies in another subscription than before.
    subscriptions: Notify,
}

/// One of the two.
#[derive(Debug, Default)]
struct Source {
    /// All claims came once.
    complete: AtomicBool,
    /// No event comes just now.
    failing: AtomicBool,
}

impl Source {
    fn set(&self, complete: bool) {
        if complete {
            self.complete.store(true, Ordering::Release);
        }
        self.failing.store(!complete, Ordering::Release);
    }
}

impl Progress {
    pub(super) fn is_complete(&self) -> bool {
        let mut both = [&self.own, &self.others].into_iter();
        both.all(|one| one.complete.load(Ordering::Acquire))
    }

    pub(super) fn is_well(&self) -> bool {
        let both = [&self.own, &self.others].into_iter();
        both.map(|one| one.failing.load(Ordering::Acquire))
            .all(|one| !one)
    }
}

impl ProtectionController {
    /// Follows the claims that have a copy of this member.
    pub(super) async fn follow_own(&self) {
        let scope = ClaimScope::Of(self.member.clone(), CopyFilter::AnyCopy);
        self.follow(&scope, true).await;
    }

    /// Follows the claims of others in the subscriptions in which this member has copies: they
    /// may be inside of something that it deletes.
    pub(super) async fn follow_others(&self) {
        let progress = &self.state.progress;
        let mut known = BTreeSet::new();
        loop {
            let now = self.state.known.lock().subscriptions();
            if !progress.own.complete.load(Ordering::Acquire) || (now == known && !now.is_empty()) {
                progress.subscriptions.notified().await;
                continue;
            }
            known.clone_from(&now);
            if now.is_empty() {
                progress.others.set(true);
                progress.subscriptions.notified().await;
                continue;
            }
            let scope = ClaimScope::Beside(self.member.clone(), now);
            tokio::select! {
                () = self.follow(&scope, false) => {}
                () = self.others_than(&known) => {}
            }
        }
    }

    /// Waits until the member has copies in other subscriptions than these.
    async fn others_than(&self, known: &BTreeSet<String>) {
        loop {
            self.state.progress.subscriptions.notified().await;
            if self.state.known.lock().subscriptions() != *known {
                return;
            }
        }
    }

    async fn follow(&self, scope: &ClaimScope, own: bool) {
        let progress = &self.state.progress;
        let source = if own { &progress.own } else { &progress.others };
        let mut listed: Option<HashSet<Identity>> = None;
        let mut events = self.claims.follow(scope);
        while let Some(event) = events.next().await {
            match event {
                ClaimEvent::Begins => listed = Some(HashSet::new()),
                ClaimEvent::Stored(record) => {
                    if let Some(listed) = &mut listed {
                        listed.insert(record.identity.clone());
                    }
                    let todo = self.state.known.lock().take(record);
                    self.take_up(todo).await;
                    if own && listed.is_none() {
                        progress.subscriptions.notify_one();
                    }
                }
                ClaimEvent::Unread(identity) => {
                    if let Some(listed) = &mut listed {
                        listed.insert(identity);
                    }
                }
                ClaimEvent::Gone(identity) => {
                    let todo = self.state.known.lock().gone(own, &identity);
                    self.take_up(todo).await;
                }
                ClaimEvent::Complete => {
                    let listed = listed.take().unwrap_or_default();
                    let todo = self.state.known.lock().keep_listed(own, &listed);
                    self.take_up(todo).await;
                    source.set(true);
                    progress.subscriptions.notify_one();
                }
                ClaimEvent::Failed(error) => {
                    if !source.failing.load(Ordering::Acquire) {
                        warn!(%error, "cannot follow the claims: what is protected while no guard answers may be old; trying again");
                    }
                    source.set(false);
                }
            }
        }
    }

    async fn take_up(&self, todo: ToProtect) {
        let mut namespaces = todo.namespaces;
        if let Some(outermost) = todo.wanted {
            let scope = ClaimScope::Below(outermost);
            match self.registry.claims(&scope).await {
                Ok(found) => {
                    let mut known = self.state.known.lock();
                    for one in found.records {
                        namespaces.extend(known.take(one.record).namespaces);
                    }
                }
                Err(error) => warn!(%error, "cannot tell what is inside a shared resource group"),
            }
        }
        for namespace in &namespaces {
            self.dirty.add(namespace);
        }
    }
}
