//! The calls that an admission makes on the registry, in the order that the claim
//! protocol asks for.

use futures::future::try_join_all;

use crate::arm::Resolution;
use crate::claim::{Acquire, Aim, Answer, Attempt, Call, Delete, Proof, Record, Stored, Trace};
use crate::object::ObjectFacts;
use crate::policy::Policy;
use crate::registry::{Put, RecordVersion, RegistryError, Scope, Versioned};

use super::guard::{Case, Guard, Stop};
use super::verdict::Mode;

impl Guard {
    /// Acquires everything the object stands for, then looks whether it is inside
    /// something that is being deleted. `old` is the object before an UPDATE.
    pub(super) async fn go_live(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        old: Option<&ObjectFacts>,
    ) -> Result<(), Stop> {
        let ask = acquire_for(case, resolution, old);
        let aim = match old {
            None => Aim::Create(ask),
            Some(_) => Aim::Activate(ask),
        };
        self.attempt(case, resolution, aim).await
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
        self.attempt(case, resolution, aim).await
    }

    /// Marks everything the object stands for as being deleted, then looks for what
    /// others hold inside it.
    pub(super) async fn delete_resource(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
    ) -> Result<(), Stop> {
        let aim = Aim::Delete(delete_for(case, case.object, false));
        self.attempt(case, resolution, aim).await
    }

    /// Makes the calls that the protocol asks for, and has the observer see to
    /// whatever was written.
    async fn attempt(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        aim: Aim,
    ) -> Result<(), Stop> {
        let trace = match (case.dry_run, self.settings.mode) {
            (true, _) => Trace::None,
            (false, Mode::Enforce) => Trace::IfAllowed,
            (false, Mode::Audit) => Trace::Always,
        };
        let identities = resolution.identities().cloned().collect();
        let mut attempt = Attempt::new(aim, identities, trace);
        let calls = self.make_calls(&mut attempt).await;
        if trace != Trace::None {
            for identity in resolution.identities() {
                self.follow_up
                    .expect(&case.copy.object, identity, case.deadline);
            }
        }
        match (attempt.refusal(), calls) {
            // What could not be taken back ends at its deadline.
            (Some(refusal), _) => Err(Stop::Refused(refusal.clone())),
            (None, calls) => Ok(calls?),
        }
    }

    async fn make_calls(&self, attempt: &mut Attempt<RecordVersion>) -> Result<(), RegistryError> {
        while let Some(call) = attempt.call() {
            let answer = match call {
                Call::Claim(identity) => {
                    let known = self.registry.claim(identity).await?;
                    Answer::Claim(known.map(|known| (known.record, known.version)))
                }
                Call::Put(record, expected) => {
                    match self.registry.put_claim(record, expected).await? {
                        Put::Stored(_) => Answer::Stored,
                        Put::Conflict => Answer::Conflict,
                    }
                }
                Call::Claims(identities) => {
                    let reads = identities.iter().map(|one| self.registry.claim(one));
                    Answer::Claims(records(try_join_all(reads).await?.into_iter().flatten()))
                }
                Call::Below(identity) => {
                    let scope = Scope::Below(identity.clone());
                    Answer::Claims(records(self.registry.claims(&scope).await?))
                }
            };
            attempt.answer(answer);
        }
        Ok(())
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
