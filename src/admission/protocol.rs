//! The steps of the claim protocol that an admission takes against the registry.

use futures::future::try_join_all;

use crate::arm::{Identity, Resolution};
use crate::claim::{self, Acquire, CopyRef, Delete, Proof, Record, Refusal, RequestUid, Stored};
use crate::object::ObjectFacts;
use crate::policy::Policy;
use crate::registry::{Put, RegistryError, Scope, Versioned};

use super::guard::{Case, Guard, Stop};

/// The copies that a request has written in claims: what is refused after all takes
/// them back, what is let through has them followed up.
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
        let delete = delete_for(case, old, true);
        let mut touched = Touched::new();
        let outcome = async {
            for identity in resolution.identities() {
                touched.push((case.copy.clone(), identity.clone()));
                self.change_claim(case, identity, None, |record| {
                    let marked = claim::mark_deleting(record, identity, &delete)?;
                    claim::acquire(Some(&marked), identity, &ask)
                })
                .await?;
                self.look_for_dependents(case, identity).await?;
            }
            Ok(())
        }
        .await;
        self.settle_accounts(case, touched, outcome).await
    }

    /// Marks everything the object stands for as being deleted, then looks for what
    /// others hold inside it, and at what Kubernetes deletes along with it.
    pub(super) async fn delete_resource(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
    ) -> Result<(), Stop> {
        let delete = delete_for(case, case.object, false);
        let mut touched = Touched::new();
        let outcome = async {
            for identity in resolution.identities() {
                touched.push((case.copy.clone(), identity.clone()));
                let known = self.registry.claim(identity).await?;
                self.change_claim(case, identity, known, |record| {
                    claim::mark_deleting(record, identity, &delete)
                })
                .await?;
                self.look_for_dependents(case, identity).await?;
            }
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
        for identity in resolution.identities() {
            let known = if blind {
                None
            } else {
                self.registry.claim(identity).await?
            };
            touched.push((ask.copy.clone(), identity.clone()));
            let acquired = self
                .change_claim(case, identity, known, |record| {
                    claim::acquire(record, identity, ask)
                })
                .await;
            acquired.map_err(|stop| foreign(stop, identity, resolution))?;
        }
        self.look_at_ancestors(&resolution.identity).await
    }

    /// Compare-and-set until it holds: computes the next record from the one the
    /// registry has (`known`, to begin with), and stores it on that condition.
    /// A dry run computes only.
    async fn change_claim(
        &self,
        case: &Case<'_>,
        identity: &Identity,
        mut known: Option<Versioned<Record>>,
        next: impl Fn(Option<&Record>) -> Result<Record, Refusal>,
    ) -> Result<(), Stop> {
        if case.dry_run {
            let known = self.registry.claim(identity).await?;
            next(known.as_ref().map(|known| &known.record))?;
            return Ok(());
        }
        loop {
            let record = next(known.as_ref().map(|known| &known.record))?;
            let expected = known.as_ref().map(|known| &known.version);
            match self.registry.put_claim(&record, expected).await? {
                Put::Stored(_) => return Ok(()),
                Put::Conflict => known = self.registry.claim(identity).await?,
            }
        }
    }

    async fn look_at_ancestors(&self, identity: &Identity) -> Result<(), Stop> {
        let ancestors = identity.ancestors();
        // A subscription has no claim: ASO cannot delete one.
        let ancestors = ancestors
            .iter()
            .filter(|ancestor| !ancestor.is_subscription());
        let reads = ancestors.map(|ancestor| self.registry.claim(ancestor));
        let found = try_join_all(reads).await?;
        let records = found.iter().flatten().map(|known| &known.record);
        Ok(claim::acquire_below(identity, records)?)
    }

    async fn look_for_dependents(&self, case: &Case<'_>, identity: &Identity) -> Result<(), Stop> {
        Ok(self.dependents(identity, &case.copy).await??)
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

    /// After the last step: what was let through is followed up, what was refused
    /// takes back what it wrote.
    async fn settle_accounts(
        &self,
        case: &Case<'_>,
        touched: Touched,
        outcome: Result<(), Stop>,
    ) -> Result<(), Stop> {
        if case.dry_run {
            return outcome;
        }
        for (copy, identity) in &touched {
            if matches!(outcome, Err(Stop::Refused(_))) {
                // What cannot be taken back now ends at its deadline.
                let _ = self.withdraw(copy, identity, &case.request).await;
            }
            self.follow_up.expect(&copy.object, identity, case.deadline);
        }
        outcome
    }

    async fn withdraw(
        &self,
        copy: &CopyRef,
        identity: &Identity,
        request: &RequestUid,
    ) -> Result<(), RegistryError> {
        while let Some(known) = self.registry.claim(identity).await? {
            let Some(record) = claim::withdraw(&known.record, copy, request) else {
                return Ok(());
            };
            let put = self.registry.put_claim(&record, Some(&known.version));
            if put.await? != Put::Conflict {
                return Ok(());
            }
        }
        Ok(())
    }
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

/// A resource that only an annotation names is somebody else's: say that.
fn foreign(stop: Stop, identity: &Identity, resolution: &Resolution) -> Stop {
    match stop {
        Stop::Refused(Refusal::LiveElsewhere { holder, .. })
            if *identity != resolution.identity =>
        {
            Stop::Refused(Refusal::ForeignResourceId {
                named: identity.clone(),
                computed: resolution.identity.clone(),
                holder,
            })
        }
        stop => stop,
    }
}
