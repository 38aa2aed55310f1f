use std::collections::{BTreeMap, HashSet};

use rstest::rstest;

use super::super::testing::{activating, at, copy, creating, of_version};
use super::super::{
    Observation, ObservedHold, ObservedObject, Proof, Record, acquire_by_force, observe,
};
use super::*;
use crate::policy::Policy::Manage;

/// A step that is left out, or taken out of its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Fault {
    /// The child looks above before it has written its claim.
    LooksBeforeItClaims,
    /// The child reads its owner before it looks above.
    ReadsTheOwnerBeforeItLooks,
    /// The child never reads its owner again.
    TrustsWhatItKnows,
    /// The owner says nothing of its change.
    SaysNothing,
    /// The owner looks inside before it says so.
    LooksBeforeItSays,
    /// What the owner says is over before it is seen in the store.
    EndsTooSoon,
    /// What the child acquires for its owner's change is over once the child is seen.
    EndsWithTheCreate,
}

/// What the registry and the API server hold. The owner is called `old` before its request,
/// or is not there and its children are taken to be in `old`; then it is called `new`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct World {
    claims: BTreeMap<Identity, (Record, u32)>,
    /// Whether the owner was there before its request.
    was_there: bool,
    renamed: bool,
    child_is_stored: bool,
}

fn group(name: &str) -> Identity {
    format!("/subscriptions/s/resourceGroups/{name}")
        .parse()
        .unwrap()
}

fn account_in(name: &str) -> Identity {
    let group = group(name);
    format!("{group}/providers/Microsoft.Storage/storageAccounts/data")
        .parse()
        .unwrap()
}

fn child() -> CopyRef {
    super::super::testing::account_copy("a")
}

impl World {
    /// The owner as it is stored.
    fn owner(&self) -> Option<Arc<ObjectFacts>> {
        let version = if self.renamed { "2" } else { "1" };
        let object = ObjectFacts {
            uid: "owner".into(),
            resource_version: version.into(),
            ..ObjectFacts::named(copy("a").object)
        };
        (self.renamed || self.was_there).then(|| Arc::new(object))
    }

    /// What the child stands for as the owner is stored.
    fn child_is(&self) -> Identity {
        account_in(if self.renamed { "new" } else { "old" })
    }

    fn child(&self) -> Option<Arc<ObjectFacts>> {
        let object = ObjectFacts {
            uid: "child".into(),
            resource_version: "1".into(),
            ..ObjectFacts::named(child().object)
        };
        self.child_is_stored.then(|| Arc::new(object))
    }

    fn put(&mut self, record: &Record) {
        let version = self.claims.get(&record.identity).map_or(0, |(_, v)| *v) + 1;
        self.claims
            .insert(record.identity.clone(), (record.clone(), version));
    }

    fn record(&self, identity: &Identity) -> Option<&Record> {
        self.claims.get(identity).map(|(record, _)| record)
    }

    fn call(&mut self, call: &RegistryCall<'_, u32>) -> RegistryAnswer<u32> {
        match call {
            RegistryCall::Claim(identity) => {
                RegistryAnswer::Claim(self.claims.get(identity).cloned())
            }
            RegistryCall::Put(record, expected) => {
                let version = self.claims.get(&record.identity).map(|(_, v)| *v);
                if version.as_ref() != *expected {
                    return RegistryAnswer::Conflict;
                }
                self.put(record);
                RegistryAnswer::Stored
            }
            RegistryCall::Claims(identities) => {
                let found = identities.iter().filter_map(|one| self.record(one));
                RegistryAnswer::Claims(found.cloned().collect())
            }
            RegistryCall::Below(identity) => {
                let all = self.claims.values().map(|(record, _)| record);
                let below = all.filter(|record| record.identity.is_below(identity));
                RegistryAnswer::Claims(below.cloned().collect())
            }
        }
    }

