//! Policies that copies inherit, and the order of the steps that keep a change of them
//! from waking a copy unseen.
//!
//! A copy without a policy annotation of its own is parked by its namespace or by its
//! operator. Two requests can then make a live copy that neither of them is: one that
//! leaves the copy parked as the namespace stands, and one that changes the namespace.
//! So each **writes, then looks**: the first registers the copy in its claim and then
//! looks for changes of its namespace ([`Arrival`]); the second registers the change in
//! its member's record and then looks for copies ([`PolicyScan`]). Whichever writes last
//! sees the other.

mod policy_scan;

use std::sync::Arc;

use crate::object::ObjectFacts;
use crate::policy::{self, EffectivePolicy, Policy, PolicySource};

use super::attempt::{Attempt, RegistryAnswer, RegistryCall};
use super::names::RequestUid;

pub use policy_scan::{ActivatedCopy, PolicyScan, PolicyScanAnswer, PolicyScanCall};

/// A change of a namespace's policy that was admitted, and that the API server may yet
/// store. It stands in its member's record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyChange {
    /// The namespace.
    pub namespace: Arc<str>,
    /// What the change was computed on: it is over once the namespace has another one
    /// (stored, or dead by optimistic locking).
    pub resource_version: Arc<str>,
    /// The webhook's call.
    pub request: RequestUid,
    /// The namespace's policy annotation after it.
    pub policy: Option<Arc<str>>,
}

/// What one copy inherits, as the API server's store has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Inherited {
    /// The namespace's resourceVersion.
    pub resource_version: Arc<str>,
    /// The namespace's policy annotation.
    pub namespace: Option<Arc<str>>,
    /// The default policy of the responsible operator.
    pub operator: Option<Arc<str>>,
}

/// What a request relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relies {
    /// That the copy is not live: it is created or changed.
    OnParked,
    /// That the delete of the copy leaves the resource alone.
    OnKept,
}

impl Relies {
    /// Whether it may, under this policy.
    pub fn holds(self, policy: Policy) -> bool {
        match self {
            Self::OnParked => !policy.is_live(),
            Self::OnKept => !policy.deletes(),
        }
    }

    /// Whether it holds only by what the copy inherits.
    pub fn is_inherited(self, effective: &EffectivePolicy) -> bool {
        let own = effective.source == PolicySource::Object && effective.unknown.is_none();
        self.holds(effective.policy) && !own
    }
}

/// The way of a request through whose copy is parked by nothing of its own: registers
/// it, then reads what it would wake by, then what it inherits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arrival<V> {
    relies: Relies,
    own: Option<Arc<str>>,
    namespace: Arc<str>,
    stage: ArrivalStage<V>,
    changes: Vec<PolicyChange>,
    outcome: Option<Arrived>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum ArrivalStage<V> {
    Register(Box<Attempt<V>>),
    Changes,
    Inherited,
    Done,
}

/// A call that an [`Arrival`] asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrivalCall<'a, V> {
    /// A call on a claim.
    Claim(RegistryCall<'a, V>),
    /// Read the changes in the member's record.
    Changes,
    /// Read the namespace and the operator's settings from the API server's store.
    Inherited,
}

/// What came of an [`ArrivalCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrivalAnswer<V> {
    /// Of a call on a claim.
    Claim(RegistryAnswer<V>),
    /// The changes.
    Changes(Vec<PolicyChange>),
    /// What is inherited.
    Inherited(Inherited),
    /// The registry did not do its part.
    Unavailable,
}

/// What an [`Arrival`] came to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Arrived {
    /// The policy to judge by.
    pub effective: EffectivePolicy,
    /// The change under way that it comes from. The copy's own request may be over long
    /// before the change: what is acquired or marked has to last to its deadline.
    pub change: Option<PolicyChange>,
}

impl<V: Clone> Arrival<V> {
    /// `registering` registers the copy as arriving; a dry run leaves it out.
    pub fn new(relies: Relies, object: &ObjectFacts, registering: Option<Attempt<V>>) -> Self {
        let mut arrival = Self {
            relies,
            own: object.annotations.policy.as_deref().map(Arc::from),
            namespace: object.key.namespace.clone(),
            stage: registering.map_or(ArrivalStage::Changes, |attempt| {
                ArrivalStage::Register(Box::new(attempt))
            }),
            changes: Vec::new(),
            outcome: None,
        };
        arrival.go_on();
        arrival
    }

    /// The call to make; `None` at the end.
    pub fn call(&self) -> Option<ArrivalCall<'_, V>> {
        match &self.stage {
            ArrivalStage::Register(attempt) => attempt.call().map(ArrivalCall::Claim),
            ArrivalStage::Changes => Some(ArrivalCall::Changes),
            ArrivalStage::Inherited => Some(ArrivalCall::Inherited),
            ArrivalStage::Done => None,
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: ArrivalAnswer<V>) {
        match (&mut self.stage, answer) {
            (ArrivalStage::Register(attempt), ArrivalAnswer::Claim(answer)) => {
                attempt.answer(answer);
                self.go_on();
            }
            (ArrivalStage::Changes, ArrivalAnswer::Changes(changes)) => {
                self.changes = changes;
                self.stage = ArrivalStage::Inherited;
            }
            // The delete of a parked copy is a safe step: it waits for no registry, and
            // no change of its namespace is admitted while there is none.
            (ArrivalStage::Register(_) | ArrivalStage::Changes, ArrivalAnswer::Unavailable) => {
                self.stage = match self.relies {
                    Relies::OnKept => ArrivalStage::Inherited,
                    Relies::OnParked => ArrivalStage::Done,
                };
            }
            (ArrivalStage::Inherited, ArrivalAnswer::Inherited(inherited)) => {
                self.outcome = Some(self.judge(&inherited));
                self.stage = ArrivalStage::Done;
            }
            _ => {}
        }
    }

    /// What it came to, once there is no call to make; `None` where that cannot be known.
    pub fn outcome(&self) -> Option<&Arrived> {
        self.outcome.as_ref()
    }

    fn go_on(&mut self) {
        if let ArrivalStage::Register(attempt) = &self.stage
            && attempt.call().is_none()
        {
            self.stage = ArrivalStage::Changes;
        }
    }

    /// The namespace was read after the changes: one that is over by now shows in it.
    fn judge(&self, inherited: &Inherited) -> Arrived {
        let operator = inherited.operator.as_deref();
        let under = |namespace: &Option<Arc<str>>| {
            policy::effective(self.own.as_deref(), namespace.as_deref(), operator)
        };
        let effective = under(&inherited.namespace);
        let waking = self.changes.iter().find(|change| {
            change.namespace == self.namespace
                && change.resource_version == inherited.resource_version
                && !self.relies.holds(under(&change.policy).policy)
        });
        match waking {
            Some(change) if self.relies.holds(effective.policy) => Arrived {
                effective: under(&change.policy),
                change: Some(change.clone()),
            },
            _ => Arrived {
                effective,
                change: None,
            },
        }
    }
}

#[cfg(test)]
mod tests;
