//! Clocks that are an hour off: of a member, of one of its two replicas, or all of a sudden.
//! Nobody has to wait an hour, and nobody less than the deadline.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::diary::Diary;
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};
use crate::second_webhook::SecondWebhook;
use crate::shifted_clock::ShiftedClock;
use crate::table::conclude;
use crate::traffic::{self, Resource};
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 6;
const HOUR: i64 = 3_600;

#[tokio::test]
async fn a_member_an_hour_ahead() {
    an_hour_off("ahead", HOUR).await;
}

#[tokio::test]
async fn a_member_an_hour_behind() {
    an_hour_off("behind", -HOUR).await;
}

async fn an_hour_off(name: &'static str, seconds: i64) {
    let clock = ShiftedClock::new().await;
    clock.set_ahead(seconds);
    let wrong = Plan {
        environment: clock.environment(),
        ..plan()
    };
    let mut trial = Trial::begin(name).await;
    let registry = trial.registry();
    trial.guard([&plan(), &wrong], [&registry, &registry]).await;
    is_off(&trial, seconds).await;
    let resources = traffic::resources(&trial, 8);
    let stop = CancellationToken::new();
    let story = async {
        waits_for_the_deadline(&trial, async || {}).await;
        sleep(Duration::from_secs(1)).await;
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), story);
    let fault = format!("the clock of one of two members an hour {name}");
    conclude(&trial, &fault, &resources, &diary, DEADLINE * 4).await;
}

/// What the one admitted, the other judges: by how long it has known of it.
#[tokio::test]
async fn two_replicas_of_one_member_an_hour_apart() {
    let clock = ShiftedClock::new().await;
    clock.set_ahead(HOUR);
    let apart = Plan {
        environment_of_last: clock.environment(),
        ..plan()
    };
    let mut trial = Trial::begin("apart").await;
    let registry = trial.registry();
    trial.guard([&plan(), &apart], [&registry, &registry]).await;
    let [right, ahead] = trial.b.guard().replicas() else {
        panic!("two replicas were planned");
    };
    let resources = traffic::resources(&trial, 8);
    let stop = CancellationToken::new();
    let story = async {
        // The one with the right clock admits; the other comes and finds an old deadline.
        ahead.process.kill();
        waits_for_the_deadline(&trial, async || ahead.start_again().await.unwrap()).await;
        // The other way round: the deadline that is found is an hour away.
        right.process.kill();
        waits_for_the_deadline(&trial, async || {
            ahead.process.kill();
            right.start_again().await.unwrap();
        })
        .await;
        ahead.start_again().await.unwrap();
        sleep(Duration::from_secs(2)).await;
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), story);
    let fault = "the clocks of two replicas of a member an hour apart, each killed in turn";
    conclude(&trial, fault, &resources, &diary, DEADLINE * 4).await;
}

/// A create that is held between yes and store while a replica with a fast clock starts.
#[tokio::test]
async fn a_replica_with_a_fast_clock_waits_for_what_is_yet_to_be_stored() {
    let clock = ShiftedClock::new().await;
    clock.set_ahead(HOUR);
    let apart = Plan {
        environment_of_last: clock.environment(),
        ..plan()
    };
    let mut trial = Trial::begin("fast").await;
    let registry = trial.registry();
    trial.guard([&apart, &plan()], [&registry, &registry]).await;
    let fast = &trial.a.guard().replicas()[1];
    fast.process.kill();
    let second = SecondWebhook::of(&trial.a).await;
    let (a, b) = (&trial.a.person, trial.b.person.trying_again());
    let resource = Resource {
        id: trial.resource_group_id("held"),
        copy: trial.resource_group("held"),
    };
    second.hold();
    let twin = async {
        trial.claim_becomes(&resource.id, "Pending").await;
        fast.start_again().await.unwrap();
        let refused = async || b.create(&resource.copy).await.refused();
        for _ in 0..5 {
            refused().await;
            sleep(Duration::from_millis(200)).await;
        }
    };
    let (created, ()) = futures::join!(a.create(&resource.copy), twin);
    created.admitted();
    second.release();
    let fault = "a create held before the store, while a replica an hour ahead starts";
    let resources = [resource];
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 4).await;
}

