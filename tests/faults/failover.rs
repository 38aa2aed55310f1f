//! A cluster is lost for good, as everybody believes: another one takes over a thousand resources.
//! Then it comes back, with all its objects as they were.
//!
//! `ASO_GUARD_FAILOVER=100` takes a hundred. Numbers are for people to read, only what is right is
//! asserted.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::sleep;

use crate::given_on::{aso_guard, refusal_of};
use crate::lab::guard::Plan;
use crate::lab::hub;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::{Outcome, Verdict};
use crate::lab::wait::until;
use crate::table::say;
use crate::trial::{Trial, plan};

/// How many resources the lost cluster holds.
const NUMBER: &str = "ASO_GUARD_FAILOVER";
const BY_DEFAULT: usize = 1_000;
/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// A thousand take a while on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// For how long the cluster must not have been heard from.
const SILENT: Duration = Duration::from_secs(31);

/// Asks for each, many at once; each has to be admitted.
async fn each(groups: &[Object], ask: impl AsyncFn(&Object) -> Outcome) {
    stream::iter(groups)
        .map(|group| ask(group))
        .buffer_unordered(AT_ONCE)
        .for_each(async |outcome| drop(outcome.admitted()))
        .await;
}

/// Waits until so many claims are in a state.
async fn all_are(trial: &Trial, state: &str, number: usize) -> Vec<Object> {
    until(
        &format!("{number} claims to be {state}"),
        PATIENCE,
        async || {
            let claims = trial.hub.claims().await?;
            let are = claims
                .iter()
                .filter(|one| one.text("/status/state") == state);
            let are = are.count();
            anyhow::ensure!(are == number, "{are} of {number} are {state}");
            Ok(claims)
        },
    )
    .await
    .unwrap()
}

/// Whoever holds the member's credential tries to take its fence off.
async fn it_cannot_take_its_fence_off(trial: &Trial) {
    let credential = hub::member_kubeconfig(trial.lab.hub(), "a");
    let thief = Kubectl::new(&credential, "default").await.unwrap();
    let member = Object::new("asoguard.io/v1alpha1", "Member", "a");
    let mut own = thief.get(&member).await.admitted().object;
    own.0["spec"].as_object_mut().unwrap().remove("fence");
    let Err(refusal) = thief.replace(&own).await else {
        panic!("the hub let it through")
    };
    let words = "a member may not fence itself, nor take its fence off";
    assert!(refusal.message.contains(words), "{refusal}");
}

#[tokio::test]
async fn a_thousand_resources_of_a_lost_cluster_go_live_in_another_one() {
    let number = std::env::var(NUMBER).map_or(BY_DEFAULT, |number| number.parse().unwrap());
    let one_replica = Plan {
        replicas: 1,
        ..plan()
    };
    let trial = Trial::guarded("failover", &one_replica).await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let groups: Vec<Object> = (0..number)
        .map(|at| trial.resource_group(&format!("shop-{at}")))
        .collect();
    each(&groups, async |group| a.create(group).await).await;
    all_are(&trial, "Live", number).await;
    let fence = [
        "failover",
        "fence",
        "--member",
        "a",
        "--cluster-gone",
        "--reason",
        "burnt down",
        "--yes",
    ];
    let said = refusal_of(&trial, &fence).await;
    assert!(said.contains("was heard from at"), "{said}");

    for replica in trial.a.guard().replicas() {
        replica.process.kill();
    }
    trial.a.plane.stop();
    let silent = sleep(SILENT);
    each(&groups, async |group| {
        b.create(&group.clone().policy("skip")).await
    })
    .await;
    all_are(&trial, "Live", number).await;
    silent.await;
    let began = Instant::now();
    let early = ["--not-heard-for", "30s", "--wait", "0s"];
    aso_guard(&trial, &[&fence[..], &early].concat()).await;
    let fenced = began.elapsed();
    it_cannot_take_its_fence_off(&trial).await;
    let release = [
        "failover",
        "release",
        "--member",
        "a",
        "--all",
        "--reason",
        "burnt down",
    ];
    let said = aso_guard(&trial, &[&release[..], &["--dry-run"]].concat()).await;
    assert!(said.contains(&format!("{number} of them live")), "{said}");
    aso_guard(&trial, &[&release[..], &["--yes"]].concat()).await;
    let released = began.elapsed();
    let b_again = b.trying_again();
    each(&groups, async |group| b_again.clear_policy(group).await).await;
    all_are(&trial, "Live", number).await;
    say(&format!(
        "{number} resources of a lost cluster: fenced after {fenced:.1?} (20 s of them its record is \
         watched), released after {released:.1?}, all live in the other after {:.1?}",
        began.elapsed()
    ));

    let back = Instant::now();
    trial.a.plane.start_again().await.unwrap();
    for replica in trial.a.guard().replicas() {
        replica.start_again().await.unwrap();
    }
    all_are(&trial, "Conflict", number).await;
    say(&format!(
        "it comes back: all {number} shown as conflicts after {:.1?}",
        back.elapsed()
    ));
    it_is_held_back(&trial, &groups[0]).await;
    let a_again = a.trying_again();
    each(&groups, async |group| {
        a_again.set_policy(group, "skip").await
    })
    .await;
    let claims = all_are(&trial, "Live", number).await;
    let is_b = |claim: &Object| claim.text("/status/holder").starts_with("b/");
    assert!(claims.iter().all(is_b));
    aso_guard(&trial, &["failover", "undo", "--member", "a", "--yes"]).await;
    until("a to let copies go live again", PATIENCE, async || {
        a.create(&trial.resource_group("new"))
            .await
            .map_err(Into::into)
    })
    .await
    .unwrap();
    a_again
        .clear_policy(&groups[0])
        .await
        .refused()
        .because("live in cluster b");
    let said = aso_guard(&trial, &["claims", "list", "--state", "conflict"]).await;
    assert!(said.contains("No claims"), "{said}");
}

/// What the guard of a fenced cluster refuses, and what it lets through.
async fn it_is_held_back(trial: &Trial, group: &Object) {
    let a = trial.a.person.trying_again();
    let lost = "this one (a) was declared lost";
    let new = trial.resource_group("unheard-of");
    a.create(&new).await.refused().because(lost);
    a.delete(group).await.refused().because(lost);
    let parked = trial.resource_group("parked");
    a.create(&parked.clone().policy("skip")).await.admitted();
    a.clear_policy(&parked).await.refused().because(lost);
    a.delete(&parked).await.admitted();
    let listed = aso_guard(trial, &["members", "list", "-o", "json"]).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let members = listed.as_array().unwrap().iter();
    let mut fences = members.map(|one| (&one["name"], &one["fence"]["proof"]));
    assert!(
        fences.any(|one| one == (&"a".into(), &"cluster-gone".into())),
        "{listed}"
    );
    let (_, metrics) = trial.a.guard().replicas()[0].ops("/metrics").await.unwrap();
    assert!(metrics.contains("\naso_guard_fenced 1"), "{metrics}");
}
