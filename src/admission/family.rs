//! What a request means for the objects below the one it is about.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::arm::{Identity, Resolution};
use crate::claim::{self, Acquire, CopyRef, Proof, Refusal};
use crate::cluster::family::descendants;
use crate::cluster::resolve::{self, Trust, View};
use crate::object::ObjectFacts;
use crate::policy::Policy;

use super::guard::{Case, Guard, Stop};
use super::protocol::Touched;

/// An object that would be deleted, and the resources that would go with it.
type Doomed = (Arc<ObjectFacts>, Vec<Identity>);

/// How many claims are read together.
pub(super) const AT_ONCE: usize = 16;

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
        let with_owner = View::of(&*self.cluster, Trust::Known).with(case.object.clone());
        let mut first = Ok(());
        for child in waiting {
            let policy = resolve::effective_policy(&*self.cluster, &child, Trust::Known).await?;
            let Ok(then) = with_owner.identity(&child).await? else {
                continue;
            };
            let now = resolve::identity(&*self.cluster, &child, Trust::Known).await?;
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
            let acquired = acquired.map_err(|stop| match stop {
                Stop::Refused(refusal) => Stop::Refused(Refusal::WakesChild {
                    child: ask.copy,
                    refusal: Box::new(refusal),
                }),
                stop => stop,
            });
            let goes_on = case.goes_on_after(&acquired);
            first = first.and(acquired);
            if !goes_on {
                break;
            }
        }
        first
    }

    /// Whether Kubernetes' garbage collector may delete what is below this object:
    /// not where the delete of one of them would be refused. Gives those that are
    /// live, and would be deleted in Azure.
    pub(super) async fn look_at_garbage(
        &self,
        case: &Case<'_>,
    ) -> Result<Vec<Arc<ObjectFacts>>, Stop> {
        let below = descendants(&*self.cluster, &case.copy.object);
        self.look_at_deletes(below).await
    }

    /// Whether each of these may be deleted along with what a request deletes. Gives
    /// those whose resources would be deleted in Azure.
    pub(super) async fn look_at_deletes(
        &self,
        objects: Vec<Arc<ObjectFacts>>,
    ) -> Result<Vec<Arc<ObjectFacts>>, Stop> {
        let destructive: Vec<Option<Doomed>> = stream::iter(objects)
            .map(|object| self.look_at_peers(object))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let destructive: Vec<Doomed> = destructive.into_iter().flatten().collect();
        let all = destructive.iter().flat_map(|(_, identities)| identities);
        let all: HashSet<&Identity> = all.collect();
        // What is inside another one of them is looked at with that one.
        let outermost = |identity: &Identity| !identity.ancestors().iter().any(|a| all.contains(a));
        let mut outer: Vec<(CopyRef, Identity)> = Vec::new();
        for (object, identities) in &destructive {
            for identity in identities.iter().filter(|identity| outermost(identity)) {
                outer.push((self.copy_of(object), identity.clone()));
            }
        }
        stream::iter(outer)
            .map(|(copy, identity)| self.look_inside(copy, identity))
            .buffered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(destructive.into_iter().map(|(object, _)| object).collect())
    }

    async fn look_inside(&self, copy: CopyRef, identity: Identity) -> Result<(), Stop> {
        let depend = self.dependents(&identity, &copy).await?;
        Ok(depend.map_err(|refusal| child_refused(copy, refusal))?)
    }

    /// The object with its identities, where deleting it would delete its resource,
    /// and neither another copy nor a transfer depends on that.
    async fn look_at_peers(&self, object: Arc<ObjectFacts>) -> Result<Option<Doomed>, Stop> {
        let policy = resolve::effective_policy(&*self.cluster, &object, Trust::Known).await?;
        if policy.policy != Policy::Manage || object.terminating {
            return Ok(None);
        }
        let copy = self.copy_of(&object);
        let found = self.identity(&object).await?;
        let identities = found.iter().flat_map(Resolution::identities);
        let identities: Vec<Identity> = identities.cloned().collect();
        for identity in &identities {
            let known = self.registry.claim(identity).await?;
            let claimed = known.as_ref().map(|known| &known.record);
            claim::others_depend(claimed, identity, &copy)
                .map_err(|refusal| child_refused(copy.clone(), refusal))?;
        }
        Ok(Some((object, identities)))
    }

    pub(super) fn copy_of(&self, object: &ObjectFacts) -> CopyRef {
        CopyRef {
            member: self.member.clone(),
            object: object.key.clone(),
        }
    }
}

fn child_refused(child: CopyRef, refusal: Refusal) -> Refusal {
    Refusal::ChildRefused {
        child,
        refusal: Box::new(refusal),
    }
}
