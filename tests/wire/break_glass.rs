//! The annotation `asoguard.io/override`: one refused request is let through, and it shows.

use std::time::Duration;

use aso_guard::admission::{GuardSettings, OnUnresolved, Overrides, Privileges};
use aso_guard::claim::{HistoryAction, Record};
use rstest::rstest;
use serde_json::{Value, json};

use super::object::{Object, POLICY, dry, group, object, with};
use super::tampered::Trouble;
use super::world::{SETTINGS, World};

const OVERRIDE: &str = "asoguard.io/override";
const RG: &str = "/resourceGroups/rg";

/// The same review by a member of this group.
fn by(review: Value, group: &str) -> Value {
    with(
        review,
        "/request/userInfo/groups",
        json!([group, "system:authenticated"]),
    )
}

fn only(group: &str) -> Privileges {
    Privileges {
        overrides: Overrides::Groups(vec![group.to_owned()]),
        ..Privileges::default()
    }
}

fn off() -> Privileges {
    Privileges {
        overrides: Overrides::Off,
        ..Privileges::default()
    }
}

async fn record(world: &World) -> Record {
    world.record(RG).await.unwrap()
}

#[tokio::test]
async fn a_create_is_let_through_claimed_and_remembered() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let twin = group("rg").annotated(OVERRIDE, "  INC-7: b is gone\n");
    let answer = world.a.ask(&twin.create()).await;
    let words = answer.overridden("LiveElsewhere", "INC-7: b is gone");
    for said in [
        "aso-guard would refuse this, but alice overrides it: \"INC-7: b is gone\"",
        "two ASOs write to",
        "live in cluster b",
    ] {
        assert!(words.contains(said), "no {said:?} in: {words}");
    }
    let told = world.a.notices.take();
    let [notice] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(notice.message.contains("alice overrides it"), "{notice:?}");
    let record = record(&world).await;
    assert_eq!(record.state().as_str(), "Conflict");
    let [entry] = &record.history[..] else {
        panic!("{record:#?}");
    };
    assert_eq!((&*entry.by, entry.action), ("alice", HistoryAction::Create));
    assert_eq!(entry.why.as_str(), "INC-7: b is gone");
    assert_eq!(&*entry.refusal, "LiveElsewhere");
    assert_eq!(entry.copy.member.as_str(), "a");
}

#[tokio::test]
async fn an_update_must_set_it_itself() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let parked = world
        .a
        .store(&group("rg").policy("skip").annotated(OVERRIDE, "left over"))
        .await;
    let mut awake = parked.clone().policy("manage");
    let answer = world.a.ask(&parked.update(&awake)).await;
    let words = answer.refused(403, "LiveElsewhere");
    assert!(words.contains("in the same change"), "{words}");

    awake = awake.annotated(OVERRIDE, "for this");
    let answer = world.a.ask(&parked.update(&awake)).await;
    answer.overridden("LiveElsewhere", "for this");
    assert_eq!(
        record(&world).await.history[0].action,
        HistoryAction::Update
    );
}

#[tokio::test]
async fn a_delete_finds_it_on_what_is_stored() {
    let world = World::new();
    let bare = world.a.create(&group("rg")).await;
    world.b.store(&group("rg").policy("skip")).await;
    let answer = world.a.ask(&bare.delete()).await;
    let words = answer.refused(403, "PeersDepend");
    let how = "kubectl --context a -n team annotate --overwrite resourcegroup.resources.azure.com/rg \
               asoguard.io/override=\"<why>\"";
    assert!(words.contains(how), "{words}");

    let armed = world
        .a
        .store(&bare.annotated(OVERRIDE, "b is a leftover"))
        .await;
    let answer = world.a.ask(&armed.delete()).await;
    answer.overridden("PeersDepend", "b is a leftover");
    let record = record(&world).await;
    assert_eq!(record.history[0].action, HistoryAction::Delete);
    assert_eq!(record.state().as_str(), "Deleting");
}

