use std::cell::Cell;
use std::time::Duration;

use rstest::rstest;

use crate::claim::{FENCE_SETTLES, FenceProof, HistoryAction};
use crate::failover::testing::{at, claim, copy, group, has, heard, name};
use crate::failover::{FenceRequest, TargetCopy, fence, plan, undo};
use crate::policy::Policy::{Manage, Skip};
use crate::registry::memory::MemoryRegistry;
use jiff::SignedDuration;

use super::*;

const HOUR: i64 = 3600;

fn why() -> Justification {
    Justification::new("burnt down").unwrap()
}

fn request(proof: FenceProof, wait: i64) -> FenceRequest {
    FenceRequest {
        member: name("a"),
        proof,
        silence: SignedDuration::from_mins(10),
        wait: SignedDuration::from_secs(wait),
        by: "alice".into(),
        why: why(),
    }
}

fn releasing(chosen: Chosen) -> Releasing {
    Releasing {
        member: name("a"),
        chosen,
        by: "alice".into(),
        why: why(),
        parallel: 4,
    }
}

/// `a` was last heard from at second 0, and holds two groups, of which `b` has one parked.
async fn registry() -> MemoryRegistry {
    let registry = MemoryRegistry::new();
    heard(&registry, "a", "uid-a", 0).await;
    heard(&registry, "b", "uid-b", HOUR).await;
    has(&registry, "a", "one", Manage).await;
    has(&registry, "a", "two", Manage).await;
    has(&registry, "b", "one", Skip).await;
    has(&registry, "b", "theirs", Manage).await;
    registry
}

async fn fenced() -> MemoryRegistry {
    let registry = registry().await;
    let gone = request(FenceProof::ClusterGone, 0);
    fence(&registry, &gone, || at(HOUR)).await.unwrap();
    registry
}

#[tokio::test(start_paused = true)]
async fn what_a_fenced_cluster_held_is_released_and_nothing_else() {
    let registry = fenced().await;
    let told = Cell::new(0);
    let all = releasing(Chosen::All);
    let released = release(&registry, &all, || at(HOUR), |count| told.set(count)).await;
    assert_eq!((released.unwrap().claims, told.get()), (2, 2));
    let one = claim(&registry, "one").await.unwrap();
    assert_eq!(one.copies.keys().collect::<Vec<_>>(), [&copy("b", "one")]);
    assert_eq!(one.history[0].action, HistoryAction::Failover);
    assert!(claim(&registry, "two").await.unwrap().copies.is_empty());
    let theirs = claim(&registry, "theirs").await.unwrap();
    assert!(theirs.copies[&copy("b", "theirs")].is_live());
    // Done again, there is nothing left to do.
    let again = release(&registry, &all, || at(HOUR), |_| {}).await.unwrap();
    assert_eq!(again.claims, 0);
}

