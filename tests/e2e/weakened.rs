//! A webhook configuration that somebody weakens, deletes, or keeps changing.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::GUARD;
use crate::certificates::{Guarded, configuration};
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};

const PATIENCE: Duration = Duration::from_mins(2);
/// A guard that has put it back so often leaves it for an hour.
const REPAIRS: usize = 3;

type Change = fn(&mut Value);

/// What people and programs do to it, whether they mean it or not. What stands in its annotation
/// `asoguard.io/installed`, a chart would have changed with it.
const WEAKENINGS: [(&str, Change); 14] = [
    ("failurePolicy Ignore", |it| {
        of_all(it, "failurePolicy", &json!("Ignore"));
    }),
    ("no UPDATE in the rules", |it| {
        it["webhooks"][0]["rules"][0]["operations"] = json!(["CREATE"]);
    }),
    ("a group taken out of the rules", |it| {
        it["webhooks"][2]["rules"][0]["apiGroups"] = json!(["storage.azure.com"]);
    }),
    ("the scope of a rule", |it| {
        it["webhooks"][3]["rules"][0]["scope"] = json!("Namespaced");
    }),
    ("some namespaces alone", |it| {
        of_all(
            it,
            "namespaceSelector",
            &json!({"matchLabels": {"team": "blue"}}),
        );
    }),
    ("some objects alone", |it| {
        it["webhooks"][2]["objectSelector"] = json!({"matchLabels": {"team": "blue"}});
    }),
    ("a condition that is never met", |it| {
        of_all(
            it,
            "matchConditions",
            &json!([{"name": "never", "expression": "false"}]),
        );
    }),
    ("matchPolicy Exact", |it| {
        of_all(it, "matchPolicy", &json!("Exact"));
    }),
    ("a second to answer in", |it| {
        of_all(it, "timeoutSeconds", &json!(1));
    }),
    ("no CA", |it| {
        for webhook in it["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"]["caBundle"] = Value::Null;
        }
    }),
    ("another URL", |it| {
        it["webhooks"][0]["clientConfig"]["url"] = json!("https://127.0.0.1:9/validate");
    }),
    ("a webhook taken out", |it| {
        it["webhooks"].as_array_mut().unwrap().remove(2);
    }),
    ("all webhooks taken out", |it| it["webhooks"] = json!([])),
    ("as AKS's enforcer has it", |it| {
        let annotations = it["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.remove("admissions.enforcer/disabled");
        let selector = json!({"matchExpressions": [
            {"key": "control-plane", "operator": "DoesNotExist"},
        ]});
        of_all(it, "namespaceSelector", &selector);
    }),
];

fn of_all(configuration: &mut Value, member: &str, value: &Value) {
    for webhook in configuration["webhooks"].as_array_mut().unwrap() {
        webhook[member] = value.clone();
    }
}

/// What of the configuration people decide on: by the names of the webhooks.
fn decided(stored: &Object) -> Value {
    let webhooks = stored.0["webhooks"].as_array().cloned().unwrap_or_default();
    let named = webhooks.into_iter().map(|webhook| {
        let name = webhook["name"].as_str().unwrap_or_default().to_owned();
        (name, webhook)
    });
    json!({
        "webhooks": Value::Object(named.collect()),
        "annotations": stored.0["metadata"]["annotations"],
    })
}

fn plan() -> Plan {
    Plan {
        self_signed: true,
        args: vec!["--webhook-owner=aso-guard".to_owned()],
        ..Plan::enforce(GUARD)
    }
}

/// The guard, once the configuration has its path and its CA.
async fn settled(name: &str) -> (Guarded, Value) {
    let guarded = Guarded::start(name, &plan()).await;
    let wanted = until("the path to be secret", PATIENCE, async || {
        let stored = guarded.kubectl.get(&configuration()).await?.object;
        let url = stored.text("/webhooks/0/clientConfig/url");
        anyhow::ensure!(url.len() > 64, "{url}");
        Ok(decided(&stored))
    });
    let wanted = wanted.await.unwrap();
    (guarded, wanted)
}