    /// The observer looks at one object, in one of its claims.
    fn observe(&mut self, seen: &CopyRef, object: Option<ObservedObject>, identity: &Identity) {
        let look = Observation {
            copy: seen,
            judged_at: at(1),
            object,
            seen_uids: &[],
        };
        let observed = observe(self.record(identity), identity, &look);
        if observed.changed {
            self.put(&observed.record);
        }
    }

    fn observe_child(&mut self) {
        for name in ["old", "new"] {
            let identity = account_in(name);
            let held = (identity == self.child_is()).then_some(ObservedHold {
                policy: Manage,
                assumed: !self.was_there && !self.renamed,
            });
            let observed = self.child().map(|object| ObservedObject {
                held,
                ..ObservedObject::from(&*object)
            });
            self.observe(&child(), observed, &identity);
        }
    }

    fn observe_owner(&mut self) {
        let observed = self.owner().map(|object| ObservedObject::from(&*object));
        self.observe(&copy("a"), observed, &group("old"));
    }

    fn is_covered(&self) -> bool {
        let record = self.record(&self.child_is());
        let held = record.and_then(|record| record.copies.get(&child()));
        !self.child_is_stored || held.is_some_and(super::super::MemberCopy::is_live)
    }
}

/// The two requests and the observer, at one point of their way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Story {
    world: World,
    /// The world as it was when a step was taken out of its turn.
    child_saw: World,
    owner_saw: World,
    create: Option<GoLive<u32>>,
    rename: Option<Rename<u32>>,
    looks: u32,
    fault: Option<Fault>,
}

impl Story {
    fn new(was_there: bool, fault: Option<Fault>) -> Self {
        let world = World {
            was_there,
            ..World::default()
        };
        let proof = if was_there {
            of_version("1")
        } else {
            Proof::Uid("owner".into())
        };
        let ask = activating(&copy("a"), "rename", proof, 0);
        let moves = vec![(group("old"), group("new"))];
        let aim = Intent::Create(creating(&child(), "create", "child", 0));
        Self {
            child_saw: world.clone(),
            owner_saw: world.clone(),
            create: Some(GoLive::new(aim, vec![account_in("old")], false)),
            rename: Some(Rename::new(ask, moves)),
            world,
            looks: 2,
            fault,
        }
    }

    fn step_of_create(mut self) -> Self {
        let Some(mut create) = self.create.take() else {
            return self;
        };
        let fault = self.fault;
        let answer = match create.call() {
            None => {
                self.world.child_is_stored = create.unsettled_owner().is_none();
                return self;
            }
            Some(GoLiveCall::Claims(RegistryCall::Put(record, expected)))
                if fault == Some(Fault::EndsWithTheCreate) =>
            {
                let mut record = record.clone();
                for held in record.copies.values_mut() {
                    for request in &mut held.acquiring {
                        request.proof = Proof::Uid("child".into());
                    }
                }
                let call = RegistryCall::Put(&record, expected);
                GoLiveAnswer::Claims(self.world.call(&call))
            }
            Some(GoLiveCall::Claims(call)) => {
                let early = matches!(call, RegistryCall::Claims(_))
                    && fault == Some(Fault::LooksBeforeItClaims);
                let answer = if early {
                    self.child_saw.call(&call)
                } else {
                    self.world.call(&call)
                };
                if fault == Some(Fault::ReadsTheOwnerBeforeItLooks)
                    && matches!(call, RegistryCall::Put(..))
                {
                    self.child_saw = self.world.clone();
                }
                GoLiveAnswer::Claims(answer)
            }
            Some(GoLiveCall::Owners) => {
                let early = matches!(
                    fault,
                    Some(Fault::TrustsWhatItKnows | Fault::ReadsTheOwnerBeforeItLooks)
                );
                let seen = if early { &self.child_saw } else { &self.world };
                let owner = (copy("a").object, seen.owner());
                let now = Resolution::known(seen.child_is(), false);
                GoLiveAnswer::Owners(vec![owner], Some(now))
            }
            Some(GoLiveCall::Wait) => GoLiveAnswer::Waited,
        };
        create.answer(answer);
        self.create = Some(create);
        self
    }

