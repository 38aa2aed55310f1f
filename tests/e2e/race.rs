//! Two clusters create the same thousand resources at once.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt as _, stream};

use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::wait::until;
use crate::shared_lab;

const RESOURCES: usize = 1_000;
/// A thousand claims take a while on a busy machine.
const SETTLED: Duration = Duration::from_mins(3);
/// How many requests each cluster has under way.
const AT_ONCE: usize = 8;

/// Creates all of them, and gives the names of those that were admitted.
async fn create_all(person: &Kubectl, resources: &[Object]) -> Vec<String> {
    stream::iter(resources)
        .map(async |resource| match person.create(resource).await {
            Ok(answer) => Some(answer.object.name().to_owned()),
            Err(refusal) => {
                assert_eq!(refusal.reason, "LiveElsewhere", "{refusal}");
                None
            }
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |created| created)
        .collect()
        .await
}

#[tokio::test]
async fn no_resource_gets_two_holders_and_none_gets_none() {
    let story = Story::begin(shared_lab().await, "race").await;
    let resources: Vec<Object> = (0..RESOURCES)
        .map(|number| story.resource_group(&format!("rg-{number}")))
        .collect();
    let (in_a, in_b) = futures::join!(
        create_all(&story.a, &resources),
        create_all(&story.b, &resources),
    );
    println!("{} went to a, {} to b", in_a.len(), in_b.len());

    let mut holders: HashMap<&str, Vec<&str>> = HashMap::new();
    for (cluster, names) in [("a", &in_a), ("b", &in_b)] {
        for name in names {
            holders.entry(name).or_default().push(cluster);
        }
    }
    let doubles: Vec<_> = holders.iter().filter(|(_, held)| held.len() > 1).collect();
    assert!(doubles.is_empty(), "two holders: {doubles:?}");
    assert_eq!(holders.len(), RESOURCES, "some have no holder");

    // What is stored is what was answered, and the claims say the same.
    for (person, names) in [(&story.a, &in_a), (&story.b, &in_b)] {
        let stored = person.list("resources.azure.com/v1api20200601", "ResourceGroup");
        assert_eq!(stored.await.unwrap().len(), names.len());
    }
    until("the claims to settle", SETTLED, async || {
        let claims = story.hub.claims().await?;
        let mut live = 0;
        for claim in &claims {
            let holder = claim.text("/status/holder");
            let Some((cluster, name)) = holder.split_once("/race/ResourceGroup/") else {
                continue;
            };
            anyhow::ensure!(
                claim.text("/status/state") == "Live",
                "{holder} is not settled"
            );
            anyhow::ensure!(holders[name] == [cluster], "{name} is held by {holder}");
            live += 1;
        }
        anyhow::ensure!(live == RESOURCES, "{live} claims are live");
        Ok(())
    })
    .await
    .unwrap();
}
