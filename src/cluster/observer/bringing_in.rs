//! All copies of this cluster, brought into a registry that may have lost them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tracing::warn;

use crate::arm::Resolution;
use crate::cluster::enrolment::{CopiesOfCluster, EnrolmentError};
use crate::cluster::resolve::Freshness;
use crate::cluster::{ClusterError, ObjectScope};
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::{ClaimScope, CopyFilter};

use super::{ObserveError, Observer, WORKERS};

/// How often an object is tried that cannot be looked at, for a reason of its own.
const TRIES: usize = 4;
/// How long it waits for the next try.
const PAUSE: Duration = Duration::from_secs(1);

#[async_trait]
impl CopiesOfCluster for Observer {
    async fn bring_in(&self) -> Result<usize, EnrolmentError> {
        Ok(self.bring_all_in(None).await?)
    }
}

/// The copies of a cluster whose claims are in one shard of its registry.
pub struct CopiesOfShard {
    /// The cluster's observer.
    pub observer: Arc<Observer>,
    /// The shard's number in the map.
    pub shard: usize,
}

#[async_trait]
impl CopiesOfCluster for CopiesOfShard {
    async fn bring_in(&self) -> Result<usize, EnrolmentError> {
        Ok(self.observer.bring_all_in(Some(self.shard)).await?)
    }
}

impl From<ObserveError> for EnrolmentError {
    fn from(error: ObserveError) -> Self {
        match error {
            ObserveError::Registry(error) => Self::Registry(error),
            ObserveError::Cluster(error) => Self::Cluster(error),
        }
    }
}

impl Observer {
    /// `shard`: of the registry's shards, the one whose claims are meant.
    async fn bring_all_in(&self, shard: Option<usize>) -> Result<usize, ObserveError> {
        let mut todo = self.claimed(shard).await?;
        let listed = self.cluster.list(ObjectScope::All).await;
        let unwatched = self.cluster.unwatched();
        let unread = listed.unread.into_iter().find(|(group, kind)| {
            let name = format!("{kind}.{group}");
            !unwatched.contains(&name)
        });
        if let Some((group, kind)) = unread {
            return Err(ObserveError::Cluster(ClusterError {
                what: format!("all {kind}.{group}"),
                why: "it does not list them".to_owned(),
            }));
        }
        let stored = listed.objects.into_iter();
        todo.extend(stored.map(|object| (object.key.clone(), Some(object))));
        let count = todo.len();
        let looks = stream::iter(todo).map(|(key, object)| async move {
            let object = object.as_deref();
            self.bring_in_one(&key, object, shard).await
        });
        let mut looks = looks.buffer_unordered(WORKERS);
        while looks.try_next().await?.is_some() {}
        Ok(count)
    }

    /// What the registry lists as copies of this cluster.
    async fn claimed(
        &self,
        shard: Option<usize>,
    ) -> Result<BTreeMap<ObjectKey, Option<Arc<ObjectFacts>>>, ObserveError> {
        let registry = match (self.registry.shards(), shard) {
            (Some(shards), Some(shard)) => &*shards.registries[shard],
            _ => &*self.registry,
        };
        let scope = ClaimScope::Of(self.member.clone(), CopyFilter::AnyCopy);
        let mut claimed = BTreeMap::new();
        let mut at = None;
        loop {
            let page = registry.claims_page(&scope, at.as_ref()).await?;
            for known in page.claims {
                let identity = known.record.identity;
                if shard.is_some_and(|shard| self.shard_of(&identity) != shard) {
                    continue;
                }
                for copy in known.record.copies.into_keys() {
                    if copy.member == self.member {
                        self.claim_index.enter(&copy.object, &identity);
                        claimed.insert(copy.object, None);
                    }
                }
            }
            match page.next {
                Some(next) => at = Some(next),
                None => return Ok(claimed),
            }
        }
    }

    async fn bring_in_one(
        &self,
        key: &ObjectKey,
        object: Option<&ObjectFacts>,
        shard: Option<usize>,
    ) -> Result<(), ObserveError> {
        for tries in 1.. {
            match self.look_by_store(key, object, shard).await {
                Err(error) if error.is_outage() => return Err(error),
                Err(error) if tries == TRIES => {
                    warn!(object = %key, %error, "an object cannot be brought into the registry; it is tried on, with the others unhindered");
                    self.queue.add(key.clone());
                    return Ok(());
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
                Ok(()) => {
                    self.mark_dirty(key);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A look at every claim that an object should have by what is stored, and at those that it
    /// has or had.
    async fn look_by_store(
        &self,
        key: &ObjectKey,
        object: Option<&ObjectFacts>,
        shard: Option<usize>,
    ) -> Result<(), ObserveError> {
        if let Some(object) = object {
            let resolved = self.resolve(object, Freshness::Store).await?;
            self.show_resolution(key, &object.uid, &resolved);
            let known = resolved.identity.as_ref().ok();
            for identity in known.into_iter().flat_map(Resolution::identities) {
                self.claim_index.enter(key, identity);
            }
        }
        if self.claim_index.identities(key).is_empty() {
            // Nobody can tell what it is, and no claim lists it.
            return Ok(());
        }
        self.look_in(key, shard).await
    }
}
