//! The end of changes of namespaces' policies.

use std::collections::HashMap;

use tokio::time::Instant;
use tracing::debug;

use crate::claim::{PolicyChange, RequestUid};
use crate::cluster::resolve::Freshness;
use crate::registry::policy_changes;

use super::{ObserveError, Observer};

impl Observer {
    /// Takes the changes of namespaces' policies that are over out of this member's
    /// record. Until then they make creates in their namespaces wait for nothing but their
    /// own judgement, so this may be late.
    ///
    /// # Errors
    /// The registry did not answer. A namespace that cannot be read keeps its changes, and
    /// no other's.
    pub async fn settle_policy_changes(&self) -> Result<(), ObserveError> {
        let changes = policy_changes::of(&*self.registry, &self.member).await?;
        let since = self.note(&changes);
        let mut over = Vec::new();
        for change in &changes {
            // Judged before the namespace is read, as deadlines are.
            let timed_out = since
                .get(&change.request)
                .is_some_and(|since| since.elapsed() > self.limit);
            if timed_out {
                over.push(change.request.clone());
                continue;
            }
            match self
                .cluster
                .namespace(&change.namespace, Freshness::Store)
                .await
            {
                Ok(now) if now.resource_version != change.resource_version => {
                    over.push(change.request.clone());
                }
                Ok(_) => {}
                Err(error) => debug!(namespace = %change.namespace, %error, "looked at in vain"),
            }
        }
        if !over.is_empty() {
            policy_changes::remove(&*self.registry, &self.member, &over).await?;
        }
        Ok(())
    }

    /// Since when each of these was seen under way; the others are forgotten.
    fn note(&self, changes: &[PolicyChange]) -> HashMap<RequestUid, Instant> {
        let mut known = self.changes.lock();
        let now = Instant::now();
        *known = changes
            .iter()
            .map(|change| {
                let since = known.get(&change.request).copied().unwrap_or(now);
                (change.request.clone(), since)
            })
            .collect();
        known.clone()
    }
}
