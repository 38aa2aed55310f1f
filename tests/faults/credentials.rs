//! Credentials for the hub that end. What is true of them:
//!
//! - A token in a file (`tokenFile` in the kubeconfig, and in a pod always) is read again at least
//!   once a minute: whoever replaces it before the old one ends notices nothing.
//! - What is in the kubeconfig itself is read at the start. When it ends, the guard says so, and
//!   takes up a new one when it is started again.
//!
//! The minute is not waited for: the guard's clock is set ahead.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::diary::Diary;
use crate::lab::guard::Plan;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::verdict::{Outcome, Verdict};
use crate::lab::wait::eventually;
use crate::shifted_clock::ShiftedClock;
use crate::table::conclude;
use crate::traffic::Resource;
use crate::trial::{DEADLINE, Trial, plan};

#[tokio::test]
async fn a_token_ends_and_is_replaced() {
    let clock = ShiftedClock::new().await;
    let mut trial = Trial::begin("credentials").await;
    let directory = trial.lab.hub().directory().to_owned();
    let file = directory.join("token");
    let old = Token::issue(&trial.hub, "old").await;
    fs::write(&file, &old.text).unwrap();
    let by_file = kubeconfig(&trial, "by-file", &json!({"tokenFile": file}));
    let by_itself = kubeconfig(&trial, "by-itself", &json!({"token": old.text}));
    let in_a = Plan {
        environment: clock.environment(),
        ..plan()
    };
    let registries = [&*registry(&by_file), &*registry(&by_itself)];
    trial.guard([&in_a, &plan()], registries).await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let [early_a, early_b, late_a, late_b] =
        ["early-a", "early-b", "late-a", "late-b"].map(|name| Resource {
            id: trial.resource_group_id(name),
            copy: trial.resource_group(name),
        });
    a.create(&early_a.copy).await.admitted();
    b.create(&early_b.copy).await.admitted();

    old.revoke(&trial.hub).await;
    for (person, group) in [(a, &late_a.copy), (b, &late_b.copy)] {
        eventually("the hub to notice", async || {
            says_what_to_do(person.dry_run().create(group).await)
        })
        .await;
        // The safe steps need no registry.
        person
            .create(&group.clone().policy("skip"))
            .await
            .admitted();
        person.delete(group).await.admitted();
    }

    let new = Token::issue(&trial.hub, "new").await;
    fs::write(&file, &new.text).unwrap();
    kubeconfig(&trial, "by-itself", &json!({"token": new.text}));
    clock.set_ahead(60);
    eventually("A to read its token again", async || {
        a.create(&late_a.copy).await.map_err(Into::into)
    })
    .await;
    says_what_to_do(b.create(&late_b.copy).await).unwrap();
    for replica in trial.b.guard().replicas() {
        replica.process.kill();
        replica.start_again().await.unwrap();
    }
    b.create(&late_b.copy).await.admitted();

    let fault = "the token for the hub revoked and replaced, in a file and in a kubeconfig";
    let resources = [early_a, early_b, late_a, late_b];
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 4).await;
}

fn says_what_to_do(outcome: Outcome) -> anyhow::Result<()> {
    let Err(refusal) = outcome else {
        anyhow::bail!("it was admitted");
    };
    for words in ["Unauthorized", "was replaced", "rollout restart"] {
        anyhow::ensure!(
            refusal.message.contains(words),
            "no {words:?} in: {refusal}"
        );
    }
    anyhow::ensure!(refusal.code == 503, "{refusal}");
    Ok(())
}

/// A token of the members' service account on the hub. It ends with a secret that it is bound to.
struct Token {
    text: String,
    bound_to: Object,
}

impl Token {
    async fn issue(hub: &Kubectl, name: &str) -> Self {
        let account = Object::new("v1", "ServiceAccount", "member");
        let rules = json!([
            {"apiGroups": ["asoguard.io"], "resources": ["*"], "verbs": ["*"]},
        ]);
        let role = Object::new("rbac.authorization.k8s.io/v1", "ClusterRole", "member");
        let binding = Object::new(
            "rbac.authorization.k8s.io/v1",
            "ClusterRoleBinding",
            "member",
        );
        let binding = binding
            .with("/roleRef", json!({"kind": "ClusterRole", "name": "member", "apiGroup": "rbac.authorization.k8s.io"}))
            .with("/subjects", json!([{"kind": "ServiceAccount", "name": "member", "namespace": "default"}]));
        let secret = Object::new("v1", "Secret", &format!("token-{name}"));
        for object in [&account, &role.with("/rules", rules), &binding] {
            hub.apply(object).await.admitted();
        }
        let stored = hub.apply(&secret).await.admitted().object;
        let bound = json!({"apiVersion": "v1", "kind": "Secret", "name": stored.name(), "uid": stored.uid()});
        let request = Object::new("authentication.k8s.io/v1", "TokenRequest", "")
            .with("/spec", json!({"audiences": [], "boundObjectRef": bound}));
        let issued = hub.create_at(
            "/api/v1/namespaces/default/serviceaccounts/member/token",
            &request,
        );
        let issued = issued.await.admitted().object;
        Self {
            text: issued.text("/status/token").to_owned(),
            bound_to: secret,
        }
    }

    async fn revoke(&self, hub: &Kubectl) {
        hub.delete(&self.bound_to).await.admitted();
    }
}

/// The hub's kubeconfig, for somebody else.
fn kubeconfig(trial: &Trial, name: &str, user: &Value) -> PathBuf {
    let hub = trial.lab.hub();
    let text = fs::read_to_string(hub.kubeconfig()).unwrap();
    let mut config: Value = serde_yaml::from_str(&text).unwrap();
    config["users"][0]["user"] = user.clone();
    let path = hub.directory().join(format!("{name}.kubeconfig"));
    fs::write(&path, serde_yaml::to_string(&config).unwrap()).unwrap();
    path
}

fn registry(kubeconfig: &Path) -> String {
    format!("kubernetes:{}", kubeconfig.display())
}