#[rstest]
#[case::below(Chosen::Below(group("two")), &["one"])]
#[case::namespace(Chosen::Namespace("team".to_owned()), &[])]
#[case::other_namespace(Chosen::Namespace("other".to_owned()), &["one", "two"])]
#[tokio::test(start_paused = true)]
async fn only_what_is_chosen_is_released(#[case] chosen: Chosen, #[case] held: &[&str]) {
    let registry = fenced().await;
    let released = release(&registry, &releasing(chosen), || at(HOUR), |_| {}).await;
    assert_eq!(released.unwrap().claims, 2 - held.len());
    let plan = plan(&registry, &name("a"), None).await.unwrap();
    let left: Vec<_> = plan.claims.iter().map(|one| one.identity.clone()).collect();
    assert_eq!(left, held.iter().map(|rg| group(rg)).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_was_heard_from_lately_is_not_fenced() {
    let registry = registry().await;
    let gone = request(FenceProof::ClusterGone, 0);
    let early = fence(&registry, &gone, || at(599)).await;
    assert!(
        matches!(early, Err(FailoverError::TooLately { .. })),
        "{early:?}"
    );
    // By its own clock it was long ago; but it speaks.
    let beat = async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        heard(&registry, "a", "uid-a", 15).await;
    };
    let (speaks, ()) = futures::join!(fence(&registry, &gone, || at(HOUR)), beat);
    assert!(
        matches!(speaks, Err(FailoverError::Speaks { .. })),
        "{speaks:?}"
    );
    let member = registry.member(&name("a")).await.unwrap().unwrap();
    assert_eq!(member.record.fence, None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_released_without_a_fence_or_before_tokens_end() {
    let registry = registry().await;
    let all = releasing(Chosen::All);
    let unfenced = release(&registry, &all, || at(HOUR), |_| {}).await;
    assert!(
        matches!(unfenced, Err(FailoverError::NotFenced(_))),
        "{unfenced:?}"
    );

    // Where its API server may be there, the shortest wait is as long as a request may take.
    let revoked = request(FenceProof::CredentialRevoked, 0);
    let said = fence(&registry, &revoked, || at(HOUR)).await.unwrap();
    assert_eq!(said.until, at(HOUR) + FENCE_SETTLES);
    let early = release(&registry, &all, || at(HOUR + 119), |_| {}).await;
    assert!(
        matches!(early, Err(FailoverError::TooEarly { .. })),
        "{early:?}"
    );
    // Said again, the wait goes on and does not begin anew.
    let again = fence(&registry, &revoked, || at(HOUR + 60)).await.unwrap();
    assert_eq!(again, said);
    let other = request(FenceProof::ClusterGone, 0);
    let other = fence(&registry, &other, || at(HOUR + 60)).await;
    assert!(matches!(other, Err(FailoverError::Fenced(_))), "{other:?}");
    let released = release(&registry, &all, || at(HOUR + 120), |_| {}).await;
    assert_eq!(released.unwrap().claims, 2);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_speaks_again_keeps_the_rest() {
    let registry = fenced().await;
    let known = registry.member(&name("a")).await.unwrap().unwrap();
    let mut record = known.record;
    record.heard = at(HOUR + 1);
    registry
        .put_member(&record, Some(&known.version))
        .await
        .unwrap();
    let all = releasing(Chosen::All);
    let released = release(&registry, &all, || at(HOUR + 2), |_| {}).await;
    assert!(
        matches!(released, Err(FailoverError::Speaks { .. })),
        "{released:?}"
    );
    let plan = plan(&registry, &name("a"), None).await.unwrap();
    assert_eq!(plan.claims.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_plan_says_what_the_other_cluster_has_of_each() {
    let registry = registry().await;
    let planned = plan(&registry, &name("a"), Some(&name("b"))).await.unwrap();
    let targets: Vec<_> = planned.claims.iter().map(|one| one.target).collect();
    assert_eq!(targets, [TargetCopy::Parked, TargetCopy::Absent]);
    assert_eq!(planned.claims[0].companions, [copy("b", "one")]);
    assert!(planned.claims.iter().all(super::super::HeldClaim::is_live));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_took_over_is_given_back() {
    let registry = fenced().await;
    let all = releasing(Chosen::All);
    release(&registry, &all, || at(HOUR), |_| {}).await.unwrap();
    has(&registry, "b", "one", Manage).await;
    let undone = undo(&registry, &name("a"), "bob", || at(HOUR + 60)).await;
    assert_eq!(undone.unwrap().given_back, 1);
    let two = claim(&registry, "two").await.unwrap();
    assert!(two.copies[&copy("a", "two")].is_live());
    let one = claim(&registry, "one").await.unwrap();
    assert_eq!(one.copies.keys().collect::<Vec<_>>(), [&copy("b", "one")]);
    let member = registry.member(&name("a")).await.unwrap().unwrap();
    assert_eq!(member.record.fence, None);
    let again = undo(&registry, &name("a"), "bob", || at(HOUR + 61)).await;
    assert!(
        matches!(again, Err(FailoverError::NotFenced(_))),
        "{again:?}"
    );
}
