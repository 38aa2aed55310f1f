//! A cluster goes by another name, and another one is rebuilt under its own: each holds afterwards
//! what it has stored.

use std::process::Output;
use std::time::Duration;

use serde_json::json;

use crate::GUARD;
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::process::output;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::trial::{Trial, plan};

/// No command takes longer.
const BOUND: Duration = Duration::from_mins(3);

/// Runs a command as an administrator of the hub.
async fn run(trial: &Trial, args: &[&str]) -> Output {
    let registry = format!("kubernetes:{}", trial.lab.hub().kubeconfig().display());
    let args = [args, &["--registry", &registry]].concat();
    output(GUARD.as_ref(), &args, BOUND).await.unwrap()
}

/// The same; it has to go well. Gives what it said.
pub async fn aso_guard(trial: &Trial, args: &[&str]) -> String {
    let ended = run(trial, args).await;
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{args:?}: {errors}");
    String::from_utf8(ended.stdout).unwrap()
}

/// The same; it has to fail. Gives why.
pub async fn refusal_of(trial: &Trial, args: &[&str]) -> String {
    let ended = run(trial, args).await;
    assert_eq!(ended.status.code(), Some(1), "{args:?}");
    String::from_utf8(ended.stderr).unwrap()
}

#[tokio::test]
async fn a_renamed_cluster_and_a_rebuilt_one_hold_what_they_have() {
    let one_replica = Plan {
        replicas: 1,
        ..plan()
    };
    let mut trial = Trial::guarded("given-on", &one_replica).await;
    let [moved, kept, gone] = ["moved", "kept", "gone"].map(|name| trial.resource_group(name));
    let id = |group: &Object| trial.resource_group_id(group.name());
    let ids = [&moved, &kept, &gone].map(id);
    let (a, b) = (trial.a.person.clone(), trial.b.person.clone());
    a.create(&moved).await.admitted();
    b.create(&moved.clone().policy("skip")).await.admitted();
    b.create(&kept).await.admitted();
    b.create(&gone).await.admitted();
    for id in &ids {
        trial.claim_becomes(id, "Live").await;
    }
    for side in [&mut trial.a, &mut trial.b] {
        side.take_guard_away().await;
    }

    // Cluster b is built anew, without one of its objects.
    b.delete(&gone).await.admitted();
    let member = Object::new("asoguard.io/v1alpha1", "Member", "b");
    let other = json!({"spec": {"cluster": "the-old-one"}});
    trial.hub.patch(&member, other).await.admitted();
    let system = b.get(&Object::namespace("kube-system")).await;
    let uid = system.admitted().object.uid().to_owned();
    let replace = ["members", "replace", "b", "--uid", &uid, "--yes"];
    let rename = ["members", "rename", "a", "c", "--yes"];
    futures::join!(aso_guard(&trial, &replace), aso_guard(&trial, &rename));

    crate::lab::hub::add_member(&plan(), trial.lab.hub(), "c")
        .await
        .unwrap();
    let registry = trial.registry();
    let as_c = Plan {
        member: Some("c".to_owned()),
        ..one_replica.clone()
    };
    futures::join!(
        trial.a.put_guard(&as_c, &registry),
        trial.b.put_guard(&one_replica, &registry),
    );
    let [moved_id, kept_id, gone_id] = &ids;
    let claim = trial.claim_becomes(moved_id, "Live").await;
    assert_eq!(
        claim.text("/status/holder"),
        "c/given-on/ResourceGroup/moved"
    );
    assert_eq!(
        claim.text("/status/parkedIn"),
        "b/given-on/ResourceGroup/moved"
    );
    let claim = trial.claim_becomes(kept_id, "Live").await;
    assert_eq!(
        claim.text("/status/holder"),
        "b/given-on/ResourceGroup/kept"
    );
    eventually(
        "what the new cluster does not have to be free",
        async || {
            let claim = trial.hub_claim(gone_id).await;
            anyhow::ensure!(claim.is_none(), "{claim:?}");
            Ok(())
        },
    )
    .await;
    let listed = aso_guard(&trial, &["members", "list", "-o", "name"]).await;
    assert_eq!(listed.split_whitespace().collect::<Vec<_>>(), ["b", "c"]);
    let refusal = b.clear_policy(&moved).await.refused();
    refusal.because("live in cluster c");
    a.create(&gone).await.admitted();
}
