//! One resource, moved by [`next`] through every kind of trouble: views that are out of date,
//! writes that are lost, drivers that are cut off, and an undo at any time.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::arm::Identity;
use crate::claim::{
    Acquire, Observation, ObservedHold as Sight, ObservedObject, Proof, RequestUid, acquire,
    observe, reserve,
};
use crate::object::ObjectKey;
use crate::policy::Policy;

fn way(turned: bool) -> Reservation {
    let [from, to] = if turned { ["b", "a"] } else { ["a", "b"] };
    let place = |member: &str| format!("{member}/team").parse().unwrap();
    Reservation {
        transfer: "move-it".parse().unwrap(),
        from: place(from),
        to: place(to),
    }
}

fn copy(at: usize) -> CopyRef {
    CopyRef {
        member: ["a", "b"][at].parse().unwrap(),
        object: ObjectKey::new("resources.azure.com", "ResourceGroup", "team", "rg"),
    }
}

/// An object, as an API server stores it.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and all combinations occur"
)]
struct Object {
    version: u64,
    parked: bool,
    busy: bool,
    /// Whether the transfer made it.
    made: bool,
    /// Whether ASO has reconciled it.
    reconciled: bool,
}

/// What a driver saw, perhaps long ago.
#[derive(Clone)]
struct View {
    record: Record,
    objects: [Option<Object>; 2],
    turned: bool,
}

#[derive(Clone, Debug)]
enum Event {
    /// A driver looks.
    Look,
    /// It does what it takes to be next, by what it saw.
    Act,
    /// It does, and the API server loses the write after the guard's yes.
    ActInVain,
    /// It is killed.
    Kill,
    /// An observer looks.
    Observe(usize),
    /// Somebody undoes the transfer.
    Turn,
    /// ASO begins or ends something in Azure.
    Busy(bool),
    /// ASO reconciles what it finds in a cluster.
    Reconcile(usize),
}

struct World {
    now: Timestamp,
    version: u64,
    record: Record,
    objects: [Option<Object>; 2],
    turned: bool,
    view: Option<View>,
}

impl World {
    fn new(source_parked: bool, target_there: bool) -> Self {
        let identity: Identity = "/subscriptions/s/resourceGroups/rg".parse().unwrap();
        let object = |parked| Object {
            version: 1,
            parked,
            busy: false,
            made: false,
            reconciled: false,
        };
        let mut world = Self {
            now: Timestamp::UNIX_EPOCH,
            version: 1,
            record: Record::new(identity),
            objects: [Some(object(source_parked)), None],
            turned: false,
            view: None,
        };
        world.objects[1] = target_there.then(|| object(true));
        world.observe(0);
        world.observe(1);
        world.record = reserve(&world.record, &way(false)).unwrap().unwrap();
        world
    }

    fn observe(&mut self, at: usize) {
        let copy = copy(at);
        let observed = self.objects[at].as_ref().map(|object| ObservedObject {
            uid: format!("{at}-made-{}", object.made).into(),
            resource_version: object.version.to_string().into(),
            terminating: false,
            busy: object.busy,
            held: Some(Sight {
                policy: if object.parked {
                    Policy::Skip
                } else {
                    Policy::Manage
                },
                assumed: false,
            }),
        });
        let look = Observation {
            copy: &copy,
            judged_at: self.now,
            object: observed,
            seen_uids: &[],
        };
        let identity = self.record.identity.clone();
        self.record = observe(Some(&self.record), &identity, &look).record;
    }

    fn step_of(view: &View) -> TransferStep {
        let [source, target] = if view.turned { [1, 0] } else { [0, 1] };
        let seen = |at: usize, from: bool| {
            view.objects[at].as_ref().map(|object| ObservedCopy {
                live: !object.parked,
                terminating: false,
                reconciled: object.reconciled,
                removable: from && (!view.turned || object.made),
            })
        };
        let (source, target) = (seen(source, true), seen(target, false));
        next(&way(view.turned), Some(&view.record), source, target)
    }

    fn view(&self) -> View {
        View {
            record: self.record.clone(),
            objects: self.objects.clone(),
            turned: self.turned,
        }
    }

    /// The guard's answer to a request that would make a copy live.
    fn admits(&mut self, at: usize) -> bool {
        let ask = Acquire {
            copy: copy(at),
            request: RequestUid::new(&self.version.to_string()),
            proof: Proof::Deadline,
            deadline: self.now + SignedDuration::from_secs(90),
            at: self.now,
            by: "driver".into(),
            assumed: false,
        };
        let identity = self.record.identity.clone();
        match acquire(Some(&self.record), &identity, &ask) {
            Ok(record) => {
                self.record = record;
                true
            }
            Err(_) => false,
        }
    }

