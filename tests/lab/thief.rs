//! What a thief can try on the hub with a member's credential.

#![allow(
    clippy::type_complexity,
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

mod registry_itself;
mod transfers;

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::crds;
use super::kubectl::Kubectl;
use super::object::Object;
use super::verdict::{Outcome, Verdict};

/// What was tried, and what the hub said.
#[derive(Default)]
struct Table(String);

impl Table {
    fn refused(&mut self, attempt: &str, outcome: Outcome) {
        let Err(refusal) = outcome else {
            panic!("the hub let it through: {attempt}")
        };
        assert!(matches!(refusal.code, 403 | 422), "{attempt}: {refusal}");
        let words = refusal.message;
        let words = words.rsplit("denied request: ").next().unwrap_or_default();
        let by_rbac = words.split(" in API group").next().unwrap_or_default();
        let by_rbac = by_rbac.rsplit("cannot ").next().unwrap_or_default();
        let words = if refusal.code == 403 && by_rbac.len() < words.len() {
            format!("RBAC: may not {by_rbac}")
        } else {
            words.to_owned()
        };
        writeln!(self.0, "{attempt}\n    {words}").unwrap();
    }
}

/// A thief with the credential of member `b`.
pub struct Thief {
    /// With that credential.
    pub b: Kubectl,
    /// An administrator of the hub.
    pub hub: Kubectl,
    /// What the resource groups of this story end in.
    pub story: String,
    /// The ARM ID of a claim that is live in `a` and parked in `b`.
    pub shared: String,
}

impl Thief {
    /// Tries everything, each of which must be refused: a table of what the hub said.
    pub async fn tries_everything(&self) -> String {
        let mut table = Table::default();
        self.on_the_shared_claim(&mut table).await;
        self.on_new_claims(&mut table).await;
        self.on_members(&mut table).await;
        self.on_transfers(&mut table).await;
        self.on_the_registry_itself(&mut table).await;
        self.on_all_else(&mut table).await;
        table.0
    }

    /// The claim of an ARM ID.
    pub async fn claim(&self, id: &str) -> anyhow::Result<Object> {
        let claims = self.hub.claims().await?;
        let mut claims = claims.into_iter();
        let found = claims.find(|claim| claim.text("/spec/identity") == id);
        found.ok_or_else(|| anyhow::anyhow!("no claim of {id}"))
    }

    /// The shared claim with something changed, written back. Where the guards wrote it
    /// meanwhile, it is tried again.
    pub async fn writes(&self, change: impl Fn(&mut Value)) -> Outcome {
        loop {
            let mut claim = self.claim(&self.shared).await.unwrap();
            change(&mut claim.0);
            match self.b.replace(&claim).await {
                Err(refusal) if refusal.code == 409 => {}
                outcome => return outcome,
            }
        }
    }
}

/// A member's copy in a claim.
pub fn copy_of<'a>(claim: &'a mut Value, member: &str) -> &'a mut Value {
    let copies = claim["status"]["copies"].as_array_mut().unwrap();
    let found = copies.iter_mut().find(|copy| copy["member"] == member);
    found.unwrap()
}

/// An entry of a claim's history.
fn entry(member: &str, action: &str) -> Value {
    json!({
        "at": "2026-01-01T00:00:00Z", "by": "alice", "action": action, "why": "because",
        "member": member, "namespace": "x", "group": "resources.azure.com",
        "kind": "ResourceGroup", "name": "rg",
    })
}

