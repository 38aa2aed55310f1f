//! A registry whose claims were lost, or that went back to an earlier time: what rests on claims
//! waits until all members have brought their copies in.

use std::time::Duration;

use rstest::rstest;
use serde_json::Value;

use super::answer::Answer;
use super::object::{Object, account, group};
use super::surroundings::namespace;
use super::world::{Member, SETTINGS, World, member};

/// Longer than any admitted request is under way.
const WAITED_OUT: Duration = Duration::from_secs(91);

/// How the registry loses what it knew.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    Claims,
    /// The record of cluster `a` is an earlier one.
    SetBack,
    /// It is gone.
    Member,
}

async fn lose(world: &World, loss: Loss) {
    let registry = &world.registry.inner;
    let a = "a".parse().unwrap();
    let known = registry.member(&a).await.unwrap().unwrap();
    match loss {
        Loss::Claims => world.lose_claims(),
        Loss::SetBack => {
            let mut earlier = member("a");
            earlier.writes = 0;
            let put = registry.put_member(&earlier, Some(&known.version));
            put.await.unwrap();
        }
        Loss::Member => {
            let removed = registry.remove_member(&a, &known.version);
            removed.await.unwrap();
        }
    }
}

/// Both members go on as far as they can.
async fn enrol(world: &World) {
    for member in [&world.a, &world.b, &world.a, &world.b] {
        member.epoch.enrol(&*member.observer).await.unwrap();
    }
}

/// What rests on claims, in cluster `a`: of what is stored live, and parked.
fn needy(live: &Object, parked: &Object) -> [Value; 4] {
    [
        group("new").create(),
        parked.update(&parked.clone().policy("manage")),
        live.delete(),
        namespace().delete(),
    ]
}

async fn stored(member: &Member) -> [Object; 2] {
    let live = member.store(&group("live")).await;
    let parked = member.store(&group("parked").policy("skip")).await;
    [live, parked]
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_rests_on_claims_is_refused_until_all_have_brought_their_copies_in(
    #[values(Loss::Claims, Loss::SetBack, Loss::Member)] loss: Loss,
) {
    let world = World::new();
    let [live, parked] = stored(&world.a).await;
    lose(&world, loss).await;
    for looked in [false, true] {
        for review in needy(&live, &parked) {
            let answer = world.a.ask(&review).await;
            let message = answer.refused(503, "RegistryRebuilding");
            assert!(message.contains("members list --context hub"), "{message}");
            let names = "until these have brought their copies in: a, b";
            assert_eq!(message.contains(names), looked, "{message}");
        }
        // What was refused is in no claim.
        assert!(world.record("/resourceGroups/new").await.is_none());
        enrol(&world).await;
    }
    // Nor in the other cluster, which has looked by now.
    let answer = world.b.ask(&group("other").create()).await;
    answer.refused(503, "RegistryRebuilding");

    tokio::time::advance(WAITED_OUT).await;
    enrol(&world).await;
    let answer = world.b.ask(&group("live").create()).await;
    answer.refused(403, "LiveElsewhere");
    world.b.ask(&group("parked").create()).await.admitted();
    for review in [group("new").create(), live.delete()] {
        world.a.ask(&review).await.admitted();
    }
}

#[tokio::test(start_paused = true)]
async fn safe_steps_go_through_meanwhile() {
    let world = World::new();
    let [live, parked] = stored(&world.a).await;
    lose(&world, Loss::Claims).await;
    enrol(&world).await;
    let reviews = [
        group("other").policy("skip").create(),
        live.update(&live.clone().policy("skip")),
        parked.delete(),
    ];
    for review in reviews {
        world.a.ask(&review).await.admitted();
    }
}

#[tokio::test(start_paused = true)]
async fn audit_mode_warns_meanwhile() {
    let world = World::in_audit_mode();
    let [live, parked] = stored(&world.a).await;
    lose(&world, Loss::Claims).await;
    for review in needy(&live, &parked) {
        world.a.ask(&review).await.warned("RegistryRebuilding");
    }
}

/// What a person overrides is claimed all the same, so that it is known afterwards.
#[tokio::test(start_paused = true)]
async fn what_is_overridden_meanwhile_is_claimed() {
    let world = World::new();
    lose(&world, Loss::Claims).await;
    let object = group("rg").annotated("asoguard.io/override", "we know");
    let answer = world.a.ask(&object.create()).await;
    answer.overridden("RegistryRebuilding", "we know");
    assert!(world.record("/resourceGroups/rg").await.is_some());
}

/// A child that is let go by its owner's create wakes with it.
#[tokio::test(start_paused = true)]
async fn an_owner_that_wakes_live_children_waits_too() {
    let world = World::new();
    world.a.store(&account("st", "rg")).await;
    lose(&world, Loss::Claims).await;
    let owner = group("other").named("rg").policy("skip");
    let answer: Answer = world.a.ask(&owner.create()).await;
    answer.refused(503, "RegistryRebuilding");
}

/// A member that is gone for good is not waited for, once a person has said so.
#[tokio::test(start_paused = true)]
async fn a_member_that_is_forgotten_is_not_awaited() {
    let world = World::new();
    lose(&world, Loss::Claims).await;
    world.a.epoch.look().await.unwrap();
    tokio::time::advance(WAITED_OUT).await;
    for _ in 0..2 {
        world.a.epoch.enrol(&*world.a.observer).await.unwrap();
    }
    let answer = world.a.ask(&group("rg").create()).await;
    let message = answer.refused(503, "RegistryRebuilding");
    assert!(
        message.contains("aso-guard members forget b --context hub"),
        "{message}"
    );

    let registry = &world.registry.inner;
    let known = registry.epoch().await.unwrap().unwrap();
    let next = known.record.forgetting(&"b".parse().unwrap()).unwrap();
    registry
        .put_epoch(&next, Some(&known.version))
        .await
        .unwrap();
    world.a.epoch.enrol(&*world.a.observer).await.unwrap();
    world.a.ask(&group("rg").create()).await.admitted();
}

/// A member that comes for the first time has nothing that others could not know of: nobody waits
/// for it.
#[tokio::test(start_paused = true)]
async fn a_new_member_keeps_nobody_waiting() {
    let world = World::new();
    let c = Member::new("c", world.registry.clone(), SETTINGS);
    world.a.ask(&group("rg").create()).await.admitted();
    c.ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
}
