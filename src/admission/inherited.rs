//! Copies that are parked by nothing of their own: by their namespace, or by ASO's
//! settings. What is remembered of those may be old, and may be changing just now.

use crate::arm::Resolution;
use crate::claim::{
    Arrival, ArrivalAnswer, ArrivalCall, Attempt, CopyRef, Inherited, Intent, PolicyChange,
    Rebuilding, Relies,
};
use crate::cluster::ClusterError;
use crate::cluster::resolve::{self, Freshness, IdentityOutcome};
use crate::object::{ObjectFacts, POLICY_ANNOTATION};
use crate::policy::EffectivePolicy;
use crate::registry::{RecordVersion, RegistryError, policy_changes};

use super::guard::{AdmissionError, Case, Guard};
use super::protocol::{WrittenClaims, acquire_for};

impl Guard {
    /// The policy to judge a request by. One that only the namespace or ASO's settings
    /// make harmless is believed from the store alone, with the copy registered where a
    /// change of the namespace sees it. `old`: the object before it, where it is stored.
    pub(super) async fn policy_in_force(
        &self,
        case: &mut Case<'_>,
        relies: Relies,
        old: Option<&ObjectFacts>,
    ) -> Result<EffectivePolicy, AdmissionError> {
        let known = resolve::effective_policy(&*self.cluster, case.object, case.trust).await?;
        if !relies.is_inherited(&known) || self.stays_as_it_was(case, relies, old).await? {
            return Ok(known);
        }
        let mut written = WrittenClaims::new();
        let resolved = match old {
            Some(_) => self.identity(case.object).await?,
            None => resolve::identity(&*self.cluster, case.object, Freshness::Known).await?,
        };
        let registering = match resolved {
            IdentityOutcome::Known(resolution) if !case.dry_run => {
                written = self.touch(case, &case.copy, &resolution);
                Some(registering(case, &resolution, old))
            }
            // What cannot be worked out has no claim, and whoever changes the namespace
            // cannot work it out either.
            _ => None,
        };
        case.registered = registering.is_some();
        let mut arrival = Arrival::new(relies, case.object, registering);
        let outcome = match (self.arrive(case, &mut arrival).await, relies) {
            (Ok(()), Relies::OnParked) => self.confirm_arrival(case).await,
            // The delete of a parked copy waits for no registry.
            (outcome, _) => outcome,
        };
        match (outcome, arrival.outcome()) {
            (Ok(()), Some(arrived)) => {
                case.change.clone_from(&arrived.change);
                Ok(arrived.effective.clone())
            }
            (outcome, _) => {
                if !case.context.lets_through() {
                    self.take_back(case, written).await;
                }
                Err(match outcome {
                    Err(Unanswered::Rebuilding(rebuilding)) => {
                        AdmissionError::Rebuilding(rebuilding)
                    }
                    outcome => only_inherited(&case.copy, outcome.err()),
                })
            }
        }
    }

    /// Whether an UPDATE leaves a copy as it was: whoever changes the namespace finds it
    /// stored.
    async fn stays_as_it_was(
        &self,
        case: &Case<'_>,
        relies: Relies,
        old: Option<&ObjectFacts>,
    ) -> Result<bool, AdmissionError> {
        let Some(old) = old.filter(|_| relies == Relies::OnParked) else {
            return Ok(false);
        };
        if old.annotations.policy != case.object.annotations.policy {
            return Ok(false);
        }
        let before = self.identity(old).await?.known();
        let now = self.identity(case.object).await?.known();
        Ok(before.zip(now).is_some_and(|(before, now)| {
            let mut held = now.identities();
            held.all(|one| before.identities().any(|held| held == one))
        }))
    }

    /// What is under way for the namespace may be lost with the registry's records.
    async fn confirm_arrival(&self, case: &Case<'_>) -> Result<(), Unanswered> {
        let confirmed = self.confirm_epochs(case).await;
        match confirmed.map_err(Unanswered::Registry)? {
            Ok(()) => Ok(()),
            Err(rebuilding) => Err(Unanswered::Rebuilding(rebuilding)),
        }
    }

    /// Makes the calls that an arrival asks for, to its end.
    async fn arrive(
        &self,
        case: &Case<'_>,
        arrival: &mut Arrival<RecordVersion>,
    ) -> Result<(), Unanswered> {
        let mut failed = None;
        while let Some(call) = arrival.call() {
            let answer = match call {
                ArrivalCall::Claim(call) => self.make(case, call).await.map(ArrivalAnswer::Claim),
                ArrivalCall::Changes => policy_changes::of(&*self.registry, &self.member)
                    .await
                    .map(ArrivalAnswer::Changes),
                ArrivalCall::Inherited => {
                    let inherited = self.inherited(case.object).await;
                    Ok(ArrivalAnswer::Inherited(
                        inherited.map_err(Unanswered::Cluster)?,
                    ))
                }
            };
            arrival.answer(answer.unwrap_or_else(|error| {
                failed = Some(error);
                ArrivalAnswer::Unavailable
            }));
        }
        match failed.filter(|_| arrival.outcome().is_none()) {
            Some(error) => Err(Unanswered::Registry(error)),
            None => Ok(()),
        }
    }

    async fn inherited(&self, object: &ObjectFacts) -> Result<Inherited, ClusterError> {
        let (cluster, trust) = (&*self.cluster, Freshness::Store);
        let mut nothing_yet = Vec::new();
        let (known, operator) = tokio::try_join!(
            cluster.namespace(&object.key.namespace, trust),
            resolve::look_up(cluster, object, trust, &mut nothing_yet, |one| one
                .operator_policy())
        )?;
        Ok(Inherited {
            resource_version: known.resource_version,
            namespace: known.policy,
            operator,
        })
    }
}

/// Who did not answer.
enum Unanswered {
    Registry(RegistryError),
    Rebuilding(Rebuilding),
    Cluster(ClusterError),
}

fn registering(
    case: &Case<'_>,
    resolution: &Resolution,
    old: Option<&ObjectFacts>,
) -> Attempt<RecordVersion> {
    let aim = Intent::Arrive(acquire_for(case, resolution, old));
    Attempt::new(aim, resolution.identities().cloned().collect())
}

/// Nobody can say whether a copy stays parked by what it inherits. Its own annotation
/// would say so without asking anybody.
fn only_inherited(copy: &CopyRef, unanswered: Option<Unanswered>) -> AdmissionError {
    let why = match unanswered {
        Some(Unanswered::Registry(error)) => error.to_string(),
        Some(Unanswered::Cluster(error)) => error.to_string(),
        Some(Unanswered::Rebuilding(_)) | None => "there was no answer".to_owned(),
    };
    let why = format!(
        "{} is parked by nothing of its own, and whether that stays so is unknown: {why}",
        copy.object
    );
    let next = format!("Annotate the object itself with {POLICY_ANNOTATION}: skip, or try again.");
    AdmissionError::Unknown(why, next)
}

/// What a person is told besides who is refused by a change that is under way.
pub(super) fn under_change(change: &PolicyChange) -> String {
    format!(
        "Namespace {} is parked now, but a change of its {POLICY_ANNOTATION} is under way: wait \
         until that is over, or annotate the object itself with skip.",
        change.namespace
    )
}
