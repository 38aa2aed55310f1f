use rstest::rstest;

use super::super::attempt::Intent;
use super::super::testing::{activating, copy, creating, group, look, observed};
use super::super::{MemberCopy, Proof, acquire_by_force, observe};
use super::*;
use crate::claim::Record;
use crate::policy::Policy::{Manage, Skip};

/// A namespace that is parked at resourceVersion 1, and an object of it without a policy
/// of its own.
#[derive(Clone, Default)]
struct World {
    claim: Option<(Record, u32)>,
    changes: Vec<PolicyChange>,
    /// Whether the change of the namespace is stored.
    changed: bool,
    /// Whether the object is.
    stored: bool,
}

fn object() -> Arc<ObjectFacts> {
    Arc::new(ObjectFacts {
        uid: "uid-1".into(),
        resource_version: "1".into(),
        ..ObjectFacts::named(copy("a").object)
    })
}

fn change() -> PolicyChange {
    PolicyChange {
        namespace: "team".into(),
        resource_version: "1".into(),
        request: RequestUid::new("change"),
        policy: None,
    }
}

impl World {
    fn put(&mut self, record: &Record) {
        let version = self.claim.as_ref().map_or(0, |(_, version)| *version);
        self.claim = Some((record.clone(), version + 1));
    }

    fn namespace(&self) -> Option<Arc<str>> {
        (!self.changed).then(|| "skip".into())
    }

    /// Takes one step of the object's request. Gives whether it is over.
    fn step_of_create(&mut self, arrival: &mut Arrival<u32>) -> bool {
        let answer = match arrival.call() {
            None => {
                self.judge(arrival.outcome().unwrap());
                self.stored = true;
                return true;
            }
            Some(ArrivalCall::Claim(RegistryCall::Claim(_))) => {
                ArrivalAnswer::Claim(RegistryAnswer::Claim(self.claim.clone()))
            }
            Some(ArrivalCall::Claim(RegistryCall::Put(record, expected))) => {
                let version = self.claim.as_ref().map(|(_, version)| *version);
                let record = record.clone();
                ArrivalAnswer::Claim(if version.as_ref() == expected {
                    self.put(&record);
                    RegistryAnswer::Stored
                } else {
                    RegistryAnswer::Conflict
                })
            }
            Some(ArrivalCall::Claim(_)) => unreachable!(),
            Some(ArrivalCall::Changes) => ArrivalAnswer::Changes(self.changes.clone()),
            Some(ArrivalCall::Inherited) => ArrivalAnswer::Inherited(Inherited {
                resource_version: if self.changed { "2" } else { "1" }.into(),
                namespace: self.namespace(),
                operator: None,
            }),
        };
        arrival.answer(answer);
        false
    }

    /// What is acquired for a create that turned out to be live.
    fn judge(&mut self, arrived: &Arrived) {
        if !arrived.effective.policy.is_live() {
            return;
        }
        let proof = match arrived.change {
            Some(_) => Proof::Deadline,
            None => Proof::Uid("uid-1".into()),
        };
        let ask = activating(&copy("a"), "create", proof, 0);
        let record = self.claim.as_ref().map(|(record, _)| record);
        let next = acquire_by_force(record, &group(), &ask);
        self.put(&next);
    }

    /// Takes one step of the namespace's change. Gives whether it is over.
    fn step_of_change(&mut self, scan: &mut PolicyScan) -> bool {
        let answer = match scan.call() {
            None => {
                for activated in scan.clone().into_activated() {
                    let ask = activating(&activated.copy, "change", Proof::Deadline, 0);
                    let record = self.claim.as_ref().map(|(record, _)| record);
                    let next = acquire_by_force(record, &group(), &ask);
                    self.put(&next);
                }
                self.changed = true;
                return true;
            }
            Some(PolicyScanCall::Register(change)) => {
                self.changes.push(change.clone());
                PolicyScanAnswer::Registered
            }
            Some(PolicyScanCall::InFlight) => {
                let claims = self.claim.iter().map(|(record, _)| record.clone());
                PolicyScanAnswer::InFlight(claims.collect())
            }
            Some(PolicyScanCall::Objects(_)) => {
                let objects = self.stored.then(|| (object(), None));
                PolicyScanAnswer::Objects(objects.into_iter().collect())
            }
        };
        scan.answer(answer);
        false
    }

    /// The observer looks at the object, and at the changes that are over.
    fn observe(&mut self) {
        let policy = if self.changed { Manage } else { Skip };
        let copy = copy("a");
        let seen = look(&copy, self.stored.then(|| observed(policy)), 1);
        let record = self.claim.as_ref().map(|(record, _)| record);
        let observed = observe(record, &group(), &seen);
        if observed.changed {
            self.put(&observed.record);
        }
        if self.changed {
            self.changes.clear();
        }
    }

    fn is_covered(&self) -> bool {
        let live = self.stored && self.changed;
        let held = self
            .claim
            .as_ref()
            .and_then(|(record, _)| record.copies.get(&copy("a")));
        !live || held.is_some_and(MemberCopy::is_live)
    }
}

fn create() -> Arrival<u32> {
    let aim = Intent::Arrive(creating(&copy("a"), "create", "uid-1", 0));
    let registering = Attempt::new(aim, vec![group()]);
    Arrival::new(Relies::OnParked, &object(), Some(registering))
}

fn scan(policy: Option<&str>, before: Option<&str>) -> Option<PolicyScan> {
    let member = copy("a").member;
    let change = PolicyChange {
        policy: policy.map(Arc::from),
        ..change()
    };
    PolicyScan::new(member, change, before, vec![None], false)
}

