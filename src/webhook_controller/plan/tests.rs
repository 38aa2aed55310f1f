//! Several replicas, one Secret, one bundle, in any order of their steps.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

const NOTICE: SignedDuration = SignedDuration::from_secs(5);
const LIFETIME: i64 = 900;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn generation(number: u8, made: i64) -> CertificateGeneration {
    CertificateGeneration {
        ca: Ca([number].into()),
        certificate: format!("certificate {number}").into(),
        key: "key".into(),
        names: names(&["guard"]),
        not_before: time(made - 10),
        not_after: time(made + LIFETIME),
    }
}

/// The cluster: every write is on condition of the version that was read.
#[derive(Clone, Debug)]
struct World {
    now: i64,
    made: u8,
    secret: (u64, StoredSecret),
    bundle: (u64, BTreeSet<Ca>),
}

/// A replica between its look and what it does then.
#[derive(Debug)]
struct Replica {
    planner: CertificatePlanner,
    looked: Option<(u64, u64, CertificateState)>,
}

#[derive(Clone, Debug)]
enum Event {
    Looks(usize),
    Acts(usize),
    Restarts(usize),
    Passes(i64),
    SecretIsDeleted,
    SecretIsSpoilt,
    BundleIsWiped,
}

impl World {
    fn new() -> Self {
        Self {
            now: 0,
            made: 0,
            secret: (0, StoredSecret::Nothing),
            bundle: (0, BTreeSet::new()),
        }
    }

    fn look(&self, replica: &mut Replica) {
        let seen = CertificateState {
            bundle: Some(self.bundle.1.clone()),
            stored: self.secret.1.clone(),
            now: time(self.now),
        };
        replica.looked = Some((self.secret.0, self.bundle.0, seen));
    }

    /// What the replica makes of its last look, however old that is.
    fn act(&mut self, replica: &mut Replica) -> Option<CertificateStep> {
        let (secret, bundle, seen) = replica.looked.take()?;
        let step = replica.planner.next(&seen);
        match &step {
            CertificateStep::Make { .. } if self.secret.0 == secret => {
                self.made += 1;
                let made = generation(self.made, self.now);
                self.secret = (secret + 1, StoredSecret::Generation(made));
            }
            CertificateStep::Trust(cas) if self.bundle.0 == bundle => {
                self.bundle.0 += 1;
                self.bundle.1.extend(cas.iter().cloned());
            }
            CertificateStep::Serve(generation) => {
                let held = seen.bundle.unwrap();
                assert!(held.contains(&generation.ca), "served before it is trusted");
                replica.planner.serves(generation.clone());
            }
            _ => {}
        }
        Some(step)
    }
}

fn replica() -> Replica {
    Replica {
        planner: CertificatePlanner::new(names(&["guard"]), NOTICE),
        looked: None,
    }
}

/// Whether somebody's hand took a CA out of the bundle that is served now.
fn all_trusted(world: &World, replicas: &[Replica]) -> bool {
    let serving = replicas.iter().filter_map(|it| it.planner.serving());
    let valid = |it: &&CertificateGeneration| it.is_valid(time(world.now));
    let mut serving = serving.filter(valid);
    serving.all(|serving| world.bundle.1.contains(&serving.ca))
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..3_usize).prop_map(Event::Looks),
        6 => (0..3_usize).prop_map(Event::Acts),
        1 => (0..3_usize).prop_map(Event::Restarts),
        3 => (1..400_i64).prop_map(Event::Passes),
        1 => Just(Event::SecretIsDeleted),
        1 => Just(Event::SecretIsSpoilt),
        1 => Just(Event::BundleIsWiped),
    ]
}

/// Lets all replicas look and act in turn, until none has anything to do.
fn settle(world: &mut World, replicas: &mut [Replica]) {
    for _ in 0..40 {
        let mut idle = true;
        for replica in &mut *replicas {
            world.look(replica);
            let step = world.act(replica);
            idle &= matches!(step, Some(CertificateStep::Wait { .. }));
        }
        if idle {
            let StoredSecret::Generation(stored) = &world.secret.1 else {
                panic!("nothing is stored");
            };
            let serves = |it: &Replica| it.planner.serving() == Some(stored);
            if replicas.iter().all(serves) {
                return;
            }
            world.now += 1;
        }
    }
    panic!("they do not come to rest: {world:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_is_served_that_is_not_trusted_and_all_come_to_rest(
        events in prop::collection::vec(event(), 0..60),
    ) {
        let mut world = World::new();
        let mut replicas = [replica(), replica(), replica()];
        // Whose look is from before the bundle was last wiped.
        let mut late = [false; 3];
        for event in events {
            let trusted = all_trusted(&world, &replicas);
            let excused = match event {
                Event::BundleIsWiped => true,
                Event::Acts(at) => late[at],
                _ => false,
            };
            match event {
                Event::Looks(at) => late[at] = false,
                Event::BundleIsWiped => late = [true; 3],
                _ => {}
            }
            match event {
                Event::Looks(at) => world.look(&mut replicas[at]),
                Event::Acts(at) => drop(world.act(&mut replicas[at])),
                Event::Restarts(at) => replicas[at] = replica(),
                Event::Passes(seconds) => world.now += seconds,
                Event::SecretIsDeleted => world.secret = (world.secret.0 + 1, StoredSecret::Nothing),
                Event::SecretIsSpoilt => {
                    world.secret = (world.secret.0 + 1, StoredSecret::Unusable("?".to_owned()));
                }
                Event::BundleIsWiped => world.bundle = (world.bundle.0 + 1, BTreeSet::new()),
            }
            // Only a wipe, or acting on a look from before one, takes trust away.
            let untrusted = trusted && !all_trusted(&world, &replicas);
            prop_assert!(!untrusted || excused, "{world:?} {replicas:?}");
        }
        settle(&mut world, &mut replicas);
        prop_assert!(all_trusted(&world, &replicas));
        let StoredSecret::Generation(stored) = &world.secret.1 else {
            return Err(TestCaseError::fail("nothing is stored"));
        };
        prop_assert!(stored.is_valid(time(world.now)));
        prop_assert_eq!(replicas[0].planner.serving(), Some(stored));
    }
}

