//! `asoguard.io/protect`: what is not to be deleted in Azure, whoever shares it or not.

use aso_guard::claim::HistoryAction;
use aso_guard::cluster::NamespaceFacts;
use rstest::rstest;
use serde_json::{Value, json};

use super::object::{Object, account, group};
use super::surroundings::namespace;
use super::tampered::Trouble;
use super::world::{Member, World};

const PROTECT: &str = "asoguard.io/protect";
const OVERRIDE: &str = "asoguard.io/override";

/// Why a request is refused, in words.
async fn refused(member: &Member, review: &Value, reason: &str) -> String {
    member.ask(review).await.refused(403, reason).to_owned()
}

fn protected(name: &str) -> Object {
    group(name).annotated(PROTECT, "production")
}

fn protect_namespace(world: &World) {
    let protect = |known: &mut NamespaceFacts| known.protect = Some("the shop".into());
    world.a.cluster.change_namespace("team", protect);
}

#[rstest]
#[case::with_a_reason("production")]
#[case::with_none("")]
#[tokio::test]
async fn what_is_protected_is_not_deleted_in_azure(#[case] why: &str) {
    let world = World::new();
    let rg = world.a.create(&group("rg").annotated(PROTECT, why)).await;
    // Nobody is asked for it.
    for trouble in [Trouble::None, Trouble::Unreachable] {
        world.registry.set(trouble);
        let message = refused(&world.a, &rg.delete(), "Protected").await;
        for words in [
            "deleting this would delete ResourceGroup/rg in Azure: asoguard.io/protect on it says",
            "kubectl --context a -n team annotate resourcegroup.resources.azure.com/rg asoguard.io/protect-",
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
    world.registry.set(Trouble::None);
    let free = world.a.update(&rg, &group("rg")).await;
    world.a.ask(&free.delete()).await.admitted();
}

#[rstest]
#[case::parked("skip")]
#[case::detached("detach-on-delete")]
#[tokio::test]
async fn what_leaves_azure_alone_is_in_nobodys_way(#[case] policy: &str) {
    let world = World::new();
    protect_namespace(&world);
    let rg = world.a.create(&protected("rg").policy(policy)).await;
    world.a.ask(&rg.delete()).await.admitted();
}

#[tokio::test]
async fn a_namespace_protects_all_that_is_in_it() {
    let world = World::new();
    let rg = world.a.create(&group("rg")).await;
    world.a.ask(&rg.delete()).await.admitted();
    protect_namespace(&world);
    let message = refused(&world.a, &rg.delete(), "Protected").await;
    assert!(
        message.contains("asoguard.io/protect on its namespace says \"the shop\""),
        "{message}"
    );
    let team = namespace().with("/metadata/annotations", json!({PROTECT: "the shop"}));
    let message = refused(&world.a, &team.delete(), "ChildRefused").await;
    assert!(message.contains("the shop"), "{message}");
}

#[tokio::test]
async fn an_owner_does_not_take_along_what_is_protected() {
    let world = World::new();
    let rg = world.a.create(&group("rg")).await;
    world
        .a
        .create(&account("st", "rg").annotated(PROTECT, "data"))
        .await;
    let message = refused(&world.a, &rg.delete(), "ChildRefused").await;
    assert!(
        message.contains("this also deletes team/StorageAccount/st"),
        "{message}"
    );
    let team = namespace();
    world
        .a
        .ask(&team.delete())
        .await
        .refused(403, "ChildRefused");
}

/// Neither by a change that takes the protection off at the same time.
#[tokio::test]
async fn a_safe_delete_of_it_is_not_turned_into_another_one() {
    let world = World::new();
    let parked = protected("rg").policy("skip").terminating();
    let parked = world.a.store(&parked).await;
    for woken in [
        protected("rg").policy("manage").terminating(),
        group("rg").policy("manage").terminating(),
    ] {
        let message = refused(&world.a, &parked.update(&woken), "Protected").await;
        assert!(
            message.contains("this copy is being deleted; this change would delete"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn break_glass_overrides_it_and_is_remembered() {
    let world = World::new();
    world.a.create(&protected("rg")).await;
    let again = world
        .a
        .store(&protected("rg").annotated(OVERRIDE, "it burns down"))
        .await;
    let answer = world.a.ask(&again.delete()).await;
    answer.overridden("Protected", "it burns down");
    let record = world.record("/resourceGroups/rg").await.unwrap();
    let last = record.history.last().unwrap();
    assert_eq!(
        (last.action, &*last.refusal),
        (HistoryAction::Delete, "Protected")
    );
    assert!(
        record.being_deleted().is_some(),
        "the claim covers what was let through"
    );
}

#[tokio::test]
async fn in_audit_mode_it_warns() {
    let world = World::in_audit_mode();
    let rg = world.a.create(&protected("rg")).await;
    world.a.ask(&rg.delete()).await.warned("Protected");
    let review = with_dry_run(rg.delete());
    world.a.ask(&review).await.warned("Protected");
}

fn with_dry_run(review: Value) -> Value {
    super::object::dry(review)
}
