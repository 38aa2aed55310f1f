//! A cluster that a person has declared lost, and that is there: it is held back.

use aso_guard::claim::{Fence, FenceProof, HistoryAction, Justification};
use aso_guard::registry::MemberRecord;
use jiff::Timestamp;

use super::object::{account, group};
use super::surroundings::namespace;
use super::world::{World, member};

/// The record of `a`, with a fence.
pub fn fenced() -> MemberRecord {
    let at: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
    MemberRecord {
        fence: Some(Fence {
            at,
            by: "alice".into(),
            why: Justification::new("region lost").unwrap(),
            proof: FenceProof::ClusterGone,
            until: at,
            heard: at,
        }),
        ..member("a")
    }
}

/// Fences `a`.
pub async fn fence(world: &World) {
    let registry = &world.registry.inner;
    let known = registry.member(&"a".parse().unwrap()).await.unwrap();
    let record = fenced();
    let version = known.map(|known| known.version);
    let put = registry.put_member(&record, version.as_ref());
    put.await.unwrap();
    // As its heartbeat reads it.
    let fence = record.fence.clone();
    world.a.fence.read(tokio::time::Instant::now(), fence);
}

#[tokio::test]
async fn nothing_goes_live_and_nothing_is_deleted_in_azure() {
    let world = World::new();
    let live = world.a.create(&group("live")).await;
    let parked = world.a.create(&group("parked").policy("skip")).await;
    fence(&world).await;
    let create = group("new").create();
    let message = world.a.ask(&create).await;
    let message = message.refused(403, "MemberFenced");
    for words in [
        "this one (a) was declared lost",
        "alice fenced it at 2026-03-01 12:00:00Z",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(world.record("/resourceGroups/new").await, None);
    let woken = parked.clone().policy("manage");
    let woken = world.a.ask(&parked.update(&woken)).await;
    woken.refused(403, "MemberFenced");
    let deleted = world.a.ask(&live.delete()).await;
    deleted.refused(403, "MemberFenced");
    let team = world.a.ask(&namespace().delete()).await;
    team.refused(403, "MemberFenced");
    let record = world.record("/resourceGroups/live").await.unwrap();
    assert!(record.being_deleted().is_none() && record.live().count() == 1);
}

#[tokio::test]
async fn the_safe_steps_go_through() {
    let world = World::new();
    let live = world.a.create(&group("live")).await;
    let parked = world.a.create(&group("parked").policy("skip")).await;
    fence(&world).await;
    let skip = live.clone().policy("skip");
    world.a.ask(&live.update(&skip)).await.admitted();
    world.a.ask(&parked.delete()).await.admitted();
    let arrives = account("st", "live").policy("skip");
    world.a.ask(&arrives.create()).await.admitted();
}

#[tokio::test]
async fn others_are_not_held_back() {
    let world = World::new();
    fence(&world).await;
    world.b.ask(&group("rg").create()).await.admitted();
}

#[tokio::test]
async fn in_audit_mode_it_warns() {
    let world = World::in_audit_mode();
    fence(&world).await;
    let create = group("rg").create();
    world.a.ask(&create).await.warned("MemberFenced");
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(
        record.live().count(),
        1,
        "the claim covers what was let through"
    );
}

#[tokio::test]
async fn break_glass_overrides_it_and_is_remembered() {
    let world = World::new();
    fence(&world).await;
    let rg = group("rg").annotated("asoguard.io/override", "it is there");
    let answer = world.a.ask(&rg.create()).await;
    answer.overridden("MemberFenced", "it is there");
    let record = world.record("/resourceGroups/rg").await.unwrap();
    let last = record.history.last().unwrap();
    assert_eq!(
        (last.action, &*last.refusal),
        (HistoryAction::Create, "MemberFenced")
    );
    assert_eq!(record.live().count(), 1);
}
