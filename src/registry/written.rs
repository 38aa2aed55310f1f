//! The claims that this process wrote last, so that whoever goes on from there need not read them.
//!
//! Whether a claim is still so is known by a write alone that is on condition of its version: see
//! [`Look`](crate::claim::Look). For that a version has to be of one write for ever. Only a registry
//! that is set back to an earlier time may give it twice, and that takes longer than a claim is
//! remembered, and its calls fail meanwhile: then all is forgotten.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::arm::Identity;
use crate::claim::{MemberCopy, Record};

use super::{RecordVersion, Versioned};

/// How many claims are remembered.
const MOST: usize = 1024;
/// For how long: longer than it takes until what was admitted is looked at.
const LONGEST: Duration = Duration::from_secs(30);

/// Claims as they were written to one registry by this process. Those alone are remembered that
/// say of a request under way, for these are looked at when it is over.
#[derive(Debug, Default)]
pub(super) struct WrittenClaims(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// By the identity in one case, and when each was written.
    claims: HashMap<String, (Instant, Versioned<Record>)>,
    /// In the order in which they were written. What is not there any more, or was written
    /// again, stands here still.
    order: VecDeque<(Instant, String)>,
}

impl WrittenClaims {
    /// The registry has stored this record `now`, and gave it this version.
    pub(super) fn add(&self, record: &Record, version: &RecordVersion, now: Instant) {
        let mut in_flight = record.copies.values().flat_map(MemberCopy::in_flight);
        if in_flight.next().is_none() {
            return;
        }
        let key = record.identity.key();
        let claim = Versioned {
            record: record.clone(),
            version: version.clone(),
        };
        let mut kept = self.0.lock();
        kept.order.push_back((now, key.clone()));
        kept.claims.insert(key, (now, claim));
        kept.forget_old(now);
    }

    /// A claim as it was written last. It is remembered no more.
    pub(super) fn take(&self, identity: &Identity, now: Instant) -> Option<Versioned<Record>> {
        let mut kept = self.0.lock();
        kept.forget_old(now);
        let (_, claim) = kept.claims.remove(&identity.key())?;
        Some(claim)
    }

    /// A claim may not be as it was written.
    pub(super) fn forget(&self, identity: &Identity) {
        self.0.lock().claims.remove(&identity.key());
    }

    /// Nothing may be as it was written.
    pub(super) fn clear(&self) {
        *self.0.lock() = Kept::default();
    }
}

impl Kept {
    fn forget_old(&mut self, now: Instant) {
        while let Some((at, key)) = self.order.front() {
            let is_old = now.duration_since(*at) > LONGEST;
            if !is_old && self.order.len() <= MOST {
                return;
            }
            if self.claims.get(key).is_some_and(|(when, _)| when == at) {
                self.claims.remove(key);
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
