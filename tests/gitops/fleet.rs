//! One repository that the Flux of both clusters applies: cluster `a` the directory
//! `clusters/a`, cluster `b` the directory `clusters/b`, and `shop` for either to list.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::wait::until;
use crate::repository::Repository;

/// Flux takes some seconds on a busy machine: it fetches, builds, applies, and waits before it
/// tries again.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a cluster's own `shop` is left as it is.
const AS_IT_IS: &str = "resources: [../../../shop]\n";

/// The repository of one story, and a Kustomization `fleet` in each cluster.
pub struct Fleet<'a> {
    story: &'a Story<'a>,
    repository: Repository,
    revision: String,
}

impl<'a> Fleet<'a> {
    /// Has `shop` with these resources in the repository, and in neither of the clusters.
    pub async fn begin(story: &'a Story<'a>, resources: &[Object]) -> Self {
        let repository = Repository::start().await;
        lay_out(resources, |file, content| repository.write(file, content));
        let mut fleet = Self {
            story,
            repository,
            revision: String::new(),
        };
        fleet.commits().await;
        for (cluster, who) in [("a", &story.a), ("b", &story.b)] {
            let path = format!("./clusters/{cluster}");
            who.apply(&kustomization(who, &path)).await.unwrap();
            fleet.applied(who).await;
        }
        fleet
    }

    /// Edits a file.
    pub fn writes(&self, file: &str, content: &str) {
        self.repository.write(file, content);
    }

    /// Edits what a cluster has, besides a word on itself.
    pub fn lists(&self, cluster: &str, directories: &[&str]) {
        let (file, content) = listing(cluster, directories);
        self.repository.write(&file, &content);
    }

    /// Commits the edits, and has both clusters fetch them.
    pub async fn commits(&mut self) {
        let clusters = [&self.story.a, &self.story.b];
        self.revision = self.repository.push(clusters).await;
    }

    /// `flux reconcile kustomization fleet`.
    pub async fn again(&self, who: &Kubectl) {
        let now = jiff::Timestamp::now().to_string();
        let kustomization = kustomization(who, "");
        let requested = "reconcile.fluxcd.io/requestedAt";
        let asked = who.annotate(&kustomization, requested, Some(&now)).await;
        asked.unwrap();
    }

    /// `flux delete kustomization fleet`.
    pub async fn ends(&self, who: &Kubectl) {
        who.delete(&kustomization(who, "")).await.unwrap();
    }

    /// Waits until the last commit is applied, all of it.
    pub async fn applied(&self, who: &Kubectl) {
        let what = format!("Flux to have applied {}", self.revision);
        let applied = until(&what, PATIENCE, async || {
            let stored = who.get(&kustomization(who, "")).await?.object;
            let ready = ready(&stored);
            let is = (stored.text("/status/lastAppliedRevision"), &ready["status"]);
            anyhow::ensure!(
                is == (&self.revision, &json!("True")),
                "{}",
                stored.0["status"]
            );
            Ok(())
        });
        applied.await.unwrap();
    }

    /// Waits until Flux says of the last commit that this failed, in these words. All it says.
    pub async fn fails(&self, who: &Kubectl, reason: &str, words: &str) -> String {
        let what = format!("Flux to say {words:?} of {}", self.revision);
        let told = until(&what, PATIENCE, async || {
            let stored = who.get(&kustomization(who, "")).await?.object;
            let ready = ready(&stored);
            let message = ready["message"].as_str().unwrap_or_default();
            let of = stored.text("/status/lastAttemptedRevision") == self.revision;
            let told = ready["reason"] == reason && message.contains(words);
            anyhow::ensure!(of && told, "{}", stored.0["status"]);
            Ok(message.to_owned())
        });
        told.await.unwrap()
    }

    /// Waits until the Kustomization is gone.
    pub async fn ended(&self, who: &Kubectl) {
        let kustomization = kustomization(who, "");
        who.gone(&kustomization, PATIENCE).await.unwrap();
    }

    /// The words of the Events on the Kustomization.
    pub async fn events(&self, who: &Kubectl) -> Vec<String> {
        let events = who.list("v1", "Event").await.unwrap();
        let ours = events
            .into_iter()
            .filter(|event| event.text("/involvedObject/kind") == "Kustomization");
        ours.map(|event| event.text("/message").to_owned())
            .collect()
    }
}

/// A repository with `shop`, which has these resources, and a directory for each of two clusters,
/// which lists nothing of it yet.
pub fn lay_out(resources: &[Object], write: impl Fn(&str, &str)) {
    let mut files = Vec::new();
    for resource in resources {
        let file = format!("{}.yaml", resource.name());
        let yaml = serde_yaml::to_string(&resource.0).unwrap();
        write(&format!("shop/{file}"), &yaml);
        files.push(file);
    }
    let list = json!({"resources": files});
    write("shop/kustomization.yaml", &list.to_string());
    for cluster in ["a", "b"] {
        let (file, content) = listing(cluster, &[]);
        write(&file, &content);
        // Flux takes no directory for which there is nothing to apply.
        let about = Object::new("v1", "ConfigMap", "about").with("/data/cluster", cluster);
        let about = serde_yaml::to_string(&about.0).unwrap();
        write(&format!("clusters/{cluster}/about.yaml"), &about);
        let own = format!("clusters/{cluster}/shop/kustomization.yaml");
        write(&own, AS_IT_IS);
    }
}

/// The file that says what a cluster has besides a word on itself, and its content.
pub fn listing(cluster: &str, directories: &[&str]) -> (String, String) {
    let mut resources = vec!["about.yaml"];
    resources.extend(directories);
    let file = format!("clusters/{cluster}/kustomization.yaml");
    (file, json!({"resources": resources}).to_string())
}

fn kustomization(who: &Kubectl, path: &str) -> Object {
    Object::new("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "fleet").with(
        "/spec",
        json!({
            "interval": "1h",
            "retryInterval": "1s",
            "path": path,
            "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": "fleet"},
            "targetNamespace": who.namespace(),
        }),
    )
}

/// The condition `Ready`.
fn ready(stored: &Object) -> Value {
    let conditions = stored.0["status"]["conditions"].as_array().cloned();
    let mut all = conditions.unwrap_or_default().into_iter();
    all.find(|condition| condition["type"] == "Ready")
        .unwrap_or_default()
}

/// `clusters/a/shop/kustomization.yaml` as `docs/moving.md` has it: `shop`, all of it parked.
pub fn parked() -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/moving.md");
    let docs = fs::read_to_string(docs).unwrap();
    let (_, block) = docs
        .split_once("# clusters/a/shop/kustomization.yaml\n")
        .unwrap();
    let lines = block.lines().take_while(|line| line.trim() != "```");
    lines.fold(String::new(), |text, line| {
        text + line.strip_prefix("   ").unwrap_or(line) + "\n"
    })
}
