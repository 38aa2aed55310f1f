//! Two clusters and no hub: the claims are in Azure Blob Storage.

use aso_guard::claim::ClaimState;
use aso_guard::registry::azure::AzureRegistry;
use aso_guard::registry::{ClaimScope, Registry as _};

use crate::GUARD;
use crate::lab::azurite::{ACCOUNT, Azurite, environment};
use crate::lab::guard;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{PATIENCE, eventually};
use crate::lab::world::{Hub, Lab, Plan};

const CONTAINER: &str = "claims";

#[tokio::test]
async fn a_move_flows_and_its_mistakes_are_refused() {
    let azurite = Azurite::start().await.unwrap();
    azurite.create_container(CONTAINER).await.unwrap();
    let registry = Azurite::registry(CONTAINER, azurite.port()).unwrap();
    let plan = Plan {
        hub: Hub::InA,
        ..Plan::default()
    };
    let mut lab = Lab::start(&plan).await.unwrap();
    let mut plan = guard::Plan::enforce(GUARD);
    plan.environment.extend(environment(azurite.port()));
    let url = format!("azure://{ACCOUNT}/{CONTAINER}");
    lab.guard_with(&plan, &url).await.unwrap();
    let story = Story::begin(&lab, "blob").await;
    let group = story.resource_group("rg");

    story.a.create(&group).await.admitted_silently();
    settled(&registry, ClaimState::Live).await;
    let refusal = story.b.create(&group).await.refused();
    refusal.because("live in cluster a as blob/").with_code(403);

    // The move that ASO recommends.
    story.a.set_policy(&group, "skip").await.admitted();
    eventually("the parked resource to be free", async || {
        story.b.apply(&group).await.map_err(Into::into)
    })
    .await;
    let refusal = story.a.clear_policy(&group).await.refused();
    refusal.because("live in cluster b as blob/");
    let refusal = story.b.delete(&group).await.refused();
    refusal.because("still parked in cluster a as blob/");
    story.a.delete(&group).await.admitted();
    // What a peer has still a copy of is not deleted; it is gone once a's observer saw so.
    eventually("the resource to be b's alone", async || {
        story.b.delete(&group).await.map_err(Into::into)
    })
    .await;
    eventually("the claim to be gone", async || {
        let left = registry.claims(&ClaimScope::All).await?.whole()?;
        anyhow::ensure!(left.is_empty(), "{left:?}");
        Ok(())
    })
    .await;
    assert_eq!(members(&azurite, &url).await.unwrap(), ["a", "b"]);
}

/// The members, by the command that people look with on a hub.
async fn members(azurite: &Azurite, url: &str) -> anyhow::Result<Vec<String>> {
    let mut command = tokio::process::Command::new(GUARD);
    command.args(["members", "list", "--registry", url]);
    command.envs(environment(azurite.port()));
    let output = tokio::time::timeout(PATIENCE, command.output()).await??;
    anyhow::ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let rows = text.lines().skip(1);
    let names = rows.filter_map(|row| row.split_whitespace().nth(1));
    Ok(names.map(ToOwned::to_owned).collect())
}

async fn settled(registry: &AzureRegistry, state: ClaimState) {
    eventually("the claim to be settled", async || {
        let known = registry.claims(&ClaimScope::All).await?.whole()?;
        let states: Vec<_> = known.iter().map(|known| known.record.state()).collect();
        anyhow::ensure!(states == [state], "{states:?}");
        Ok(())
    })
    .await;
}
