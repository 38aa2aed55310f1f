//! The calls that an admission makes on the registry, in the order that the claim
//! protocol asks for.

use futures::future::try_join_all;

use crate::arm::{Identity, Resolution};
use crate::claim::{
    self, Acquire, Aim, Answer, Attempt, Call, CopyRef, Delete, Proof, Record, Refusal, Stored,
};
use crate::object::ObjectFacts;
use crate::policy::Policy;
use crate::registry::{Put, RecordVersion, RegistryError, Scope, Versioned};

use super::guard::{Case, Guard, Stop};
use super::verdict::Mode;

/// The copies that a request writes in claims: what is refused after all takes them back.
pub(super) type Touched = Vec<(CopyRef, Identity)>;

impl Guard {
    /// Acquires everything the object stands for, looks whether it is inside something
    /// that is being deleted, and acquires for those that wait for it. `old` is the
    /// object before an UPDATE.
    pub(super) async fn go_live(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        old: Option<&ObjectFacts>,
    ) -> Result<(), Stop> {
        let mut touched = Touched::new();
        let outcome = async {
            let ask = acquire_for(case, resolution, old);
            // A new resource has no record: writing one at once saves the read.
            let blind = old.is_none();
            self.acquire_all(case, resolution, &ask, blind, &mut touched)
                .await?;
            self.wake_waiting(case, &mut touched).await
        }
        .await;
        self.settle_accounts(case, touched, outcome).await
    }

    /// Acquires only for those that wait for the object: it is parked itself.
    pub(super) async fn arrive_parked(&self, case: &Case<'_>) -> Result<(), Stop> {
        let mut touched = Touched::new();
        let outcome = self.wake_waiting(case, &mut touched).await;
        self.settle_accounts(case, touched, outcome).await
    }

    /// Makes a terminating copy's delete destructive: it is both an acquire and a delete.
    pub(super) async fn wake(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        old: &ObjectFacts,
    ) -> Result<(), Stop> {
        let ask = acquire_for(case, resolution, Some(old));
        let aim = Aim::Wake(ask, delete_for(case, old, true));
        let touched = self.touch(case, &case.copy, resolution);
        let outcome = self.attempt(case, resolution, aim).await;
        self.settle_accounts(case, touched, outcome).await
    }

    /// Marks everything the object stands for as being deleted, then looks for what
    /// others hold inside it, and at what Kubernetes deletes along with it.
    pub(super) async fn delete_resource(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
    ) -> Result<(), Stop> {
        let aim = Aim::Delete(delete_for(case, case.object, false));
        let touched = self.touch(case, &case.copy, resolution);
        let outcome = async {
            self.attempt(case, resolution, aim).await?;
            self.look_at_garbage(case).await?;
            Ok(())
        }
        .await;
        self.settle_accounts(case, touched, outcome).await
    }

    /// Acquires every identity of an object, then looks at what contains it. `blind`:
    /// no record is expected, so none is read before the first write.
    pub(super) async fn acquire_all(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        ask: &Acquire,
        blind: bool,
        touched: &mut Touched,
    ) -> Result<(), Stop> {
        touched.extend(self.touch(case, &ask.copy, resolution));
        let aim = if blind {
            Aim::Create(ask.clone())
        } else {
            Aim::Activate(ask.clone())
        };
        self.attempt(case, resolution, aim).await
    }

    pub(super) async fn attempt(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        aim: Aim,
    ) -> Result<(), Stop> {
        let identities = resolution.identities().cloned().collect();
        let attempt = Attempt::new(aim, identities, case.dry_run);
        Ok(self.carry_out(attempt).await??)
    }

    /// Makes the calls that an attempt asks for, to its end.
    async fn carry_out(
        &self,
        mut attempt: Attempt<RecordVersion>,
    ) -> Result<Result<(), Refusal>, RegistryError> {
        while let Some(call) = attempt.call() {
            let answer = self.make(call).await?;
            attempt.answer(answer);
        }
        Ok(attempt.outcome())
    }

