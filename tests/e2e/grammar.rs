//! What the hub takes, every guard can read; what a guard reads and writes, the hub takes. The
//! same values, field by field, for both. `registry::kubernetes::crd::grammar` holds the
//! schemas' patterns to more of them, without an API server.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use aso_guard::arm::Identity;
use aso_guard::registry::kubernetes::KubernetesRegistry;
use aso_guard::registry::{ClaimScope, PutOutcome, Registry};
use serde_json::{Value, json};

use crate::lab::crds;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::thief::Thief;
use crate::lab::verdict::{Outcome, Verdict};
use crate::shared_lab;
use crate::stolen::thief;

/// Values for a kind of field.
fn times() -> Vec<Value> {
    let times = [
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.123456789Z",
        "1999-12-31T23:59:59Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+99:99",
        "2026-01-01T00:00:00+01:00",
        "2026-01-01t00:00:00z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "",
    ];
    times.into_iter().map(Value::from).collect()
}

fn texts() -> Vec<Value> {
    let texts = [
        "rg-shop",
        "a.b",
        "Rg",
        "",
        " ",
        "a b",
        "-a",
        "a..b",
        "a;id",
        "`id`",
        "$(id)",
        "a/b",
        "\u{1b}[2J",
        "a\nb",
        "\u{7f}",
        "a\u{85}",
        "a\u{a0}b",
        "\u{200b}",
        "\u{202e}a",
        "grün",
    ];
    let mut all: Vec<Value> = texts.into_iter().map(Value::from).collect();
    all.extend([63, 64, 253, 254, 300].map(|length| "n".repeat(length).into()));
    all
}

fn words() -> Vec<Value> {
    ["manage", "Manage", "skip ", "create", "misuse", ""]
        .map(Value::from)
        .into()
}

fn numbers() -> Vec<Value> {
    vec![
        json!(0),
        json!(4_294_967_295_u32),
        json!(4_294_967_296_u64),
        json!(-1),
        json!(1.5),
        json!(1.0),
        json!("1"),
    ]
}

fn identities() -> Vec<String> {
    let subscription = format!("/subscriptions/{}", crds::SUBSCRIPTION);
    let mut all: Vec<String> = [
        "/resourceGroups/rg-GRÜN",
        "/resourceGroups/a\u{85}b",
        "/resourceGroups/a\u{7f}b",
        "/resourceGroups/a\u{a0}b",
        "/resourceGroups/ rg",
        "/resourceGroups/..",
        "/resourceGroups/rg/",
        "/resourceGroups/rg/providers/P",
        "/resourceGroups/rg/providers/providers/t/n",
        "/resourceGroups/rg/providers/P/providers/n",
        "/resourceGroups/rg/providers/P/t/providers",
        "/resourceGroups/rg/providers/P/t/n/providers/Q",
        "/resourceGroups/rg/providers/P/t/n/providers/Q/e/x",
        "/resourceGroups/rg/providers/P/t/n#User/a#EXT#",
        "/resourceGroups/rg/providers/P/t/n#Us er/a",
        "/resourceGroups/rg/t/n",
    ]
    .map(|rest| format!("{subscription}{rest}"))
    .into();
    for length in [2048, 2049] {
        let prefix = format!("{subscription}/resourceGroups/");
        all.push(format!("{prefix}{}", "r".repeat(length - prefix.len())));
    }
    all
}

/// A claim of `b`'s with something in every field.
fn full(claim: &mut Value) {
    let time = "2026-01-01T00:00:00Z";
    let request = json!({"request": "r", "uid": "u", "deadline": time});
    let copy = &mut claim["status"]["copies"][0];
    copy["by"] = json!("alice");
    copy["newcomer"] = json!(0);
    for list in ["acquiring", "arriving", "renaming", "deleting"] {
        copy[list] = json!([request]);
    }
    copy["renaming"][0]["to"] = json!("/subscriptions/s/resourceGroups/rg");
    let entry = json!({
        "at": time, "by": "alice", "action": "create", "deed": "create", "why": "because",
        "refusal": "", "against": "",
        "member": "b", "namespace": "x", "group": "resources.azure.com",
        "kind": "ResourceGroup", "name": "rg",
    });
    claim["metadata"]["labels"]["member.asoguard.io/b"] = json!("in-flight");
    let status = &mut claim["status"];
    status["state"] = json!("Deleting");
    status["history"] = json!([entry]);
    status["lastHeard"] = json!(time);
    status["conditions"] = json!([{
        "type": "Conflict", "status": "False", "reason": "OneLiveCopy", "message": "",
        "lastTransitionTime": time,
    }]);
}

