//! What a change of a namespace's policy wakes.

use std::sync::Arc;

use super::PolicyChange;
use crate::arm::Identity;
use crate::claim::names::{CopyRef, MemberName};
use crate::claim::record::{InFlight, Record};
use crate::object::ObjectFacts;
use crate::policy::{self, Policy};

/// The way of a change of a namespace's policy: registers it, then lists the requests
/// under way, then the objects that are stored.
///
/// In this order a copy is in one of the two lists at least: its request ends only once
/// it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyScan {
    member: MemberName,
    change: PolicyChange,
    before: Option<Arc<str>>,
    defaults: Vec<Option<Arc<str>>>,
    stage: PolicyScanStage,
    arriving: Vec<Arriving>,
    activated: Vec<ActivatedCopy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PolicyScanStage {
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

/// A call that an [`PolicyScan`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyScanCall<'a> {
    /// Add the change to the member's record.
    Register(&'a PolicyChange),
    /// List the member's claims with requests under way.
    InFlight,
    /// List this namespace's objects from the API server's store.
    Objects(&'a str),
}

/// What came of an [`PolicyScanCall`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyScanAnswer {
    /// The change stands in the member's record.
    Registered,
    /// The claims.
    InFlight(Vec<Record>),
    /// The objects, each with the default policy of its operator.
    Objects(Vec<(Arc<ObjectFacts>, Option<Arc<str>>)>),
}

/// A copy that a change of its namespace's policy wakes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ActivatedCopy {
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

impl PolicyScan {
    /// A change of a namespace's policy from `before`, where the cluster's operators have
    /// these default policies; `None` where it wakes nothing under any of them.
    pub fn new(
        member: MemberName,
        change: PolicyChange,
        before: Option<&str>,
        defaults: Vec<Option<Arc<str>>>,
        dry_run: bool,
    ) -> Option<Self> {
        let scan = Self {
            member,
            change,
            before: before.map(Arc::from),
            defaults,
            stage: if dry_run {
                PolicyScanStage::InFlight
            } else {
                PolicyScanStage::Register
            },
            arriving: Vec::new(),
            activated: Vec::new(),
        };
        let defaults = scan.defaults.iter();
        let activates = defaults
            .map(|default| scan.policies(None, default.as_deref()))
            .any(|(before, after)| goes_live(before, after) || after.deletes() && before != after);
        activates.then_some(scan)
    }

    /// The call to make; `None` at the end.
    pub fn call(&self) -> Option<PolicyScanCall<'_>> {
        match self.stage {
            PolicyScanStage::Register => Some(PolicyScanCall::Register(&self.change)),
            PolicyScanStage::InFlight => Some(PolicyScanCall::InFlight),
            PolicyScanStage::Objects => Some(PolicyScanCall::Objects(&self.change.namespace)),
            PolicyScanStage::Done => None,
        }
    }

    /// Takes what came of the call. An answer to another call changes nothing.
    pub fn answer(&mut self, answer: PolicyScanAnswer) {
        match (self.stage, answer) {
            (PolicyScanStage::Register, PolicyScanAnswer::Registered) => {
                self.stage = PolicyScanStage::InFlight;
            }
            (PolicyScanStage::InFlight, PolicyScanAnswer::InFlight(claims)) => {
                self.arriving = self.arriving_in(claims);
                self.stage = PolicyScanStage::Objects;
            }
            (PolicyScanStage::Objects, PolicyScanAnswer::Objects(objects)) => {
                self.activated = self.activates(&objects);
                self.stage = PolicyScanStage::Done;
            }
            _ => {}
        }
    }

    /// The copies that it wakes, once there is no call to make. Each is to be acquired,
    /// to the change's own deadline.
    pub fn into_activated(self) -> Vec<ActivatedCopy> {
        self.activated
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

    fn activates(&self, objects: &[(Arc<ObjectFacts>, Option<Arc<str>>)]) -> Vec<ActivatedCopy> {
        let stored = objects.iter().filter_map(|(object, default)| {
            let own = object.annotations.policy.as_deref();
            let (before, after) = self.policies(own, default.as_deref());
            let deletes = object.terminating && after.deletes();
            let activates = goes_live(before, after) || deletes && before != after;
            activates.then(|| ActivatedCopy {
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
            (under_way && (lives || deletes)).then(|| ActivatedCopy {
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