    fn step_of_rename(mut self) -> Self {
        let Some(mut rename) = self.rename.take() else {
            return self;
        };
        let answer = match rename.call() {
            None => {
                for renamed in rename.into_renamed() {
                    let stored = renamed.object.map(|_| account_in("new"));
                    for identity in renamed.under_way.into_iter().chain(stored) {
                        let ask = activating(&renamed.copy, "rename", Proof::Owner, 0);
                        let known = self.world.record(&identity);
                        let next = acquire_by_force(known, &identity, &ask);
                        self.world.put(&next);
                    }
                }
                self.world.renamed = true;
                return self;
            }
            Some(RenameCall::Claims(RegistryCall::Put(..)))
                if self.fault == Some(Fault::SaysNothing) =>
            {
                RenameAnswer::Claims(RegistryAnswer::Stored)
            }
            Some(RenameCall::Claims(call)) => {
                let early = matches!(call, RegistryCall::Below(_))
                    && self.fault == Some(Fault::LooksBeforeItSays);
                let answer = if early {
                    self.owner_saw.call(&call)
                } else {
                    self.world.call(&call)
                };
                RenameAnswer::Claims(answer)
            }
            Some(RenameCall::Objects(keys)) => {
                assert_eq!(keys, [&child().object]);
                RenameAnswer::Objects(vec![self.world.child()])
            }
        };
        rename.answer(answer);
        if self.fault == Some(Fault::EndsTooSoon) {
            self.world.claims.remove(&group("old"));
        }
        self.rename = Some(rename);
        self
    }
}

/// Goes every way there is. Gives how many different points it came across, or one where
/// what is live is not claimed; and how many ways ended with the child refused.
fn explore(was_there: bool, fault: Option<Fault>) -> Result<(usize, usize), Box<Story>> {
    let mut todo = vec![Story::new(was_there, fault)];
    let (mut seen, mut refused) = (HashSet::new(), 0);
    while let Some(story) = todo.pop() {
        if !story.world.is_covered() {
            return Err(Box::new(story));
        }
        if !seen.insert(story.clone()) {
            continue;
        }
        if story.create.is_none() && !story.world.child_is_stored {
            refused += 1;
        }
        todo.push(story.clone().step_of_create());
        todo.push(story.clone().step_of_rename());
        if story.looks > 0 {
            let mut at_child = story.clone();
            at_child.looks -= 1;
            let mut at_owner = at_child.clone();
            at_child.world.observe_child();
            at_owner.world.observe_owner();
            todo.extend([at_child, at_owner]);
        }
    }
    Ok((seen.len(), refused))
}

/// As soon as the child is live, the claim of what it is then says so, in every order of the
/// steps of both with two looks of the observer in between; and it waits for nothing.
#[rstest]
#[case::created(false)]
#[case::changed(true)]
fn whatever_the_order_a_child_that_is_renamed_is_acquired(#[case] was_there: bool) {
    let (points, refused) = explore(was_there, None).unwrap();
    assert!(points > 500, "{points}");
    assert_eq!(refused, 0, "both names are free");
}

#[rstest]
#[case(Fault::LooksBeforeItClaims)]
#[case(Fault::ReadsTheOwnerBeforeItLooks)]
#[case(Fault::TrustsWhatItKnows)]
#[case(Fault::SaysNothing)]
#[case(Fault::LooksBeforeItSays)]
#[case(Fault::EndsTooSoon)]
#[case(Fault::EndsWithTheCreate)]
fn a_step_out_of_its_turn_leaves_a_child_unclaimed(#[case] fault: Fault) {
    for was_there in [false, true] {
        let broken = explore(was_there, Some(fault)).unwrap_err();
        assert!(broken.world.renamed && broken.world.child_is_stored);
    }
}