#[tokio::test]
async fn a_clock_that_jumps() {
    let clock = ShiftedClock::new().await;
    let jumping = Plan {
        environment: clock.environment(),
        ..plan()
    };
    let mut trial = Trial::begin("jump").await;
    let registry = trial.registry();
    trial
        .guard([&plan(), &jumping], [&registry, &registry])
        .await;
    let resources = traffic::resources(&trial, 8);
    let stop = CancellationToken::new();
    let story = async {
        for jump in [HOUR, -HOUR] {
            waits_for_the_deadline(&trial, async || clock.set_ahead(jump)).await;
        }
        clock.set_ahead(0);
        sleep(Duration::from_secs(1)).await;
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), story);
    let fault = "the clock of a member jumps an hour ahead, two back, and one ahead";
    conclude(&trial, fault, &resources, &diary, DEADLINE * 4).await;
}

/// The member itself believes in its clock.
async fn is_off(trial: &Trial, seconds: i64) {
    eventually("B's heartbeat", async || {
        let members = trial
            .hub
            .list_path("/apis/asoguard.io/v1alpha1/members")
            .await?;
        let member = members.into_iter().find(|member| member.name() == "b");
        let member = member.unwrap_or_else(|| Object(json!({})));
        let heard: Timestamp = member.text("/spec/lastHeard").parse()?;
        let ahead = heard.duration_since(Timestamp::now()) - SignedDuration::from_secs(seconds);
        anyhow::ensure!(
            ahead.abs() < SignedDuration::from_mins(1),
            "B is off by {ahead:?}"
        );
        Ok(())
    })
    .await;
}

/// A create in B that the quota rejects after the guard's yes is waited for as long as it may
/// be under way: no shorter, and no longer. `after` is what happens when it was rejected.
/// `after` happens when it was rejected.
async fn waits_for_the_deadline(trial: &Trial, after: impl AsyncFnOnce()) {
    let (a, b) = (&trial.a.person, trial.b.person.in_namespace("full"));
    b.apply(&Object::namespace("full")).await.admitted();
    let none = json!({"count/resourcegroups.resources.azure.com": "0"});
    let quota = Object::new("v1", "ResourceQuota", "none").with("/spec/hard", none.clone());
    b.apply(&quota).await.admitted();
    // The lab runs no quota controller, so the counting is done by hand.
    let counted = json!({"hard": none, "used": none});
    b.patch_status(&quota, counted).await.admitted();
    let group = trial.resource_group("rejected");
    eventually("the quota to count", async || {
        match b.dry_run().create(&group).await {
            Err(rejected) if rejected.message.contains("quota: none") => Ok(()),
            other => anyhow::bail!("not yet: {other:?}"),
        }
    })
    .await;

    let sent = Instant::now();
    let rejected = b.create(&group).await.unwrap_err();
    assert!(rejected.message.contains("quota: none"), "{rejected}");
    after().await;
    a.create(&group)
        .await
        .refused()
        .because("going live in cluster b");
    // A replica may have to come across it before it knows of it, 15 s later at most.
    let patience = DEADLINE + Duration::from_secs(30);
    until("B's create to be over", patience, async || {
        a.create(&group).await.map_err(Into::into)
    })
    .await
    .unwrap();
    assert!(
        sent.elapsed() >= DEADLINE,
        "free after {:?}",
        sent.elapsed()
    );
    a.delete(&group).await.admitted();
    eventually("the group to be nobody's", async || {
        let claim = trial.hub_claim(&trial.resource_group_id("rejected")).await;
        anyhow::ensure!(claim.is_none(), "{claim:?}");
        Ok(())
    })
    .await;
}
