//! What the stories move: a storage account in its group, live in `a` by Flux.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::lab::aso::Aso;
use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;

const SOON: Duration = Duration::from_secs(10);

/// A storage account in its group, live in `a` by Flux, and seen by ASO.
pub struct Shop<'a> {
    story: &'a Story<'a>,
    /// What it consists of.
    pub resources: [Object; 2],
    /// The repository that it is in.
    pub fleet: Fleet<'a>,
}

impl<'a> Shop<'a> {
    /// Begins a story with it.
    pub async fn in_a(story: &'a Story<'a>) -> Self {
        let group = story.resource_group("rg");
        let account = Object::of("StorageAccount", "data")
            .azure_name(&story.azure_name("data"))
            .owner("rg");
        let resources = [group, account];
        let mut fleet = Fleet::begin(story, &resources).await;
        fleet.lists("a", &["shop"]);
        fleet.commits().await;
        fleet.applied(&story.a).await;
        let shop = Self {
            story,
            resources,
            fleet,
        };
        for (resource, id) in shop.resources.iter().zip(shop.ids()) {
            Aso(&story.a).reconciles(resource, &id).await.unwrap();
        }
        shop
    }

    fn ids(&self) -> [String; 2] {
        let group = self.story.resource_group_id("rg");
        let name = self.story.azure_name("data");
        let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/{name}");
        [group, account]
    }

    /// Both clusters have all of the last commit.
    pub async fn applied(&self) {
        self.fleet.applied(&self.story.a).await;
        self.fleet.applied(&self.story.b).await;
    }

    /// It is live in `a`, and nobody deletes it.
    pub async fn is_as_it_was(&self) {
        for resource in &self.resources {
            let stored = self.story.a.get(resource).await.admitted().object;
            assert_eq!(stored.text("/metadata/deletionTimestamp"), "", "{stored}");
            assert_eq!(stored.annotation(POLICY), None, "{stored}");
        }
    }

    /// Flux deletes the copies in `a`, and not one of the deletes reaches Azure.
    pub async fn leaves_a_without_a_word_to_azure(&self) {
        for resource in &self.resources {
            let stored = self.story.a.get(resource).await.admitted().object;
            assert_ne!(stored.text("/metadata/deletionTimestamp"), "", "{stored}");
            assert_eq!(stored.annotation(POLICY), Some("skip"), "{stored}");
        }
        for resource in &self.resources {
            Aso(&self.story.a).finishes_delete(resource).await.unwrap();
            self.story.a.gone(resource, SOON).await.unwrap();
        }
    }

    /// Each resource has one copy, in `b`, and it is live.
    pub async fn is_in_b_alone(&self) {
        for (resource, id) in self.resources.iter().zip(self.ids()) {
            let stored = self.story.b.get(resource).await.admitted().object;
            assert_eq!(stored.annotation(POLICY), None, "{stored}");
            eventually(&format!("b alone to have {id}"), async || {
                let claims = self.story.hub.claims().await?;
                let is_it =
                    |claim: &&Object| claim.text("/spec/identity").eq_ignore_ascii_case(&id);
                let status = claims.iter().find(is_it).map(|claim| &claim.0["status"]);
                let copies = status.and_then(|status| status["copies"].as_array());
                let copies = copies.map_or(&[][..], Vec::as_slice);
                let alone = copies.len() == 1 && copies[0]["member"] == "b";
                anyhow::ensure!(alone && status.unwrap()["state"] == "Live", "{status:?}");
                Ok(())
            })
            .await;
        }
    }
}