#[tokio::test]
async fn what_a_create_used_up_deletes_nothing_later() {
    for needed in [true, false] {
        let world = World::new();
        let peer = group("rg");
        if needed {
            world.b.create(&peer).await;
        } else {
            world.b.store(&peer.clone().policy("skip")).await;
        }
        let copy = group("rg").annotated(OVERRIDE, "moving");
        let answer = world.a.ask(&copy.create()).await;
        if needed {
            answer.overridden("LiveElsewhere", "moving");
        } else {
            let told = answer.warnings.join(" ");
            assert!(told.contains("was not needed: take it off again"), "{told}");
        }
        let stored = world.a.store(&copy).await;
        let answer = world.a.ask(&stored.delete()).await;
        let words = answer.refused(403, "PeersDepend");
        assert!(words.contains("was used already, to create it"), "{words}");
        // The refused delete left no mark behind.
        assert_ne!(record(&world).await.state().as_str(), "Deleting");

        let again = world.a.store(&stored.annotated(OVERRIDE, "really")).await;
        world
            .a
            .ask(&again.delete())
            .await
            .overridden("PeersDepend", "really");
    }
}

#[rstest]
#[case("")]
#[case(" \t ")]
#[tokio::test]
async fn an_empty_reason_is_none(#[case] reason: &str) {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let answer = world
        .a
        .ask(&group("rg").annotated(OVERRIDE, reason).create())
        .await;
    let words = answer.refused(403, "LiveElsewhere");
    assert!(words.contains("is there, but empty"), "{words}");
    assert!(record(&world).await.history.is_empty());
}

#[tokio::test]
async fn a_reason_is_kept_to_a_length_and_shown_without_what_cannot_be_seen() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let reason = format!("a\u{1b}[31m\r\n{}", "x".repeat(5000));
    let answer = world
        .a
        .ask(&group("rg").annotated(OVERRIDE, &reason).create())
        .await;
    assert!(answer.allowed);
    let why = record(&world).await.history[0].why.as_str().to_owned();
    assert!(
        why.chars().count() <= 201 && !why.contains(char::is_control),
        "{why:?}"
    );
}

#[tokio::test]
async fn only_those_may_who_the_operator_says() {
    let asked = group("rg").annotated(OVERRIDE, "please").create();
    let world = World::among(only("breakers"));
    world.b.create(&group("rg")).await;
    let answer = world.a.ask(&by(asked.clone(), "devs")).await;
    let words = answer.refused(403, "LiveElsewhere");
    assert!(
        words.contains("only members of breakers may override"),
        "{words}"
    );
    // Who may not is not told how, either.
    let answer = world.a.ask(&by(group("rg").create(), "devs")).await;
    assert!(!answer.refused(403, "LiveElsewhere").contains(OVERRIDE));
    let answer = world.a.ask(&by(group("rg").create(), "breakers")).await;
    assert!(answer.refused(403, "LiveElsewhere").contains(OVERRIDE));
    // Groups that cannot be read are none.
    let odd = with(
        asked.clone(),
        "/request/userInfo/groups",
        json!({"breakers": 1}),
    );
    world.a.ask(&odd).await.refused(403, "LiveElsewhere");
    world
        .a
        .ask(&by(asked.clone(), "breakers"))
        .await
        .overridden("LiveElsewhere", "please");

    let world = World::among(off());
    world.b.create(&group("rg")).await;
    let answer = world.a.ask(&asked).await;
    let words = answer.refused(403, "LiveElsewhere");
    assert!(words.contains("--override off"), "{words}");
}

#[tokio::test]
async fn it_works_when_nobody_can_be_asked() {
    let world = World::new();
    for trouble in [Trouble::Unreachable, Trouble::Hangs] {
        world.registry.set(trouble);
        let asked = group("rg").annotated(OVERRIDE, "the hub is gone").create();
        let answer = world.a.ask_within("1s", &asked).await;
        let words = answer.overridden("RegistryUnavailable", "the hub is gone");
        assert!(
            words.contains("cannot tell whether this is safe"),
            "{words}"
        );
        let bare = world.a.ask_within("1s", &group("rg").create()).await;
        assert!(bare.refused(503, "RegistryUnavailable").contains(OVERRIDE));
    }
    // A lost answer does not keep what was written from being there.
    world.registry.set(Trouble::LosesAnswers);
    let asked = group("rg").annotated(OVERRIDE, "the hub is gone").create();
    world
        .a
        .ask(&asked)
        .await
        .overridden("RegistryUnavailable", "the hub is gone");
    world.registry.set(Trouble::Slow(Duration::from_millis(1)));
    assert_eq!(record(&world).await.live().count(), 1);
}

