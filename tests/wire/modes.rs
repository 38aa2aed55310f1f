//! Audit mode, dry runs, objects that nobody can place, policies that ASO does not know.

use aso_guard::admission::{GuardSettings, OnUnresolved};
use rstest::rstest;
use serde_json::json;

use super::answer::Answer;
use super::object::{Object, RESOURCE_ID, account, dry, group, object};
use super::world::{SETTINGS, SUBSCRIPTION, World};

/// A warning is short, but for names and commands, which are what they are.
#[track_caller]
fn assert_short(answer: &Answer) {
    for warning in &answer.warnings {
        let command = warning.starts_with("  kubectl");
        assert!(command || warning.chars().count() <= 120, "{warning}");
    }
}

fn in_audit_mode() -> World {
    World::in_audit_mode()
}

#[tokio::test]
async fn audit_mode_warns_of_a_live_twin() {
    let world = in_audit_mode();
    world.b.create(&group("rg")).await;
    let answer = world.a.ask(&group("rg").create()).await;
    let words = answer.warned("LiveElsewhere");
    assert!(
        words.starts_with("aso-guard would refuse this: creating this copy"),
        "{words}"
    );
    assert!(
        words.contains("cluster b as team/ResourceGroup/rg"),
        "{words}"
    );
    assert!(
        words.contains("  kubectl --context b -n team annotate"),
        "{words}"
    );
    assert_short(&answer);

    let parked = world.a.store(&group("rg").policy("skip")).await;
    let answer = world.a.ask(&parked.update(&group("rg"))).await;
    answer.warned("LiveElsewhere");
    assert_short(&answer);
}

#[tokio::test]
async fn audit_mode_warns_of_deletes() {
    let world = in_audit_mode();
    let stored = world.a.create(&group("rg")).await;
    let peer = world.b.create(&group("rg").policy("skip")).await;
    let answer = world.a.ask(&stored.delete()).await;
    let words = answer.warned("PeersDepend");
    assert!(
        words.contains("would delete resourceGroups/rg in Azure"),
        "{words}"
    );
    assert_short(&answer);

    world.b.remove(&peer).await;
    // That delete was let through, and claimed; it did not come about.
    let stored = world.a.store(&stored).await;
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg");
    let inside = account("st", "rg").with("/spec/owner", json!({"armId": id}));
    world.b.create(&inside).await;
    let answer = world.a.ask(&stored.delete()).await;
    answer.warned("ChildrenDepend");
    assert_short(&answer);
}

#[tokio::test]
async fn audit_mode_warns_of_the_rest() {
    let world = in_audit_mode();
    world.b.create(&group("theirs")).await;
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/theirs");
    let pasted = group("mine").annotated(RESOURCE_ID, &id);
    let answer = world.a.ask(&pasted.create()).await;
    answer.warned("ForeignResourceId");
    assert_short(&answer);

    let odd = group("rg").with("/spec/azureName", json!(7));
    let answer = world.a.ask(&odd.create()).await;
    answer.warned("Unreadable");
    assert_short(&answer);
}

