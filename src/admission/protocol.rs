//! The calls that an admission makes on the registry, in the order that the claim
//! protocol asks for.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::timeout;
use tracing::{Instrument as _, debug, debug_span, warn};

use crate::arm::{Identity, Resolution};
use crate::claim::{
    Acquire, Action, Attempt, CopyRef, Delete, HistoryAction, HistoryEntry, Intent, Proof, Reason,
    Refusal, RegistryAnswer, RegistryCall, StoredCopy,
};
use crate::cluster::resolve::{self, ClusterOverlay, Freshness, IdentityOutcome};
use crate::object::ObjectFacts;
use crate::policy::Policy;
use crate::registry::{self, RecordVersion, RegistryError};

use super::guard::{AT_ONCE, AdmissionError, Case, Guard, name_of};

/// How long a parked create waits at most for the copy to be registered.
const TO_REGISTER: Duration = Duration::from_secs(1);

/// How long a refusal waits at most for what the request wrote to be taken back.
const TO_TAKE_BACK: Duration = Duration::from_secs(1);

/// The copies that a request writes in claims: what is refused after all takes them back.
pub(super) type WrittenClaims = Vec<(CopyRef, Identity)>;

impl Guard {
    /// Acquires everything the object stands for, looks whether it is inside something
    /// that is being deleted, and acquires for its children. `old` is the object before
    /// an UPDATE.
    pub(super) async fn go_live(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        old: Option<&ObjectFacts>,
    ) -> Result<(), AdmissionError> {
        let ask = acquire_for(case, resolution, old);
        // A new resource has no record: writing one at once saves the read.
        let aim = match old {
            None => Intent::Create(ask),
            Some(_) => Intent::Activate(ask),
        };
        self.go(case, resolution, old, aim).await
    }

    /// Makes a terminating copy's delete destructive: it is both an acquire and a delete.
    pub(super) async fn wake(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        old: &ObjectFacts,
    ) -> Result<(), AdmissionError> {
        let ask = acquire_for(case, resolution, Some(old));
        let aim = Intent::Wake(ask, delete_for(case, old, true));
        self.go(case, resolution, Some(old), aim).await
    }

    async fn go(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        old: Option<&ObjectFacts>,
        aim: Intent,
    ) -> Result<(), AdmissionError> {
        let mut written = WrittenClaims::new();
        let view = ClusterOverlay::of(&*self.cluster, Freshness::Known);
        let object = Some(case.object);
        let way = self.acquire(case, (&view, object, None), aim, resolution, &mut written);
        let mut outcome = way.await;
        if case.goes_on_after(&outcome) {
            let children = self.acquire_for_children(case, old, None, &mut written);
            let children = children.await;
            outcome = outcome.and(children);
        }
        self.finalize(case, written, outcome).await
    }

    /// Acquires for the children of an object that acquires nothing itself.
    pub(super) async fn name_children(
        &self,
        case: &Case<'_>,
        old: Option<&ObjectFacts>,
    ) -> Result<(), AdmissionError> {
        let mut written = WrittenClaims::new();
        let patience = Some(TO_REGISTER);
        let children = self.acquire_for_children(case, old, patience, &mut written);
        let outcome = children.await;
        self.finalize(case, written, outcome).await
    }

    /// Registers a parked copy, and acquires for those that wait for it as their owner.
    /// `patience`: how long registering may take.
    pub(super) async fn arrive_parked(
        &self,
        case: &Case<'_>,
        patience: Duration,
    ) -> Result<(), AdmissionError> {
        let mut written = WrittenClaims::new();
        let mut patience = patience.min(TO_REGISTER);
        if !case.dry_run && !case.registered {
            let registering = self.register(case, &mut written);
            let registered = timeout(patience, registering).await;
            if !matches!(registered, Ok(Ok(()))) {
                debug!(copy = %case.copy, "a parked copy is left to the observer to register");
                patience = Duration::ZERO;
            }
        }
        let children = self.acquire_for_children(case, None, Some(patience), &mut written);
        let outcome = children.await;
        self.finalize(case, written, outcome).await
    }

