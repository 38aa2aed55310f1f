//! A change of a namespace's policy: which copies it wakes, and what is acquired for them.

use std::sync::Arc;

use futures::{StreamExt as _, stream};

use crate::arm::Resolution;
use crate::claim::{
    Acquire, Aim, Awakening, AwakeningAnswer, AwakeningCall, Delete, PolicyChange, Proof, Refusal,
    Woken,
};
use crate::cluster::resolve::{self, Trust};
use crate::object::POLICY_ANNOTATION;
use crate::registry::{Holding, Scope, policy_changes};
use crate::resolve::{SETTINGS_SECRET, Secret};

use super::family::AT_ONCE;
use super::guard::{Case, Guard, Stop};
use super::protocol::{Touched, delete_for};

/// How many objects one change of a namespace's policy may wake: each costs some calls on
/// the registry, and all have to end before the API server gives up.
const MAX_WOKEN: usize = 2000;

impl Guard {
    /// Acquires for every copy that another policy of its namespace makes live: `before`
    /// is the namespace's policy annotation up to now.
    pub(super) async fn change_policy(
        &self,
        case: &Case<'_>,
        change: &PolicyChange,
        before: Option<&str>,
        all_touched: &mut Touched,
    ) -> Result<(), Stop> {
        let defaults = self.default_policies().await?;
        let (member, change) = (self.member.clone(), change.clone());
        let awakening = Awakening::new(member, change, before, defaults, case.dry_run);
        let Some(mut awakening) = awakening else {
            return Ok(());
        };
        while let Some(call) = awakening.call() {
            let answer = self.look_for_woken(call).await?;
            awakening.answer(answer);
        }
        let woken = awakening.into_woken();
        if woken.len() > MAX_WOKEN && !case.standing.lets_through() {
            return Err(too_many(woken.len()));
        }
        case.standing.progress.begin(woken.len());
        let outcomes: Vec<(Touched, Result<(), Stop>)> = stream::iter(woken)
            .map(|woken| self.wake_by_namespace(case, woken))
            .buffered(AT_ONCE)
            .inspect(|_| case.standing.progress.step())
            .collect()
            .await;
        let mut all = Ok(());
        for (touched, outcome) in outcomes {
            all_touched.extend(touched);
            all = all.and(outcome);
        }
        all
    }

    async fn look_for_woken(&self, call: AwakeningCall<'_>) -> Result<AwakeningAnswer, Stop> {
        Ok(match call {
            AwakeningCall::Register(change) => {
                if !policy_changes::add(&*self.registry, &self.member, change).await? {
                    return Err(not_kept(change));
                }
                AwakeningAnswer::Registered
            }
            AwakeningCall::InFlight => {
                let scope = Scope::Of(self.member.clone(), Holding::InFlight);
                // Nobody can register a copy in a claim that cannot be read.
                let claims = self.registry.claims(&scope).await?.records.into_iter();
                AwakeningAnswer::InFlight(claims.map(|known| known.record).collect())
            }
            AwakeningCall::Objects(namespace) => {
                let (cluster, trust) = (&*self.cluster, Trust::Store);
                let mut known = Vec::new();
                let mut objects = Vec::new();
                for object in cluster.list(namespace).await? {
                    let operator = resolve::look_up(cluster, &object, trust, &mut known, |one| {
                        one.operator_policy()
                    });
                    let operator = operator.await?;
                    objects.push((object, operator));
                }
                AwakeningAnswer::Objects(objects)
            }
        })
    }

    /// The default policy of every ASO in the cluster.
    async fn default_policies(&self) -> Result<Vec<Option<Arc<str>>>, Stop> {
        let mut all = Vec::new();
        for operator in &*self.cluster.operators() {
            let settings = self
                .cluster
                .secret(operator, SETTINGS_SECRET, Trust::Store)
                .await?;
            all.push(match settings {
                Secret::Found(settings) => settings.default_policy,
                Secret::Missing | Secret::Unreadable(_) => None,
            });
        }
        if all.is_empty() {
            all.push(None);
        }
        Ok(all)
    }

    /// Acquires for a copy that becomes live.
    async fn wake_by_namespace(
        &self,
        case: &Case<'_>,
        woken: Woken,
    ) -> (Touched, Result<(), Stop>) {
        let child = woken.copy.clone();
        let resolution = match self.stands_for(&woken).await {
            Ok(Some(known)) => known,
            // What cannot be worked out now is found by the observer later.
            Ok(None) => return (Touched::new(), Ok(())),
            Err(stop) => return (Touched::new(), Err(stop)),
        };
        let ask = Acquire {
            copy: child.clone(),
            request: case.request.clone(),
            // The object itself does not change, so nothing of it shows the end.
            proof: Proof::Deadline,
            deadline: case.deadline,
            at: case.at,
            by: case.by.clone(),
            assumed: resolution.assumed,
        };
        let touched = self.touch(case, &child, &resolution);
        let aim = match &woken.object {
            Some(object) if woken.deletes => {
                let delete = Delete {
                    copy: child.clone(),
                    proof: Proof::Deadline,
                    ..delete_for(case, object, true)
                };
                Aim::Wake(ask, delete)
            }
            _ => Aim::Activate(ask),
        };
        let outcome = self.attempt(case, &resolution, aim).await;
        let outcome = outcome.map_err(|stop| match stop {
            Stop::Refused(refusal) => Stop::Refused(Refusal::WakesChild {
                child,
                refusal: Box::new(refusal),
            }),
            stop => stop,
        });
        (touched, outcome)
    }

    /// What a woken copy stands for; `None` where that cannot be said.
    async fn stands_for(&self, woken: &Woken) -> Result<Option<Resolution>, Stop> {
        Ok(match (&woken.claimed, &woken.object) {
            (Some((identity, assumed)), _) => Some(Resolution {
                identity: identity.clone(),
                assumed: *assumed,
                witness: None,
                also: Vec::new(),
                stale_status: None,
                bad_annotation: None,
            }),
            (None, Some(object)) => self.identity(object).await?.ok(),
            (None, None) => None,
        })
    }
}

/// Nothing was written yet: a part of them would be held for nothing.
fn too_many(woken: usize) -> Stop {
    let why = format!(
        "this would wake {woken} objects, more than the {MAX_WOKEN} that can be acquired for at once"
    );
    let next = format!(
        "Annotate the objects themselves with {POLICY_ANNOTATION}: skip, change the namespace, and \
         take that off again in parts."
    );
    Stop::Unknown(why, next)
}

/// A registry that does not keep the change cannot show it to whoever creates a copy.
fn not_kept(change: &PolicyChange) -> Stop {
    let why = format!(
        "this cluster's record in the registry does not keep that the policy of namespace {} \
         changes",
        change.namespace
    );
    let next = "Bring the registry's CRDs up to date (aso-guard crds), and see whether this \
                cluster is listed: aso-guard members list";
    Stop::Unknown(why, next.to_owned())
}
