//! What a thief can try on the claim that is about the registry itself.

use serde_json::{Value, json};

use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::{Outcome, Verdict};

use super::{Table, Thief};

impl Thief {
    pub(super) async fn on_the_registry_itself(&self, table: &mut Table) {
        let changes: [(&str, fn(&mut Value)); 11] = [
            ("say that nobody waits for a peer", |epoch| {
                member(epoch, "a")["state"] = json!("Forgotten");
            }),
            ("take a peer off the list", |epoch| {
                let members = epoch["status"]["epoch"]["members"].as_array_mut().unwrap();
                members.retain(|one| one["name"] != "a");
            }),
            ("add a peer that is no member as enrolled", |epoch| {
                let members = epoch["status"]["epoch"]["members"].as_array_mut().unwrap();
                members.push(json!({"name": "c", "state": "Enrolled"}));
            }),
            ("list oneself twice", |epoch| {
                let members = epoch["status"]["epoch"]["members"].as_array_mut().unwrap();
                members.push(json!({"name": "b", "state": "Awaited"}));
            }),
            ("begin a round of nobody's", |epoch| {
                let round = epoch["status"]["epoch"]["round"].as_u64().unwrap();
                epoch["status"]["epoch"]["round"] = json!(round + 1);
            }),
            ("await a peer in the same round", |epoch| {
                member(epoch, "a")["state"] = json!("Awaited");
            }),
            ("await a peer in a round that no other follows", |epoch| {
                member(epoch, "a")["state"] = json!("Awaited");
                epoch["status"]["epoch"]["round"] = json!(i32::MAX);
            }),
            ("call it a shard of a map", |epoch| {
                epoch["status"]["epoch"]["shard"] = json!("europe");
            }),
            ("say nothing of it any more", |epoch| {
                epoch["status"].as_object_mut().unwrap().remove("epoch");
            }),
            ("have it removed with something else", |epoch| {
                epoch["metadata"]["ownerReferences"] = json!([{
                    "apiVersion": "v1", "kind": "Namespace", "name": "gone",
                    "uid": "00000000-0000-0000-0000-000000000000",
                }]);
            }),
            ("have a tool take it for its own", |epoch| {
                epoch["metadata"]["labels"] = json!({"app.kubernetes.io/instance": "shop"});
            }),
        ];
        self.is_whole().await;
        for (attempt, change) in changes {
            table.refused(attempt, self.writes_of_the_registry(change).await);
        }
        let outcome = self.b.delete(&epoch()).await;
        table.refused("delete what tells that claims were lost", outcome);
    }

    /// A member finds that the registry went back some rounds, by what it remembers of it.
    pub async fn finds_that_it_went_back(&self) -> Outcome {
        self.is_whole().await;
        let awaits = |epoch: &mut Value| {
            member(epoch, "b")["state"] = json!("Awaited");
            let round = epoch["status"]["epoch"]["round"].as_u64().unwrap();
            epoch["status"]["epoch"]["round"] = json!(round + 3);
        };
        // It is not written: others share this hub.
        self.writes_by(&self.b.dry_run(), awaits).await
    }

    /// Makes the claim as guards make it, where none did.
    async fn is_whole(&self) {
        if self.hub.get(&epoch()).await.is_ok() {
            return;
        }
        let enrolled = |name| json!({"name": name, "state": "Enrolled"});
        let members = json!([enrolled("a"), enrolled("b")]);
        let epoch = epoch()
            .with("/spec", json!({"identity": "/subscriptions/0"}))
            .with(
                "/status",
                json!({
                    "resource": "the registry itself", "state": "Whole",
                    "epoch": {"round": 0, "members": members},
                }),
            );
        self.hub.create(&epoch).await.admitted();
    }

    /// The claim with something changed, written back. Where the guards wrote it meanwhile, it is
    /// tried again.
    async fn writes_of_the_registry(&self, change: fn(&mut Value)) -> Outcome {
        self.writes_by(&self.b, change).await
    }

    async fn writes_by(&self, person: &Kubectl, change: fn(&mut Value)) -> Outcome {
        loop {
            let mut known = self.hub.get(&epoch()).await.admitted().object;
            change(&mut known.0);
            match person.replace(&known).await {
                Err(refusal) if refusal.code == 409 => {}
                outcome => return outcome,
            }
        }
    }
}

fn epoch() -> Object {
    Object::new("asoguard.io/v1alpha1", "Claim", "0")
}

/// How a member stands, which has all its copies there.
fn member<'a>(epoch: &'a mut Value, name: &str) -> &'a mut Value {
    let members = epoch["status"]["epoch"]["members"].as_array_mut().unwrap();
    let found = members.iter_mut().find(|one| one["name"] == name);
    found.unwrap()
}
