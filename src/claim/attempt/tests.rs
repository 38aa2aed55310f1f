use rstest::rstest;

use super::super::testing::{
    Story, account, account_copy, activating, at, copy, creating, deleting, group, look, of_version,
};
use super::super::{HistoryAction, Justification, acquire};
use super::*;
use crate::policy::Policy::{Manage, Skip};

/// A registry of two claims, each with its version: the resource group and the
/// account inside.
#[derive(Default)]
struct Shelf {
    claims: Vec<(Record, u32)>,
    /// How many puts are answered with a conflict, as if others were quicker.
    conflicts: u32,
    log: Vec<String>,
}

impl Shelf {
    fn with(story: &Story) -> Self {
        Self {
            claims: vec![(story.record().clone(), 1)],
            ..Self::default()
        }
    }

    fn find(&self, identity: &Identity) -> Option<(Record, u32)> {
        let mut claims = self.claims.iter();
        claims
            .find(|(record, _)| record.identity == *identity)
            .cloned()
    }

    fn answer(&mut self, call: RegistryCall<'_, u32>) -> RegistryAnswer<u32> {
        let (word, answer) = match call {
            RegistryCall::Claim(identity) => (
                format!("read {}", identity.name()),
                RegistryAnswer::Claim(self.find(identity)),
            ),
            RegistryCall::Put(record, expected) => {
                let known = self.find(&record.identity);
                let version = known.map(|(_, version)| version);
                let holds = version.as_ref() == expected && self.conflicts == 0;
                self.conflicts = self.conflicts.saturating_sub(1);
                if holds {
                    self.claims
                        .retain(|(other, _)| other.identity != record.identity);
                    self.claims.push((record.clone(), version.unwrap_or(0) + 1));
                }
                let answer = if holds {
                    RegistryAnswer::Stored
                } else {
                    RegistryAnswer::Conflict
                };
                (format!("put {}", record.identity.name()), answer)
            }
            RegistryCall::Claims(identities) => {
                let names: Vec<&str> = identities.iter().map(Identity::name).collect();
                let found = identities.iter().filter_map(|one| self.find(one));
                let found = found.map(|(record, _)| record).collect();
                (
                    format!("read all {}", names.join(" ")),
                    RegistryAnswer::Claims(found),
                )
            }
            RegistryCall::Below(identity) => {
                let records = self.claims.iter().map(|(record, _)| record);
                let below = records.filter(|record| record.identity.is_below(identity));
                let below = below.cloned().collect();
                (
                    format!("list below {}", identity.name()),
                    RegistryAnswer::Claims(below),
                )
            }
        };
        self.log.push(word);
        answer
    }

    /// Runs to the end, and gives the refusal's reason.
    fn run(&mut self, mut attempt: Attempt<u32>) -> Option<&'static str> {
        while let Some(call) = attempt.call() {
            let answer = self.answer(call);
            attempt.answer(answer);
        }
        attempt
            .outcome()
            .err()
            .map(|refusal| refusal.reason().as_str())
    }

    fn in_flight(&self) -> usize {
        let copies = self
            .claims
            .iter()
            .flat_map(|(record, _)| record.copies.values());
        copies
            .map(|copy| copy.acquiring.len() + copy.deleting.len())
            .sum()
    }
}

fn create() -> Intent {
    Intent::Create(creating(&account_copy("a"), "r1", "u", 0))
}

fn activate() -> Intent {
    Intent::Activate(activating(&account_copy("a"), "r1", of_version("1"), 0))
}

fn delete() -> Intent {
    Intent::Delete(deleting(&copy("a"), "r1", "1", 0))
}

fn wake() -> Intent {
    let ask = activating(&copy("a"), "r1", of_version("1"), 0);
    let delete = Delete {
        wakes: true,
        ..deleting(&copy("a"), "r1", "1", 0)
    };
    Intent::Wake(ask, delete)
}

fn attempt(aim: Intent) -> Attempt<u32> {
    let identities = vec![of(&aim)];
    Attempt::new(aim, identities)
}

fn of(aim: &Intent) -> Identity {
    match aim {
        Intent::Create(ask) | Intent::Activate(ask) if ask.copy == account_copy("a") => account(),
        _ => group(),
    }
}

#[rstest]
#[case::create(create(), 0, &["put data", "read all rg-prod"])]
#[case::create_late(create(), 1, &["put data", "read data", "put data", "read all rg-prod"])]
#[case::activate(activate(), 0, &["read data", "put data", "read all rg-prod"])]
#[case::delete(delete(), 0, &["read rg-prod", "put rg-prod", "list below rg-prod"])]
#[case::wake(wake(), 1, &["read rg-prod", "put rg-prod", "read rg-prod", "put rg-prod", "list below rg-prod"])]
fn what_is_written_is_written_before_the_look(
    #[case] aim: Intent,
    #[case] conflicts: u32,
    #[case] log: &[&str],
) {
    let mut shelf = Shelf {
        conflicts,
        ..Shelf::default()
    };
    assert_eq!(shelf.run(attempt(aim)), None);
    assert_eq!(shelf.log, log);
    assert!(shelf.in_flight() > 0);
}

