//! All that the cluster has, against all that the registry says of it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::arm::Identity;
use crate::claim::MemberCopy;
use crate::cluster::pace::spread;
use crate::cluster::resolve::{Freshness, ResolvedObject};
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::{ClaimScope, CopyFilter, Registry, RegistryError, sharded};

use super::Observer;

/// How often everything is compared with the registry, at least.
const COMPARE: Duration = Duration::from_mins(10);
/// How often a replica that enrols looks how far it has come.
const ENROLLING: Duration = Duration::from_millis(200);
/// How many objects that wait are worth a list of all claims of the member.
const WORTH_A_LIST: usize = 500;

impl Observer {
    pub(super) async fn keep_comparing(&self, shutdown: &CancellationToken) {
        loop {
            if shutdown
                .run_until_cancelled(tokio::time::sleep(spread(COMPARE)))
                .await
                .is_none()
            {
                return;
            }
            if let Err(error) = self.compare().await {
                warn!(%error, "could not compare with the registry");
            }
        }
    }

    /// Several replicas enrol the same objects, each in an order of its own. Now and then
    /// each leaves out what the others have done meanwhile: a list of claims is cheap
    /// beside an attempt to make each of them a second time.
    pub(super) async fn share_out(&self, shutdown: &CancellationToken) {
        let mut due = self.queue.low_priority_len() / 4 * 3;
        while !self.has_caught_up() {
            let pause = tokio::time::sleep(ENROLLING);
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
            let left = self.queue.low_priority_len();
            if left < WORTH_A_LIST || left > due {
                continue;
            }
            match self.differing().await {
                Ok(differing) => {
                    self.queue.keep_low_priority(|key| differing.contains(key));
                    if let Some(backlog) = self.backlog.lock().as_mut() {
                        backlog.retain(|key| differing.contains(key));
                    }
                }
                Err(error) => warn!(%error, "could not compare with the registry"),
            }
            let kept = self.queue.low_priority_len();
            // Whoever is alone has little to gain.
            let is_alone = left.saturating_sub(kept) < left / 8;
            due = if is_alone { kept / 4 } else { kept / 4 * 3 };
        }
    }

    /// Compares every object of the cluster and every copy of it in the registry,
    /// and takes up what differs. Gives how many objects that is.
    ///
    /// Nothing is believed for ever: this puts right a claim that was deleted by
    /// hand, or a registry restored from an old backup. An object that cannot be
    /// resolved is shown, and tried again on its own.
    ///
    /// # Errors
    /// The registry did not answer.
    pub async fn compare(&self) -> Result<usize, RegistryError> {
        let differing = self.differing().await?;
        let count = differing.len();
        // The order is another one in each replica.
        self.queue.add_low_priority(differing.iter().cloned());
        self.backlog.lock().get_or_insert(differing);
        if count > 0 {
            info!(objects = count, "bringing the registry up to date");
        }
        Ok(count)
    }

    /// The objects, and what is claimed to be one, of which the claims don't say what
    /// the cluster says. Claims pass by page by page, and are not kept.
    async fn differing(&self) -> Result<HashSet<ObjectKey>, RegistryError> {
        let objects = self.cluster.objects();
        let objects: HashMap<&ObjectKey, &ObjectFacts> =
            objects.iter().map(|one| (&one.key, &**one)).collect();
        let mut differing = HashSet::new();
        let mut agreeing = HashMap::<&ObjectKey, usize>::new();
        // A shard that does not answer is left out, with what is in it.
        let (shards, mut left_out) = (sharded::each(&*self.registry), BTreeSet::new());
        for (number, shard) in shards.iter().enumerate() {
            let of = (*shard, number);
            let listed = self.compare_claims(of, &objects, &mut differing, &mut agreeing);
            match listed.await {
                Ok(()) => {}
                Err(error) if left_out.len() + 1 == shards.len() => return Err(error),
                Err(error) => {
                    warn!(%error, "could not compare with one shard of the registry");
                    left_out.insert(number);
                }
            }
        }
        let is_left_out = |identity: &Identity| left_out.contains(&self.shard_of(identity));
        for (key, object) in &objects {
            let Ok(resolved) = self.resolve(object, Freshness::Known).await else {
                // By its own clock, so that it keeps nobody waiting.
                let wait = self.retries.failed(key).0;
                self.queue.add_at((*key).clone(), Instant::now() + wait);
                continue;
            };
            self.show_resolution(key, &object.uid, &resolved);
            let Ok(resolution) = &resolved.identity else {
                continue;
            };
            if resolution.identities().any(is_left_out) {
                continue;
            }
            if agreeing.get(key).copied().unwrap_or_default() != resolution.identities().count() {
                differing.insert((*key).clone());
            }
        }
        Ok(differing)
    }

    /// Compares the claims of a registry, or of a shard of it and its number, with this cluster's
    /// objects. What is in a shard where it does not belong is not there.
    async fn compare_claims<'a>(
        &self,
        (registry, number): (&dyn Registry, usize),
        objects: &HashMap<&'a ObjectKey, &'a ObjectFacts>,
        differing: &mut HashSet<ObjectKey>,
        agreeing: &mut HashMap<&'a ObjectKey, usize>,
    ) -> Result<(), RegistryError> {
        let scope = ClaimScope::Of(self.member.clone(), CopyFilter::AnyCopy);
        let mut page = registry.claims_page(&scope, None).await?;
        loop {
            for known in page.claims {
                if self.shard_of(&known.record.identity) != number {
                    continue;
                }
                self.show_holder_gone(&known.record);
                let state = known.record.state();
                let identity = known.record.identity;
                for (copy, held) in known.record.copies {
                    if copy.member != self.member {
                        continue;
                    }
                    let Some((key, object)) = objects.get_key_value(&copy.object) else {
                        self.claim_index.enter(&copy.object, &identity);
                        differing.insert(copy.object);
                        continue;
                    };
                    self.claim_index.enter(key, &identity);
                    self.claim_index.set_state(key, &identity, state);
                    // One that cannot be resolved is told of below.
                    let resolved = self.resolve(object, Freshness::Known).await.ok();
                    if resolved.is_none_or(|one| agrees(object, &one, &identity, &held)) {
                        *agreeing.entry(key).or_default() += 1;
                    } else {
                        differing.insert((*key).clone());
                    }
                }
            }
            let Some(at) = page.next else {
                return Ok(());
            };
            page = registry.claims_page(&scope, Some(&at)).await?;
        }
    }
}

/// Whether a claim of an object says what the object says.
fn agrees(
    object: &ObjectFacts,
    resolved: &ResolvedObject,
    identity: &Identity,
    held: &MemberCopy,
) -> bool {
    let policy = resolved.policy.policy;
    let is_meant = match &resolved.identity {
        // It cannot be worked out just now.
        Err(_) => true,
        Ok(resolution) => resolution.identities().any(|one| one == identity),
    };
    is_meant
        && held.next_deadline().is_none()
        && held.stored.as_ref().is_some_and(|stored| {
            *stored.uid == *object.uid
                && stored.policy == policy
                && stored.terminating == object.terminating
                && stored.busy == (object.annotations.busy && !policy.is_live())
        })
}
