//! What a request means for the objects below the one it is about.

use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::timeout;
use tracing::debug;

use crate::arm::Resolution;
use crate::claim::{Acquire, CopyRef, Delete, Intent, Proof, Refusal, Renamed};
use crate::cluster::ClusterError;
use crate::cluster::family::descendants;
use crate::cluster::resolve::{ClusterOverlay, Freshness};
use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::{Policy, PolicySource, effective};

use super::earlier::EarlierClaims;
use super::guard::{AT_ONCE, AdmissionError, Case, Guard};
use super::policies::NamespacePolicies;
use super::protocol::{WrittenClaims, delete_for};

/// A copy that a request about something else makes live, or gives another identity.
pub(super) struct Affected {
    pub(super) copy: CopyRef,
    /// What it stands for after the request.
    pub(super) then: Resolution,
    /// The object, where it is stored as what that was worked out of.
    pub(super) object: Option<Arc<ObjectFacts>>,
    /// Whether a delete of it is under way, and would then be one in Azure.
    pub(super) deletes: bool,
}

impl Guard {
    /// Acquires for the live objects below this one that the request gives other
    /// identities than they have: those that wait for it as their owner, and those that
    /// its change renames. `before`: the object as it is, where it is there. `patience`: how
    /// long a safe step waits at most for what is on its way to be found.
    pub(super) async fn acquire_for_children(
        &self,
        case: &Case<'_>,
        before: Option<&ObjectFacts>,
        patience: Option<Duration>,
        written: &mut WrittenClaims,
    ) -> Result<(), AdmissionError> {
        // Whose owner is not there is taken to be in what the owner's name in Kubernetes says.
        let assumed = ObjectFacts::named(case.object.key.clone());
        let assumed = before.unwrap_or(&assumed);
        if names_children_alike(assumed, case.object) {
            return Ok(());
        }
        let with = |object: Option<&ObjectFacts>| {
            ClusterOverlay::of(&*self.cluster, Freshness::Known).with(&case.copy.object, object)
        };
        let views = (&with(before), &with(Some(case.object)));
        let mut said = WrittenClaims::new();
        let outcome = async {
            let finding = self.announce(case, (before, assumed), views, &mut said);
            let found = match patience {
                None => Ok(finding.await),
                Some(patience) => timeout(patience, finding).await,
            };
            let claimed = match found {
                Ok(Err(stop)) if patience.is_none() => return Err(stop),
                Ok(Ok(claimed)) => claimed,
                Ok(Err(_)) | Err(_) => {
                    debug!(copy = %case.copy, "children on their way are left to the observer");
                    Vec::new()
                }
            };
            let renamed = self.renamed_by(case, before, views, claimed).await?;
            let all = (renamed, &Proof::Owner);
            self.acquire_for_all(case, views.1, all, written).await
        };
        let outcome = outcome.await;
        if outcome.is_err() && !case.context.lets_through() {
            self.take_back(case, said).await;
        }
        outcome
    }

    /// Acquires for copies that a request about something else affects, up to the first
    /// that stops it. `view`: what they are by after it.
    pub(super) async fn acquire_for_all(
        &self,
        case: &Case<'_>,
        view: &ClusterOverlay<'_>,
        (affected, proof): (Vec<Affected>, &Proof),
        written: &mut WrittenClaims,
    ) -> Result<(), AdmissionError> {
        case.context.progress.begin(affected.len());
        let earlier = self.claimed_earlier(case, (affected.len(), proof)).await;
        let earlier = earlier.as_ref();
        let stopped = AtomicBool::new(false);
        let mut outcomes = stream::iter(affected)
            .take_while(|_| ready(!stopped.load(Ordering::Relaxed)))
            .map(|one| self.acquire_for(case, (view, earlier), one, proof))
            .buffered(AT_ONCE);
        let mut first = Ok(());
        while let Some((more, outcome)) = outcomes.next().await {
            case.context.progress.step();
            written.extend(more);
            // What is let through is stored with all of them: one error is in no other's way.
            if outcome.is_err() && !case.context.lets_through() {
                stopped.store(true, Ordering::Relaxed);
            }
            first = first.and(outcome);
        }
        first
    }

