//! History that is gone when the guard wants to read on: a compacted etcd, an API server that
//! starts afresh, and what changed meanwhile.

use std::fs;

use serde_json::{Value, json};

use crate::checker;
use crate::diary::Diary;
use crate::lab::aso::FINALIZER;
use crate::lab::control_plane::ControlPlane;
use crate::lab::guard::{self, Replica};
use crate::lab::http;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::table::conclude;
use crate::traffic::Resource;
use crate::trial::{DEADLINE, Trial, plan};

#[tokio::test]
async fn what_changed_while_history_was_lost_is_found_by_listing_again() {
    let one = guard::Plan {
        replicas: 1,
        ..plan()
    };
    let trial = Trial::guarded("compaction", &one).await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let guard = &trial.a.guard().replicas()[0];
    let names = ["stays", "parked", "gone", "newcomer", "late-newcomer"];
    let [stays, parked, gone, newcomer, late_newcomer] = names.map(|name| Resource {
        id: trial.resource_group_id(name),
        copy: trial.resource_group(name),
    });
    let held = gone
        .copy
        .clone()
        .with("/metadata/finalizers", json!([FINALIZER]));
    for object in [&stays.copy, &parked.copy, &held] {
        a.create(object).await.admitted();
    }
    a.delete(&held).await.admitted();
    trial.claim_becomes(&parked.id, "Live").await;
    trial.claim_becomes(&gone.id, "Deleting").await;

    // The guard looks away, and much happens.
    guard.process.pause().unwrap();
    a.set_policy(&parked.copy, "skip").await.admitted();
    a.label(&stays.copy, "seen", Some("no")).await.admitted();
    a.create(&newcomer.copy.clone().policy("skip"))
        .await
        .admitted();
    compact(trial.a.plane).await.unwrap();
    trial.a.plane.stop();
    trial.a.plane.start_again().await.unwrap();
    let let_go = json!({"metadata": {"finalizers": null}});
    a.patch(&held, let_go).await.admitted();
    a.create(&late_newcomer.copy.clone().policy("skip"))
        .await
        .admitted();
    let before = log(guard).len();
    guard.process.resume().unwrap();

    let resources = [stays, parked, gone, newcomer, late_newcomer];
    let fault = "etcd compacted and the API server restarted while the guard was stopped";
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 4).await;
    let said = &log(guard)[before..];
    let expired = said.contains("too old resource version") || said.contains("Expired");
    assert!(expired, "no watch expired, so this tests nothing:\n{said}");

    // A holds what it kept, and no more than that.
    let [stays, parked, gone, newcomer, _] = &resources;
    for free in [parked, gone, newcomer] {
        b.create(&free.copy).await.admitted();
    }
    b.create(&stays.copy)
        .await
        .refused()
        .because("live in cluster a");
}

#[tokio::test]
async fn an_api_server_that_starts_again_has_nothing_released() {
    let trial = Trial::guarded("restart", &plan()).await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let resources: Vec<Resource> = (0..5)
        .map(|number| format!("rg-{number}"))
        .map(|name| Resource {
            id: trial.resource_group_id(&name),
            copy: trial.resource_group(&name),
        })
        .collect();
    for resource in &resources {
        a.create(&resource.copy).await.admitted();
        trial.claim_becomes(&resource.id, "Live").await;
    }
    let versions = async || {
        let mut versions = Vec::new();
        for resource in &resources {
            let claim = trial.hub_claim(&resource.id).await.unwrap();
            versions.push(claim.text("/metadata/resourceVersion").to_owned());
        }
        versions
    };
    checker::settles(&trial, DEADLINE * 4).await.unwrap();
    let before = versions().await;
    for _ in 0..2 {
        trial.a.plane.stop();
        trial.a.plane.start_again().await.unwrap();
        let twins = resources.iter().map(|resource| b.create(&resource.copy));
        for twin in futures::future::join_all(twins).await {
            twin.refused().because("live in cluster a");
        }
    }
    let fault = "the API server of a member restarted twice";
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 4).await;
    assert_eq!(
        versions().await,
        before,
        "claims were let go and taken up again"
    );
}

fn log(replica: &Replica) -> String {
    fs::read_to_string(replica.process.log()).unwrap_or_default()
}

/// Has etcd forget everything up to now, by its JSON gateway.
async fn compact(plane: &ControlPlane) -> anyhow::Result<()> {
    let nothing = json!({"key": "AA==", "limit": "1"});
    let now = etcd(plane, "/v3/kv/range", &nothing).await?;
    let revision = now.text("/header/revision");
    let compaction = json!({"revision": revision, "physical": true});
    etcd(plane, "/v3/kv/compaction", &compaction)
        .await
        .map(drop)
}

async fn etcd(plane: &ControlPlane, path: &str, body: &Value) -> anyhow::Result<Object> {
    let (status, answer) = http::post(plane.etcd_port(), path, &body.to_string()).await?;
    anyhow::ensure!(status == 200, "{path} of etcd says {status}: {answer}");
    Ok(Object(serde_json::from_str(&answer)?))
}
