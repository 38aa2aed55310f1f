//! What CREATE, UPDATE and DELETE of an object come to.

use std::time::Duration;

use crate::arm::{Identity, Resolution};
use crate::claim::{Action, Relies};
use crate::cluster::resolve::{self, Freshness, IdentityOutcome, ResolvedObject};
use crate::object::{OPERATOR_NAMESPACE_ANNOTATION, ObjectFacts};
use crate::policy::{EffectivePolicy, Policy, PolicySource};

use super::answers::on_policy;
use super::guard::{AdmissionError, Case, Guard, PARTS};
use super::verdict::Verdict;

impl Guard {
    /// `timeout`: how long the verdict may take.
    pub(super) async fn create(&self, mut case: Case<'_>, timeout: Duration) -> Verdict {
        match self
            .policy_in_force(&mut case, Relies::OnParked, None)
            .await
        {
            Ok(policy) => {
                let verdict = self.create_as(&case, policy.policy, timeout).await;
                let verdict = on_policy(&policy, verdict);
                match self.untouched(case.object).await {
                    Some(words) if verdict.allowed => verdict.noting(words),
                    _ => verdict,
                }
            }
            Err(stop) => self.stopped(&case, stop).await,
        }
    }

    /// A word on an object that came with the annotation of an ASO elsewhere.
    async fn untouched(&self, object: &ObjectFacts) -> Option<String> {
        // Few have it, and where the cluster does not answer there is nothing to tell.
        object.annotations.operator_namespace.as_ref()?;
        let found = resolve::strange_operator(&*self.cluster, object, Freshness::Known).await;
        let (named, namespace) = (found.ok()??, &object.key.namespace);
        Some(format!(
            "ASO will not reconcile it: by its annotation {OPERATOR_NAMESPACE_ANNOTATION} it belongs \
             to an ASO in {named}, and here no such ASO takes namespace {namespace}; remove the \
             annotation"
        ))
    }

    async fn create_as(&self, case: &Case<'_>, policy: Policy, timeout: Duration) -> Verdict {
        if !policy.is_live() {
            case.context.progress.set_safe();
            let outcome = self.arrive_parked(case, timeout / PARTS).await;
            return self.conclude(case, outcome).await;
        }
        match resolve::identity(&*self.cluster, case.object, Freshness::Known).await {
            Err(error) => self.stopped(case, AdmissionError::Cluster(error)).await,
            // What its children are may be known all the same.
            Ok(IdentityOutcome::Unresolved(why)) => match self.name_children(case, None).await {
                Ok(()) => self.unresolved(case.context, &why),
                Err(stop) => self.stopped(case, stop).await,
            },
            Ok(IdentityOutcome::Known(resolution)) => {
                let outcome = self.go_live(case, &resolution, None).await;
                let verdict = self.conclude(case, outcome).await;
                match unsure(&resolution) {
                    Some(words) => verdict.noting(words),
                    None => verdict,
                }
            }
        }
    }

    pub(super) async fn update(&self, mut case: Case<'_>, old: &ObjectFacts) -> Verdict {
        let relies = Relies::OnParked;
        match self.policy_in_force(&mut case, relies, Some(old)).await {
            Ok(policy) => {
                let verdict = self.update_to(case, old, &policy).await;
                on_policy(&policy, verdict)
            }
            Err(stop) => self.stopped(&case, stop).await,
        }
    }

    async fn update_to(
        &self,
        mut case: Case<'_>,
        old: &ObjectFacts,
        now: &EffectivePolicy,
    ) -> Verdict {
        if !now.policy.is_live() {
            // A parked copy may be called what it likes; its live children may not.
            let outcome = self.name_children(&case, Some(old)).await;
            return self.conclude(&case, outcome).await;
        }
        let outcome = self.change(&mut case, old, now).await;
        self.conclude(&case, outcome).await
    }

