//! A cluster that already has thousands of objects gets a guard, and people go on working.
//!
//! Fifteen hundred by default; `ASO_GUARD_ENROL=10000` for more. Numbers are for people to read,
//! only what is right is asserted.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::checker::Seen;
use crate::diary::Diary;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::until;
use crate::row::row;
use crate::table::{conclude, say};
use crate::traffic::Resource;
use crate::trial::{Trial, plan};

/// How many objects are there before the guard is.
const NUMBER: &str = "ASO_GUARD_ENROL";
const BY_DEFAULT: usize = 1_500;
/// How many are created at once.
const AT_ONCE: usize = 16;
/// Ten thousand take a while on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long admissions are looked at once all is quiet.
const QUIET: Duration = Duration::from_secs(3);

#[tokio::test]
async fn thousands_of_objects_are_enrolled_while_admissions_go_on() {
    let number = std::env::var(NUMBER).map_or(BY_DEFAULT, |number| number.parse().unwrap());
    let mut trial = Trial::begin("enrolment").await;
    let old: Vec<Object> = (0..number)
        .map(|at| trial.resource_group(&format!("old-{at}")))
        .collect();
    stream::iter(&old)
        .map(|object| trial.a.person.create(object))
        .buffer_unordered(AT_ONCE)
        .for_each(async |outcome| drop(outcome.admitted()))
        .await;

    let registry = trial.registry();
    trial.b.put_guard(&plan(), &registry).await;
    // What other tests left of this member on the hub must not pass for the end.
    let member = Object::new("asoguard.io/v1alpha1", "Member", "a");
    let _ = trial.hub.delete(&member).await;
    let began = Instant::now();
    trial.a.put_guard(&plan(), &registry).await;

    let enrolled = async {
        until("every object to be enrolled", PATIENCE, async || {
            let member = trial.hub.get(&member).await?.object;
            let state = member.text("/spec/state");
            anyhow::ensure!(state == "Ready", "the member is {state}");
            Ok(began.elapsed())
        })
        .await
        .unwrap()
    };
    let (busy, took) = admissions_until(&trial, "busy", enrolled).await;
    let (quiet, ()) = admissions_until(&trial, "quiet", sleep(QUIET)).await;
    say(&format!(
        "{number} objects enrolled in {took:.1?}, start included: {:.0} claims a second\n\
         admissions meanwhile {}, afterwards {}",
        f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / took.as_secs_f64(),
        percentiles(&busy),
        percentiles(&quiet),
    ));
    if number != BY_DEFAULT {
        rows(number, took, [&busy, &quiet]);
    }

    let created = busy.len() + quiet.len();
    let resources: Vec<Resource> = old
        .iter()
        .map(|object| Resource {
            id: trial.resource_group_id(object.name()),
            copy: object.clone(),
        })
        .collect();
    let fault = format!("{number} objects enrolled, {created} created meanwhile and after");
    conclude(
        &trial,
        &fault,
        &resources,
        &Diary::default(),
        Duration::from_mins(1),
    )
    .await;
    let seen = Seen::now(&trial).await.unwrap();
    for resource in &resources {
        let holder = format!("a/enrolment/{}", resource.copy);
        assert_eq!(
            seen.claim(&resource.id).unwrap().text("/status/holder"),
            holder
        );
    }
    // From now on the other cluster can't have them.
    let twins = resources.iter().step_by(number / 20);
    for twin in twins {
        let person = trial.b.person.trying_again();
        let refusal = person.create(&twin.copy).await.refused();
        refusal.because("live in cluster a");
    }
}

/// Replicas die, both and again and again, and what they have not done is done by the next.
#[tokio::test]
async fn replicas_die_while_they_enrol() {
    const OBJECTS: usize = 600;
    let mut trial = Trial::begin("enrol-kill").await;
    let old: Vec<Resource> = (0..OBJECTS)
        .map(|at| format!("old-{at}"))
        .map(|name| Resource {
            id: trial.resource_group_id(&name),
            copy: trial.resource_group(&name),
        })
        .collect();
    stream::iter(&old)
        .map(|resource| trial.a.person.create(&resource.copy))
        .buffer_unordered(AT_ONCE)
        .for_each(async |outcome| drop(outcome.admitted()))
        .await;
    let registry = trial.registry();
    trial
        .guard([&plan(), &plan()], [&registry, &registry])
        .await;
    for died in 1..=3 {
        until("a part to be enrolled", PATIENCE, async || {
            let claims = trial.hub.claims().await?.len();
            anyhow::ensure!(claims >= died * OBJECTS / 5, "{claims} claims");
            Ok(())
        })
        .await
        .unwrap();
        for replica in trial.a.guard().replicas() {
            replica.process.kill();
        }
        for replica in trial.a.guard().replicas() {
            replica.start_again().await.unwrap();
        }
    }
    let fault = format!("both replicas killed three times while they enrol {OBJECTS} objects");
    conclude(&trial, &fault, &old, &Diary::default(), PATIENCE).await;
}

/// Creates one resource group after the other until something is over: how long each creation
/// took, and what came of the something.
async fn admissions_until<T>(
    trial: &Trial,
    name: &str,
    over: impl Future<Output = T>,
) -> (Vec<Duration>, T) {
    let stop = CancellationToken::new();
    let person = trial.a.person.trying_again();
    let create = async {
        let mut took = Vec::new();
        while !stop.is_cancelled() {
            let object = trial.resource_group(&format!("{name}-{}", took.len()));
            let began = Instant::now();
            person.create(&object).await.admitted();
            took.push(began.elapsed());
        }
        took
    };
    let end = async {
        let end = over.await;
        stop.cancel();
        end
    };
    futures::join!(create, end)
}

/// The rows of docs/numbers.md.
fn rows(number: usize, took: Duration, [busy, quiet]: [&[Duration]; 2]) {
    let row = |what: &str, promise, seen| row(what, promise, seen, "benches/numbers enrolment");
    let what = format!(
        "enrolling {number} objects by two replicas, start included, creates meanwhile, claims a second"
    );
    let rate = f64::from(u32::try_from(number).unwrap()) / took.as_secs_f64();
    row(&what, "≥ 500", rate);
    let late = |took: &[Duration]| percentile(took, 99).as_secs_f64();
    let what = "p99 of those creates against p99 afterwards";
    row(what, "≤ 1.5", late(busy) / late(quiet));
}

fn percentile(took: &[Duration], percent: usize) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) * percent / 100]
}

fn percentiles(took: &[Duration]) -> String {
    let (median, late, number) = (percentile(took, 50), percentile(took, 99), took.len());
    format!("p50 {median:.1?}, p99 {late:.1?} ({number} creates, one after the other)")
}
