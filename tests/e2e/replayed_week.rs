//! A week of two clusters without a guard, in which everything that can go wrong was done: the
//! audit logs of their API servers tell of each mistake, and of nothing else.
//!
//! The days are minutes here: each day's entries are put that many days later.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::GUARD;
use crate::audit_log::{AuditLog, FOR_REPLAY};
use crate::lab::control_plane::{self, ControlPlane};
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::process::output;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::lab::world::cluster_objects;

/// No replay of the lab takes longer.
const BOUND: Duration = Duration::from_mins(1);
const RESOURCE_ID: &str = "serviceoperator.azure.com/resource-id";
/// What is to be found: on which day, by which rule, and words of its message.
const FOUND: [(u32, &str, &[&str]); 19] = [
    (2, "refused", &["bob CREATE LiveElsewhere", "rg-1 "]),
    (2, "conflict", &["resourceGroups/rg-1 was live"]),
    (3, "refused", &["alice DELETE PeersDepend", "rg-1 "]),
    (3, "refused", &["alice DELETE ChildrenDepend", "rg-2 "]),
    (4, "refused", &["carol UPDATE LiveElsewhere", "rg-3:"]),
    (4, "conflict", &["resourceGroups/rg-3 was live"]),
    (4, "refused", &["alice DELETE TakesLiveChildren", "net-4 "]),
    (5, "refused", &["carol UPDATE WakesChild", "rg-5 "]),
    (5, "conflict", &["resourceGroups/rg-5 was live"]),
    (6, "warned", &["bob CREATE UnknownPolicy", "Skip"]),
    (6, "refused", &["bob CREATE ForeignResourceId", "rg-7,"]),
    (6, "conflict", &["resourceGroups/rg-7 was live"]),
    (6, "refused", &["bob CREATE AncestorDeleting", "rg-going"]),
    (7, "refused", &["carol UPDATE WakesDelete", "rg-leaving"]),
    (7, "conflict", &["resourceGroups/rg-leaving was live"]),
    (7, "refused", &["carol UPDATE WakesChild", "net-9"]),
    (7, "conflict", &["virtualNetworks/net-9 was live"]),
    (7, "refused", &["alice DELETE ChildRefused", "rg-mine"]),
    (
        7,
        "refused",
        &["namespace-controller DELETE PeersDepend", "rg-mine"],
    ),
];

/// A cluster whose API server writes an audit log.
struct Cluster {
    _plane: ControlPlane,
    log: AuditLog,
    kubectl: Kubectl,
}

impl Cluster {
    async fn start(name: &str) -> Self {
        let log = AuditLog::by(FOR_REPLAY);
        let plan = control_plane::Plan {
            objects: cluster_objects(),
            api_server_args: log.flags(),
        };
        let plane = ControlPlane::start(name, &plan).await.unwrap();
        let kubectl = plane.kubectl("shop").await.unwrap();
        kubectl.apply(&Object::namespace("shop")).await.admitted();
        Self {
            _plane: plane,
            log,
            kubectl,
        }
    }

    fn user(&self, name: &str) -> Kubectl {
        self.kubectl.in_the_name_of(name, "system:masters")
    }
}

fn group(number: u32) -> Object {
    Object::of("ResourceGroup", &format!("rg-{number}")).azure_name(&format!("rg-{number}"))
}

fn network(number: u32) -> Object {
    let name = format!("net-{number}");
    Object::of("VirtualNetwork", &name)
        .azure_name(&name)
        .owner(&format!("rg-{number}"))
}

fn id(number: u32) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{number}")
}

/// As ASO would have it: what is deleted goes when that is taken off.
fn held(object: Object) -> Object {
    object.with(
        "/metadata/finalizers",
        json!(["serviceoperator.azure.com/finalizer"]),
    )
}

impl Cluster {
    async fn namespace(&self, namespace: &Object) {
        self.kubectl.apply(namespace).await.admitted();
    }
}

const ALICE: &str = "alice";
const BOB: &str = "bob";
const CAROL: &str = "carol";