#[tokio::test]
async fn dry_runs_get_the_true_verdict_and_leave_nothing() {
    let world = World::new();
    let held = world.b.create(&group("held")).await;
    let parked = world.a.store(&group("held").policy("skip")).await;
    let before = world.record("/resourceGroups/held").await;

    world.a.ask(&dry(group("free").create())).await.admitted();
    let twin = dry(group("held").create());
    world.a.ask(&twin).await.refused(403, "LiveElsewhere");
    let activate = dry(parked.update(&group("held")));
    world.a.ask(&activate).await.refused(403, "LiveElsewhere");
    world
        .b
        .ask(&dry(held.delete()))
        .await
        .refused(403, "PeersDepend");
    world.a.remove(&parked).await;
    world.b.ask(&dry(held.delete())).await.admitted();

    assert_eq!(world.record("/resourceGroups/free").await, None);
    world.a.store(&parked).await;
    let after = world.record("/resourceGroups/held").await;
    let live = |record: &Option<aso_guard::claim::Record>| {
        let record = record.as_ref().unwrap();
        record
            .live()
            .map(|(copy, held)| (copy.clone(), held.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(live(&before), live(&after));
    let calls = world.registry.calls();
    world.a.ask(&dry(group("free").create())).await.admitted();
    assert!(
        world
            .registry
            .calls()
            .iter()
            .all(|call| !call.starts_with("put")),
        "{calls:?}"
    );
}

/// Objects whose resource nobody can tell.
#[rstest]
#[case::unknown_kind(object("new.azure.com", "Thing", "x", json!({})), "does not know what Thing.new.azure.com is")]
#[case::no_owner(object("storage.azure.com", "StorageAccount", "x", json!({})), "has no spec.owner")]
#[case::no_name_yet(group("x").with("/spec/azureNameFromConfig", json!({"name": "c", "key": "k"})), "azureNameFromConfig")]
#[tokio::test]
async fn what_cannot_be_placed_is_let_through_or_not_as_the_operator_says(
    #[case] object: Object,
    #[case] why: &str,
) {
    let deny = |mode| GuardSettings {
        on_unresolved: OnUnresolved::Deny,
        mode,
        ..SETTINGS
    };
    let world = World::new();
    let answer = world.a.ask(&object.create()).await;
    let words = answer.warnings.join(" ");
    answer.warned("Unresolved");
    assert!(
        words.contains("aso-guard cannot tell which Azure resource this is"),
        "{words}"
    );
    assert!(words.contains(why), "{words}");
    world.a.ask(&object.delete()).await.warned("Unresolved");

    let world = World::with(deny(SETTINGS.mode));
    let answer = world.a.ask(&object.create()).await;
    assert!(answer.refused(403, "Unresolved").contains(why));
    world
        .a
        .ask(&object.delete())
        .await
        .refused(403, "Unresolved");
    // What is parked does nothing in Azure, whatever it is.
    world
        .a
        .ask(&object.clone().policy("skip").create())
        .await
        .admitted();

    let world = World::with(deny(aso_guard::admission::Mode::Audit));
    world.a.ask(&object.create()).await.warned("Unresolved");
    assert!(world.registry.calls().is_empty());
}

#[tokio::test]
async fn a_policy_that_aso_does_not_know_is_told() {
    let world = World::new();
    for (value, namespace) in [("Skip", None), ("skip ", Some("skip"))] {
        world.a.cluster.set_namespace_policy("team", namespace);
        let odd = group(&format!("rg-{}", value.len())).policy(value);
        let answer = world.a.ask(&odd.create()).await;
        let words = answer.warned("UnknownPolicy");
        assert!(words.contains(&format!("{value:?}")), "{words}");
        assert!(words.contains("manage is in force"), "{words}");
        assert_short(&answer);
        let stored = world.a.store(&odd).await;
        let changed = stored.clone().with("/spec/tags", json!({"a": "b"}));
        world
            .a
            .ask(&stored.update(&changed))
            .await
            .warned("UnknownPolicy");
        let answer = world.a.ask(&stored.delete()).await;
        let words = answer.warned("UnknownPolicy");
        assert!(words.contains("manage is in force"), "{words}");
    }
    // Refused or not, it is told.
    world.b.create(&group("rg")).await;
    let answer = world.a.ask(&group("rg").policy("park").create()).await;
    answer.refused(403, "LiveElsewhere");
    assert!(answer.warnings.join(" ").contains("\"park\""), "{answer:?}");
}

#[tokio::test]
async fn an_unknown_policy_falls_to_the_operators_default() {
    let world = World::new();
    world.a.cluster.set_operator_policy(Some("skip"));
    world.a.cluster.set_namespace_policy("team", Some("manage"));
    world.b.create(&group("rg")).await;
    let answer = world.a.ask(&group("rg").policy("Skip").create()).await;
    let words = answer.warned("UnknownPolicy");
    assert!(words.contains("skip is in force"), "{words}");
}
