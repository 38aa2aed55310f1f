//! What the observer remembers of each object: which claims it may have a copy
//! in, and which uids were seen under its name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::arm::Identity;
use crate::object::ObjectKey;

/// How many uids are remembered of one name. A uid that is forgotten only makes
/// its CREATE wait for its deadline.
const UIDS: usize = 8;

/// A memory of claims by object. It may know too much, never too little for long:
/// the regular comparison with the registry fills what a restart lost.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<HashMap<ObjectKey, Page>>,
}

#[derive(Clone, Debug, Default)]
struct Page {
    identities: Vec<Identity>,
    uids: Vec<Arc<str>>,
    /// Whether a request is under way, so that any change is worth a look.
    expecting: bool,
}

impl Ledger {
    /// No call panics while it holds the lock, so a poisoned one is as good.
    fn pages(&self) -> MutexGuard<'_, HashMap<ObjectKey, Page>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that the object may have a copy in this identity's claim.
    pub fn enter(&self, key: &ObjectKey, identity: &Identity) {
        let mut pages = self.pages();
        let page = pages.entry(key.clone()).or_default();
        if !page.identities.contains(identity) {
            page.identities.push(identity.clone());
        }
    }

    /// Remembers that a request on the object is under way.
    pub fn expect(&self, key: &ObjectKey, identity: &Identity) {
        self.enter(key, identity);
        self.set_expecting(key, true);
    }

    /// Says whether a request on the object is still under way.
    pub fn set_expecting(&self, key: &ObjectKey, expecting: bool) {
        if let Some(page) = self.pages().get_mut(key) {
            page.expecting = expecting;
        }
    }

    /// Whether any change of the object is worth a look, for a request is under way.
    pub fn is_expecting(&self, key: &ObjectKey) -> bool {
        self.pages().get(key).is_some_and(|page| page.expecting)
    }

    /// Remembers that an object with this uid was stored.
    pub fn saw(&self, key: &ObjectKey, uid: &str) {
        let mut pages = self.pages();
        let uids = &mut pages.entry(key.clone()).or_default().uids;
        if uids.iter().all(|known| **known != *uid) {
            if uids.len() == UIDS {
                uids.remove(0);
            }
            uids.push(uid.into());
        }
    }

    /// The claims the object may have a copy in.
    pub fn identities(&self, key: &ObjectKey) -> Vec<Identity> {
        let pages = self.pages();
        pages
            .get(key)
            .map_or_else(Vec::new, |page| page.identities.clone())
    }

    /// The uids seen stored under this name, as far as remembered.
    pub fn uids(&self, key: &ObjectKey) -> Vec<Arc<str>> {
        let pages = self.pages();
        pages
            .get(key)
            .map_or_else(Vec::new, |page| page.uids.clone())
    }

    /// Forgets one claim of the object: it has no copy in it any more.
    pub fn strike(&self, key: &ObjectKey, identity: &Identity) {
        if let Some(page) = self.pages().get_mut(key) {
            page.identities.retain(|known| known != identity);
        }
    }

    /// Forgets an object that is gone and has no claims left.
    pub fn close(&self, key: &ObjectKey) {
        let mut pages = self.pages();
        if pages
            .get(key)
            .is_some_and(|page| page.identities.is_empty())
        {
            pages.remove(key);
        }
    }
}