/// Whatever keeps it from being looked up.
#[tokio::test]
async fn a_reason_that_cannot_be_looked_up_deletes_nothing() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let copy = group("rg").annotated(OVERRIDE, "moving");
    world
        .a
        .ask(&copy.create())
        .await
        .overridden("LiveElsewhere", "moving");
    let stored = world.a.store(&copy).await;
    for trouble in [Trouble::Unreachable, Trouble::Hangs, Trouble::LosesAnswers] {
        world.registry.set(trouble);
        let answer = world.a.ask_within("1s", &stored.delete()).await;
        let words = answer.refused(503, "RegistryUnavailable");
        for said in [
            "asoguard.io/override was used already cannot be looked up now",
            "Park the copy and delete it then",
            "asoguard.io/mode set to audit",
        ] {
            assert!(words.contains(said), "no {said:?} in: {words}");
        }
    }
    // Of what nobody knows the resource, no claim can tell.
    let deny = GuardSettings {
        on_unresolved: OnUnresolved::Deny,
        ..SETTINGS
    };
    let world = World::with(deny);
    let thing = object("new.azure.com", "Thing", "x", json!({}));
    let thing = world.a.store(&thing.annotated(OVERRIDE, "moving")).await;
    let answer = world.a.ask(&thing.delete()).await;
    let words = answer.refused(403, "Unresolved");
    assert!(words.contains("cannot be looked up now"), "{words}");
}

/// It goes into the history once the registry is back.
#[rstest]
#[case::away(Trouble::Unreachable)]
#[case::hangs(Trouble::Hangs)]
#[tokio::test]
async fn what_a_create_used_up_without_the_registry_deletes_nothing_later(
    #[case] trouble: Trouble,
) {
    let world = World::new();
    world.b.store(&group("rg").policy("skip")).await;
    let copy = group("rg").annotated(OVERRIDE, "the hub is gone");
    world.registry.set(trouble);
    let answer = world.a.ask_within("1s", &copy.create()).await;
    answer.overridden("RegistryUnavailable", "the hub is gone");
    world.registry.set(Trouble::None);
    let stored = world.a.store(&copy).await;
    let [entry] = &record(&world).await.history[..] else {
        panic!("{:#?}", record(&world).await);
    };
    assert_eq!(
        (entry.action, &*entry.refusal),
        (HistoryAction::Create, "RegistryUnavailable")
    );
    let words = world.a.ask(&stored.delete()).await;
    let words = words.refused(403, "PeersDepend");
    assert!(words.contains("was used already, to create it"), "{words}");
    // Another one does.
    let armed = world
        .a
        .store(&stored.annotated(OVERRIDE, "b is a leftover"))
        .await;
    let answer = world.a.ask(&armed.delete()).await;
    answer.overridden("PeersDepend", "b is a leftover");
}

#[tokio::test]
async fn what_goes_with_an_overridden_namespace_needs_no_registry() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.a.cluster.change_namespace("team", |known| {
        known.overriding = Some("team is gone".into());
        known.terminating = true;
    });
    world.registry.set(Trouble::Unreachable);
    let armed = namespace().annotated(OVERRIDE, "team is gone");
    for review in [armed.delete(), stored.delete()] {
        let answer = world.a.ask(&review).await;
        answer.overridden("RegistryUnavailable", "team is gone");
    }
}

#[tokio::test]
async fn a_dry_run_knows_a_reason_that_was_used_up() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let copy = group("rg").annotated(OVERRIDE, "moving");
    world
        .a
        .ask(&copy.create())
        .await
        .overridden("LiveElsewhere", "moving");
    let stored = world.a.store(&copy).await;
    let before = record(&world).await;
    for review in [dry(stored.delete()), stored.delete()] {
        let answer = world.a.ask(&review).await;
        let words = answer.refused(403, "PeersDepend");
        assert!(words.contains("was used already, to create it"), "{words}");
    }
    let fresh = world.a.store(&stored.annotated(OVERRIDE, "really")).await;
    let answer = world.a.ask(&dry(fresh.delete())).await;
    answer.overridden("PeersDepend", "really");
    assert_eq!(record(&world).await.history, before.history);
}

#[tokio::test]
async fn a_dry_run_says_so_and_leaves_nothing() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let before = record(&world).await;
    let asked = dry(group("rg").annotated(OVERRIDE, "try").create());
    world.a.ask(&asked).await.overridden("LiveElsewhere", "try");
    assert_eq!(record(&world).await, before);
}

