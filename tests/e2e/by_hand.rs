//! `aso-guard claims` and `aso-guard members`: looking at the registry, and changing it by hand.

#![allow(
    clippy::unwrap_used,
    reason = "what goes wrong in a helper fails its test"
)]

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::GUARD;
use crate::lab::object::Object;
use crate::lab::process::output;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::shared_lab;

/// No command takes longer.
const BOUND: Duration = Duration::from_mins(1);

/// What a command said.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs a command against the story's registry.
async fn run(story: &Story<'_>, args: &[&str]) -> Said {
    let registry = format!("kubernetes:{}", story.lab.hub().kubeconfig().display());
    let args = [args, &["--registry", &registry]].concat();
    let ended = output(GUARD.as_ref(), &args, BOUND).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        code: ended.status.code(),
        out: text(ended.stdout),
        err: text(ended.stderr),
    }
}

/// A claim of a member that is no more, as it would be left behind.
async fn orphan(story: &Story<'_>, name: &str, member: &str) -> Object {
    let identity = story.resource_group_id(name);
    let claim = Object::new("asoguard.io/v1alpha1", "Claim", name)
        .labelled(&format!("member.asoguard.io/{member}"), "settled")
        .with("/spec/identity", identity)
        .with(
            "/status",
            json!({
                "resource": name,
                "state": "Live",
                "copies": [{
                    "member": member,
                    "namespace": "shop",
                    "group": "resources.azure.com",
                    "kind": "ResourceGroup",
                    "name": name,
                    "since": "2026-01-01T00:00:00Z",
                    "stored": {"uid": "u", "policy": "manage"},
                }],
            }),
        );
    story.hub.create(&claim).await.unwrap().object
}

/// The claim that aso-guard itself makes for a group, once it is settled.
async fn settled(story: &Story<'_>, name: &str) -> Value {
    let identity = story.resource_group_id(name);
    eventually("the claim to settle", async || {
        let said = run(story, &["claims", "show", &identity, "-o", "json"]).await;
        let claim: Value = serde_json::from_str(&said.out)?;
        anyhow::ensure!(claim["state"] == "Live", "{claim}");
        Ok(claim)
    })
    .await
}

#[tokio::test]
async fn claims_are_listed_and_shown() {
    let story = Story::begin(shared_lab().await, "listing").await;
    story.a.create(&story.resource_group("rg")).await.admitted();
    let identity = story.resource_group_id("rg");
    let claim = settled(&story, "rg").await;
    assert_eq!(claim["resource"], identity);
    assert_eq!(claim["copies"][0]["hold"], "live");
    assert_eq!(claim["copies"][0]["policy"], "manage");

    for filter in [
        &["--namespace", "listing"][..],
        &["--member", "a", "--namespace", "listing", "--state", "live"],
        &["--below", &identity],
    ] {
        let said = run(&story, &[&["claims", "list"], filter].concat()).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        let lines: Vec<&str> = said.out.lines().collect();
        assert_eq!(lines.len(), 2, "{filter:?}: {}", said.out);
        assert!(
            lines[1].starts_with("Live   resourceGroups/rg-listing"),
            "{}",
            said.out
        );
        assert!(
            lines[1].contains("a/listing/ResourceGroup/rg"),
            "{}",
            said.out
        );
    }
    let said = run(
        &story,
        &["claims", "list", "--member=b", "--namespace=listing"],
    )
    .await;
    assert_eq!(said.out, "No claims.\n");
    let said = run(
        &story,
        &["claims", "list", "--below", &identity, "-o", "wide"],
    )
    .await;
    assert!(said.out.contains(&identity), "{}", said.out);
    let said = run(
        &story,
        &["claims", "list", "--below", &identity, "-o", "name"],
    )
    .await;
    assert_eq!(said.out, format!("{identity}\n"));

    // By the end of its name too, and for people.
    let said = run(&story, &["claims", "show", "rg-listing"]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains(&format!("Resource  {identity}")),
        "{}",
        said.out
    );
    assert!(said.out.contains("last heard from"), "{}", said.out);
    let said = run(&story, &["claims", "show", "not-here"]).await;
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("aso-guard claims list"), "{}", said.err);
}

