//! Requests on owners whose time was not enough for all that they rename.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::claim::RequestUid;
use crate::object::ObjectKey;

/// The requests on owners that began lately, and that rename many.
#[derive(Debug, Default)]
pub struct CutOffRequests(Mutex<HashMap<ObjectKey, Vec<(RequestUid, Instant)>>>);

impl CutOffRequests {
    /// A request on an owner begins. Gives those that began before it, no longer than `within`
    /// ago.
    pub(super) fn begin(
        &self,
        owner: &ObjectKey,
        request: &RequestUid,
        within: Duration,
    ) -> Vec<RequestUid> {
        let mut begun = self.0.lock();
        begun.retain(|_, requests| {
            requests.retain(|(_, at)| at.elapsed() < within);
            !requests.is_empty()
        });
        let requests = begun.entry(owner.clone()).or_default();
        let before = requests.iter().map(|(uid, _)| uid.clone()).collect();
        requests.push((request.clone(), Instant::now()));
        before
    }
}
