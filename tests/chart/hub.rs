//! The hub, set up by Helm on a real API server: what `aso-guard hub` sets up.

use serde_json::{Value, json};

use crate::GUARD;
use crate::cluster::{Cluster, RELEASE};
use crate::helm::{chart, topology};
use crate::lab::guard::Plan;
use crate::lab::hub;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::thief::{Thief, copy_of};
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};

fn member(name: &str) -> Object {
    let spec = json!({
        "cluster": name, "state": "Ready", "version": "1", "lastHeard": "2026-01-01T00:00:00Z",
    });
    Object::new("asoguard.io/v1alpha1", "Member", name).with("/spec", spec)
}

async fn installed(cluster: &Cluster) {
    let chart = chart("");
    let install = [
        "install",
        RELEASE,
        chart.to_str().unwrap(),
        "--create-namespace",
        &topology("hub"),
    ];
    let notes = cluster.helm(&install).await.unwrap();
    assert!(notes.contains("aso-guard members add"), "{notes}");
}

/// The credential of a member that `aso-guard members add` makes.
async fn added(cluster: &Cluster, name: &str) -> Kubectl {
    let plan = Plan::enforce(GUARD);
    hub::add_member(&plan, &cluster.plane, name).await.unwrap();
    let kubeconfig = hub::member_kubeconfig(&cluster.plane, name);
    Kubectl::new(&kubeconfig, "default").await.unwrap()
}

/// A claim that is live in `a` and parked in `b`, each copy written by its member.
async fn shared(cluster: &Cluster, a: &Kubectl, b: Kubectl) -> Thief {
    for (credential, name) in [(a, "a"), (&b, "b")] {
        eventually("the policies to be in force", async || {
            Ok(credential.create(&member(name)).await.map(drop)?)
        })
        .await;
    }
    let mut thief = Thief {
        b,
        hub: cluster.admin.clone(),
        story: "hub".to_owned(),
        shared: String::new(),
    };
    let live = thief.new_claim("rg", |claim| {
        claim["status"]["copies"][0]["member"] = json!("a");
        let labels = claim["metadata"]["labels"].as_object_mut().unwrap();
        labels.remove("member.asoguard.io/b");
        labels.insert("member.asoguard.io/a".to_owned(), json!("settled"));
    });
    live.text("/spec/identity").clone_into(&mut thief.shared);
    a.create(&live).await.admitted();
    let parks = |claim: &mut Value| {
        let mut parked = copy_of(claim, "a").clone();
        parked["member"] = json!("b");
        parked["stored"]["policy"] = json!("skip");
        let copies = claim["status"]["copies"].as_array_mut().unwrap();
        copies.push(parked);
        claim["metadata"]["labels"]["member.asoguard.io/b"] = json!("settled");
    };
    thief.writes(parks).await.admitted();
    thief
}

#[tokio::test]
async fn a_stolen_credential_changes_nothing_of_a_peers_there_either() {
    let cluster = Cluster::start("helm-hub").await;
    installed(&cluster).await;
    let (a, b) = (added(&cluster, "a").await, added(&cluster, "b").await);
    // An API server follows new policies within a moment: until then, anything goes.
    eventually_refused("may write its own record only", async || {
        b.dry_run().create(&member("c")).await
    })
    .await;
    let thief = shared(&cluster, &a, b).await;
    let table = thief.tries_everything().await;
    // The table of the hub that `aso-guard hub` sets up.
    insta::with_settings!({
        snapshot_path => "../e2e/snapshots",
        prepend_module_to_snapshot => false,
    }, {
        insta::assert_snapshot!("e2e__stolen__stolen", table);
    });
    taken_away_and_brought_back(&cluster, &thief).await;
}

/// Claims and credentials outlive the release; rights do not, and come back with it.
async fn taken_away_and_brought_back(cluster: &Cluster, thief: &Thief) {
    cluster.helm(&["uninstall", RELEASE]).await.unwrap();
    let claim = thief.claim(&thief.shared).await.unwrap();
    eventually_refused("cannot get resource", async || thief.b.get(&claim).await).await;
    let token = Object::new("v1", "Secret", "b-token").in_namespace("aso-guard-members");
    assert!(cluster.get(&token).await.is_some());
    installed(cluster).await;
    eventually("the member to be back", async || {
        Ok(thief.b.get(&claim).await.map(drop)?)
    })
    .await;
}