/// All is live in `a`. A move by the four steps is no mistake, nor is anything in one cluster alone.
async fn everything_is_in_a(a: &Cluster, b: &Cluster) {
    for number in 0..=10 {
        a.user(ALICE).create(&group(number)).await.admitted();
    }
    a.user(ALICE).create(&network(0)).await.admitted();
    a.user(ALICE).set_policy(&group(0), "skip").await.admitted();
    a.user(ALICE)
        .set_policy(&network(0), "skip")
        .await
        .admitted();
    b.user(BOB).create(&group(0)).await.admitted();
    b.user(BOB).create(&network(0)).await.admitted();
    a.user(ALICE).delete(&network(0)).await.admitted();
    a.user(ALICE).delete(&group(0)).await.admitted();
}

/// Both write to one resource.
async fn two_write(b: &Cluster) {
    b.user(BOB).create(&group(1)).await.admitted();
    b.user(BOB).set_policy(&group(1), "skip").await.admitted();
}

/// Deletes beside a parked copy, and beside what another cluster holds inside.
async fn deletes_beside_others(a: &Cluster, b: &Cluster) {
    a.user(ALICE).delete(&group(1)).await.admitted();
    let inside = Object::of("StorageAccount", "inside")
        .azure_name("inside")
        .owner_arm_id(&id(2));
    b.user(BOB).create(&inside).await.admitted();
    a.user(ALICE).delete(&group(2)).await.admitted();
}

/// After a move: a copy is woken, and a group is deleted whose network was forgotten.
async fn a_wakes_and_tidies_up(a: &Cluster, b: &Cluster) {
    a.user(ALICE).set_policy(&group(3), "skip").await.admitted();
    b.user(BOB).create(&group(3)).await.admitted();
    a.user(CAROL).clear_policy(&group(3)).await.admitted();
    let owner = a.kubectl.get(&group(4)).await.admitted();
    a.user(ALICE)
        .create(&network(4).owned_by(&owner.object))
        .await
        .admitted();
    a.user(ALICE).set_policy(&group(4), "skip").await.admitted();
    b.user(BOB).create(&group(4)).await.admitted();
    a.user(ALICE).delete(&group(4)).await.admitted();
    a.kubectl.gone(&network(4), BOUND).await.unwrap();
}

/// A namespace is woken; and a copy that goes with its namespace is parked elsewhere.
async fn a_namespace_wakes(a: &Cluster, b: &Cluster) {
    let parked = Object::namespace("parked").policy("skip");
    b.namespace(&parked).await;
    b.user(BOB)
        .in_namespace("parked")
        .create(&group(5))
        .await
        .admitted();
    b.user(CAROL)
        .clear_policy(&Object::namespace("parked"))
        .await
        .admitted();
    a.namespace(&Object::namespace("old")).await;
    let mine = group(6)
        .with("/metadata/name", "mine")
        .azure_name("rg-mine");
    a.user(ALICE)
        .in_namespace("old")
        .create(&mine)
        .await
        .admitted();
    b.user(BOB)
        .create(&mine.clone().policy("skip"))
        .await
        .admitted();
}

/// Annotations that are wrong, and a child below what is being deleted.
async fn wrong_annotations_and_an_owner_that_goes(a: &Cluster, b: &Cluster) {
    let wrong = Object::of("ResourceGroup", "wrong")
        .azure_name("rg-wrong")
        .policy("Skip");
    b.user(BOB).create(&wrong).await.admitted();
    let pasted = Object::of("ResourceGroup", "pasted")
        .azure_name("rg-pasted")
        .annotated(RESOURCE_ID, &id(7));
    b.user(BOB).create(&pasted).await.admitted();
    let going = Object::of("ResourceGroup", "going").azure_name("rg-going");
    a.user(ALICE).create(&held(going.clone())).await.admitted();
    a.user(ALICE).delete(&going).await.admitted();
    let late = Object::of("StorageAccount", "late")
        .azure_name("late")
        .owner_arm_id(&id(8).replace("rg-8", "rg-going"));
    b.user(BOB).create(&late).await.admitted();
}