    /// The live objects below this one that stand for something else after the request:
    /// those that are known, and those that are `claimed`.
    async fn renamed_by(
        &self,
        case: &Case<'_>,
        before: Option<&ObjectFacts>,
        (now, after): (&ClusterOverlay<'_>, &ClusterOverlay<'_>),
        claimed: Vec<Renamed>,
    ) -> Result<Vec<Affected>, AdmissionError> {
        let mut policies = NamespacePolicies::of(&*self.cluster);
        if case.trust == Freshness::Store {
            let namespace = &case.copy.object.namespace;
            let stored = self.cluster.namespace(namespace, case.trust).await?;
            policies = policies.knowing(namespace, stored.policy.as_deref());
        }
        let mut live = Vec::new();
        for child in descendants(&*self.cluster, &case.copy.object) {
            let policy = policies.get(&child).await?;
            if policy.is_live() && claimed.iter().all(|one| one.copy.object != child.key) {
                let deletes = child.terminating && policy == Policy::Manage;
                live.push((child, deletes));
            }
        }
        let mut renamed = Vec::new();
        for one in claimed {
            renamed.extend(one.under_way.into_iter().map(|identity| Affected {
                copy: one.copy.clone(),
                then: Resolution::known(identity, before.is_none()),
                object: None,
                deletes: false,
            }));
            if let Some(child) = one.object {
                let own = effective(child.annotations.policy.as_deref(), None, None);
                if own.source != PolicySource::Object || own.policy.is_live() {
                    let policy = policies.get(&child).await?;
                    let deletes = child.terminating && policy == Policy::Manage;
                    live.push((child, deletes));
                }
            }
        }
        for (child, deletes) in live {
            let Some(mut then) = after.identity(&child).await?.known() else {
                continue;
            };
            let now = now.identity(&child).await?.known();
            if !now.is_some_and(|now| now.identities().eq(then.identities())) {
                // It is assumed, until the owner was seen in place.
                then.assumed |= before.is_none();
                renamed.push(Affected {
                    copy: self.copy_of(&child),
                    then,
                    object: Some(child),
                    deletes,
                });
            }
        }
        Ok(renamed)
    }

