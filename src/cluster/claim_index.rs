//! What the observer remembers of each object: which claims it may have a copy
//! in, and which uids were seen under its name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::arm::Identity;
use crate::claim::ClaimState;
use crate::object::ObjectKey;

/// How many uids are remembered of one name. A uid that is forgotten only makes
/// its CREATE wait for its deadline.
const UIDS: usize = 8;

/// A memory of claims by object. It may know too much, never too little for long:
/// the regular comparison with the registry fills what a restart lost.
#[derive(Debug, Default)]
pub struct ClaimIndex {
    entries: Mutex<HashMap<ObjectKey, IndexEntry>>,
}

#[derive(Clone, Debug, Default)]
struct IndexEntry {
    identities: Vec<IndexedClaim>,
    uids: Vec<Arc<str>>,
    /// Whether a request is under way, so that any change is worth a look.
    expecting: bool,
}

/// A claim that an object may have a copy in.
#[derive(Clone, Debug)]
struct IndexedClaim {
    identity: Identity,
    /// What the claim said when it was last seen, and since when it has said so.
    state: Option<(ClaimState, Instant)>,
}

impl ClaimIndex {
    /// Remembers that the object may have a copy in this identity's claim.
    pub fn enter(&self, key: &ObjectKey, identity: &Identity) {
        let mut entries = self.entries.lock();
        let entry = entries.entry(key.clone()).or_default();
        if entry.line(identity).is_none() {
            // Most objects have one for ever.
            entry.identities.reserve_exact(1);
            entry.identities.push(IndexedClaim {
                identity: identity.clone(),
                state: None,
            });
        }
    }

    /// Remembers that a request on the object is under way.
    pub fn expect(&self, key: &ObjectKey, identity: &Identity) {
        self.enter(key, identity);
        self.set_expecting(key, true);
    }

    /// Says whether a request on the object is still under way.
    pub fn set_expecting(&self, key: &ObjectKey, expecting: bool) {
        if let Some(entry) = self.entries.lock().get_mut(key) {
            entry.expecting = expecting;
        }
    }

    /// Whether any change of the object is worth a look, for a request is under way.
    pub fn is_expecting(&self, key: &ObjectKey) -> bool {
        self.entries
            .lock()
            .get(key)
            .is_some_and(|entry| entry.expecting)
    }

    /// Remembers that an object with this uid was stored.
    pub fn saw(&self, key: &ObjectKey, uid: &Arc<str>) {
        let mut entries = self.entries.lock();
        // Its memory is shared with what else is known of the object, not with a request.
        let mut entry = entries.remove(key).unwrap_or_default();
        let uids = &mut entry.uids;
        if !uids.contains(uid) {
            if uids.len() == UIDS {
                uids.remove(0);
            }
            uids.reserve_exact(1);
            uids.push(uid.clone());
        }
        entries.insert(key.clone(), entry);
    }

    /// The claims the object may have a copy in.
    pub fn identities(&self, key: &ObjectKey) -> Vec<Identity> {
        let entries = self.entries.lock();
        let lines = entries.get(key).map(|entry| &entry.identities);
        let lines = lines.into_iter().flatten();
        lines.map(|line| line.identity.clone()).collect()
    }

    /// The uids seen stored under this name, as far as remembered.
    pub fn uids(&self, key: &ObjectKey) -> Vec<Arc<str>> {
        let entries = self.entries.lock();
        entries
            .get(key)
            .map_or_else(Vec::new, |entry| entry.uids.clone())
    }

    /// Remembers what a claim of the object says.
    pub fn set_state(&self, key: &ObjectKey, identity: &Identity, state: ClaimState) {
        let mut entries = self.entries.lock();
        let line = entries.get_mut(key).and_then(|entry| entry.line(identity));
        if let Some(line) = line
            && line.state.is_none_or(|(known, _)| known != state)
        {
            line.state = Some((state, Instant::now()));
        }
    }

    /// For how long a claim of the object has had parked copies alone, as far as was
    /// seen; `None` where it has others.
    pub fn parked_for(&self, key: &ObjectKey, identity: &Identity) -> Option<Duration> {
        let mut entries = self.entries.lock();
        let line = entries.get_mut(key)?.line(identity)?;
        let (_, since) = line.parked()?;
        Some(since.elapsed())
    }

    /// The claims that had parked copies alone when they were last seen, but for these.
    pub fn parked_except(
        &self,
        these: &HashSet<(Identity, ObjectKey)>,
    ) -> Vec<(Identity, ObjectKey)> {
        let entries = self.entries.lock();
        let lines = entries
            .iter()
            .flat_map(|(key, entry)| entry.identities.iter().map(move |line| (key, line)));
        let parked = lines.filter(|(_, line)| line.parked().is_some());
        parked
            .map(|(key, line)| (line.identity.clone(), key.clone()))
            .filter(|of| !these.contains(of))
            .collect()
    }

    /// Counts the claims by what they say.
    pub fn count_states(&self, mut count: impl FnMut(ClaimState)) {
        let entries = self.entries.lock();
        let lines = entries.values().flat_map(|entry| &entry.identities);
        lines
            .filter_map(|line| line.state)
            .for_each(|(state, _)| count(state));
    }

    /// Forgets one claim of the object: it has no copy in it any more.
    pub fn strike(&self, key: &ObjectKey, identity: &Identity) {
        if let Some(entry) = self.entries.lock().get_mut(key) {
            entry.identities.retain(|known| known.identity != *identity);
        }
    }

    /// Forgets an object that is gone and has no claims left.
    pub fn close(&self, key: &ObjectKey) {
        let mut entries = self.entries.lock();
        if entries
            .get(key)
            .is_some_and(|entry| entry.identities.is_empty())
        {
            entries.remove(key);
        }
    }
}

impl IndexedClaim {
    fn parked(&self) -> Option<(ClaimState, Instant)> {
        self.state.filter(|(state, _)| *state == ClaimState::Parked)
    }
}

impl IndexEntry {
    fn line(&mut self, identity: &Identity) -> Option<&mut IndexedClaim> {
        self.identities
            .iter_mut()
            .find(|line| line.identity == *identity)
    }
}