/// A delete that is woken, a group that gets another name, and a namespace that takes something along.
async fn late_changes(a: &Cluster, b: &Cluster) {
    let leaving = Object::of("ResourceGroup", "leaving").azure_name("rg-leaving");
    a.user(ALICE)
        .create(&held(leaving.clone().policy("skip")))
        .await
        .admitted();
    b.user(BOB).create(&leaving).await.admitted();
    a.user(ALICE).delete(&leaving).await.admitted();
    a.user(CAROL).clear_policy(&leaving).await.admitted();
    a.user(ALICE).set_policy(&group(9), "skip").await.admitted();
    a.user(ALICE).create(&network(9)).await.admitted();
    let elsewhere = Object::of("VirtualNetwork", "net-9")
        .azure_name("net-9")
        .owner_arm_id(&id(10));
    b.user(BOB).create(&elsewhere).await.admitted();
    let renamed = json!({"spec": {"azureName": "rg-10"}});
    a.user(CAROL).patch(&group(9), renamed).await.admitted();
    a.user(ALICE)
        .delete(&Object::namespace("old"))
        .await
        .admitted();
    a.kubectl
        .gone(&Object::namespace("old"), BOUND)
        .await
        .unwrap();
}

/// Does it all. Gives when each day began.
async fn live_through(a: &Cluster, b: &Cluster) -> Vec<Timestamp> {
    let mut days = Vec::new();
    let mut day = async || {
        // Two days share no moment of the logs.
        tokio::time::sleep(Duration::from_millis(50)).await;
        days.push(Timestamp::now());
    };
    day().await;
    everything_is_in_a(a, b).await;
    day().await;
    two_write(b).await;
    day().await;
    deletes_beside_others(a, b).await;
    day().await;
    a_wakes_and_tidies_up(a, b).await;
    day().await;
    a_namespace_wakes(a, b).await;
    day().await;
    wrong_annotations_and_an_owner_that_goes(a, b).await;
    day().await;
    late_changes(a, b).await;
    days
}

/// The entries of a log, each day's so many days later; as a file.
fn put_apart(log: &Path, days: &[Timestamp]) -> PathBuf {
    let mut text = String::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        for field in ["requestReceivedTimestamp", "stageTimestamp"] {
            let at: Timestamp = entry[field].as_str().unwrap().parse().unwrap();
            let over = days.iter().filter(|day| **day <= at).count();
            let later = SignedDuration::from_hours(24 * i64::try_from(over).unwrap());
            entry[field] = json!((at + later).to_string());
        }
        text += &format!("{entry}\n");
    }
    let apart = log.with_extension("week.log");
    fs::write(&apart, text).unwrap();
    apart
}

#[tokio::test]
async fn each_mistake_of_a_week_is_found_in_the_logs_and_nothing_else() {
    let (a, b) = futures::join!(Cluster::start("week-a"), Cluster::start("week-b"));
    let days = live_through(&a, &b).await;
    let day_of = |text: &str| -> Option<usize> {
        let at: Timestamp = text.parse().ok()?;
        (0..=days.len()).find(|&over| {
            let later = SignedDuration::from_hours(24 * i64::try_from(over).unwrap_or(0));
            let then = at - later;
            days.iter().filter(|day| **day <= then).count() == over
        })
    };
    eventually("the logs to be whole", async || {
        let logs = [("a", &a), ("b", &b)].map(|(name, cluster)| {
            let apart = put_apart(&cluster.log.file(), &days);
            format!("--audit-log={name}={}", apart.display())
        });
        let subscription = format!("--subscription={SUBSCRIPTION}");
        let args = ["replay", &*logs[0], &*logs[1], &*subscription, "-o=json"];
        let ended = output(GUARD.as_ref(), &args, BOUND).await?;
        let report: Value = serde_json::from_slice(&ended.stdout)?;
        let found = report["findings"].as_array().cloned().unwrap_or_default();
        let found: Vec<(usize, String, String)> = found
            .iter()
            .map(|one| {
                let message = one["message"].as_str().unwrap_or_default();
                let day = message
                    .split([' ', ','])
                    .find_map(day_of)
                    .unwrap_or_default();
                (day, one["rule"].to_string(), message.to_owned())
            })
            .collect();
        let is = |(day, rule, words): &(u32, &str, &[&str]), one: &(usize, String, String)| {
            one.0 == *day as usize
                && one.1.contains(rule)
                && words.iter().all(|word| one.2.contains(word))
        };
        let missing: Vec<_> = FOUND
            .iter()
            .filter(|one| !found.iter().any(|had| is(one, had)))
            .collect();
        let more: Vec<_> = found
            .iter()
            .filter(|had| !FOUND.iter().any(|one| is(one, had)))
            .collect();
        anyhow::ensure!(
            missing.is_empty() && more.is_empty(),
            "missing {missing:#?}\nmore {more:#?}"
        );
        Ok(())
    })
    .await;
}