    /// An UPDATE after which the object is live.
    async fn change(
        &self,
        case: &mut Case<'_>,
        old: &ObjectFacts,
        now: &EffectivePolicy,
    ) -> Result<(), AdmissionError> {
        let before = resolve::resolve(&*self.cluster, old, Freshness::Known).await?;
        let was_live = self.was_live(&before, old, case.object).await?;
        // What is being deleted, or is deleted next, takes along what it stands for after this.
        let moved_away = case.object.annotations.moved_away && !case.object.terminating;
        let goes = case.object.terminating || moved_away;
        let deletes = goes && now.policy == Policy::Manage;
        let wakes_delete = deletes && before.policy.policy != Policy::Manage;
        // The claim may be given up before a change of the namespace makes the copy live.
        let is_covered = was_live && case.change.is_none();
        if is_covered && !wakes_delete && same_names(old, case.object) {
            return Ok(());
        }
        let protected = if wakes_delete {
            self.against_protection(case, old).await
        } else {
            Ok(())
        };
        if let Err(stop) = &protected
            && case.context.stops_at(stop)
        {
            return protected;
        }
        let resolution = match self.identity(case.object).await? {
            IdentityOutcome::Known(resolution) => resolution,
            IdentityOutcome::Unresolved(why) => {
                self.name_children(case, Some(old)).await?;
                self.confirm(case).await?;
                return Err(AdmissionError::Unresolved(why));
            }
        };
        let held: Vec<Identity> = match (is_covered, before.identity) {
            (true, Ok(old)) => old.identities().cloned().collect(),
            _ => Vec::new(),
        };
        let is_new = resolution.identities().any(|id| !held.contains(id));
        // A copy that was let in unresolved has no claim: it goes live by this change.
        if !is_new && !wakes_delete && self.is_claimed(&case.copy, &resolution).await? {
            return self.name_children(case, Some(old)).await;
        }
        if was_live && is_new && !wakes_delete {
            case.action = Action::Rename;
        }
        if deletes && moved_away {
            case.action = Action::MoveAway;
        }
        if deletes {
            self.wake(case, &resolution, old).await
        } else {
            self.go_live(case, &resolution, Some(old)).await
        }
        .and(protected)
    }

    /// Whether a copy was live before an UPDATE. One that was so by what it inherits, and is
    /// no longer, is believed from the store alone.
    async fn was_live(
        &self,
        before: &ResolvedObject,
        old: &ObjectFacts,
        new: &ObjectFacts,
    ) -> Result<bool, AdmissionError> {
        let known = &before.policy;
        let changes = old.annotations.policy != new.annotations.policy;
        if !changes || !known.policy.is_live() || known.source == PolicySource::Object {
            return Ok(known.policy.is_live());
        }
        let stored = resolve::effective_policy(&*self.cluster, old, Freshness::Store);
        Ok(stored.await?.policy.is_live())
    }

    pub(super) async fn delete(&self, mut case: Case<'_>) -> Verdict {
        // A second DELETE of a terminating object changes nothing: the first one counted.
        if case.object.terminating {
            return Verdict::allow();
        }
        let stored = case.object;
        let relies = Relies::OnKept;
        match self.policy_in_force(&mut case, relies, Some(stored)).await {
            Ok(policy) => on_policy(&policy, self.delete_as(&case, policy.policy).await),
            Err(stop) => self.stopped(&case, stop).await,
        }
    }

    async fn delete_as(&self, case: &Case<'_>, policy: Policy) -> Verdict {
        if policy != Policy::Manage {
            let outcome = self.look_at_live_children(case).await;
            return self.conclude(case, outcome).await;
        }
        let protected = self.against_protection(case, case.object).await.err();
        if let Some(stop) = protected {
            // What is let through all the same is marked as any other.
            if !case.context.stops_at(&stop) {
                let verdict = self.delete_in_azure(case).await;
                if !verdict.allowed || verdict.reason.is_some() {
                    return verdict;
                }
            }
            return self.stopped(case, stop).await;
        }
        self.delete_in_azure(case).await
    }

    async fn delete_in_azure(&self, case: &Case<'_>) -> Verdict {
        match self.identity_as_stored(case.object).await {
            Err(stop) => self.stopped(case, stop).await,
            // No claim lists it, either.
            Ok(IdentityOutcome::Unresolved(why)) => match self.confirm(case).await {
                Ok(()) => self.unresolved(case.context, &why),
                Err(stop) => self.stopped(case, stop).await,
            },
            Ok(IdentityOutcome::Known(resolution)) => {
                let outcome = self.delete_resource(case, &resolution).await;
                self.conclude(case, outcome).await
            }
        }
    }
}

/// A word on an identity that was not computed, or rests on a guess.
fn unsure(resolution: &Resolution) -> Option<String> {
    let identity = &resolution.identity;
    match &resolution.witness {
        Some((witness, why)) => Some(format!("checked as {identity}, by {witness}: {why}")),
        None => resolution.assumed.then(|| {
            format!(
                "its owner is not there yet: checked as {identity}, and again when the owner comes"
            )
        }),
    }
}

/// Whether nothing changed that an identity is made of. The cheap check that keeps
/// ASO's own updates off the registry.
fn same_names(old: &ObjectFacts, new: &ObjectFacts) -> bool {
    old.azure_name == new.azure_name
        && old.azure_name_from_config == new.azure_name_from_config
        && old.owner == new.owner
        && old.naming_convention == new.naming_convention
        && old.annotations.resource_id == new.annotations.resource_id
        && old.annotations.credential_from == new.annotations.credential_from
        && old.annotations.operator_namespace == new.annotations.operator_namespace
        && old.annotations.azure_name_from_config == new.annotations.azure_name_from_config
        && old.annotations.child_resource_id_override == new.annotations.child_resource_id_override
}