    fn act(&mut self, stored: bool) {
        let Some(view) = self.view.clone() else {
            return;
        };
        let [source, target] = if view.turned { [1, 0] } else { [0, 1] };
        self.version += 1;
        let version = self.version;
        let same = |world: &Self, at: usize| {
            let now = world.objects[at].as_ref().map(|object| object.version);
            now.is_some() && now == view.objects[at].as_ref().map(|object| object.version)
        };
        match Self::step_of(&view) {
            TransferStep::Park if stored && same(self, source) => {
                let object = self.objects[source].as_mut().unwrap();
                (object.parked, object.version) = (true, version);
            }
            TransferStep::Create
                if self.objects[target].is_none() && self.admits(target) && stored =>
            {
                self.objects[target] = Some(Object {
                    version,
                    parked: false,
                    busy: false,
                    made: true,
                    reconciled: false,
                });
            }
            TransferStep::Wake if same(self, target) && self.admits(target) && stored => {
                let object = self.objects[target].as_mut().unwrap();
                (object.parked, object.version) = (false, version);
            }
            TransferStep::Delete if stored && same(self, source) => {
                let gone = self.objects[source].take().unwrap();
                assert!(gone.parked, "a live copy was deleted");
                let kept = self.objects[target].as_ref();
                assert!(
                    kept.is_some_and(|kept| kept.reconciled),
                    "nobody reconciles what is left"
                );
            }
            _ => {}
        }
    }

    fn happens(&mut self, event: &Event) {
        self.now += SignedDuration::from_secs(1);
        match event {
            Event::Look => self.view = Some(self.view()),
            Event::Act => self.act(true),
            Event::ActInVain => self.act(false),
            Event::Kill => self.view = None,
            Event::Observe(at) => self.observe(*at),
            Event::Turn => {
                self.turned = true;
                if let Ok(Some(record)) = reserve(&self.record, &way(true)) {
                    self.record = record;
                }
            }
            Event::Reconcile(at) => {
                if let Some(object) = self.objects[*at].as_mut() {
                    object.reconciled = true;
                }
            }
            Event::Busy(busy) => {
                for object in self.objects.iter_mut().flatten() {
                    object.busy = *busy;
                }
            }
        }
        let live = |object: &&Object| !object.parked;
        let live = self.objects.iter().flatten().filter(live).count();
        assert!(live < 2, "two live copies after {event:?}");
        let copies = self.objects.iter().flatten().count();
        assert!(copies > 0, "no copy is left after {event:?}");
    }

    /// Everybody does their part from now on.
    fn settle(&mut self) {
        self.happens(&Event::Busy(false));
        for _ in 0..12 {
            self.now += SignedDuration::from_secs(100);
            for event in [
                Event::Observe(0),
                Event::Observe(1),
                Event::Reconcile(0),
                Event::Reconcile(1),
                Event::Look,
                Event::Act,
            ] {
                self.happens(&event);
            }
        }
        let view = self.view();
        assert_eq!(
            Self::step_of(&view),
            TransferStep::Done,
            "{:#?}",
            self.record
        );
        let [source, target] = if self.turned { [1, 0] } else { [0, 1] };
        assert!(
            self.objects[target]
                .as_ref()
                .is_some_and(|object| !object.parked)
        );
        let kept = self.objects[source].as_ref();
        assert!(kept.is_none_or(|kept| self.turned && !kept.made && kept.parked));
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Look),
        6 => Just(Event::Act),
        1 => Just(Event::ActInVain),
        1 => Just(Event::Kill),
        4 => (0..2usize).prop_map(Event::Observe),
        1 => Just(Event::Turn),
        1 => any::<bool>().prop_map(Event::Busy),
        2 => (0..2usize).prop_map(Event::Reconcile),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn it_ends_from_everywhere_and_never_with_two_live_copies_or_a_live_delete(
        source_parked in any::<bool>(),
        target_there in any::<bool>(),
        events in prop::collection::vec(event(), 0..40),
    ) {
        let mut world = World::new(source_parked, target_there);
        for event in &events {
            world.happens(event);
        }
        world.settle();
    }
}

#[test]
fn the_four_steps_in_order() {
    let mut world = World::new(false, false);
    let mut steps = Vec::new();
    for _ in 0..7 {
        for event in [
            Event::Look,
            Event::Act,
            Event::Observe(0),
            Event::Observe(1),
            Event::Reconcile(1),
        ] {
            world.happens(&event);
            steps.push(World::step_of(&world.view()));
        }
    }
    steps.dedup();
    let expected = [
        TransferStep::Park,
        TransferStep::AwaitParked,
        TransferStep::Create,
        TransferStep::AwaitLive,
        TransferStep::AwaitReconciled,
        TransferStep::Delete,
        TransferStep::AwaitGone,
        TransferStep::Done,
    ];
    assert_eq!(steps, expected);
}

#[test]
fn without_its_reservation_nothing_is_done() {
    let world = World::new(false, false);
    let stuck = TransferStep::Stuck(StuckReason::NotReserved);
    assert_eq!(next(&way(false), None, None, None), stuck);
    assert_eq!(next(&way(true), Some(&world.record), None, None), stuck);
}

#[test]
fn nothing_goes_on_while_azure_is_busy_with_it() {
    let mut world = World::new(true, false);
    world.happens(&Event::Busy(true));
    world.happens(&Event::Observe(0));
    assert_eq!(World::step_of(&world.view()), TransferStep::AwaitParked);
    world.happens(&Event::Busy(false));
    world.happens(&Event::Observe(0));
    assert_eq!(World::step_of(&world.view()), TransferStep::Create);
}

#[test]
fn what_is_live_at_both_ends_is_left_to_a_person() {
    let mut world = World::new(false, true);
    world.objects[1].as_mut().unwrap().parked = false;
    assert_eq!(
        World::step_of(&world.view()),
        TransferStep::Stuck(StuckReason::Conflict)
    );
}
