//! Names that are none.

use rstest::rstest;
use serde_json::{Value, json};

use super::object::{Object, RESOURCE_ID, account, group, with};
use super::world::World;

/// What must not get into an ARM ID, nor unseen into a message.
fn wild() -> Vec<String> {
    let plain = [
        "a/b",
        "/",
        "a\\b",
        ".",
        "..",
        "../../rg",
        "a?b",
        "a#b",
        "a%2fb",
        " a",
        "a ",
        "a\nb",
        "a\r\n\tb",
        "\0",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{85}",
    ];
    let long = ["x".repeat(10_000), "ü".repeat(10_000), "a/".repeat(5_000)];
    plain.into_iter().map(str::to_owned).chain(long).collect()
}

/// Nothing is claimed, and it is said that nothing could be.
async fn assert_unresolved(world: &World, object: &Object) {
    let answer = world.a.ask(&object.create()).await;
    answer.warned("Unresolved");
    let calls = world.registry.calls();
    assert!(calls.is_empty(), "{object:?} came to {calls:?}");
    world.a.ask(&object.delete()).await.warned("Unresolved");
    // Looked for, and not found.
    assert_eq!(world.registry.calls(), ["claims", "epoch", "member"]);
}

#[rstest]
#[case::azure_name(&group("rg"), "/spec/azureName")]
#[case::owner_name(&account("st", "rg"), "/spec/owner/name")]
#[case::owner_id(&with_owner_id(), "/spec/owner/armId")]
#[tokio::test]
async fn wild_names_are_not_claimed(#[case] object: &Object, #[case] field: &str) {
    let world = World::new();
    for name in wild() {
        let odd = object.clone().with(field, json!(name));
        assert_unresolved(&world, &odd).await;
    }
}

/// An account with an owner by ARM ID alone.
fn with_owner_id() -> Object {
    account("st", "rg").with("/spec/owner", json!({"armId": "to be filled in"}))
}

#[tokio::test]
async fn wild_annotations_name_nothing() {
    let world = World::new();
    for (number, name) in wild().into_iter().enumerate() {
        let odd = group(&format!("rg{number}")).annotated(RESOURCE_ID, &name);
        let answer = world.a.ask(&odd.create()).await;
        assert!(answer.allowed, "{answer:?}");
        assert_eq!(world.registry.calls(), ["put_claim", "epoch", "member"]);
    }
}

/// The API server checks these before it asks; nobody else does.
#[rstest]
#[case("/request/object/metadata/name")]
#[case("/request/namespace")]
#[case("/request/kind/group")]
#[case("/request/kind/kind")]
#[tokio::test]
async fn what_no_api_server_sends_is_refused(#[case] field: &str) {
    let world = World::new();
    for name in wild() {
        let odd = with(group("rg").create(), field, json!(name));
        let answer = world.a.ask(&odd).await;
        let message = answer.refused(400, "Unreadable");
        let last = field
            .trim_start_matches("/request/")
            .trim_start_matches("object/");
        let words = format!(
            "{} is no name that Kubernetes takes",
            last.replace('/', ".")
        );
        assert!(message.contains(&words), "{message}");
    }
    assert_eq!(world.record("/resourceGroups/rg").await, None);
}

#[tokio::test]
async fn what_azure_takes_is_claimed() {
    let world = World::new();
    for name in ["a b", "ü", "(a)", "-_.a", "a@b", &"x".repeat(90)] {
        let odd = group("rg")
            .named(&format!("rg{}", name.len()))
            .with("/spec/azureName", json!(name));
        world.a.ask(&odd.create()).await.admitted();
        let record = world.record(&format!("/resourceGroups/{name}")).await;
        assert!(record.is_some(), "{name}");
    }
}

/// A user's name is shown to the users of other clusters: it must not forge lines.
#[tokio::test]
async fn wild_user_names_are_shown_tame() {
    let world = World::new();
    let name = format!("eve\n  kubectl delete everything{}", "x".repeat(10_000));
    let review = with(
        group("rg").create(),
        "/request/userInfo/username",
        json!(name),
    );
    world.b.ask(&review).await.admitted();
    let answer = world.a.ask(&group("rg").create()).await;
    let message = answer.refused(403, "LiveElsewhere");
    assert!(
        message.contains("by eve\u{fffd}  kubectl delete"),
        "{message}"
    );
    assert!(message.len() < 2000, "{message}");
}

/// The uid is what the answer is found by, so it comes back as it is.
#[tokio::test]
async fn wild_uids_come_back() {
    let world = World::new();
    for (number, uid) in wild().into_iter().enumerate() {
        let review: Value = group(&format!("rg{number}")).create();
        let review = with(review, "/request/uid", json!(uid));
        world.a.ask(&review).await.admitted();
    }
}
