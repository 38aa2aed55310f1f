//! `aso-guard audit`: what is wrong already is found before anything is installed.

#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

use std::time::Duration;

use serde_json::Value;

use crate::GUARD;
use crate::lab::guard::Plan as GuardPlan;
use crate::lab::kubeconfig;
use crate::lab::object::Object;
use crate::lab::process::output;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::world::{Lab, Plan};

/// No audit of the lab takes longer.
const BOUND: Duration = Duration::from_mins(1);

async fn audit(args: &[&str]) -> (Option<i32>, String, String) {
    let args = [&["audit"], args].concat();
    let ended = output(GUARD.as_ref(), &args, BOUND).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

#[tokio::test]
async fn twins_of_two_clusters_are_found_before_anything_is_installed() {
    let lab = Lab::start(&Plan::default()).await.unwrap();
    let story = Story::begin(&lab, "before").await;
    let twin = story.resource_group("rg");
    story.a.create(&twin).await.admitted();
    let in_b = Object::of("ResourceGroup", "by-another-name").azure_name(&story.azure_name("rg"));
    story.b.create(&in_b).await.admitted();
    // A move that is under way is none of them; nor is another subscription's.
    let moved = story.resource_group("moved");
    story
        .a
        .create(&moved.clone().policy("skip"))
        .await
        .admitted();
    story.b.create(&moved).await.admitted();
    let elsewhere = story.namespace(&story.b, "before-elsewhere").await;
    let credential = Object::credential("aso-credential", "00000000-9999-9999-9999-999999999999");
    elsewhere
        .create(&credential.in_namespace("before-elsewhere"))
        .await
        .admitted();
    elsewhere
        .create(&twin.clone().in_namespace("before-elsewhere"))
        .await
        .admitted();

    let directory = lab.a.control_plane.directory();
    let both = directory.join("both.kubeconfig");
    let entries = [&lab.a, &lab.b].map(|cluster| cluster.control_plane.admin().clone());
    kubeconfig::write(&both, &entries).unwrap();
    let both = both.display().to_string();

    let (code, out, err) = audit(&["--kubeconfig", &both, "-o", "json"]).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let found = report["findings"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{report:#}");
    assert_eq!(found[0]["rule"], "conflict");
    assert_eq!(found[0]["object"]["name"], "by-another-name");
    assert_eq!(found[0]["object"]["cluster"], lab.b.name());
    assert_eq!(found[0]["related"][0]["object"]["cluster"], lab.a.name());
    assert_eq!(found[0]["resource"], story.resource_group_id("rg"));
    // Plain lines where there is no terminal.
    assert!(err.contains("kinds, "), "{err}");

    // Alone, each is as it should be, but for the parked copy.
    let (code, out, _) = audit(&["--kubeconfig", &both, "--context", lab.b.name()]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.starts_with("nothing found; "), "{out}");

    // The objects that dashboards read are objects that an API server takes.
    let (_, out, _) = audit(&["--kubeconfig", &both, "-o", "policyreport"]).await;
    let reports = Object::documents(&out).unwrap();
    assert_eq!(reports.len(), 2, "{out}");

    // One cluster by two names has no twins with itself.
    let twice = directory.join("twice.kubeconfig");
    let text = std::fs::read_to_string(&both).unwrap();
    let (a, b) = (lab.a.name(), lab.b.name());
    let mut config: Value = serde_yaml::from_str(&text).unwrap();
    config["contexts"][1]["context"] = config["contexts"][0]["context"].clone();
    std::fs::write(&twice, serde_yaml::to_string(&config).unwrap()).unwrap();
    let twice = twice.display().to_string();
    let (_, out, err) = audit(&["--kubeconfig", &twice, "-o", "json"]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    let remark = report["remarks"][0].as_str().unwrap_or_default();
    assert_eq!(
        remark,
        format!("context {b} is the same cluster as {a}; it was looked at once"),
        "{err}"
    );
    let twins = report["findings"].as_array().unwrap().iter();
    assert_eq!(
        twins.filter(|one| one["rule"] == "conflict").count(),
        0,
        "{report:#}"
    );
}

#[tokio::test]
async fn a_cluster_that_is_away_is_named_and_the_others_are_looked_at() {
    let lab = crate::shared_lab().await;
    let directory = lab.a.control_plane.directory();
    let text = std::fs::read_to_string(lab.a.control_plane.kubeconfig()).unwrap();
    let mut config: Value = serde_yaml::from_str(&text).unwrap();
    let mut away = config["clusters"][0].clone();
    away["name"] = "away".into();
    // A port where nobody listens.
    away["cluster"]["server"] = "https://127.0.0.1:1".into();
    config["clusters"].as_array_mut().unwrap().push(away);
    let mut context = config["contexts"][0].clone();
    context["name"] = "away".into();
    context["context"]["cluster"] = "away".into();
    config["contexts"].as_array_mut().unwrap().push(context);
    let path = directory.join("away.kubeconfig");
    std::fs::write(&path, serde_yaml::to_string(&config).unwrap()).unwrap();

    let path = path.display().to_string();
    let (code, out, err) = audit(&["--kubeconfig", &path, "-o", "json"]).await;
    assert_eq!(code, Some(3), "{out}{err}");
    assert!(err.contains("context away: "), "{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["complete"], false);
    assert_eq!(
        report["clusters"].as_array().unwrap().len(),
        1,
        "{report:#}"
    );
}

#[tokio::test]
async fn clusters_are_compared_with_the_claims_on_a_hub() {
    let plan = Plan {
        guard: Some(GuardPlan::enforce(GUARD)),
        ..Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let story = Story::begin(&lab, "with-hub").await;
    for name in ["kept", "lost"] {
        story.a.create(&story.resource_group(name)).await.admitted();
    }
    let directory = lab.a.control_plane.directory();
    let [both, hub] = ["both", "hub"].map(|name| directory.join(format!("{name}.kubeconfig")));
    let entries = [&lab.a, &lab.b].map(|cluster| cluster.control_plane.admin().clone());
    kubeconfig::write(&both, &entries).unwrap();
    kubeconfig::write(&hub, &[lab.hub().admin().clone()]).unwrap();
    let both = both.display().to_string();
    let hub = format!("kubernetes:{}", hub.display());
    let args = ["--kubeconfig", &both, "--hub", &hub, "-o", "json"];
    let (code, out, err) = audit(&args).await;
    assert_eq!(code, Some(0), "{out}{err}");

    // Nobody looks any more, and somebody deletes a claim.
    for replica in lab.a.guard().replicas() {
        replica.stop().await.unwrap();
    }
    let lost = story.resource_group_id("lost");
    let claims = story.hub.claims().await.unwrap();
    let of_lost = claims
        .iter()
        .find(|claim| claim.text("/spec/identity") == lost);
    story.hub.delete(of_lost.unwrap()).await.admitted();
    let (code, out, err) = audit(&args).await;
    assert_eq!(code, Some(1), "{out}{err}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let found = report["findings"].as_array().unwrap();
    assert_eq!(found.len(), 1, "{report:#}");
    assert_eq!(found[0]["rule"], "claim-differs");
    assert_eq!(found[0]["object"]["name"], "lost");
}
