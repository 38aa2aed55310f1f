//! A member whose clock is an hour off: deadlines are set and judged by one cluster alone, so
//! nobody has to wait an hour, and nobody less than the deadline.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};
use crate::shifted_clock::ShiftedClock;
use crate::table::conclude;
use crate::traffic;
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
        waits_for_the_deadline(&trial).await;
        sleep(Duration::from_secs(1)).await;
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), story);
    let fault = format!("the clock of one of two members an hour {name}");
    conclude(&trial, &fault, &resources, &diary, DEADLINE * 4).await;
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
/// be under way: no shorter, and no longer.
async fn waits_for_the_deadline(trial: &Trial) {
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
    a.create(&group)
        .await
        .refused()
        .because("going live in cluster b");
    let patience = DEADLINE + Duration::from_secs(20);
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
}
