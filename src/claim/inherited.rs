//! Policies that copies inherit, and the order of the steps that keep a change of them
//! from waking a copy unseen.
//!
//! A copy without a policy annotation of its own is parked by its namespace or by its
//! operator. Two requests can then make a live copy that neither of them is: one that
//! leaves the copy parked as the namespace stands, and one that changes the namespace.
//! So each **writes, then looks**: the first registers the copy in its claim and then
//! looks for changes of its namespace ([`Arrival`]); the second registers the change in
//! its member's record and then looks for copies ([`Awakening`]). Whichever writes last
//! sees the other.

use std::sync::Arc;

use crate::arm::Identity;
use crate::object::ObjectFacts;
use crate::policy::{self, EffectivePolicy, Policy, PolicySource};

use super::attempt::{Attempt, RegistryAnswer, RegistryCall};
use super::names::{CopyRef, MemberName, RequestUid};
use super::record::{InFlight, Record};

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

/// The way of a change of a namespace's policy: registers it, then lists the requests
/// under way, then the objects that are stored.
///
/// In this order a copy is in one of the two lists at least: its request ends only once
/// it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Awakening {
    member: MemberName,
    change: PolicyChange,
    before: Option<Arc<str>>,
    defaults: Vec<Option<Arc<str>>>,
    stage: AwakeningStage,
    arriving: Vec<Arriving>,
    woken: Vec<Woken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum AwakeningStage {
    Register,
    InFlight,
    Objects,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Arriving {
    copy: CopyRef,
    identity: Identity,
    assumed: bool,
    requests: Vec<InFlight>,
}

/// A call that an [`Awakening`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwakeningCall<'a> {
    /// Add the change to the member's record.
    Register(&'a PolicyChange),
    /// List the member's claims with requests under way.
    InFlight,
    /// List this namespace's objects from the API server's store.
    Objects(&'a str),
}

/// What came of an [`AwakeningCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwakeningAnswer {
    /// The change stands in the member's record.
    Registered,
    /// The claims.
    InFlight(Vec<Record>),
    /// The objects, each with the default policy of its operator.
    Objects(Vec<(Arc<ObjectFacts>, Option<Arc<str>>)>),
}

/// A copy that a change of its namespace's policy wakes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Woken {
    /// The copy.
    pub copy: CopyRef,
    /// The object, where it is stored.
    pub object: Option<Arc<ObjectFacts>>,
    /// The resource, where a request under way is known by its claim; and whether that
    /// rests on an owner that is not there.
    pub claimed: Option<(Identity, bool)>,
    /// Whether a delete of it is or may be under way, which would delete the resource.
    pub deletes: bool,
}

impl Awakening {
    /// A change of a namespace's policy from `before`, where the cluster's operators have
    /// these default policies; `None` where it wakes nothing under any of them.
    pub fn new(
        member: MemberName,
        change: PolicyChange,
        before: Option<&str>,
        defaults: Vec<Option<Arc<str>>>,
        dry_run: bool,
    ) -> Option<Self> {
        let awakening = Self {
            member,
            change,
            before: before.map(Arc::from),
            defaults,
            stage: if dry_run {
                AwakeningStage::InFlight
            } else {
                AwakeningStage::Register
            },
            arriving: Vec::new(),
            woken: Vec::new(),
        };
        let defaults = awakening.defaults.iter();
        let wakes = defaults
            .map(|default| awakening.policies(None, default.as_deref()))
            .any(|(before, after)| goes_live(before, after) || after.deletes() && before != after);
        wakes.then_some(awakening)
    }

    /// The call to make; `None` at the end.
    pub fn call(&self) -> Option<AwakeningCall<'_>> {
        match self.stage {
            AwakeningStage::Register => Some(AwakeningCall::Register(&self.change)),
            AwakeningStage::InFlight => Some(AwakeningCall::InFlight),
            AwakeningStage::Objects => Some(AwakeningCall::Objects(&self.change.namespace)),
            AwakeningStage::Done => None,
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: AwakeningAnswer) {
        match (self.stage, answer) {
            (AwakeningStage::Register, AwakeningAnswer::Registered) => {
                self.stage = AwakeningStage::InFlight;
            }
            (AwakeningStage::InFlight, AwakeningAnswer::InFlight(claims)) => {
                self.arriving = self.arriving_in(claims);
                self.stage = AwakeningStage::Objects;
            }
            (AwakeningStage::Objects, AwakeningAnswer::Objects(objects)) => {
                self.woken = self.wakes(&objects);
                self.stage = AwakeningStage::Done;
            }
            _ => {}
        }
    }

    /// The copies that it wakes, once there is no call to make. Each is to be acquired,
    /// to the change's own deadline.
    pub fn into_woken(self) -> Vec<Woken> {
        self.woken
    }

    /// The policies of a copy before and after the change.
    fn policies(&self, own: Option<&str>, operator: Option<&str>) -> (Policy, Policy) {
        let under = |namespace: Option<&str>| policy::effective(own, namespace, operator).policy;
        (
            under(self.before.as_deref()),
            under(self.change.policy.as_deref()),
        )
    }

    fn arriving_in(&self, claims: Vec<Record>) -> Vec<Arriving> {
        let mut all = Vec::new();
        for claim in claims {
            for (copy, held) in claim.copies {
                let here = copy.member == self.member
                    && copy.object.namespace == self.change.namespace
                    && !held.arriving.is_empty();
                if here {
                    all.push(Arriving {
                        copy,
                        identity: claim.identity.clone(),
                        assumed: held.assumed,
                        requests: held.arriving,
                    });
                }
            }
        }
        all
    }

    fn wakes(&self, objects: &[(Arc<ObjectFacts>, Option<Arc<str>>)]) -> Vec<Woken> {
        let stored = objects.iter().filter_map(|(object, default)| {
            let own = object.annotations.policy.as_deref();
            let (before, after) = self.policies(own, default.as_deref());
            let deletes = object.terminating && after.deletes();
            let wakes = goes_live(before, after) || deletes && before != after;
            wakes.then(|| Woken {
                copy: CopyRef {
                    member: self.member.clone(),
                    object: object.key.clone(),
                },
                object: Some(object.clone()),
                claimed: None,
                deletes,
            })
        });
        // What is under way may take away the copy's own annotation.
        let defaults = self.defaults.iter().map(Option::as_deref);
        let under: Vec<(Policy, Policy)> = defaults.map(|one| self.policies(None, one)).collect();
        let lives = under
            .iter()
            .any(|(before, after)| goes_live(*before, *after));
        let kills = under.iter().any(|(_, after)| after.deletes());
        let arriving = self.arriving.iter().filter_map(|arriving| {
            let object = objects
                .iter()
                .find(|(one, _)| one.key == arriving.copy.object);
            let object = object.map(|(object, _)| object);
            let mut requests = arriving.requests.iter();
            let under_way = requests.any(|request| request.may_land(object.map(|one| &**one)));
            let deletes = object.is_some() && kills;
            (under_way && (lives || deletes)).then(|| Woken {
                copy: arriving.copy.clone(),
                object: object.cloned(),
                claimed: Some((arriving.identity.clone(), arriving.assumed)),
                deletes,
            })
        });
        stored.chain(arriving).collect()
    }
}

fn goes_live(before: Policy, after: Policy) -> bool {
    after.is_live() && !before.is_live()
}

#[cfg(test)]
mod tests;