/// The two requests and the observer, at one point of their way.
#[derive(Clone)]
struct Story {
    world: World,
    create: Option<Arrival<u32>>,
    change: Option<PolicyScan>,
    looks: u32,
}

impl Story {
    /// Goes every way there is from here. Gives how many ways were gone to their end.
    fn go_on(self) -> u32 {
        assert!(self.world.is_covered(), "{:?}", self.world.claim);
        let mut ends = 0;
        if let Some(mut create) = self.create.clone() {
            let mut next = self.clone();
            let over = next.world.step_of_create(&mut create);
            next.create = (!over).then_some(create);
            ends += next.go_on();
        }
        if let Some(mut change) = self.change.clone() {
            let mut next = self.clone();
            let over = next.world.step_of_change(&mut change);
            next.change = (!over).then_some(change);
            ends += next.go_on();
        }
        if self.looks > 0 {
            let mut next = self.clone();
            next.world.observe();
            next.looks -= 1;
            ends += next.go_on();
        }
        ends.max(1)
    }
}

/// As soon as the copy is live, its claim says so, in every order of the steps of both
/// with two looks of the observer in between.
#[test]
fn whatever_the_order_a_copy_that_wakes_is_acquired() {
    let story = Story {
        world: World::default(),
        create: Some(create()),
        change: scan(None, Some("skip")),
        looks: 2,
    };
    assert!(story.go_on() > 1000);
}

#[rstest]
#[case::unparked(Some("skip"), None, true)]
#[case::managed(Some("skip"), Some("manage"), true)]
#[case::deleting(Some("detach-on-delete"), None, true)]
#[case::parked(None, Some("skip"), false)]
#[case::detached(None, Some("detach-on-delete"), false)]
#[case::same(Some("manage"), None, false)]
fn only_a_change_that_wakes_takes_any_steps(
    #[case] before: Option<&str>,
    #[case] after: Option<&str>,
    #[case] activates: bool,
) {
    assert_eq!(scan(after, before).is_some(), activates);
}

/// What an [`PolicyScan`] from `skip` wakes, of one claim and one object.
fn activated(claim: &Record, object: Option<ObjectFacts>) -> Vec<ActivatedCopy> {
    let mut scan = scan(None, Some("skip")).unwrap();
    scan.answer(PolicyScanAnswer::Registered);
    scan.answer(PolicyScanAnswer::InFlight(vec![claim.clone()]));
    let objects = object
        .into_iter()
        .map(|one| (Arc::new(one), None))
        .collect();
    scan.answer(PolicyScanAnswer::Objects(objects));
    assert_eq!(scan.call(), None);
    scan.into_activated()
}

fn arriving(proof: Proof) -> Record {
    let ask = activating(&copy("a"), "r", proof, 0);
    super::super::arrive(None, &group(), &ask)
}

fn annotated(policy: &str) -> ObjectFacts {
    let mut parked = (*object()).clone();
    parked.annotations.policy = Some(policy.into());
    parked
}

#[test]
fn a_request_that_has_landed_wakes_no_copy_that_is_parked_by_itself() {
    let (landed, other) = (Proof::Uid("uid-1".into()), Proof::Uid("uid-2".into()));
    let parked = annotated("skip");
    assert_eq!(activated(&arriving(landed), Some(parked.clone())), []);
    // Another one of that name may yet come, parked by nothing of its own.
    assert_eq!(activated(&arriving(other.clone()), Some(parked)).len(), 1);
    assert_eq!(activated(&arriving(other), None).len(), 1);
}

#[test]
fn a_change_of_the_copy_under_way_may_take_its_annotation_away_or_delete_it() {
    let under_way = Proof::ResourceVersion("1".into());
    let found = activated(&arriving(under_way.clone()), Some(annotated("skip")));
    assert!(found[0].deletes, "{found:?}");
    let over = Proof::ResourceVersion("0".into());
    assert_eq!(activated(&arriving(over), Some(annotated("skip"))), []);
    assert_eq!(activated(&arriving(under_way), None), []);
}

#[test]
fn a_change_of_another_time_or_another_namespace_counts_for_nothing() {
    let judged = |changes: Vec<PolicyChange>, version: &str| {
        let mut arrival: Arrival<u32> = Arrival::new(Relies::OnParked, &object(), None);
        arrival.answer(ArrivalAnswer::Changes(changes));
        arrival.answer(ArrivalAnswer::Inherited(Inherited {
            resource_version: version.into(),
            namespace: Some("skip".into()),
            operator: None,
        }));
        arrival.outcome().unwrap().clone()
    };
    let of = |namespace: &str| PolicyChange {
        namespace: namespace.into(),
        ..change()
    };
    let arrived = judged(vec![of("other"), of("team")], "1");
    assert_eq!(arrived.effective.policy, Manage);
    assert_eq!(arrived.change, Some(of("team")));
    for arrived in [
        judged(vec![of("other")], "1"),
        judged(vec![of("team")], "2"),
    ] {
        assert_eq!((arrived.effective.policy, arrived.change), (Skip, None));
    }
}

#[test]
fn without_a_registry_a_create_is_unknown_and_a_safe_delete_goes_on() {
    for (relies, goes_on) in [(Relies::OnParked, false), (Relies::OnKept, true)] {
        let mut arrival: Arrival<u32> = Arrival::new(relies, &object(), None);
        arrival.answer(ArrivalAnswer::Unavailable);
        assert_eq!(arrival.call().is_some(), goes_on);
        assert_eq!(arrival.outcome(), None);
    }
}