fn seen(stored: StoredSecret, bundle: &[u8], now: i64) -> CertificateState {
    CertificateState {
        bundle: Some(bundle.iter().map(|&number| Ca([number].into())).collect()),
        stored,
        now: time(now),
    }
}

#[test]
fn a_renewal_goes_by_the_book() {
    let mut planner = replica().planner;
    let first = generation(1, 0);
    let holds = |generation: &CertificateGeneration| StoredSecret::Generation(generation.clone());
    assert!(matches!(
        planner.next(&seen(StoredSecret::Nothing, &[], 0)),
        CertificateStep::Make { .. }
    ));
    let trusts = |number: u8| CertificateStep::Trust([Ca([number].into())].into());
    assert_eq!(planner.next(&seen(holds(&first), &[], 0)), trusts(1));
    // Nothing is served yet, so nothing is to be waited for.
    let step = planner.next(&seen(holds(&first), &[1], 0));
    assert_eq!(step, CertificateStep::Serve(first.clone()));
    planner.serves(first.clone());
    let until = first.renew_at();
    assert_eq!(
        planner.next(&seen(holds(&first), &[1], 1)),
        CertificateStep::Wait { until }
    );

    let due = until.as_second() + 1;
    let step = planner.next(&seen(holds(&first), &[1], due));
    assert!(matches!(step, CertificateStep::Make { .. }), "{step:?}");
    let second = generation(2, due);
    assert_eq!(planner.next(&seen(holds(&second), &[1], due)), trusts(2));
    let wait = |until| CertificateStep::Wait { until: time(until) };
    assert_eq!(
        planner.next(&seen(holds(&second), &[1, 2], due)),
        wait(due + 5)
    );
    // A gap begins the wait anew, and both CAs belong in the bundle meanwhile.
    let both = CertificateStep::Trust([Ca([1].into()), Ca([2].into())].into());
    assert_eq!(planner.next(&seen(holds(&second), &[], due + 3)), both);
    assert_eq!(
        planner.next(&seen(holds(&second), &[1, 2], due + 4)),
        wait(due + 9)
    );
    let step = planner.next(&seen(holds(&second), &[1, 2], due + 9));
    assert_eq!(step, CertificateStep::Serve(second));
}

#[test]
fn a_clock_that_was_set_back_does_not_hold_a_change_up() {
    let mut planner = replica().planner;
    planner.serves(generation(1, 0));
    let second = StoredSecret::Generation(generation(2, 0));
    let wait = |until| CertificateStep::Wait { until: time(until) };
    assert_eq!(planner.next(&seen(second.clone(), &[1, 2], 200)), wait(205));
    assert_eq!(planner.next(&seen(second.clone(), &[1, 2], 20)), wait(25));
    let step = planner.next(&seen(second, &[1, 2], 25));
    assert!(matches!(step, CertificateStep::Serve(_)));
}

#[test]
fn replicas_that_were_told_different_names_agree_on_all_of_them() {
    let mut planner = CertificatePlanner::new(names(&["other"]), NOTICE);
    let stored = generation(1, 0);
    let CertificateStep::Make { names: all, .. } =
        planner.next(&seen(StoredSecret::Generation(stored.clone()), &[1], 0))
    else {
        panic!("it lacks a name");
    };
    assert_eq!(all, names(&["guard", "other"]));
    let agreed = CertificateGeneration {
        names: all,
        ..stored
    };
    for name in ["guard", "other"] {
        let mut planner = CertificatePlanner::new(names(&[name]), NOTICE);
        let step = planner.next(&seen(StoredSecret::Generation(agreed.clone()), &[1], 0));
        assert!(matches!(step, CertificateStep::Serve(_)), "{step:?}");
    }
}

#[test]
fn where_nobody_calls_nothing_is_waited_for() {
    let mut planner = replica().planner;
    let stored = generation(1, 0);
    let seen = CertificateState {
        bundle: None,
        stored: StoredSecret::Generation(stored.clone()),
        now: time(0),
    };
    assert_eq!(planner.next(&seen), CertificateStep::Serve(stored));
}

#[test]
fn a_key_is_never_shown() {
    let text = format!("{:?}", StoredSecret::Generation(generation(1, 0)));
    assert!(!text.contains("key"), "{text}");
}