/// Every field of a claim with every value for it.
fn cases() -> Vec<(&'static str, Value)> {
    let fields: [(&[&'static str], Vec<Value>); 4] = [
        (
            &[
                "/status/lastHeard",
                "/status/conditions/0/lastTransitionTime",
                "/status/copies/0/since",
                "/status/copies/0/acquiring/0/deadline",
                "/status/copies/0/arriving/0/deadline",
                "/status/copies/0/renaming/0/deadline",
                "/status/copies/0/deleting/0/deadline",
                "/status/history/0/at",
            ],
            times(),
        ),
        (
            &[
                "/status/copies/0/namespace",
                "/status/copies/0/group",
                "/status/copies/0/kind",
                "/status/copies/0/name",
                "/status/copies/0/by",
                "/status/copies/0/stored/uid",
                "/status/copies/0/acquiring/0/request",
                "/status/history/0/name",
                "/status/history/0/by",
                "/status/history/0/why",
                "/status/history/0/against",
            ],
            texts(),
        ),
        (
            &[
                "/status/copies/0/stored/policy",
                "/status/history/0/action",
                "/status/history/0/deed",
            ],
            words(),
        ),
        (&["/status/copies/0/newcomer"], numbers()),
    ];
    let each = fields.into_iter().flat_map(|(paths, values)| {
        let paths = paths.iter().copied();
        paths.flat_map(move |path| values.clone().into_iter().map(move |value| (path, value)))
    });
    each.collect()
}

/// Whether the hub took it; anything but a refusal for what it holds fails the test.
fn is_taken(outcome: Outcome, what: &str) -> bool {
    match outcome {
        Ok(_) => true,
        Err(refusal) => {
            let known = matches!(refusal.code, 400 | 403 | 422);
            assert!(
                known && !refusal.message.contains("budget"),
                "{what}: {refusal}"
            );
            false
        }
    }
}

/// The claims of this story, which begin with its name.
async fn subscription_claims(registry: &KubernetesRegistry) -> Vec<aso_guard::claim::Record> {
    let all = registry.claims(&ClaimScope::All).await.unwrap();
    assert!(all.unreadable.is_empty(), "{:#?}", all.unreadable);
    all.records.into_iter().map(|known| known.record).collect()
}

#[tokio::test]
async fn what_the_hub_takes_of_claims_is_what_guards_read_and_write() {
    let story = Story::begin(shared_lab().await, "grammar").await;
    let thief = thief(&story).await;
    let registry = KubernetesRegistry::new(thief.b.client().clone(), "hub");
    let mut taken = Vec::new();
    for (number, (path, value)) in cases().into_iter().enumerate() {
        let claim = thief.new_claim(&format!("g{number}"), |claim| {
            full(claim);
            *claim.pointer_mut(path).unwrap() = value.clone();
        });
        if is_taken(thief.b.create(&claim).await, &format!("{path} {value}")) {
            taken.push((claim, path, value));
        }
    }
    let without_status = thief.new_claim("none", |claim| {
        claim.as_object_mut().unwrap().remove("status");
    });
    assert!(!is_taken(
        thief.b.create(&without_status).await,
        "no status"
    ));
    assert!(taken.len() > 50, "{}", taken.len());
    let records = subscription_claims(&registry).await;
    for (claim, path, value) in &taken {
        thief.b.delete(claim).await.admitted();
        let id = claim.text("/spec/identity").parse::<Identity>().unwrap();
        let record = records.iter().find(|record| record.identity == id);
        let record = record.unwrap_or_else(|| panic!("{path} {value} is not listed"));
        written(&registry, record, &format!("{path} {value}")).await;
    }
}

/// What a guard reads, it may write.
async fn written(registry: &KubernetesRegistry, record: &aso_guard::claim::Record, what: &str) {
    match registry.put_claim(record, None).await {
        Ok(PutOutcome::Stored(version)) => {
            let known = registry.claim(&record.identity).await.unwrap().unwrap();
            assert_eq!(&known.record, record, "{what}");
            let empty = aso_guard::claim::Record::new(record.identity.clone());
            registry.put_claim(&empty, version.as_ref()).await.unwrap();
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn what_the_hub_takes_of_identities_is_what_guards_read_and_write() {
    let story = Story::begin(shared_lab().await, "identities").await;
    let thief = thief(&story).await;
    let registry = KubernetesRegistry::new(thief.b.client().clone(), "hub");
    let sample = thief.new_claim("sample", |_| {});
    let id = sample.text("/spec/identity").parse::<Identity>().unwrap();
    thief.b.create(&sample).await.admitted();
    let records = subscription_claims(&registry).await;
    let sample_record = records.iter().find(|record| record.identity == id).unwrap();
    thief.b.delete(&sample).await.admitted();
    for (number, text) in identities().iter().enumerate() {
        let read = text.parse::<Identity>();
        let written_so = read.as_ref().ok().filter(|read| read.as_str() == text);
        if let Some(identity) = written_so {
            let record = aso_guard::claim::Record {
                identity: identity.clone(),
                ..sample_record.clone()
            };
            written(&registry, &record, text).await;
            continue;
        }
        // With the labels that the policy would want of it.
        let claim = thief.new_claim(&format!("i{number}"), |claim| {
            claim["spec"]["identity"] = json!(text);
            let group = text.split('/').nth(4).unwrap_or_default().to_lowercase();
            claim["metadata"]["labels"]["asoguard.io/resource-group"] = json!(group);
        });
        assert!(
            !is_taken(thief.b.create(&claim).await, text),
            "{text}: {read:?}"
        );
        // Nor does an administrator leave one that nobody can read.
        let outcome = story.hub.create(&claim).await;
        assert!(!is_taken(outcome, text), "{text}: {read:?}");
    }
}

#[tokio::test]
async fn what_the_hub_takes_of_members_and_transfers_is_what_guards_read() {
    let story = Story::begin(shared_lab().await, "grammar-members").await;
    let thief = thief(&story).await;
    let registry = KubernetesRegistry::new(thief.b.client().clone(), "hub");
    let own = Object::new("asoguard.io/v1alpha1", "Member", "b");
    for time in times() {
        for field in [
            json!({"lastHeard": time}),
            json!({"unresolved": {"count": 0, "since": time}}),
        ] {
            let patched = thief.b.patch(&own, json!({"spec": field})).await;
            is_taken(patched, &time.to_string());
            let members = registry.members().await.unwrap();
            assert!(
                members.unreadable.is_empty(),
                "{time}: {:?}",
                members.unreadable
            );
        }
    }
    for count in numbers() {
        let patch =
            json!({"spec": {"unresolved": {"count": count, "since": "2026-01-01T00:00:00Z"}}});
        is_taken(thief.b.patch(&own, patch).await, &count.to_string());
        let members = registry.members().await.unwrap();
        assert!(
            members.unreadable.is_empty(),
            "{count}: {:?}",
            members.unreadable
        );
    }
    transfers(&story, &registry).await;
}

/// Those are declared by people and by GitOps: who may anything declares none that is unreadable.
async fn transfers(story: &Story<'_>, registry: &KubernetesRegistry) {
    let mut number = 0;
    let mut declare = async |spec: Value, status: Option<Value>| {
        number += 1;
        let name = format!("declared-{number}");
        let mut transfer =
            Object::new("asoguard.io/v1alpha1", "Transfer", &name).with("/spec", spec);
        if let Some(status) = status {
            transfer = transfer.with("/status", status);
        }
        let taken = is_taken(story.hub.create(&transfer).await, &name);
        let listed = registry.transfers().await.unwrap();
        assert!(listed.unreadable.is_empty(), "{:?}", listed.unreadable);
        if taken {
            story.hub.delete(&transfer).await.admitted();
        }
        taken
    };
    let ends = json!({
        "from": {"member": "nobody", "namespace": "x"}, "to": {"member": "none", "namespace": "x"},
    });
    for text in identities() {
        let mut spec = ends.clone();
        spec["resources"] = json!({"below": [text]});
        let is_read = text
            .parse::<Identity>()
            .is_ok_and(|read| read.as_str() == text);
        // Such a list is shorter than a claim's identity may be.
        let wanted = is_read && text.chars().count() <= 1000;
        assert_eq!(declare(spec, None).await, wanted, "{text}");
    }
    for time in times() {
        let status = json!({
            "state": "Finished", "phase": "Finished", "from": "", "to": "", "selection": "all",
            "covered": 0, "counted": time, "counts": {},
            "history": [{"at": time, "by": "alice", "action": "start"}],
        });
        declare(ends.clone(), Some(status)).await;
    }
    for count in numbers() {
        let status = json!({
            "state": "Finished", "phase": "Finished", "from": "", "to": "", "selection": "all",
            "covered": count, "counted": "2026-01-01T00:00:00Z", "counts": {"live": count},
        });
        declare(ends.clone(), Some(status)).await;
    }
}

/// As many as there are namespaces: no policy gives up on the sum of them.
#[tokio::test]
async fn a_member_may_have_five_hundred_copies_of_one_resource() {
    let story = Story::begin(shared_lab().await, "many-copies").await;
    let thief = thief(&story).await;
    let many = |count: usize| {
        move |claim: &mut Value| {
            let copies = claim["status"]["copies"].as_array_mut().unwrap();
            copies.retain(|copy| copy["member"] != "b");
            copies.extend((0..count).map(|number| {
                json!({
                    "member": "b", "namespace": format!("team-{number}"), "name": "rg",
                    "group": "resources.azure.com", "kind": "ResourceGroup",
                    "since": "2026-01-01T00:00:00Z", "stored": {"uid": "u", "policy": "skip"},
                })
            }));
        }
    };
    thief.writes(many(500)).await.admitted();
    thief.writes(many(499)).await.admitted();
    let refusal = thief.writes(many(501)).await.unwrap_err();
    assert!(
        refusal
            .message
            .contains("may have 500 copies of one resource"),
        "{refusal}"
    );
    thief.writes(many(1)).await.admitted();
}

/// An administrator of the hub is held to the schemas, and to nothing else: what they spoil is
/// that record's own trouble.
#[tokio::test]
async fn the_guards_go_on_beside_what_an_administrator_spoilt() {
    let story = Story::begin(shared_lab().await, "spoilt").await;
    let thief = thief(&story).await;
    // Under the name of another resource's claim, which nobody can tell.
    let spoilt = story.resource_group("spoilt");
    story
        .a
        .create(&spoilt.clone().policy("skip"))
        .await
        .admitted();
    let id = story.resource_group_id("spoilt");
    spoil(&thief, &id).await;
    let refusal = story
        .a
        .trying_once()
        .apply(&spoilt.policy("manage"))
        .await
        .unwrap_err();
    assert!(refusal.message.contains("cannot be read"), "{refusal}");
    let other = story.resource_group("other");
    story.a.create(&other).await.admitted();
    story.a.delete(&other).await.admitted();
    let claim = thief.claim(&format!("{id}-not")).await.unwrap();
    story.hub.delete(&claim).await.admitted();
}

async fn spoil(thief: &Thief, id: &str) {
    crate::lab::wait::eventually("the claim to be there", async || {
        let claim = thief.claim(id).await?;
        let another = claim.with("/spec/identity", format!("{id}-not"));
        Ok(thief.hub.replace(&another).await.map(drop)?)
    })
    .await;
}