#[tokio::test]
async fn a_release_needs_the_record_that_was_seen() {
    let story = Story::begin(shared_lab().await, "releasing").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted();
    let identity = story.resource_group_id("rg");
    let seen = settled(&story, "rg").await;
    let version = seen["version"].as_str().unwrap().to_owned();

    let release = [
        "claims", "release", &identity, "--reason", "a test", "--actor", "carol",
    ];
    // Nobody is asked where there is no terminal: the whole command is given instead.
    let said = run(&story, &release).await;
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(
        said.err.contains(&format!("--version {version} --yes")),
        "{}",
        said.err
    );

    // The record moves on: a parked peer is registered.
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    eventually("the peer to be registered", async || {
        let said = run(&story, &["claims", "show", &identity, "-o", "json"]).await;
        let claim: Value = serde_json::from_str(&said.out)?;
        anyhow::ensure!(
            claim["copies"].as_array().map(Vec::len) == Some(2),
            "{claim}"
        );
        Ok(())
    })
    .await;
    let confirmed = [
        &release[..],
        &["--copy", "b", "--version", &version, "--yes"],
    ]
    .concat();
    let said = run(&story, &confirmed).await;
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("has changed meanwhile"), "{}", said.err);

    // With two copies, which one has to be said.
    let said = run(&story, &release).await;
    assert_eq!(said.code, Some(2), "{}", said.out);
    assert!(
        said.err.contains("--copy b/releasing/ResourceGroup/rg"),
        "{}",
        said.err
    );

    let said = run(&story, &["claims", "show", &identity, "-o", "json"]).await;
    let claim: Value = serde_json::from_str(&said.out).unwrap();
    let version = claim["version"].as_str().unwrap();
    let confirmed = [
        &release[..],
        &["--copy", "b", "--version", version, "--yes"],
    ]
    .concat();
    let said = run(&story, &confirmed).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(
        said.out.contains("Released b/releasing/ResourceGroup/rg"),
        "{}",
        said.out
    );

    // It says who did it, and why.
    let said = run(&story, &["claims", "show", &identity, "-o", "json"]).await;
    let claim: Value = serde_json::from_str(&said.out).unwrap();
    let entry = &claim["history"][0];
    assert_eq!(entry["action"], "release", "{claim:#}");
    assert_eq!(
        (&entry["by"], &entry["why"]),
        (&json!("carol"), &json!("a test"))
    );
    assert_eq!(entry["member"], "b");
}

#[tokio::test]
async fn a_reason_is_needed() {
    let story = Story::begin(shared_lab().await, "reasons").await;
    let said = run(&story, &["claims", "release", "rg", "--reason", "  "]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("--reason"), "{}", said.err);
}

#[tokio::test]
async fn a_member_that_is_there_is_not_forgotten() {
    let story = Story::begin(shared_lab().await, "forgetting").await;
    let said = run(&story, &["members", "forget", "a", "--yes"]).await;
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("--yes-it-is-gone"), "{}", said.err);
    // It says so when it has compared what is stored with the registry.
    eventually("a to be listed as ready", async || {
        let said = run(&story, &["members", "list"]).await;
        anyhow::ensure!(said.out.contains("Ready  a"), "{}", said.out);
        Ok(())
    })
    .await;
    let said = run(&story, &["members", "forget", "nobody"]).await;
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("no member is called nobody"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_silent_member_is_forgotten_and_what_it_holds_is_told() {
    let story = Story::begin(shared_lab().await, "silence").await;
    let long_ago = Timestamp::now() - Duration::from_hours(100);
    let member = Object::new("asoguard.io/v1alpha1", "Member", "silent").with(
        "/spec",
        json!({
            "cluster": "a-cluster-that-is-no-more",
            "state": "Ready",
            "lastHeard": long_ago.to_string(),
            "version": "0.1.0",
        }),
    );
    story.hub.create(&member).await.admitted();
    orphan(&story, "held", "silent").await;
    let said = run(&story, &["members", "list", "-o", "json"]).await;
    let members: Value = serde_json::from_str(&said.out).unwrap();
    let silent = members
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "silent");
    assert_eq!(silent.unwrap()["state"], "Silent", "{members:#}");
    assert_eq!(silent.unwrap()["live"], 1, "{members:#}");

    let said = run(&story, &["members", "forget", "silent"]).await;
    assert_eq!(said.code, Some(2), "{}", said.out);
    let said = run(&story, &["members", "forget", "silent", "--yes"]).await;
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(
        said.out
            .contains("It still holds 1 live and 0 parked copies"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains(&story.resource_group_id("held")),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("claims list --member silent"),
        "{}",
        said.out
    );
    let said = run(&story, &["members", "list"]).await;
    assert!(!said.out.contains("silent"), "{}", said.out);
}

#[tokio::test]
async fn a_registry_that_is_away_is_another_end_than_a_finding() {
    let story = Story::begin(shared_lab().await, "away").await;
    let directory = story.lab.hub().directory();
    let text = std::fs::read_to_string(story.lab.hub().kubeconfig()).unwrap();
    let mut config: Value = serde_yaml::from_str(&text).unwrap();
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1".into();
    let path = directory.join("nobody.kubeconfig");
    std::fs::write(&path, serde_yaml::to_string(&config).unwrap()).unwrap();
    let registry = format!("kubernetes:{}", path.display());
    let args = ["claims", "list", "--registry", &registry];
    let ended = output(GUARD.as_ref(), &args, BOUND).await.unwrap();
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    let args = ["claims", "list", "--registry", "memory:"];
    let ended = output(GUARD.as_ref(), &args, BOUND).await.unwrap();
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
}