    /// Registers a parked copy, so that its peers' deletes see it before the observer
    /// does. Creating one is a safe step: nothing depends on how this ends.
    async fn register(
        &self,
        case: &Case<'_>,
        written: &mut WrittenClaims,
    ) -> Result<(), AdmissionError> {
        if let IdentityOutcome::Known(resolution) =
            resolve::identity(&*self.cluster, case.object, Freshness::Known).await?
        {
            written.extend(self.touch(case, &case.copy, &resolution));
            let ask = acquire_for(case, &resolution, None);
            self.attempt(case, &resolution, Intent::Arrive(ask)).await?;
        }
        Ok(())
    }

    pub(super) async fn attempt(
        &self,
        case: &Case<'_>,
        resolution: &Resolution,
        aim: Intent,
    ) -> Result<(), AdmissionError> {
        let identities = resolution.identities().cloned().collect();
        let mut attempt = Attempt::new(aim, identities);
        if case.context.lets_through() {
            attempt = attempt.by_force();
        }
        self.carry_out(case, &mut attempt).await?;
        Ok(attempt.outcome()?)
    }

    /// Makes the calls that an attempt asks for, to its end.
    async fn carry_out(
        &self,
        case: &Case<'_>,
        attempt: &mut Attempt<RecordVersion>,
    ) -> Result<(), RegistryError> {
        while let Some(call) = attempt.call() {
            let answer = self.make(case, call).await?;
            attempt.answer(answer);
        }
        Ok(())
    }

    pub(super) async fn make(
        &self,
        case: &Case<'_>,
        call: RegistryCall<'_, RecordVersion>,
    ) -> Result<RegistryAnswer<RecordVersion>, RegistryError> {
        let span = debug_span!("registry", otel.kind = "client", call = name_of(&call));
        let registry = &*self.registry;
        if case.dry_run {
            let made = case.context.rehearsal.make(registry, call);
            made.instrument(span).await
        } else {
            registry::make(registry, call).instrument(span).await
        }
    }

    /// Says that a request is about to write these claims. Their end is followed up
    /// from now on, whatever becomes of the request: an answer may be lost, and its
    /// time may run out between two calls.
    pub(super) fn touch(
        &self,
        case: &Case<'_>,
        copy: &CopyRef,
        resolution: &Resolution,
    ) -> WrittenClaims {
        let identities = resolution.identities().cloned();
        let written: WrittenClaims = identities.map(|one| (copy.clone(), one)).collect();
        for (copy, identity) in written.iter().filter(|_| !case.dry_run) {
            self.follow_up
                .expect(&copy.object, identity, &case.request, case.deadline);
        }
        written
    }

