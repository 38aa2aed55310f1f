//! Members: who they are, and who they are not.

use std::time::Duration;

use jiff::Timestamp;

use crate::lab::process::output;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::{GUARD, shared_lab};

#[tokio::test]
async fn a_second_cluster_under_a_members_name_does_not_start() {
    let lab = shared_lab().await;
    let registry = format!("kubernetes:{}", lab.hub().kubeconfig().display());
    let kubeconfig = lab.b.control_plane.kubeconfig();
    let directory = lab.b.control_plane.directory();
    let (certificate, key) = (
        directory.join("guard.crt.pem"),
        directory.join("guard.key.pem"),
    );
    let args = [
        "serve",
        "--cluster=a",
        "--registry",
        &registry,
        "--kubeconfig",
        &kubeconfig.to_string_lossy(),
        "--listen=127.0.0.1:0",
        "--ops-listen=127.0.0.1:0",
        "--shutdown-notice=0s",
        "--tls-cert",
        &certificate.to_string_lossy(),
        "--tls-key",
        &key.to_string_lossy(),
    ];
    let ended = output(GUARD.as_ref(), &args, Duration::from_mins(1))
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(
        said.contains("another cluster is registered as a"),
        "{said}"
    );
    assert!(said.contains("--cluster"), "{said}");
}

#[tokio::test]
async fn members_say_that_they_are_there() {
    let story = Story::begin(shared_lab().await, "heartbeat").await;
    for name in ["a", "b"] {
        eventually("the member to be ready", async || {
            let members = story
                .hub
                .list_path("/apis/asoguard.io/v1alpha1/members")
                .await?;
            let found = members.iter().find(|member| member.name() == name);
            let member = found.ok_or_else(|| anyhow::anyhow!("no member {name}"))?;
            anyhow::ensure!(member.text("/spec/state") == "Ready", "{member}");
            anyhow::ensure!(!member.text("/spec/lastHeard").is_empty(), "{member}");
            Ok(())
        })
        .await;
    }
}

/// By the token that `members add` asked the hub for: a year, as nobody said otherwise.
#[tokio::test]
async fn members_say_when_their_hub_token_expires() {
    let story = Story::begin(shared_lab().await, "token").await;
    let member = eventually("the member to say when its token expires", async || {
        let members = story
            .hub
            .list_path("/apis/asoguard.io/v1alpha1/members")
            .await?;
        let found = members.into_iter().find(|member| member.name() == "a");
        let member = found.ok_or_else(|| anyhow::anyhow!("no member a"))?;
        anyhow::ensure!(!member.text("/spec/hubTokenExpires").is_empty(), "{member}");
        Ok(member)
    })
    .await;
    let end: Timestamp = member.text("/spec/hubTokenExpires").parse().unwrap();
    let days = end.duration_since(Timestamp::now()).as_secs() / 86_400;
    assert!((360..=365).contains(&days), "{days} days: {member}");
}

#[tokio::test]
async fn the_claims_read_well() {
    let story = Story::begin(shared_lab().await, "reading").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted();
    story.b.create(&group.policy("skip")).await.admitted();
    let row = eventually("the claim to have both copies", async || {
        let claims = story.hub.claims().await?;
        let ours = claims
            .into_iter()
            .find(|claim| claim.text("/status/resource") == "rg-reading");
        let claim = ours.ok_or_else(|| anyhow::anyhow!("no claim yet"))?;
        let parked = claim.text("/status/parkedIn");
        anyhow::ensure!(parked == "b/reading/ResourceGroup/rg", "parked in {parked}");
        anyhow::ensure!(claim.text("/status/state") == "Live", "not settled");
        Ok(claim)
    })
    .await;
    assert_eq!(row.text("/status/holder"), "a/reading/ResourceGroup/rg");
    assert_eq!(row.text("/spec/identity"), story.resource_group_id("rg"));
    assert!(row.name().starts_with("rg-reading-"), "{}", row.name());
}
