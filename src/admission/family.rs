//! What a request means for the objects below the one it is about.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::arm::Resolution;
use crate::claim::{self, Acquire, CopyRef, Proof, Refusal};
use crate::cluster::family::{With, descendants};
use crate::cluster::resolve;
use crate::object::ObjectFacts;
use crate::policy::Policy;

use super::guard::{Case, Guard, Stop};
use super::protocol::Touched;

/// How many claims are read together.
const AT_ONCE: usize = 16;

impl Guard {
    /// Acquires for the live objects that wait for this one as their owner, where it
    /// gives them another identity than they have now.
    pub(super) async fn wake_waiting(
        &self,
        case: &Case<'_>,
        touched: &mut Touched,
    ) -> Result<(), Stop> {
        let waiting = descendants(&*self.cluster, &case.copy.object);
        if waiting.is_empty() {
            return Ok(());
        }
        let with_owner = With {
            cluster: &*self.cluster,
            object: Arc::new(case.object.clone()),
        };
        for child in waiting {
            let policy = resolve::effective_policy(&*self.cluster, &child).await?;
            let Ok(then) = resolve::identity(&with_owner, &child).await? else {
                continue;
            };
            let now = resolve::identity(&*self.cluster, &child).await?;
            let same = now.is_ok_and(|now| now.identities().eq(then.identities()));
            if same || !policy.policy.is_live() {
                continue;
            }
            let ask = Acquire {
                copy: self.copy_of(&child),
                request: case.request.clone(),
                proof: Proof::Owner,
                deadline: case.deadline,
                at: case.at,
                by: case.by.clone(),
                // It is, until the owner was seen in place.
                assumed: true,
            };
            let acquired = self.acquire_all(case, &then, &ask, false, touched).await;
            acquired.map_err(|stop| match stop {
                Stop::Refused(refusal) => Stop::Refused(Refusal::WakesChild {
                    child: ask.copy,
                    refusal: Box::new(refusal),
                }),
                stop => stop,
            })?;
        }
        Ok(())
    }

    /// Whether Kubernetes' garbage collector may delete what is below this object:
    /// not where the delete of one of them would be refused. Gives those that are
    /// live, and would be deleted in Azure.
    pub(super) async fn look_at_garbage(
        &self,
        case: &Case<'_>,
    ) -> Result<Vec<Arc<ObjectFacts>>, Stop> {
        let below = descendants(&*self.cluster, &case.copy.object);
        let destructive: Vec<Option<Arc<ObjectFacts>>> = stream::iter(below)
            .map(|child| self.destructive(child))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(destructive.into_iter().flatten().collect())
    }

    /// The child, where deleting it would delete its resource and nobody minds.
    async fn destructive(&self, child: Arc<ObjectFacts>) -> Result<Option<Arc<ObjectFacts>>, Stop> {
        let resolved = resolve::resolve(&*self.cluster, &child).await?;
        if resolved.policy.policy != Policy::Manage || child.terminating {
            return Ok(None);
        }
        let copy = self.copy_of(&child);
        for identity in resolved.identity.iter().flat_map(Resolution::identities) {
            let known = self.registry.claim(identity).await?;
            let claimed = known.as_ref().map(|known| &known.record);
            let minded = claim::peers_depend(claimed, identity, &copy);
            let minded = match minded {
                Ok(()) => self.dependents(identity, &copy).await?,
                refused => refused,
            };
            minded.map_err(|refusal| Refusal::ChildRefused {
                child: copy.clone(),
                refusal: Box::new(refusal),
            })?;
        }
        Ok(Some(child))
    }

    fn copy_of(&self, object: &ObjectFacts) -> CopyRef {
        CopyRef {
            member: self.member.clone(),
            object: object.key.clone(),
        }
    }
}
