//! Claims as they change.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt as _};

use crate::arm::Identity;
use crate::claim::Record;

use super::memory::MemoryRegistry;
use super::{ClaimScope, RecordVersion, Registry, RegistryError};

/// A registry that tells of what changes.
pub trait FollowClaims: Send + Sync {
    /// The claims in a scope as they are, and then each that changes, without end: soon after
    /// it was stored, and perhaps only the last of several changes. What goes wrong on the way
    /// is an event, and all claims come once more after it.
    fn follow<'a>(&'a self, scope: &ClaimScope) -> BoxStream<'a, ClaimEvent>;
}

/// An event of the claims in a scope.
#[derive(Clone, Debug)]
pub enum ClaimEvent {
    /// All claims come now, from the beginning.
    Begins,
    /// A claim is stored like this.
    Stored(Record),
    /// There is no claim of this identity in the scope any more.
    Gone(Identity),
    /// There is one that cannot be read: what was known of it goes on counting.
    Unread(Identity),
    /// All claims have come since the beginning.
    Complete,
    /// No event comes for a while, for this reason.
    Failed(String),
}

/// How often a registry is asked that tells of nothing by itself.
const PERIOD: Duration = Duration::from_millis(250);

/// What was there when it was last looked.
struct Polling<'a> {
    registry: &'a MemoryRegistry,
    scope: ClaimScope,
    known: Option<HashMap<Identity, RecordVersion>>,
}

/// By asking for all of them again and again.
impl FollowClaims for MemoryRegistry {
    fn follow<'a>(&'a self, scope: &ClaimScope) -> BoxStream<'a, ClaimEvent> {
        let state = Polling {
            registry: self,
            scope: scope.clone(),
            known: None,
        };
        let rounds = stream::unfold(state, |mut state| async move {
            if state.known.is_some() {
                tokio::time::sleep(PERIOD).await;
            }
            let events = state.round().await;
            let events = events.unwrap_or_else(|error| vec![ClaimEvent::Failed(error.to_string())]);
            Some((stream::iter(events), state))
        });
        rounds.flatten().boxed()
    }
}

impl Polling<'_> {
    async fn round(&mut self) -> Result<Vec<ClaimEvent>, RegistryError> {
        let listed = self.registry.claims(&self.scope).await?.records;
        let before = self.known.take();
        let is_first = before.is_none();
        let mut before = before.unwrap_or_default();
        let mut events = Vec::new();
        if is_first {
            events.push(ClaimEvent::Begins);
        }
        let mut now = HashMap::new();
        for known in listed {
            let identity = known.record.identity.clone();
            if before.remove(&identity).as_ref() != Some(&known.version) {
                events.push(ClaimEvent::Stored(known.record));
            }
            now.insert(identity, known.version);
        }
        events.extend(before.into_keys().map(ClaimEvent::Gone));
        if is_first {
            events.push(ClaimEvent::Complete);
        }
        self.known = Some(now);
        Ok(events)
    }
}