impl Thief {
    async fn on_the_shared_claim(&self, table: &mut Table) {
        let changes: [(&str, fn(&mut Value)); 19] = [
            ("take a peer's copy away", |claim| {
                let copies = claim["status"]["copies"].as_array_mut().unwrap();
                copies.retain(|copy| copy["member"] == "b");
                let labels = claim["metadata"]["labels"].as_object_mut().unwrap();
                labels.remove("member.asoguard.io/a");
            }),
            ("release it: say that it is parked", |claim| {
                copy_of(claim, "a")["stored"]["policy"] = json!("skip");
            }),
            ("say that it is not stored", |claim| {
                let copy = copy_of(claim, "a").as_object_mut().unwrap();
                copy.remove("stored");
            }),
            ("say that it is being deleted", |claim| {
                copy_of(claim, "a")["stored"]["terminating"] = json!(true);
            }),
            ("make it one's own", |claim| {
                copy_of(claim, "a")["member"] = json!("b");
            }),
            ("add a second copy for a peer", |claim| {
                let mut copy = copy_of(claim, "a").clone();
                copy["name"] = json!("another");
                let copies = claim["status"]["copies"].as_array_mut().unwrap();
                copies.push(copy);
            }),
            ("make it another resource's", |claim| {
                let id = claim["spec"]["identity"].as_str().unwrap().to_owned();
                claim["spec"]["identity"] = json!(format!("{id}x"));
                let label = &mut claim["metadata"]["labels"]["asoguard.io/resource-group"];
                *label = json!(format!("{}x", label.as_str().unwrap()));
            }),
            ("hide it from its subscription", |claim| {
                let labels = claim["metadata"]["labels"].as_object_mut().unwrap();
                labels.remove("asoguard.io/subscription");
            }),
            ("hide it in another resource group", |claim| {
                claim["metadata"]["labels"]["asoguard.io/resource-group"] = json!("other");
            }),
            ("hide it from the peer", |claim| {
                let labels = claim["metadata"]["labels"].as_object_mut().unwrap();
                labels.remove("member.asoguard.io/a");
            }),
            ("say that a request of the peer is under way", |claim| {
                claim["metadata"]["labels"]["member.asoguard.io/a"] = json!("in-flight");
            }),
            ("say that it is in conflict", |claim| {
                claim["metadata"]["labels"]["asoguard.io/conflict"] = json!("true");
            }),
            ("say that nobody reconciles it", |claim| {
                claim["metadata"]["labels"]["asoguard.io/orphaned"] = json!("true");
            }),
            ("say that it is free", |claim| {
                claim["status"]["state"] = json!("Free");
            }),
            ("have a tool of GitOps remove it", |claim| {
                claim["metadata"]["labels"]["app.kubernetes.io/instance"] = json!("shop");
            }),
            ("have another remove it", |claim| {
                claim["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "x"});
            }),
            ("say that the peer released it", |claim| {
                claim["status"]["history"] = json!([entry("a", "release")]);
            }),
            ("have it collected as garbage", |claim| {
                claim["metadata"]["ownerReferences"] = json!([{
                    "apiVersion": "v1", "kind": "Namespace", "name": "gone",
                    "uid": "00000000-0000-0000-0000-000000000000",
                }]);
            }),
            ("keep it from ever being removed", |claim| {
                claim["metadata"]["finalizers"] = json!(["example.com/never"]);
            }),
        ];
        for (attempt, change) in changes {
            table.refused(attempt, self.writes(change).await);
        }
        let claim = self.claim(&self.shared).await.unwrap();
        table.refused("delete the claim", self.b.delete(&claim).await);
        let nothing = json!({"status": {"copies": []}});
        table.refused("patch it", self.b.patch(&claim, nothing).await);
        table.refused("apply over it", self.b.apply(&claim).await);
    }

    /// A claim of a copy of `b`'s, with a change.
    pub fn new_claim(&self, name: &str, change: impl Fn(&mut Value)) -> Object {
        let subscription = crds::SUBSCRIPTION;
        let group = format!("{name}-{}", self.story);
        let id = format!("/subscriptions/{subscription}/resourceGroups/{group}");
        let mut claim = json!({
            "apiVersion": "asoguard.io/v1alpha1",
            "kind": "Claim",
            "metadata": {
                "name": format!("{name}-{}", "0".repeat(20)),
                "labels": {
                    "asoguard.io/subscription": subscription,
                    "asoguard.io/resource-group": group,
                    "member.asoguard.io/b": "settled",
                },
            },
            "spec": {"identity": id},
            "status": {
                "resource": name, "state": "Live",
                "copies": [{
                    "member": "b", "namespace": "x", "group": "resources.azure.com",
                    "kind": "ResourceGroup", "name": name, "since": "2026-01-01T00:00:00Z",
                    "stored": {"uid": "u", "policy": "manage"},
                }],
            },
        });
        change(&mut claim);
        Object(claim)
    }

    async fn on_new_claims(&self, table: &mut Table) {
        let changes: [(&str, fn(&mut Value)); 18] = [
            ("claim a resource in a peer's name", |claim| {
                claim["status"]["copies"][0]["member"] = json!("a");
                claim["metadata"]["labels"] = json!({
                    "asoguard.io/subscription": claim["metadata"]["labels"]["asoguard.io/subscription"],
                    "asoguard.io/resource-group": claim["metadata"]["labels"]["asoguard.io/resource-group"],
                    "member.asoguard.io/a": "settled",
                });
            }),
            ("a claim whose name no identity has", |claim| {
                claim["metadata"]["name"] = json!("anything");
            }),
            ("a claim that no member can read", |claim| {
                claim["spec"]["identity"] = json!("garbage");
            }),
            ("a claim with a policy that ASO has not", |claim| {
                claim["status"]["copies"][0]["stored"]["policy"] = json!("Manage");
            }),
            ("a claim with a time that no member can read", |claim| {
                claim["status"]["copies"][0]["since"] = json!("2026-01-01T00:00:00");
            }),
            ("a claim with a time of a zone that is none", |claim| {
                claim["status"]["lastHeard"] = json!("2026-01-01T00:00:00+99:99");
            }),
            ("a claim of a time that no member can read", |claim| {
                claim["status"]["copies"][0]["since"] = json!("9999-12-31T23:59:59Z");
            }),
            ("a claim that says nothing", |claim| {
                claim.as_object_mut().unwrap().remove("status");
            }),
            ("an identity that nobody can see", |claim| {
                let id = claim["spec"]["identity"].as_str().unwrap();
                claim["spec"]["identity"] = json!(format!("{id}/providers/P/t/a\u{85}b"));
            }),
            ("an identity without a type", |claim| {
                let id = claim["spec"]["identity"].as_str().unwrap();
                claim["spec"]["identity"] = json!(format!("{id}/providers/P/providers/x"));
            }),
            ("an identity that has no end", |claim| {
                let id = claim["spec"]["identity"].as_str().unwrap();
                let name = "n".repeat(3000);
                claim["spec"]["identity"] = json!(format!("{id}/providers/P/t/{name}"));
            }),
            ("a name that is a command in a shell", |claim| {
                claim["status"]["copies"][0]["name"] = json!("x;`id`");
            }),
            ("a namespace that is one in a terminal", |claim| {
                claim["status"]["copies"][0]["namespace"] = json!("\u{1b}[2J");
            }),
            ("a number that no member can read", |claim| {
                claim["status"]["copies"][0]["newcomer"] = json!(4_294_967_296_u64);
            }),
            ("a claim under a member name that is none", |claim| {
                claim["status"]["copies"][0]["member"] = json!("b ");
            }),
            (
                "a claim with an entry of a peer's in its history",
                |claim| {
                    claim["status"]["history"] = json!([entry("a", "release")]);
                },
            ),
            ("a claim with an action that no member can read", |claim| {
                claim["status"]["history"] = json!([entry("b", "misuse")]);
            }),
            ("a claim that is not found by its resource group", |claim| {
                let labels = claim["metadata"]["labels"].as_object_mut().unwrap();
                labels.remove("asoguard.io/resource-group");
            }),
        ];
        for (attempt, change) in changes {
            let claim = self.new_claim("new", change);
            table.refused(attempt, self.b.create(&claim).await);
        }
    }

    async fn on_members(&self, table: &mut Table) {
        let member = |name: &str| Object::new("asoguard.io/v1alpha1", "Member", name);
        let peer = self.b.get(&member("a")).await.admitted().object;
        let own = self.b.get(&member("b")).await.admitted().object;
        let late = peer.with("/spec/lastHeard", "2020-01-01T00:00:00Z");
        let outcome = loop {
            let fresh = self.b.get(&member("a")).await.admitted().object;
            let version = fresh.text("/metadata/resourceVersion").to_owned();
            let stale = late.clone().with("/metadata/resourceVersion", version);
            match self.b.replace(&stale).await {
                Err(refusal) if refusal.code == 409 => {}
                outcome => break outcome,
            }
        };
        table.refused("say that a peer is silent", outcome);
        table.refused("remove a peer", self.b.delete(&member("a")).await);
        table.refused("remove oneself", self.b.delete(&member("b")).await);
        let other = own.clone().with("/spec/cluster", "another");
        let outcome = loop {
            let fresh = self.b.get(&member("b")).await.admitted().object;
            let version = fresh.text("/metadata/resourceVersion").to_owned();
            let other = other.clone().with("/metadata/resourceVersion", version);
            match self.b.replace(&other).await {
                Err(refusal) if refusal.code == 409 => {}
                outcome => break outcome,
            }
        };
        table.refused("become another cluster", outcome);
        let fence = json!({"at": "2026-01-01T00:00:00Z", "by": "b", "why": "w", "proof": "cluster-gone",
            "until": "2026-01-01T00:00:00Z", "heard": "2026-01-01T00:00:00Z"});
        let fenced = own.with("/spec/fence", fence);
        let outcome = loop {
            let fresh = self.b.get(&member("b")).await.admitted().object;
            let version = fresh.text("/metadata/resourceVersion").to_owned();
            let fenced = fenced.clone().with("/metadata/resourceVersion", version);
            match self.b.replace(&fenced).await {
                Err(refusal) if refusal.code == 409 => {}
                outcome => break outcome,
            }
        };
        table.refused("fence oneself", outcome);
        let third = member("c").with(
            "/spec",
            json!({"cluster": "c", "state": "Ready", "version": "1",
                "lastHeard": "2026-01-01T00:00:00Z"}),
        );
        table.refused("add a member", self.b.create(&third).await);
    }

    async fn on_all_else(&self, table: &mut Table) {
        let hub = |api_version: &str, kind: &str, name: &str| Object::new(api_version, kind, name);
        let claims = hub("asoguard.io/v1alpha1", "Claim", "");
        table.refused("delete all claims", self.b.delete_collection(&claims).await);
        let admission = "admissionregistration.k8s.io/v1";
        let policy = hub(admission, "ValidatingAdmissionPolicy", "claims.asoguard.io");
        table.refused("take the policy away", self.b.delete(&policy).await);
        let binding = hub(
            admission,
            "ValidatingAdmissionPolicyBinding",
            "claims.asoguard.io",
        );
        table.refused("unbind the policy", self.b.delete(&binding).await);
        let crd = hub(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "claims.asoguard.io",
        );
        table.refused("delete the CRD of claims", self.b.delete(&crd).await);
        let secret = hub("v1", "Secret", "a-token").in_namespace("aso-guard-members");
        table.refused("read the peer's Secret", self.b.get(&secret).await);
        let request = hub("authentication.k8s.io/v1", "TokenRequest", "")
            .with("/spec", json!({"audiences": []}));
        let path = "/api/v1/namespaces/aso-guard-members/serviceaccounts/a/token";
        table.refused(
            "get a token of the peer's",
            self.b.create_at(path, &request).await,
        );
    }
}