fn live(owners: &[StoredOwner]) -> GoLive<u32> {
    let mut world = World::default();
    let request = activating(&copy("a"), "rename", of_version("1"), 0);
    let said = super::super::arrive::announce_rename(None, &group("old"), &request, None);
    world.put(&said);
    let aim = Intent::Create(creating(&child(), "create", "child", 0));
    let mut create = GoLive::new(aim, vec![account_in("old")], false);
    while let Some(call) = create.call() {
        let answer = match call {
            GoLiveCall::Claims(call) => GoLiveAnswer::Claims(world.call(&call)),
            GoLiveCall::Owners => GoLiveAnswer::Owners(owners.to_vec(), None),
            GoLiveCall::Wait => GoLiveAnswer::Waited,
        };
        create.answer(answer);
    }
    create
}

#[test]
fn only_a_change_of_its_own_owner_that_may_yet_be_stored_is_waited_for() {
    let at_version = |version: &str| {
        let object = ObjectFacts {
            resource_version: version.into(),
            ..ObjectFacts::named(copy("a").object)
        };
        (object.key.clone(), Some(Arc::new(object)))
    };
    let other = ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "other");
    assert_eq!(live(&[at_version("1")]).unsettled_owner(), Some(&copy("a")));
    for owners in [
        vec![],
        vec![(other, None)],
        vec![(copy("a").object, None)],
        vec![at_version("2")],
    ] {
        assert_eq!(live(&owners).unsettled_owner(), None, "{owners:?}");
    }
}

/// Goes the way to its end. `waits`: what happens while it waits.
fn go_live(create: &mut GoLive<u32>, world: &mut World, mut waits: impl FnMut(&mut World)) {
    while let Some(call) = create.call() {
        let answer = match call {
            GoLiveCall::Claims(call) => GoLiveAnswer::Claims(world.call(&call)),
            GoLiveCall::Owners => {
                let owner = (copy("a").object, world.owner());
                let now = Resolution::known(world.child_is(), false);
                GoLiveAnswer::Owners(vec![owner], Some(now))
            }
            GoLiveCall::Wait => {
                waits(world);
                GoLiveAnswer::Waited
            }
        };
        create.answer(answer);
    }
}

#[test]
fn a_child_that_waits_goes_on_once_its_owners_change_is_over() {
    let aim = Intent::Create(creating(&child(), "create", "child", 0));
    let mut create = GoLive::<u32>::new(aim, vec![account_in("old")], false);
    let mut world = World {
        was_there: true,
        ..World::default()
    };
    let request = activating(&copy("a"), "rename", of_version("1"), 0);
    let said = super::super::arrive::announce_rename(None, &group("old"), &request, None);
    world.put(&said);
    go_live(&mut create, &mut world, |world| world.renamed = true);
    assert_eq!((create.outcome(), create.unsettled_owner()), (Ok(()), None));
    let held = world.record(&account_in("new")).unwrap();
    assert!(held.copies[&child()].is_live());
}

/// The owner's request may come to nothing, and nobody hears of that for long: meanwhile its
/// children have both names. Whoever has the other one already is not pushed out.
#[rstest]
#[case::free(false)]
#[case::taken(true)]
fn a_child_has_both_names_while_its_owners_change_may_yet_be_stored(#[case] taken: bool) {
    let mut world = World {
        was_there: true,
        ..World::default()
    };
    let request = activating(&copy("a"), "rename", of_version("1"), 0);
    let to = group("new");
    let said = super::super::arrive::announce_rename(None, &group("old"), &request, Some(&to));
    world.put(&said);
    let other = super::super::testing::account_copy("b");
    if taken {
        let ask = creating(&other, "other", "other", 0);
        world.put(&acquire_by_force(None, &account_in("new"), &ask));
    }
    let aim = Intent::Create(creating(&child(), "create", "child", 0));
    let mut create = GoLive::<u32>::new(aim, vec![account_in("old")], false);
    let mut waits = 0;
    go_live(&mut create, &mut world, |_| waits += 1);
    let unsettled = create.unsettled_owner().is_some();
    assert_eq!((unsettled, waits > 0), (taken, taken));
    let holder = world.record(&account_in("new")).unwrap();
    let held: Vec<CopyRef> = holder.copies.keys().cloned().collect();
    assert_eq!(held, [if taken { other } else { child() }]);
}