impl Guarded {
    async fn is_whole(&self, wanted: &Value) -> anyhow::Result<()> {
        let now = decided(&self.kubectl.get(&configuration()).await?.object);
        anyhow::ensure!(now == *wanted, "{now}");
        Ok(())
    }

    /// The Events on the configuration, of one reason.
    async fn events(&self, reason: &str) -> anyhow::Result<Vec<Object>> {
        let path = "/apis/events.k8s.io/v1/namespaces/default/events";
        let events = self.kubectl.list_path(path).await?;
        let of_it = |event: &Object| {
            event.text("/regarding/kind") == "ValidatingWebhookConfiguration"
                && event.text("/reason") == reason
        };
        Ok(events.into_iter().filter(of_it).collect())
    }

    async fn metric(&self, name: &str) -> anyhow::Result<String> {
        let (_, text) = self.guard.replicas()[0].ops("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.context("no such metric")?.trim().to_owned())
    }

    async fn begin_again(&self) {
        let replica = &self.guard.replicas()[0];
        replica.stop().await.unwrap();
        replica.start_again().await.unwrap();
    }
}

#[tokio::test]
async fn each_weakening_is_noticed_and_put_right() {
    let (guarded, wanted) = settled("weakened").await;
    let mut table = String::new();
    for (at, (what, change)) in WEAKENINGS.iter().enumerate() {
        // One that restarts has put nothing back yet.
        if at > 0 && at % REPAIRS == 0 {
            guarded.begin_again().await;
        }
        let told = guarded.events("WebhookRepaired").await.unwrap().len();
        let mut weakened = guarded
            .kubectl
            .get(&configuration())
            .await
            .admitted()
            .object;
        change(&mut weakened.0);
        let began = Instant::now();
        guarded.kubectl.replace(&weakened).await.admitted();
        until(what, PATIENCE, async || guarded.is_whole(&wanted).await)
            .await
            .unwrap();
        let mended = began.elapsed();
        // A CA is put back by whoever keeps certificates, which is no Event.
        if *what != "no CA" {
            until(what, PATIENCE, async || {
                let now = guarded.events("WebhookRepaired").await?;
                anyhow::ensure!(now.len() > told, "{} Events", now.len());
                Ok(())
            })
            .await
            .unwrap();
        }
        let told = began.elapsed();
        table += &format!(
            "| {what} | {:.1} s | {:.1} s |\n",
            mended.as_secs_f64(),
            told.as_secs_f64()
        );
    }
    println!("| weakened by | put right after | Event after |\n| --- | --- | --- |\n{table}");
    // And the guard is asked as before.
    let group = Object::of("ResourceGroup", "asked").policy("Skip");
    eventually("the guard to warn of a policy", async || {
        let answer = guarded.kubectl.dry_run().create(&group).await?;
        anyhow::ensure!(!answer.warnings.is_empty(), "nobody warned");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn one_that_is_deleted_is_made_again_once_and_goes_with_the_guard() {
    let (guarded, wanted) = settled("deleted").await;
    let began = Instant::now();
    guarded.kubectl.delete(&configuration()).await.admitted();
    until("it to be made again", PATIENCE, async || {
        guarded.is_whole(&wanted).await
    })
    .await
    .unwrap();
    println!("made again after {:.1} s", began.elapsed().as_secs_f64());
    eventually("an Event to say so", async || {
        let deleted = guarded.events("WebhookDeleted").await?;
        let repaired = guarded.events("WebhookRepaired").await?;
        anyhow::ensure!(!deleted.is_empty() && !repaired.is_empty());
        Ok(())
    })
    .await;
    // Who deletes it once more means it.
    guarded.kubectl.delete(&configuration()).await.admitted();
    eventually("its absence to be shown", async || {
        let gaps = guarded.metric("aso_guard_webhook_gaps ").await?;
        anyhow::ensure!(gaps == "1", "{gaps}");
        let member = Object::new("asoguard.io/v1alpha1", "Member", "deleted");
        let member = guarded.kubectl.get(&member).await?.object;
        let said = member.0["spec"]["webhookGaps"]["some"].to_string();
        anyhow::ensure!(
            said.contains("There is no webhook configuration"),
            "{member}"
        );
        Ok(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let refusal = guarded.kubectl.get(&configuration()).await.unwrap_err();
    assert_eq!(refusal.code, 404);

    // Taken away with the guard's rights, as without Helm's hooks.
    guarded.begin_again().await;
    let kubectl = &guarded.kubectl;
    guarded
        .guard
        .register(&plan(), guarded.plane())
        .await
        .unwrap();
    until("its path to be secret", PATIENCE, async || {
        let stored = kubectl.get(&configuration()).await?.object;
        let url = stored.text("/webhooks/0/clientConfig/url");
        anyhow::ensure!(url.len() > 64, "{url}");
        Ok(())
    })
    .await
    .unwrap();
    kubectl.delete(&configuration()).await.admitted();
    until("it to be made again", PATIENCE, async || {
        Ok(kubectl.get(&configuration()).await.map(drop)?)
    })
    .await
    .unwrap();
    let role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "aso-guard");
    kubectl.delete(&role).await.admitted();
    let gone = kubectl.gone(&configuration(), PATIENCE).await;
    gone.unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    let refusal = kubectl.get(&configuration()).await.unwrap_err();
    assert_eq!(refusal.code, 404);
}

#[tokio::test]
async fn what_the_guard_may_not_put_right_it_shows() {
    let (guarded, wanted) = settled("shown").await;
    let kubectl = &guarded.kubectl;
    let ignore = json!({"failurePolicy": "Ignore"});
    let weaken = async |unmanaged: Option<&str>| {
        let mut stored = kubectl.get(&configuration()).await.admitted().object;
        if let Some(why) = unmanaged {
            stored = stored.annotated("asoguard.io/unmanaged", why);
        }
        stored.0["webhooks"][2]["failurePolicy"] = ignore["failurePolicy"].clone();
        kubectl.replace(&stored).await.admitted();
    };
    let shown = async |words: &str| {
        eventually("what is wrong to be shown", async || {
            let gaps = guarded.metric("aso_guard_webhook_gaps ").await?;
            anyhow::ensure!(gaps == "1", "{gaps}");
            let events = guarded.events("WebhookGaps").await?;
            let has = |event: &Object| event.text("/note").contains(words);
            anyhow::ensure!(events.iter().any(has), "{events:?}");
            let member = Object::new("asoguard.io/v1alpha1", "Member", "shown");
            let member = kubectl.get(&member).await?.object;
            let conditions = member.0["status"]["conditions"].as_array().cloned();
            let is = |one: &Value| one["type"] == "WebhookGaps" && one["status"] == "True";
            anyhow::ensure!(conditions.unwrap_or_default().iter().any(is), "{member}");
            Ok(())
        })
        .await;
    };
    // By will.
    weaken(Some("the hub moves today")).await;
    shown("the hub moves today").await;
    let managed = json!({"metadata": {"annotations": {"asoguard.io/unmanaged": null}}});
    kubectl.patch(&configuration(), managed).await.admitted();
    eventually("it to be put right", async || {
        guarded.is_whole(&wanted).await
    })
    .await;

    // For want of rights.
    let role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "aso-guard");
    let before = kubectl.get(&role).await.admitted().object;
    let mut less = before.clone();
    for rule in less.0["rules"].as_array_mut().unwrap() {
        if rule["resources"] == json!(["validatingwebhookconfigurations"]) {
            rule["verbs"] = json!(["get", "list", "watch"]);
        }
    }
    kubectl.replace(&less).await.admitted();
    weaken(None).await;
    shown("Grant the guard get, list, watch and patch on it").await;
    let rules = json!({"rules": before.0["rules"]});
    kubectl.patch(&role, rules).await.admitted();
    until("it to be put right", PATIENCE, async || {
        guarded.is_whole(&wanted).await
    })
    .await
    .unwrap();

    // By somebody who does not stop.
    for _ in 0..8 {
        weaken(None).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    shown("Somebody keeps changing it").await;
}