#[tokio::test]
async fn both_copies_hold_the_resource_afterwards() {
    let world = World::new();
    let first = world.b.create(&group("rg")).await;
    let asked = group("rg").annotated(OVERRIDE, "on purpose").create();
    world
        .a
        .ask(&asked)
        .await
        .overridden("LiveElsewhere", "on purpose");
    // The first one parks and goes while the second is still on its way to the store.
    let parked = first.clone().policy("skip");
    world.b.update(&first, &parked).await;
    world.b.remove(&parked).await;
    let third = group("rg").in_namespace("other");
    world
        .b
        .ask(&third.create())
        .await
        .refused(403, "LiveElsewhere");
}

#[tokio::test]
async fn an_ordinary_request_of_who_may_override_is_told_nothing() {
    let world = World::new();
    world.a.ask(&group("rg").create()).await.admitted();
}

fn namespace() -> Object {
    Object(json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "team", "labels": {"asoguard.io/guarded": "true"}},
    }))
}

#[tokio::test]
async fn a_namespace_takes_along_what_is_in_it() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.b.store(&group("rg").policy("skip")).await;
    world
        .a
        .ask(&namespace().delete())
        .await
        .refused(403, "ChildRefused");
    let armed = namespace().annotated(OVERRIDE, "team is gone");
    world.a.ask(&namespace().update(&armed)).await.admitted();
    world
        .a
        .ask(&armed.delete())
        .await
        .overridden("ChildRefused", "team is gone");

    // The annotation alone does nothing to what is in it.
    world.a.cluster.change_namespace("team", |known| {
        known.overriding = Some("team is gone".into());
    });
    world
        .a
        .ask(&stored.delete())
        .await
        .refused(403, "PeersDepend");
    world
        .a
        .cluster
        .change_namespace("team", |known| known.terminating = true);
    world
        .a
        .ask(&stored.delete())
        .await
        .overridden("PeersDepend", "team is gone");
    assert_eq!(
        record(&world).await.history[0].action,
        HistoryAction::DeleteWithNamespace
    );
}

#[tokio::test]
async fn who_may_not_override_cannot_have_a_namespace_do_it() {
    let world = World::among(only("breakers"));
    let armed = namespace().annotated(OVERRIDE, "team is gone");
    let answer = world.a.ask(&by(namespace().update(&armed), "devs")).await;
    let words = answer.refused(403, "NamespaceGuarded");
    assert!(words.contains("only members of breakers"), "{words}");
    world
        .a
        .ask(&by(namespace().update(&armed), "breakers"))
        .await
        .admitted();
    // To take it away is anybody's right.
    world
        .a
        .ask(&by(armed.update(&namespace()), "devs"))
        .await
        .admitted();
}

#[tokio::test]
async fn a_namespaces_policy_and_a_crd_can_be_overridden() {
    let world = World::new();
    world.a.cluster.set_namespace_policy("team", Some("skip"));
    world.a.store(&group("rg")).await;
    world.b.create(&group("rg")).await;
    let parked = namespace().annotated(POLICY, "skip");
    let awake = namespace().annotated(OVERRIDE, "wake up");
    let answer = world.a.ask(&parked.update(&awake)).await;
    let words = answer.overridden("WakesChild", "wake up");
    assert!(words.contains("take it off again"), "{words}");
    let record = record(&world).await;
    assert_eq!(record.live().count(), 2);
    assert_eq!(record.history[0].action, HistoryAction::Update);

    let crd = Object(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "resourcegroups.resources.azure.com"},
        "spec": {"group": "resources.azure.com", "names": {"kind": "ResourceGroup"}},
    }));
    world.a.cluster.set_namespace_policy("team", None);
    world.a.ask(&crd.delete()).await.refused(403, "KindInUse");
    let armed = crd.annotated(OVERRIDE, "reinstall");
    world
        .a
        .ask(&armed.delete())
        .await
        .overridden("KindInUse", "reinstall");
    let record = self::record(&world).await;
    let [_, entry] = &record.history[..] else {
        panic!("{record:#?}");
    };
    assert_eq!(
        (&*entry.by, entry.action),
        ("alice", HistoryAction::DeleteWithKind)
    );
    assert_eq!(&*entry.refusal, "KindInUse");
    assert_eq!(entry.copy.member.as_str(), "a");
    // What is tried only is not remembered.
    world
        .a
        .ask(&dry(armed.annotated(OVERRIDE, "try").delete()))
        .await
        .overridden("KindInUse", "try");
    assert_eq!(self::record(&world).await.history.len(), 2);
}
