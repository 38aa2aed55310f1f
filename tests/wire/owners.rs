//! A child on its way while a request on its owner is, which gives it another name in Azure.

use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tokio::time::sleep;

use super::object::{Object, account, group, object};
use super::tampered::{Tampered, Trouble};
use super::world::{Member, SETTINGS, SUBSCRIPTION, World, facts};

const CHILDREN_ARE_IN: &str = "serviceoperator.azure.com/child-resource-id-override";

fn in_azure(group: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}")
}

/// A replica of cluster `a` for which each call on the registry takes 50 ms.
fn slow(world: &World) -> Member {
    let registry = Tampered::new(world.registry.inner.clone());
    let registry = Arc::new(registry);
    let cluster = world.a.cluster.clone();
    let member = Member::around("a", registry.clone(), SETTINGS, cluster.clone(), cluster);
    registry.set(Trouble::Slow(Duration::from_millis(50)));
    member
}

/// Asks, and stores at once what is admitted. Gives whether it was.
async fn ask(world: &World, replica: &Member, review: serde_json::Value, then: &Object) -> bool {
    let answer = replica.ask(&review).await;
    if answer.allowed {
        world.a.cluster.store(facts(then));
    } else {
        answer.refused(503, "RegistryUnavailable");
    }
    answer.allowed
}

/// What an owner is before its request, if it is there, and afterwards; its child; and the
/// child as another cluster would have it, by the name that the owner gives it.
struct Story {
    before: Option<Object>,
    owner: Object,
    child: Object,
    twin: Object,
}

fn created() -> Story {
    let id = in_azure("in-azure");
    Story {
        before: None,
        owner: group("in-azure").named("here"),
        child: account("st", "here"),
        twin: account("st", "x").with("/spec/owner", json!({"armId": id})),
    }
}

fn created_parked() -> Story {
    let owner = created().owner.policy("skip");
    Story { owner, ..created() }
}

/// The owner is called alike in both, and says that its children are elsewhere.
fn created_parked_with_children_elsewhere() -> Story {
    let elsewhere = children_elsewhere();
    Story {
        before: None,
        owner: elsewhere.owner.policy("skip"),
        ..elsewhere
    }
}

fn renamed() -> Story {
    Story {
        before: Some(group("here")),
        owner: group("here").with("/spec/azureName", json!("in-azure")),
        ..created()
    }
}

fn children_elsewhere() -> Story {
    let role = |owner| {
        let name = "0c8f5c1e-2a52-4a69-a2c5-1d3f0b6f2d01";
        let spec = json!({"azureName": name, "owner": owner});
        object("authorization.azure.com", "RoleAssignment", "reader", spec)
    };
    let owner = json!({"group": "resources.azure.com", "kind": "ResourceGroup", "name": "here"});
    Story {
        before: Some(group("here")),
        owner: group("here").annotated(CHILDREN_ARE_IN, &in_azure("elsewhere")),
        child: role(owner),
        twin: role(json!({"armId": in_azure("elsewhere")})),
    }
}

/// Whenever the two come, and in whatever order their calls do.
#[rstest]
#[tokio::test(start_paused = true)]
async fn a_child_on_its_way_is_claimed_by_the_name_that_its_owner_gives_it(
    #[values(
        created,
        created_parked,
        created_parked_with_children_elsewhere,
        renamed,
        children_elsewhere
    )]
    story: fn() -> Story,
    #[values(true, false)] owner_first: bool,
) {
    for delay in (0..500).step_by(25) {
        let (world, story) = (World::new(), story());
        let change = match &story.before {
            Some(before) => world.a.create(before).await.update(&story.owner),
            None => story.owner.create(),
        };
        let replica = slow(&world);
        let (delay, at_once) = (Duration::from_millis(delay), Duration::ZERO);
        let (owner_waits, child_waits) = if owner_first {
            (at_once, delay)
        } else {
            (delay, at_once)
        };
        let renaming = async {
            sleep(owner_waits).await;
            ask(&world, &replica, change, &story.owner).await
        };
        let creating = async {
            sleep(child_waits).await;
            ask(&world, &replica, story.child.create(), &story.child).await
        };
        let (renamed, created) = tokio::join!(renaming, creating);
        assert!(renamed, "{delay:?}");
        if !created {
            let child = story.child.again();
            assert!(ask(&world, &replica, child.create(), &child).await);
        }
        let answer = world.b.ask(&story.twin.create()).await;
        assert!(!answer.allowed, "{delay:?}: two live copies");
        answer.refused(403, "LiveElsewhere");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_goes_live_while_its_owner_is_renamed_is_claimed_by_the_new_name() {
    let world = World::new();
    let before = world.a.create(&group("here")).await;
    let owner = group("here").with("/spec/azureName", json!("in-azure"));
    let parked = world.a.create(&account("st", "here").policy("skip")).await;
    let live = account("st", "here");
    let replica = slow(&world);
    let (renamed, woken) = tokio::join!(
        ask(&world, &replica, before.update(&owner), &owner),
        ask(&world, &replica, parked.update(&live), &live),
    );
    assert!(renamed);
    if !woken {
        assert!(ask(&world, &replica, parked.update(&live), &live).await);
    }
    let answer = world.b.ask(&created().twin.create()).await;
    answer.refused(403, "LiveElsewhere");
}

/// While a request on the owner is under way, and nobody knows how it ends.
#[tokio::test(start_paused = true)]
async fn a_child_has_both_names_while_its_owner_is_on_its_way() {
    let (world, story) = (World::new(), created());
    world.a.ask(&story.owner.create()).await.admitted();
    let answer = world.a.ask(&story.child.create()).await;
    assert!(answer.allowed, "{answer:?}");
    let account = "providers/Microsoft.Storage/storageAccounts/st";
    for group in ["here", "in-azure"] {
        let name = format!("/resourceGroups/{group}/{account}");
        assert!(world.record(&name).await.is_some(), "{name}");
    }
    // Once it is over, the name that came to nothing is free again.
    world.a.store(&story.owner).await;
    world.a.store(&story.child).await;
    let taken = format!("/resourceGroups/here/{account}");
    assert_eq!(world.record(&taken).await, None);
    let answer = world.b.ask(&story.twin.create()).await;
    answer.refused(403, "LiveElsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_other_name_is_live_elsewhere_is_told_that_its_owner_is_on_its_way() {
    let (world, story) = (World::new(), created());
    world.b.create(&story.twin).await;
    world.a.ask(&story.owner.create()).await.admitted();
    let answer = world.a.ask(&story.child.create()).await;
    let message = answer.refused(503, "RegistryUnavailable");
    for words in [
        "a request on its owner team/ResourceGroup/here is under way, and may give it another name",
        "Try again once the owner is there",
    ] {
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn only_an_owner_that_has_another_name_in_azure_looks_for_children_on_their_way() {
    let world = World::new();
    world.registry.calls();
    world.a.ask(&group("rg").create()).await.admitted();
    assert_eq!(world.registry.calls(), ["put_claim", "epoch", "member"]);
    world.a.ask(&created().owner.create()).await.admitted();
    let calls = world.registry.calls();
    assert_eq!(calls[..4], ["put_claim", "claim", "put_claim", "claims"]);
    assert_eq!(calls[4..], ["epoch", "member"]);
}
