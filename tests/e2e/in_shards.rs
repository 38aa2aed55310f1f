//! Claims in two registries by subscription: those of the clusters' own in Azure Blob Storage, all
//! others on a hub.

use std::fs;

use aso_guard::claim::ClaimState;
use aso_guard::registry::{ClaimScope, Registry as _};

use crate::GUARD;
use crate::lab::azurite::{ACCOUNT, Azurite, environment};
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::lab::world::{Lab, Plan};
use crate::lab::{guard, hub};

const CONTAINER: &str = "claims";
/// In another subscription.
const ELSEWHERE: &str = "/subscriptions/00000000-1111-2222-3333-555555555555/resourceGroups/rg";

#[tokio::test]
async fn a_move_flows_in_each_and_one_that_is_away_stops_no_other() {
    let azurite = Azurite::start().await.unwrap();
    azurite.create_container(CONTAINER).await.unwrap();
    let own = Azurite::registry(CONTAINER, azurite.port()).unwrap();
    let mut lab = Lab::start(&Plan::default()).await.unwrap();
    let mut plan = guard::Plan::enforce(GUARD);
    hub::install_on(&plan, lab.hub()).await.unwrap();
    plan.environment.extend(environment(azurite.port()));
    let file = lab.hub().directory().join("shards.yaml");
    let text = format!(
        "default: kubernetes:{}\nshards:\n  own:\n    registry: azure://{ACCOUNT}/{CONTAINER}\n    \
         subscriptions: [{SUBSCRIPTION}]\n",
        lab.hub().kubeconfig().display()
    );
    fs::write(&file, text).unwrap();
    let url = format!("shards:{}", file.display());
    lab.guard_with(&plan, &url).await.unwrap();

    let story = Story::begin(&lab, "shards").await;
    let group = story.resource_group("rg");
    let account = Object::of("StorageAccount", "st").azure_name("st");
    let account = account.owner_arm_id(ELSEWHERE);
    for object in [&group, &account] {
        story.a.create(object).await.admitted_silently();
        let refusal = story.b.create(object).await.refused();
        refusal
            .because("live in cluster a as shards/")
            .with_code(403);
        story.a.set_policy(object, "skip").await.admitted();
        eventually("the parked resource to be free", async || {
            story.b.apply(object).await.map_err(Into::into)
        })
        .await;
        story.a.delete(object).await.admitted();
    }
    eventually("the group's claim to be in its shard", async || {
        let claims = own.claims(&ClaimScope::All).await?.whole()?;
        let states: Vec<_> = claims.iter().map(|one| one.record.state()).collect();
        anyhow::ensure!(states == [ClaimState::Live], "{states:?}");
        Ok(())
    })
    .await;

    drop(azurite);
    let other = story.resource_group("other");
    let refusal = story.a.create(&other).await.refused();
    refusal.because("did not answer").with_code(503);
    let other = Object::of("StorageAccount", "more").azure_name("more");
    let other = other.owner_arm_id(ELSEWHERE);
    story.a.create(&other).await.admitted_silently();
    let refusal = story.b.create(&other).await.refused();
    refusal
        .because("live in cluster a as shards/")
        .with_code(403);
}
