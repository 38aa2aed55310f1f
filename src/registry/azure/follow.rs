//! Claims as they change, by lists: a list names the version of each claim, so that only those that
//! changed are read.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};

use crate::arm::Identity;
use crate::registry::kubernetes::convert;
use crate::registry::{ClaimEvent, ClaimScope, FollowClaims, RecordVersion, RegistryError};

use super::listing::ListedBlob;
use super::{AzureRegistry, CLAIM, SPARSE_PAGE, names, summary};

/// How often the claims in a scope are listed.
const PERIOD: Duration = Duration::from_secs(30);

/// The claims in a scope as they were when they were listed last.
struct Following<'a> {
    registry: &'a AzureRegistry,
    scope: ClaimScope,
    /// By blob; `None` before all claims came, and where they have to come once more.
    known: Option<HashMap<String, Known>>,
}

/// A claim as it was read last: its version, and its identity, where it is in the scope.
type Known = (RecordVersion, Option<Identity>);

impl FollowClaims for AzureRegistry {
    fn follow<'a>(&'a self, scope: &ClaimScope) -> BoxStream<'a, ClaimEvent> {
        let following = Following {
            registry: self,
            scope: scope.clone(),
            known: None,
        };
        let begin = (following, Duration::ZERO);
        let rounds = stream::unfold(begin, |(mut following, pause)| async move {
            tokio::time::sleep(pause).await;
            let events = following.round().await.unwrap_or_else(|error| {
                following.known = None;
                vec![ClaimEvent::Failed(error.to_string())]
            });
            Some((stream::iter(events), (following, PERIOD)))
        });
        rounds.flatten().boxed()
    }
}

impl Following<'_> {
    async fn round(&mut self) -> Result<Vec<ClaimEvent>, RegistryError> {
        let listed = self.listed().await?;
        let is_first = self.known.is_none();
        let mut before = self.known.take().unwrap_or_default();
        let (mut now, mut changed, mut events) = (HashMap::new(), Vec::new(), Vec::new());
        if is_first {
            events.push(ClaimEvent::Begins);
        }
        for blob in listed {
            match before.get(&blob.name) {
                Some((version, _)) if *version == blob.version => {
                    now.extend(before.remove_entry(&blob.name));
                }
                _ => changed.push(blob),
            }
        }
        for (name, blob) in self.registry.blobs(changed).await? {
            let read = self.registry.read(CLAIM, &name, &blob, convert::from_claim);
            let identity = match read {
                Ok(read) if self.scope.covers(&read.record) => {
                    let identity = read.record.identity.clone();
                    events.push(ClaimEvent::Stored(read.record));
                    Some(identity)
                }
                Ok(_) => None,
                Err(unreadable) => {
                    // What was known of it goes on counting, until it is gone.
                    events.extend(unreadable.identity.clone().map(ClaimEvent::Unread));
                    unreadable.identity
                }
            };
            if identity.is_some() {
                before.remove(&name);
            }
            now.insert(name, (blob.version, identity));
        }
        let gone = before.into_values().filter_map(|(_, identity)| identity);
        events.extend(gone.map(ClaimEvent::Gone));
        if is_first {
            events.push(ClaimEvent::Complete);
        }
        self.known = Some(now);
        Ok(events)
    }

    /// All blobs that may hold a claim in the scope.
    async fn listed(&self) -> Result<Vec<ListedBlob>, RegistryError> {
        let container = &self.registry.container;
        let mut all = Vec::new();
        for prefix in names::prefixes(&self.scope) {
            let mut marker = None;
            loop {
                let page = container
                    .list(&prefix, marker.as_deref(), SPARSE_PAGE)
                    .await?;
                let blobs = page.blobs.into_iter();
                all.extend(blobs.filter(|blob| {
                    blob.name != names::EPOCH && summary::may_be_in(&blob.metadata, &self.scope)
                }));
                marker = page.next;
                if marker.is_none() {
                    break;
                }
            }
        }
        Ok(all)
    }
}