    async fn acquire_for(
        &self,
        case: &Case<'_>,
        (view, earlier): (&ClusterOverlay<'_>, Option<&EarlierClaims>),
        affected: Affected,
        proof: &Proof,
    ) -> (WrittenClaims, Result<(), AdmissionError>) {
        let Affected { copy, then, .. } = affected;
        let mut written = WrittenClaims::new();
        let ask = Acquire {
            copy: copy.clone(),
            request: case.request.clone(),
            proof: proof.clone(),
            deadline: case.deadline,
            at: case.at,
            by: case.by.clone(),
            assumed: then.assumed,
        };
        let ask = match proof {
            Proof::Owner => ask.until_owner_is_seen(),
            _ => ask,
        };
        let ask = match earlier {
            Some(earlier) => earlier.asked(ask, &then.identity),
            None => ask,
        };
        let object = affected.object.as_deref();
        let protected = self.may_wake(object.filter(|_| affected.deletes)).await;
        let of_child = |stop| match stop {
            AdmissionError::Refused(refusal) => AdmissionError::Refused(Refusal::WakesChild {
                child: copy.clone(),
                refusal: Box::new(refusal),
            }),
            stop => stop,
        };
        if protected.is_err() && !case.context.lets_through() {
            return (written, protected.map_err(of_child));
        }
        let aim = match object.filter(|_| affected.deletes) {
            Some(object) => {
                let delete = Delete {
                    copy: copy.clone(),
                    proof: proof.clone(),
                    ..delete_for(case, object, true)
                };
                Intent::Wake(ask, delete)
            }
            None => Intent::Activate(ask),
        };
        let way = self.acquire(case, (view, object, earlier), aim, &then, &mut written);
        let outcome = way.await.and(protected).map_err(of_child);
        (written, outcome)
    }

    /// Whether Kubernetes' garbage collector may delete what is below this object:
    /// not where the delete of one of them would be refused.
    pub(super) async fn look_at_garbage(&self, case: &Case<'_>) -> Result<(), AdmissionError> {
        if case.orphans {
            return Ok(());
        }
        let below = descendants(&*self.cluster, &case.copy.object);
        let policies = NamespacePolicies::of(&*self.cluster);
        self.look_at_deletes(case, below, policies).await.map(drop)
    }

    /// Whether a delete that leaves the object's own resource alone leaves Azure alone:
    /// not where live children go along. The registry is not needed for a yes.
    pub(super) async fn look_at_live_children(
        &self,
        case: &Case<'_>,
    ) -> Result<(), AdmissionError> {
        if case.orphans {
            return Ok(());
        }
        let mut policies = NamespacePolicies::of(&*self.cluster);
        let live = self.live_below(&case.copy.object, &mut policies).await?;
        if live.is_empty() || self.is_terminating(&case.copy.object.namespace).await? {
            return Ok(());
        }
        let copies = live.iter().map(|child| self.copy_of(child));
        let refusal = Refusal::TakesLiveChildren {
            children: copies.collect(),
        };
        let mut known = WrittenClaims::new();
        if case.context.overriding().is_some() {
            known = self.known_claims(case.object).await?;
            if known.is_empty() && case.context.is_to_be_proven() {
                return Err(AdmissionError::Unproven(refusal));
            }
            for child in &live {
                known.extend(self.known_claims(child).await?);
            }
        }
        Err(self.overrule(case, &known, refusal).await)
    }

    /// The objects below this one whose resources would be deleted with them.
    pub(super) async fn live_below(
        &self,
        root: &ObjectKey,
        policies: &mut NamespacePolicies<'_>,
    ) -> Result<Vec<Arc<ObjectFacts>>, ClusterError> {
        let mut live = Vec::new();
        for child in descendants(&*self.cluster, root) {
            if !child.terminating && policies.get(&child).await? == Policy::Manage {
                live.push(child);
            }
        }
        Ok(live)
    }

    /// Whether a namespace goes, with all that is in it, whoever goes first.
    async fn is_terminating(&self, namespace: &str) -> Result<bool, AdmissionError> {
        Ok(self
            .cluster
            .namespace(namespace, Freshness::Known)
            .await?
            .terminating)
    }

    /// The claims that have an object as a copy, if its resource can be worked out.
    pub(super) async fn known_claims(
        &self,
        object: &ObjectFacts,
    ) -> Result<WrittenClaims, AdmissionError> {
        let known = self.identity(object).await?.known();
        let identities = known.iter().flat_map(Resolution::identities);
        let copy = self.copy_of(object);
        Ok(identities.map(|one| (copy.clone(), one.clone())).collect())
    }

    pub(super) fn copy_of(&self, object: &ObjectFacts) -> CopyRef {
        CopyRef {
            member: self.member.clone(),
            object: object.key.clone(),
        }
    }
}

/// Whether nothing changed that the identities of an object's children are made of. The
/// cheap check that spares looking for them.
fn names_children_alike(old: &ObjectFacts, new: &ObjectFacts) -> bool {
    let [(was, before), (is, after)] = [old, new].map(|one| (one, &one.annotations));
    was.name_in_azure() == is.name_in_azure()
        && was.azure_name_from_config == is.azure_name_from_config
        && was.owner == is.owner
        && was.naming_convention == is.naming_convention
        && before.azure_name_from_config == after.azure_name_from_config
        && before.child_resource_id_override == after.child_resource_id_override
}
