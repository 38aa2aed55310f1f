//! `aso-guard doctor`, on a cluster in which things go wrong one by one.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::GUARD;
use crate::certificates::{Guarded, configuration};
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::pki::Authority;
use crate::lab::process::output;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;

const BOUND: Duration = Duration::from_mins(1);

impl Guarded {
    /// How `aso-guard doctor` ended, and what it wrote to standard output.
    async fn doctor(&self, more: &[&str]) -> (Option<i32>, String) {
        let kubeconfig = format!("--kubeconfig={}", self.plane().kubeconfig().display());
        let args = ["doctor", "--registry=kubernetes:", &*kubeconfig];
        let args = [&args, more].concat();
        let ended = output(GUARD.as_ref(), &args, BOUND).await.unwrap();
        let said = String::from_utf8(ended.stdout).unwrap();
        (ended.status.code(), said)
    }

    /// The status and the words of a check, and how the command ended.
    async fn check(&self, topic: &str, check: &str) -> (Option<i32>, String, String) {
        let (code, said) = self.doctor(&["-o", "json"]).await;
        let found: Value = serde_json::from_str(&said).unwrap();
        let findings = found[0]["findings"].as_array().unwrap();
        let of = |one: &&Value| one["topic"] == topic && one["check"] == check;
        let mut all: Vec<&Value> = findings.iter().filter(of).collect();
        all.sort_by_key(|one| one["status"] != "fail");
        let text = |key: &str| all[0][key].as_str().unwrap().to_owned();
        (code, text("status"), text("finding"))
    }

    /// Waits until a check fails with these words, and the command with 1.
    async fn fails(&self, topic: &str, name: &str, words: &str) {
        eventually(words, async || {
            let (code, status, finding) = self.check(topic, name).await;
            let as_expected = status == "fail" && finding.contains(words) && code == Some(1);
            anyhow::ensure!(as_expected, "{code:?} {status}: {finding}");
            Ok(())
        })
        .await;
    }
}

#[tokio::test]
async fn it_says_what_is_wrong_and_ends_with_it() {
    let guarded = Guarded::start("doctor", &Plan::enforce(GUARD)).await;
    let kubectl = &guarded.kubectl;
    eventually("all to be well", async || {
        let (code, said) = guarded.doctor(&[]).await;
        let well = code == Some(0) && said.contains("ok    member: doctor, in enforce");
        anyhow::ensure!(well && !said.contains("fail  "), "{said}");
        Ok(())
    })
    .await;
    let (_, said) = guarded.doctor(&[]).await;
    println!("{said}");
    for line in [
        "ok    answers: the API server asked, and the guard answered",
        "ok    complete: API servers ask about all that is guarded",
        "ok    rights: it may do all that it needs",
    ] {
        assert!(said.contains(line), "no {line} in:\n{said}");
    }

    // The registration.
    let stored = kubectl.get(&configuration()).await.admitted().object;
    let before = json!({"webhooks": stored.0["webhooks"]});
    let mut other = before.clone();
    let ca = k8s_openapi::ByteString(Authority::new("other").unwrap().pem().into());
    for webhook in other["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"]["caBundle"] = json!(ca);
    }
    kubectl.patch(&configuration(), other).await.admitted();
    guarded.fails("webhook", "answers", "x509").await;
    kubectl.patch(&configuration(), before).await.admitted();

    // A right.
    let role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "aso-guard");
    let stored = kubectl.get(&role).await.admitted().object;
    let whole = json!({"rules": stored.0["rules"]});
    let mut less = whole.clone();
    let namespaces = |rule: &&mut Value| rule["resources"] == json!(["namespaces"]);
    let rules = less["rules"].as_array_mut().unwrap();
    rules.iter_mut().find(namespaces).unwrap()["verbs"] = json!(["get", "list", "watch"]);
    kubectl.patch(&role, less).await.admitted();
    guarded
        .fails("guard", "rights", "it may not patch namespaces")
        .await;
    kubectl.patch(&role, whole).await.admitted();

    // A mode.
    let dev = Object::namespace("dev").labelled("asoguard.io/mode", "Off");
    kubectl.apply(&dev).await.admitted();
    guarded
        .fails("modes", "namespaces", "\"Off\" of namespace dev is no mode")
        .await;
    kubectl
        .label(&dev, "asoguard.io/mode", None)
        .await
        .admitted();

    // No registration at all, and no API server.
    kubectl.delete(&configuration()).await.admitted();
    guarded
        .fails("webhook", "registered", "API servers ask no guard")
        .await;
    guarded.plane().stop();
    let (code, said) = guarded.doctor(&[]).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("fail  API server"), "{said}");
}
