//! A change of a namespace's policy: which copies it wakes, and what is acquired for them.

use std::sync::Arc;

use futures::{StreamExt as _, stream};

use crate::arm::Resolution;
use crate::claim::{
    ActivatedCopy, CopyRef, PolicyChange, PolicyScan, PolicyScanAnswer, PolicyScanCall, Proof,
};
use crate::cluster::ObjectScope;
use crate::cluster::resolve::{self, ClusterOverlay, Freshness};
use crate::object::POLICY_ANNOTATION;
use crate::object::text::quoted;
use crate::registry::{ClaimScope, CopyFilter, policy_changes};
use crate::resolve::{SETTINGS_SECRET, SecretLookup};

use super::family::Affected;
use super::guard::{AT_ONCE, AdmissionError, Case, Guard};
use super::protocol::WrittenClaims;
use super::stored::UnreadObject;

/// How many objects one change of a namespace's policy may wake: each costs some calls on
/// the registry, and all have to end before the API server gives up.
const MAX_ACTIVATED: usize = 2000;

impl Guard {
    /// Acquires for every copy that another policy of its namespace makes live: `before`
    /// is the namespace's policy annotation up to now.
    pub(super) async fn change_policy(
        &self,
        case: &Case<'_>,
        change: &PolicyChange,
        before: Option<&str>,
        all_touched: &mut WrittenClaims,
    ) -> Result<(), AdmissionError> {
        let defaults = self.default_policies().await?;
        let (member, change) = (self.member.clone(), change.clone());
        let scan = PolicyScan::new(member, change, before, defaults, case.dry_run);
        let Some(mut scan) = scan else {
            return Ok(());
        };
        case.context.rests_on_claims();
        let mut unread = Vec::new();
        while let Some(call) = scan.call() {
            let answer = self.answer_scan(call, &mut unread).await?;
            scan.answer(answer);
        }
        // Whatever else they are, they are claimed as live already.
        unread.retain(|one: &UnreadObject| !one.is_claimed_live());
        let activated = scan.into_activated();
        if activated.len() > MAX_ACTIVATED && !case.context.lets_through() {
            return Err(too_many(activated.len(), &case.copy));
        }
        let found: Vec<_> = stream::iter(activated)
            .map(|activated| self.affected(activated))
            .buffered(AT_ONCE)
            .collect()
            .await;
        let (mut affected, mut failed) =
            (Vec::new(), self.cannot_read(&unread).map_or(Ok(()), Err));
        for one in found {
            match one {
                Ok(one) => affected.extend(one),
                Err(stop) => failed = failed.and(Err(stop)),
            }
        }
        if failed.is_err() && !case.context.lets_through() {
            return failed;
        }
        // No object itself changes, so nothing of it shows the end.
        let view = ClusterOverlay::of(&*self.cluster, Freshness::Known);
        self.acquire_for_all(case, &view, (affected, &Proof::Deadline), all_touched)
            .await
            .and(failed)
    }

    async fn answer_scan(
        &self,
        call: PolicyScanCall<'_>,
        unread: &mut Vec<UnreadObject>,
    ) -> Result<PolicyScanAnswer, AdmissionError> {
        Ok(match call {
            PolicyScanCall::Register(change) => {
                if !policy_changes::add(&*self.registry, &self.member, change).await? {
                    return Err(not_kept(change, self.registry.flags()));
                }
                PolicyScanAnswer::Registered
            }
            PolicyScanCall::InFlight => {
                let scope = ClaimScope::Of(self.member.clone(), CopyFilter::InFlight);
                // Nobody can register a copy in a claim that cannot be read.
                let claims = self.registry.claims(&scope).await?.records.into_iter();
                PolicyScanAnswer::InFlight(claims.map(|known| known.record).collect())
            }
            PolicyScanCall::Objects(namespace) => {
                let (cluster, trust) = (&*self.cluster, Freshness::Store);
                let mut known = Vec::new();
                let mut objects = Vec::new();
                let stored = self.stored(ObjectScope::Namespace(namespace)).await?;
                unread.extend(stored.unread);
                for object in stored.objects {
                    let operator = resolve::look_up(cluster, &object, trust, &mut known, |one| {
                        one.operator_policy()
                    });
                    let operator = operator.await?;
                    objects.push((object, operator));
                }
                PolicyScanAnswer::Objects(objects)
            }
        })
    }

    /// The default policy of every ASO in the cluster.
    async fn default_policies(&self) -> Result<Vec<Option<Arc<str>>>, AdmissionError> {
        let mut all = Vec::new();
        for operator in &*self.cluster.operators() {
            let settings = self
                .cluster
                .secret(operator, SETTINGS_SECRET, Freshness::Store)
                .await?;
            all.push(match settings {
                SecretLookup::Found(settings) => settings.followed_policy().cloned(),
                SecretLookup::Missing | SecretLookup::Unreadable(_) => None,
            });
        }
        if all.is_empty() {
            all.push(None);
        }
        Ok(all)
    }

    /// What a woken copy stands for; `None` where that cannot be said: the observer finds
    /// it later.
    async fn affected(&self, activated: ActivatedCopy) -> Result<Option<Affected>, AdmissionError> {
        let then = match (activated.claimed, &activated.object) {
            (Some((identity, assumed)), _) => Resolution::known(identity, assumed),
            (None, Some(object)) => match self.identity(object).await?.known() {
                Some(known) => known,
                None => return Ok(None),
            },
            (None, None) => return Ok(None),
        };
        Ok(Some(Affected {
            copy: activated.copy,
            then,
            object: activated.object,
            deletes: activated.deletes,
        }))
    }
}

/// Nothing was written yet: a part of them would be held for nothing.
fn too_many(activated: usize, namespace: &CopyRef) -> AdmissionError {
    let why = format!(
        "this makes {activated} objects live, more than the {MAX_ACTIVATED} that can be checked at once"
    );
    let next = format!(
        "Park the objects themselves first, for each of their kinds; then change the namespace, \
         and take that off again in parts:\n  kubectl --context {} -n {} annotate --overwrite KIND \
         --all {POLICY_ANNOTATION}=skip",
        namespace.member,
        quoted(&namespace.object.name)
    );
    AdmissionError::Unknown(why, next)
}

/// A registry that does not keep the change cannot show it to whoever creates a copy.
fn not_kept(change: &PolicyChange, registry: &str) -> AdmissionError {
    let why = format!(
        "this cluster's record in the registry does not keep that the policy of namespace {} \
         changes",
        change.namespace
    );
    let next = format!(
        "Bring the registry's CRDs up to date (aso-guard crds), and see whether this cluster is \
         listed:\n  aso-guard members list{registry}"
    );
    AdmissionError::Unknown(why, next)
}
