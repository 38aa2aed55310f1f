//! Histories with the fields of before 0.1.0, `deed` and `against`, on a hub with its policies.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use aso_guard::arm::Identity;
use aso_guard::claim::{CopyRef, HistoryAction, HistoryEntry, Justification, MemberName, Record};
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::{PutOutcome, Registry as _, transfers};
use serde_json::{Value, json};

use crate::lab::hub;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::thief::copy_of;
use crate::lab::verdict::Verdict;
use crate::shared_lab;
use crate::stolen::thief;

const TIME: &str = "2026-01-01T00:00:00Z";

/// The registry, with a member's own credential.
async fn registry_of(story: &Story<'_>, member: &str) -> KubernetesRegistry {
    let kubeconfig = hub::member_kubeconfig(story.lab.hub(), member);
    let kubectl = Kubectl::new(&kubeconfig, "default").await.unwrap();
    KubernetesRegistry::new(kubectl.client().clone(), "hub")
}

/// Has a member add an entry of its own; gives the record as it was read before.
async fn extend(registry: &KubernetesRegistry, identity: &Identity, member: &str) -> Record {
    let member: MemberName = member.parse().unwrap();
    loop {
        let known = registry.claim(identity).await.unwrap().unwrap();
        let copies: Vec<&CopyRef> = known.record.copies.keys().collect();
        let own = copies.into_iter().find(|copy| copy.member == member);
        let entry = HistoryEntry {
            at: TIME.parse().unwrap(),
            by: "bob".into(),
            copy: own.unwrap().clone(),
            action: HistoryAction::Update,
            why: Justification::new("because").unwrap(),
            refusal: "".into(),
        };
        let next = known.record.with_entry(&entry).unwrap();
        let put = registry.put_claim(&next, Some(&known.version)).await;
        if put.unwrap() != PutOutcome::Conflict {
            return known.record;
        }
    }
}

#[tokio::test]
async fn an_old_history_of_a_claim_is_read_and_extended_by_each_member() {
    let story = Story::begin(shared_lab().await, "deprecated-fields").await;
    let thief = thief(&story).await;
    let identity: Identity = thief.shared.parse().unwrap();
    let old = |claim: &mut Value| {
        let copy = copy_of(claim, "a").clone();
        claim["status"]["history"] = json!([{
            "at": TIME, "by": "alice", "deed": "create", "why": "because",
            "against": "LiveElsewhere", "member": "a", "namespace": copy["namespace"],
            "group": copy["group"], "kind": copy["kind"], "name": copy["name"],
        }]);
    };
    thief.written_by(&story.hub, old).await.admitted();

    // Nobody else says it otherwise, under whichever name.
    let mut changes: Vec<fn(&mut Value)> = vec![
        |entry| entry["deed"] = json!("delete"),
        |entry| entry["action"] = json!("delete"),
        |entry| entry["refusal"] = json!("PeersDepend"),
    ];
    let not_its_own = async |changes: &[fn(&mut Value)]| {
        for change in changes {
            let writes = |claim: &mut Value| change(&mut claim["status"]["history"][0]);
            let refusal = thief.writes(writes).await.unwrap_err();
            let why = "its own entries of the history only";
            assert!(refusal.message.contains(why), "{refusal}");
        }
    };
    not_its_own(&changes).await;
    let says_nothing = |claim: &mut Value| {
        let entry = claim["status"]["history"][0].as_object_mut().unwrap();
        entry.remove("deed");
    };
    let refusal = thief.written_by(&story.hub, says_nothing).await;
    let refusal = refusal.unwrap_err();
    assert!(refusal.message.contains("action is missing"), "{refusal}");

    let by_b = extend(&registry_of(&story, "b").await, &identity, "b").await;
    assert_eq!(by_b.history[0].action, HistoryAction::Create);
    assert_eq!(&*by_b.history[0].refusal, "LiveElsewhere");
    let by_a = extend(&registry_of(&story, "a").await, &identity, "a").await;
    assert_eq!(by_a.history[..1], by_b.history[..]);

    let claim = thief.claim(&thief.shared).await.unwrap();
    let history = claim.0["status"]["history"].as_array().unwrap();
    let actions: Vec<_> = history.iter().map(|one| one["action"].as_str()).collect();
    assert_eq!(actions, ["create", "update", "update"].map(Some));
    assert_eq!(history[0]["refusal"], "LiveElsewhere");
    let is_old = |entry: &Value| entry.get("deed").is_some() || entry.get("against").is_some();
    assert!(!history.iter().any(is_old), "{history:#?}");
    changes.remove(0);
    not_its_own(&changes).await;
}

#[tokio::test]
async fn an_old_history_of_a_transfer_is_read_and_kept() {
    let story = Story::begin(shared_lab().await, "deprecated-transfer").await;
    let name = "deprecated-transfer";
    let transfer = Object::new("asoguard.io/v1alpha1", "Transfer", name)
        .with(
            "/spec",
            json!({
                "from": {"member": "a", "namespace": name},
                "to": {"member": "b", "namespace": name},
            }),
        )
        .with(
            "/status",
            json!({
                "state": "Open", "phase": "Open", "from": "", "to": "", "selection": "all",
                "covered": 0, "history": [{"at": TIME, "by": "alice", "deed": "start"}],
            }),
        );
    story.hub.create(&transfer).await.admitted();
    let b = registry_of(&story, "b").await;
    // A member writes how far it is.
    let mut counted = loop {
        let known = b.transfer(&name.parse().unwrap()).await.unwrap().unwrap();
        transfers::note(&b, &known).await.unwrap();
        let counted = b.transfer(&known.record.name).await.unwrap().unwrap();
        if counted.record.status.is_some() {
            break counted.record;
        }
    };
    let started = counted.history.remove(0);
    assert_eq!(started.action.as_str(), "start");
    let stored = story.hub.get(&transfer).await.admitted().object;
    let history = &stored.0["status"]["history"];
    assert_eq!(history[0]["action"], "start", "{history:#}");
    assert_eq!(history[0].get("deed"), None, "{history:#}");
    story.hub.delete(&transfer).await.admitted();
}