    /// After the last step: what was refused takes back what it wrote, and what a
    /// person overrode is remembered. What is let through although it is refused is
    /// stored all the same, and the claims have to cover it.
    pub(super) async fn finalize(
        &self,
        case: &Case<'_>,
        written: WrittenClaims,
        outcome: Result<(), AdmissionError>,
    ) -> Result<(), AdmissionError> {
        match self.confirmed(case, outcome).await {
            Err(AdmissionError::Refused(refusal)) if case.context.lets_through() => {
                let stop = self.overrule(case, &written, refusal).await;
                if !matches!(stop, AdmissionError::Refused(_)) {
                    self.take_back(case, written).await;
                }
                Err(stop)
            }
            Err(
                stop @ (AdmissionError::Refused(_)
                | AdmissionError::Unknown(..)
                | AdmissionError::Rebuilding(_)
                | AdmissionError::Cluster(_)),
            ) if !case.context.lets_through() => {
                self.take_back(case, written).await;
                Err(stop)
            }
            // What was not needed is used up all the same: left over, it would let a
            // delete through that nobody thinks of now.
            Ok(()) if case.action != Action::Delete => {
                // A claim that could not be written is told of in the log.
                let _ = self.remember(case, case.entries(&written, None)).await;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// What a refusal comes to that is let through: it stays one, to be told of, unless
    /// the person's reason against it was used up before. What a person overrode is
    /// remembered in these claims.
    pub(super) async fn overrule(
        &self,
        case: &Case<'_>,
        claims: &WrittenClaims,
        refusal: Refusal,
    ) -> AdmissionError {
        let proven = case.context.is_to_be_proven();
        let entries = case.entries(claims, Some(refusal.reason()));
        match self.remember(case, entries).await {
            Ok(Some(spent)) => AdmissionError::Spent(refusal, Box::new(spent)),
            Err(error) if proven => AdmissionError::Registry(error),
            Ok(None) | Err(_) => AdmissionError::Refused(refusal),
        }
    }

    pub(super) async fn take_back(&self, case: &Case<'_>, written: WrittenClaims) {
        let take_back = async |(copy, identity)| {
            let aim = Intent::TakeBack(copy, case.request.clone());
            let _ = self
                .carry_out(case, &mut Attempt::new(aim, vec![identity]))
                .await;
        };
        let all = stream::iter(written).for_each_concurrent(AT_ONCE, take_back);
        // What cannot be taken back now ends at its deadline.
        let _ = timeout(TO_TAKE_BACK, all).await;
    }

    /// Remembers in each claim that a person overrode a refusal.
    /// Gives the entry that had used the person's reason up, where one has.
    ///
    /// # Errors
    /// A claim could not be read or written; the others were, unless one says that the
    /// reason was used up.
    pub(super) async fn remember(
        &self,
        case: &Case<'_>,
        entries: Vec<(HistoryEntry, Identity)>,
    ) -> Result<Option<HistoryEntry>, RegistryError> {
        let mut outcome = Ok(None);
        for (entry, identity) in entries {
            let copy = entry.copy.clone();
            let aim = Intent::Remember(entry.clone());
            let mut attempt = Attempt::new(aim, vec![identity.clone()]);
            if let Err(error) = self.carry_out(case, &mut attempt).await {
                warn!(%identity, %copy, %error, "an override is not in the claim's history yet");
                if matches!(entry.action, HistoryAction::Create | HistoryAction::Update)
                    && !case.dry_run
                {
                    self.follow_up.remember(entry);
                }
                outcome = Err(error);
            }
            if let Some(spent) = attempt.spent() {
                return Ok(Some(spent.clone()));
            }
        }
        outcome
    }
}

impl Case<'_> {
    /// What is to be remembered of these copies, and in which claims.
    fn entries(
        &self,
        written: &WrittenClaims,
        refusal: Option<Reason>,
    ) -> Vec<(HistoryEntry, Identity)> {
        let entry = |(copy, identity): &(CopyRef, Identity)| {
            let entry = self.entry(copy, refusal)?;
            Some((entry, identity.clone()))
        };
        written.iter().filter_map(entry).collect()
    }

    /// Whether the next step is taken after one that came to this: what is let through
    /// although it is refused is covered to its end.
    pub(super) fn goes_on_after(&self, outcome: &Result<(), AdmissionError>) -> bool {
        match outcome {
            Ok(()) => true,
            Err(AdmissionError::Refused(_) | AdmissionError::Unknown(..)) => {
                self.context.lets_through()
            }
            Err(_) => false,
        }
    }
}

pub(super) fn acquire_for(
    case: &Case<'_>,
    resolution: &Resolution,
    old: Option<&ObjectFacts>,
) -> Acquire {
    Acquire {
        copy: case.copy.clone(),
        request: case.request.clone(),
        proof: match old {
            // The change may be stored long after this request.
            _ if case.change.is_some() => Proof::Deadline,
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

/// The delete that a request comes to, of an object that is stored like this.
pub(super) fn delete_for(case: &Case<'_>, stored: &ObjectFacts, wakes: bool) -> Delete {
    Delete {
        copy: case.copy.clone(),
        stored: StoredCopy {
            uid: (&*stored.uid).into(),
            policy: Policy::Manage,
            terminating: stored.terminating,
            busy: stored.annotations.busy,
        },
        wakes,
        request: case.request.clone(),
        proof: match case.change {
            Some(_) => Proof::Deadline,
            None => of_version(stored),
        },
        deadline: case.deadline,
        at: case.at,
        by: case.by.clone(),
    }
}

/// A request on a stored object is bound to the version it was computed on.
pub(super) fn of_version(old: &ObjectFacts) -> Proof {
    if old.resource_version.is_empty() {
        Proof::Deadline
    } else {
        Proof::ResourceVersion((&*old.resource_version).into())
    }
}