    async fn make(
        &self,
        call: Call<'_, RecordVersion>,
    ) -> Result<Answer<RecordVersion>, RegistryError> {
        Ok(match call {
            Call::Claim(identity) => {
                let known = self.registry.claim(identity).await?;
                Answer::Claim(known.map(|known| (known.record, known.version)))
            }
            Call::Put(record, expected) => match self.registry.put_claim(record, expected).await? {
                Put::Stored(_) => Answer::Stored,
                Put::Conflict => Answer::Conflict,
            },
            Call::Claims(identities) => {
                let reads = identities.iter().map(|one| self.registry.claim(one));
                Answer::Claims(records(try_join_all(reads).await?.into_iter().flatten()))
            }
            Call::Below(identity) => {
                let scope = Scope::Below(identity.clone());
                Answer::Claims(records(self.registry.claims(&scope).await?))
            }
        })
    }

    /// Whether others hold something inside a resource that would be deleted.
    pub(super) async fn dependents(
        &self,
        identity: &Identity,
        copy: &CopyRef,
    ) -> Result<Result<(), Refusal>, RegistryError> {
        let below = self
            .registry
            .claims(&Scope::Below(identity.clone()))
            .await?;
        let records = below.iter().map(|known| &known.record);
        Ok(claim::dependents(identity, copy, records))
    }

    /// Says that a request is about to write these claims. Their end is followed up
    /// from now on, whatever becomes of the request: an answer may be lost, and its
    /// time may run out between two calls.
    pub(super) fn touch(
        &self,
        case: &Case<'_>,
        copy: &CopyRef,
        resolution: &Resolution,
    ) -> Touched {
        let identities = resolution.identities().cloned();
        let touched: Touched = identities.map(|one| (copy.clone(), one)).collect();
        for (copy, identity) in touched.iter().filter(|_| !case.dry_run) {
            self.follow_up
                .expect(&copy.object, identity, &case.request, case.deadline);
        }
        touched
    }

    /// After the last step: what was refused takes back what it wrote. In audit mode
    /// the API server stores what was refused all the same, and the claims have to
    /// cover it.
    pub(super) async fn settle_accounts(
        &self,
        case: &Case<'_>,
        touched: Touched,
        outcome: Result<(), Stop>,
    ) -> Result<(), Stop> {
        if case.dry_run {
            return outcome;
        }
        let refused = matches!(outcome, Err(Stop::Refused(_)));
        if refused && self.settings.mode == Mode::Enforce {
            for (copy, identity) in touched {
                let aim = Aim::TakeBack(copy, case.request.clone());
                // What cannot be taken back now ends at its deadline.
                let _ = self
                    .carry_out(Attempt::new(aim, vec![identity], false))
                    .await;
            }
        }
        outcome
    }
}

fn records(known: impl IntoIterator<Item = Versioned<Record>>) -> Vec<Record> {
    known.into_iter().map(|known| known.record).collect()
}

fn acquire_for(case: &Case<'_>, resolution: &Resolution, old: Option<&ObjectFacts>) -> Acquire {
    Acquire {
        copy: case.copy.clone(),
        request: case.request.clone(),
        proof: match old {
            Some(old) => of_version(old),
            None if case.object.uid.is_empty() => Proof::Deadline,
            None => Proof::Uid((&*case.object.uid).into()),
        },
        deadline: case.deadline,
        at: case.at,
        by: case.by.clone(),
        assumed: resolution.assumed,
    }
}

fn delete_for(case: &Case<'_>, stored: &ObjectFacts, wakes: bool) -> Delete {
    Delete {
        copy: case.copy.clone(),
        stored: Stored {
            uid: (&*stored.uid).into(),
            policy: Policy::Manage,
            terminating: stored.terminating,
            busy: stored.annotations.busy,
        },
        wakes,
        request: case.request.clone(),
        proof: of_version(stored),
        deadline: case.deadline,
        at: case.at,
        by: case.by.clone(),
    }
}

/// A request on a stored object is bound to the version it was computed on.
fn of_version(old: &ObjectFacts) -> Proof {
    if old.resource_version.is_empty() {
        Proof::Deadline
    } else {
        Proof::ResourceVersion((&*old.resource_version).into())
    }
}