#[test]
fn a_wake_up_call_looks_both_ways() {
    let ask = activating(&account_copy("a"), "r1", of_version("1"), 0);
    let delete = deleting(&account_copy("a"), "r1", "1", 0);
    let wake = || Attempt::new(Intent::Wake(ask.clone(), delete.clone()), vec![account()]);
    let mut shelf = Shelf::default();
    assert_eq!(shelf.run(wake()), None);
    let log = [
        "read data",
        "put data",
        "list below data",
        "read all rg-prod",
    ];
    assert_eq!(shelf.log, log);

    let mut shelf = Shelf::with(&Story::default().deletes(&deleting(&copy("b"), "r0", "1", 0)));
    assert_eq!(shelf.run(wake()), Some("AncestorDeleting"));
}

#[test]
fn what_nothing_contains_is_not_looked_for() {
    let aim = Intent::Create(creating(&copy("a"), "r1", "u", 0));
    let mut shelf = Shelf::default();
    assert_eq!(shelf.run(attempt(aim)), None);
    assert_eq!(shelf.log, ["put rg-prod"]);
}

#[rstest]
#[case::create(create(), "AncestorDeleting")]
#[case::activate(activate(), "AncestorDeleting")]
#[case::delete(delete(), "ChildrenDepend")]
#[case::wake(wake(), "ChildrenDepend")]
fn what_was_written_for_a_refused_request_can_be_taken_back(
    #[case] aim: Intent,
    #[case] reason: &str,
) {
    // B's group is going, and B has an account in A's group: each is in the other's way.
    let shelf = || {
        if reason == "AncestorDeleting" {
            Shelf::with(&Story::default().deletes(&deleting(&copy("b"), "r0", "1", 0)))
        } else {
            let ask = creating(&account_copy("b"), "r0", "u", 0);
            Shelf {
                claims: vec![(acquire(None, &account(), &ask).unwrap(), 1)],
                ..Shelf::default()
            }
        }
    };
    let mut registry = shelf();
    assert_eq!(registry.run(attempt(aim.clone())), Some(reason));
    assert!(registry.in_flight() > 1);
    registry.conflicts = 2;
    let copy = match &aim {
        Intent::Create(ask) | Intent::Activate(ask) => &ask.copy,
        _ => &copy("a"),
    };
    let back = Intent::TakeBack(copy.clone(), RequestUid::new("r1"));
    let back = Attempt::new(back, vec![of(&aim)]);
    assert_eq!(registry.run(back), None);
    assert_eq!((registry.conflicts, registry.in_flight()), (0, 1));
}

#[test]
fn what_is_not_there_is_not_taken_back() {
    let back = Intent::TakeBack(copy("a"), RequestUid::new("r1"));
    for mut shelf in [
        Shelf::default(),
        Shelf::with(&Story::default().found(&copy("a"), Manage)),
    ] {
        assert_eq!(shelf.run(attempt(back.clone())), None);
        assert_eq!(shelf.log, ["read rg-prod"]);
    }
}

#[rstest]
#[case::create(Intent::Create(creating(&copy("a"), "r1", "u", 0)))]
#[case::wake(wake())]
fn all_that_an_object_names_is_acquired(#[case] aim: Intent) {
    let ours: Identity = "/subscriptions/s/resourceGroups/ours".parse().unwrap();
    let identities = vec![ours.clone(), group()];
    let mut shelf = Shelf::default();
    let attempt = Attempt::new(aim.clone(), identities.clone());
    assert_eq!(shelf.run(attempt), None);
    assert_eq!(shelf.claims.len(), 2);

    // B has what the annotation names.
    let mut shelf = Shelf::with(&Story::default().found(&copy("b"), Manage));
    let attempt = Attempt::new(aim.clone(), identities);
    let expected = match aim {
        Intent::Wake(..) => "WakesDelete",
        _ => "ForeignResourceId",
    };
    assert_eq!(shelf.run(attempt), Some(expected));
}

#[test]
fn an_answer_to_another_call_changes_nothing() {
    let mut started = attempt(activate());
    for answer in [
        RegistryAnswer::Stored,
        RegistryAnswer::Conflict,
        RegistryAnswer::Claims(Vec::new()),
    ] {
        let before = started.clone();
        started.answer(answer);
        assert_eq!(started, before);
    }
    let nothing = Attempt::<u32>::new(create(), Vec::new());
    assert_eq!(nothing.call(), None);
}

fn by_force(shelf: &mut Shelf, aim: Intent, identities: Vec<Identity>) -> Option<&'static str> {
    shelf.run(Attempt::new(aim, identities).by_force())
}

