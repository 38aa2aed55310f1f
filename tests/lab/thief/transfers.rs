//! What a thief can try with the transfers of others, and with those of its own member.

use serde_json::{Value, json};

use super::{Table, Thief};
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::{Outcome, Verdict};
use crate::lab::wait::eventually_refused;

fn transfer(name: &str) -> Object {
    Object::new("asoguard.io/v1alpha1", "Transfer", name)
}

/// An open transfer of namespace `x` between these members.
fn open(name: &str, from: &str, to: &str) -> Object {
    let ends = json!({
        "from": {"member": from, "namespace": "x"},
        "to": {"member": to, "namespace": "x"},
    });
    let status = json!({
        "state": "Open", "phase": "Open", "from": "", "to": "", "selection": "all", "covered": 1,
        "history": [{"at": "2026-01-01T00:00:00Z", "by": "alice", "action": "start"}],
    });
    transfer(name).with("/spec", ends).with("/status", status)
}

/// Makes a claim one that a transfer moves.
fn moved_by(name: &str, from: &str, to: &str) -> impl Fn(&mut Value) {
    let moved = json!({
        "name": name,
        "from": {"member": from, "namespace": "x"},
        "to": {"member": to, "namespace": "x"},
    });
    let name = name.to_owned();
    move |claim| {
        claim["status"]["transfer"] = moved.clone();
        claim["metadata"]["labels"]["asoguard.io/transfer"] = json!(name);
    }
}

fn is_free(claim: &mut Value) {
    if let Some(status) = claim["status"].as_object_mut() {
        status.remove("transfer");
    }
    if let Some(labels) = claim["metadata"]["labels"].as_object_mut() {
        labels.remove("asoguard.io/transfer");
    }
}

/// What was said, without the name that differs from story to story.
fn unnamed(outcome: Outcome, name: &str) -> Outcome {
    outcome.map_err(|mut refusal| {
        refusal.message = refusal.message.replace(name, "NAME");
        refusal
    })
}

impl Thief {
    /// The shared claim with something changed, by this person.
    pub async fn written_by(&self, who: &Kubectl, change: impl Fn(&mut Value)) -> Outcome {
        loop {
            let mut claim = self.claim(&self.shared).await.unwrap();
            change(&mut claim.0);
            match who.replace(&claim).await {
                Err(refusal) if refusal.code == 409 => {}
                outcome => return outcome,
            }
        }
    }

    pub(super) async fn on_transfers(&self, table: &mut Table) {
        let others = format!("others-{}", self.story);
        let own = format!("own-{}", self.story);
        for (name, to) in [(&others, "c"), (&own, "b")] {
            self.hub.create(&open(name, "a", to)).await.admitted();
        }
        self.on_those_of_others(table, &others).await;
        self.on_its_own(table, &own).await;
        let new = open("new", "b", "a");
        table.refused("declare a transfer", self.b.create(&new).await);
        table.refused("remove a transfer", self.b.delete(&transfer(&own)).await);
        self.written_by(&self.hub, is_free).await.admitted();
        for name in [&others, &own] {
            self.hub.delete(&transfer(name)).await.admitted();
        }
    }

    async fn on_those_of_others(&self, table: &mut Table, name: &str) {
        let reserved = moved_by(name, "a", "c");
        self.written_by(&self.hub, reserved).await.admitted();
        let patches = [
            ("end a transfer of others", json!({"phase": "Finished"})),
            (
                "say how far a transfer of others is",
                json!({"counted": "2026-01-01T00:00:00Z"}),
            ),
        ];
        for (attempt, status) in patches {
            let patch = json!({"status": status});
            table.refused(attempt, self.b.patch(&transfer(name), patch).await);
        }
        let attempt = "take a claim from a transfer of others";
        table.refused(attempt, self.writes(is_free).await);
        let attempt = "have a transfer of others bring it to oneself";
        let outcome = self.writes(moved_by(name, "a", "b")).await;
        table.refused(attempt, outcome);
    }

    async fn on_its_own(&self, table: &mut Table, name: &str) {
        let reserved = moved_by(name, "a", "b");
        self.written_by(&self.hub, reserved).await.admitted();
        let patches = [
            ("end a transfer", json!({"status": {"phase": "Closing"}})),
            ("turn a transfer round", json!({"status": {"turned": true}})),
            (
                "make others forget who did what",
                json!({"status": {"history": []}}),
            ),
            (
                "count what nobody can read",
                // In the place of one that can be read, as there is room for no more than all of those.
                json!({"status": {"counts": {"lost": null, "stolen": 1}}}),
            ),
            (
                "move more than was declared",
                json!({"spec": {"resources": {"kinds": ["X"]}}}),
            ),
            (
                "have a transfer collected as garbage",
                json!({"metadata": {"finalizers": ["x.y/z"]}}),
            ),
        ];
        for (attempt, patch) in patches {
            let outcome = self.b.patch(&transfer(name), patch).await;
            table.refused(attempt, unnamed(outcome, name));
        }
        // An API server learns of a new transfer within a moment.
        let dry = self.b.dry_run();
        let still_open = format!("transfer {name} is open");
        eventually_refused(&still_open, async || self.written_by(&dry, is_free).await).await;
        let writes: [(&str, fn(&mut Value)); 4] = [
            ("take a claim from an open transfer", is_free),
            ("have it go elsewhere", |claim| {
                claim["status"]["transfer"]["to"]["namespace"] = json!("y");
            }),
            ("give it to a transfer that nobody declared", |claim| {
                moved_by("none", "a", "b")(claim);
            }),
            ("hide it from its transfer", |claim| {
                let labels = claim["metadata"]["labels"].as_object_mut().unwrap();
                labels.remove("asoguard.io/transfer");
            }),
        ];
        for (attempt, change) in writes {
            table.refused(attempt, unnamed(self.writes(change).await, name));
        }
    }
}
