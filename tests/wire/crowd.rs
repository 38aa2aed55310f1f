//! More requests at once than a registry that is slow can be asked about.

use std::sync::Arc;

use aso_guard::admission::{GuardSettings, Mode};
use aso_guard::registry::metered::{MeteredRegistry, RegistryMetrics};
use aso_guard::registry::{ADMISSIONS, ClaimScope};
use rstest::rstest;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::Answer;
use super::object::group;
use super::tampered::Trouble;
use super::world::{Member, SETTINGS, World};

/// A member as it is served, whose registry answers nobody, and which as many requests wait for as
/// may.
pub async fn crowded(world: &World, settings: GuardSettings) -> (Arc<Member>, JoinSet<Answer>) {
    let metered = MeteredRegistry::new(world.registry.clone(), RegistryMetrics::default());
    let member = Arc::new(Member::new("a", Arc::new(metered), settings));
    world.registry.set(Trouble::Hangs);
    world.registry.calls();
    let mut waiting = JoinSet::new();
    for number in 0..ADMISSIONS {
        let (member, create) = (member.clone(), group(&format!("rg-{number}")).create());
        waiting.spawn(async move { member.ask(&create).await });
    }
    let mut asked = 0;
    while asked < ADMISSIONS {
        tokio::task::yield_now().await;
        asked += world.registry.calls().len();
    }
    (member, waiting)
}

async fn one_more(mode: Mode) -> (World, Arc<Member>, JoinSet<Answer>, Answer) {
    let world = World::new();
    let (member, waiting) = crowded(&world, GuardSettings { mode, ..SETTINGS }).await;
    let asked = Instant::now();
    let answer = member.ask(&group("one-more").create()).await;
    assert!(asked.elapsed().is_zero(), "it does not wait");
    assert!(world.registry.calls().is_empty(), "nobody was asked");
    (world, member, waiting, answer)
}

#[tokio::test(start_paused = true)]
async fn one_request_too_many_is_refused_at_once_and_says_why() {
    let (world, member, waiting, answer) = one_more(Mode::Enforce).await;
    let message = answer.refused(503, "RegistryUnavailable");
    for words in [
        "1024 other requests already wait for the registry",
        "Try again in a moment",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(world.registry.most_at_once(), ADMISSIONS);
    for answer in waiting.join_all().await {
        answer.refused(503, "RegistryUnavailable");
    }
    world.registry.set(Trouble::None);
    member.ask(&group("one-more").create()).await.admitted();
}

#[tokio::test(start_paused = true)]
async fn one_request_too_many_is_let_through_in_audit_mode_with_a_warning() {
    let (_, _, _waiting, answer) = one_more(Mode::Audit).await;
    let words = answer.warned("RegistryUnavailable");
    assert!(words.contains("already wait for the registry"), "{words}");
}

/// Nor are they kept waiting.
#[rstest]
#[case::a_parked_create(group("new").policy("skip").create())]
#[case::parking(group("live").update(&group("live").policy("skip")))]
#[case::a_delete_of_a_parked_copy(group("parked").policy("skip").delete())]
#[tokio::test(start_paused = true)]
async fn safe_steps_flow_whoever_waits_for_the_registry(#[case] review: Value) {
    let world = World::new();
    let (member, _waiting) = crowded(&world, SETTINGS).await;
    let asked = Instant::now();
    member.ask(&review).await.admitted();
    assert!(asked.elapsed().is_zero());
}

/// What was admitted is settled and released behind the crowd.
#[tokio::test(start_paused = true)]
async fn what_observes_is_not_kept_out_by_a_crowd() {
    let world = World::new();
    let (member, _waiting) = crowded(&world, SETTINGS).await;
    world.registry.set(Trouble::None);
    member.store(&group("live")).await;
    let claims = world.registry.inner.claims(&ClaimScope::All);
    assert_eq!(claims.await.unwrap().records.len(), 1);
}