#[test]
fn what_is_let_through_is_claimed_all_the_same() {
    let mut live = Shelf::with(&Story::default().found(&copy("b"), Manage));
    let ask = creating(&copy("a"), "r1", "u", 0);
    let refused = by_force(&mut live, Intent::Create(ask), vec![group()]);
    assert_eq!(refused, Some("LiveElsewhere"));
    let record = live.find(&group()).unwrap().0;
    assert!(record.copies[&copy("a")].is_live() && record.copies[&copy("b")].is_live());
    assert_eq!(record.state().as_str(), "Conflict");

    // The first one parks and goes: the second holds the resource, and a third is refused.
    let left = Story(Some(record)).sees(&look(&copy("b"), None, 1));
    let third = creating(&copy("c"), "r3", "u3", 2);
    assert!(acquire(Some(left.record()), &group(), &third).is_err());
}

#[test]
fn a_delete_that_is_let_through_is_marked_all_the_same() {
    let mut parked = Shelf::with(&Story::default().found(&copy("b"), Skip));
    let refused = by_force(&mut parked, delete(), vec![group()]);
    assert_eq!(refused, Some("PeersDepend"));
    let record = parked.find(&group()).unwrap().0;
    assert!(record.copies[&copy("a")].is_deleting());
    // Nobody goes live in what goes away.
    let ask = activating(&copy("b"), "r2", of_version("1"), 0);
    assert!(acquire(Some(&record), &group(), &ask).is_err());

    let mut woken = Shelf::with(&Story::default().found(&copy("b"), Skip));
    let refused = by_force(&mut woken, wake(), vec![group()]);
    assert_eq!(refused, Some("WakesDelete"));
    let held = woken.find(&group()).unwrap().0.copies[&copy("a")].clone();
    assert!(held.is_live() && held.is_deleting());
}

#[test]
fn force_goes_through_all_that_an_object_stands_for_and_tells_the_first_refusal() {
    let named = "/subscriptions/s/resourceGroups/theirs"
        .parse::<Identity>()
        .unwrap();
    let theirs = creating(&copy("b"), "r2", "u2", 0);
    let theirs = acquire(None, &named, &theirs).unwrap();
    let mut shelf = Shelf::with(&Story::default().found(&copy("b"), Manage));
    shelf.claims.push((theirs, 1));
    let ask = Intent::Create(creating(&copy("a"), "r1", "u", 0));
    let refused = by_force(&mut shelf, ask, vec![group(), named.clone()]);
    assert_eq!(refused, Some("LiveElsewhere"));
    for identity in [group(), named] {
        let record = shelf.find(&identity).unwrap().0;
        assert!(record.copies[&copy("a")].is_live(), "{identity}");
    }
}

#[test]
fn what_is_remembered_is_written_once_whatever_comes_in_between() {
    let entry = HistoryEntry {
        at: at(0),
        by: "alice".into(),
        copy: copy("a"),
        action: HistoryAction::Delete,
        why: Justification::new("hub is gone").unwrap(),
        refusal: "PeersDepend".into(),
    };
    let mut shelf = Shelf {
        conflicts: 2,
        ..Shelf::default()
    };
    for _ in 0..2 {
        let aim = Intent::Remember(entry.clone());
        assert_eq!(shelf.run(Attempt::new(aim, vec![group()])), None);
    }
    assert_eq!(shelf.find(&group()).unwrap().0.history, [entry]);
    let puts = shelf.log.iter().filter(|call| call.starts_with("put"));
    assert_eq!(puts.count(), 3);
}

#[test]
fn what_contains_any_of_its_resources_is_looked_at() {
    let other: Identity = "/subscriptions/s/resourceGroups/other/providers/P/t/n"
        .parse()
        .unwrap();
    let deleted = Story::default().deletes(&deleting(&copy("b"), "d", "1", 0));
    for identities in [
        vec![other.clone(), account()],
        vec![account(), other.clone()],
    ] {
        let mut shelf = Shelf::with(&deleted);
        let aim = Intent::Create(creating(&account_copy("a"), "r", "u", 1));
        let mut attempt = Attempt::new(aim, identities);
        while let Some(call) = attempt.call() {
            let answer = shelf.answer(call);
            attempt.answer(answer);
        }
        let Err(Refusal::AncestorDeleting {
            identity, ancestor, ..
        }) = attempt.outcome()
        else {
            panic!("{:?}", attempt.outcome());
        };
        assert_eq!((identity, ancestor), (account(), group()));
    }
}

#[test]
fn what_is_claimed_already_is_not_written_again() {
    let ask = activating(&copy("a"), "r", of_version("1"), 0);
    let story = Story::default().found(&copy("a"), Skip).acquires(&ask);
    let mut shelf = Shelf::with(&story);
    let mut attempt = Attempt::new(Intent::Activate(ask), vec![group()]);
    while let Some(call) = attempt.call() {
        let answer = shelf.answer(call);
        attempt.answer(answer);
    }
    assert_eq!(attempt.outcome(), Ok(()));
    assert_eq!(shelf.log.len(), 1, "{:?}", shelf.log);
}
