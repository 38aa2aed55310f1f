//! A simulated API server: objects with uids and resourceVersions in memory, and
//! a real webhook that is asked before anything is stored or deleted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admission::registration::{DELETE_WEBHOOK, PARKED_WEBHOOK, WRITE_WEBHOOK};
use crate::cluster::memory::MemoryCluster;
use crate::cluster::observer::{Observer, WatchedChange};
use crate::object::wire::WireObject;
use crate::object::{ObjectFacts, ObjectKey, POLICY_ANNOTATION};
use crate::policy::Policy;

use super::manifest::{ManifestFile, group_version, key, text};
use super::webhook::WebhookClient;

/// The user of the story.
const USER: &str = "alice";
/// How long an observer may take to see what was stored.
const SEEN: Duration = Duration::from_secs(10);

/// One cluster's API server, with ASO's kinds installed and a guard in front.
pub(super) struct ApiServer {
    /// What users call the cluster.
    pub(super) name: &'static str,
    pub(super) webhook: WebhookClient,
    objects: BTreeMap<ObjectKey, Value>,
    cluster: Arc<MemoryCluster>,
    observer: Arc<Observer>,
}

/// What became of one request, as `kubectl` prints it.
pub(super) struct KubectlOutput {
    pub(super) verdict: WebhookDecision,
    /// A line that names the object and what was done, or the error.
    pub(super) text: String,
    pub(super) warnings: Vec<String>,
}

/// What the webhook said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WebhookDecision {
    /// Nothing: the webhook's match conditions spared it the question.
    NotAsked,
    /// Yes.
    Admitted,
    /// No, for this reason.
    Refused(String),
}

/// What the webhook said, before `kubectl` puts it in its own words.
struct WebhookAnswer {
    verdict: WebhookDecision,
    /// The API server's words, where the webhook said no.
    message: String,
    warnings: Vec<String>,
}

/// A request, before the webhook is asked.
struct ObjectChange<'a> {
    operation: &'static str,
    /// The object as it would be.
    object: Option<&'a Value>,
    /// The object as it is.
    old: Option<&'a Value>,
}

impl ApiServer {
    pub(super) fn new(
        name: &'static str,
        webhook: WebhookClient,
        cluster: Arc<MemoryCluster>,
        observer: Arc<Observer>,
    ) -> Self {
        Self {
            name,
            webhook,
            objects: BTreeMap::new(),
            cluster,
            observer,
        }
    }

    /// `kubectl apply -f`.
    pub(super) async fn apply(&mut self, manifest: &ManifestFile) -> anyhow::Result<KubectlOutput> {
        let mut object = manifest.object()?;
        if let Some(old) = self.objects.get(&key(&object)).cloned() {
            object["metadata"]["uid"] = old["metadata"]["uid"].clone();
            return self.update(old, object, "configured").await;
        }
        object["metadata"]["uid"] = json!(new_uid());
        let create = ObjectChange::create(&object);
        let said = self.ask(&create).await?.about("creating", manifest);
        let answer = said.answer(&object, "created");
        if answer.is_yes() {
            self.store(object).await?;
        }
        Ok(answer)
    }

    /// `kubectl annotate -f` with a policy, or `reconcile-policy-` with `None`.
    pub(super) async fn annotate(
        &mut self,
        manifest: &ManifestFile,
        policy: Option<Policy>,
    ) -> anyhow::Result<KubectlOutput> {
        let old = self.stored(manifest)?;
        let mut object = old.clone();
        let annotations = &mut object["metadata"]["annotations"];
        match (policy, annotations.as_object_mut()) {
            (Some(policy), _) => annotations[POLICY_ANNOTATION] = json!(policy),
            (None, Some(annotations)) => drop(annotations.remove(POLICY_ANNOTATION)),
            (None, None) => {}
        }
        self.update(old, object, "annotated").await
    }

    async fn update(
        &mut self,
        old: Value,
        object: Value,
        done: &str,
    ) -> anyhow::Result<KubectlOutput> {
        let update = ObjectChange {
            operation: "UPDATE",
            object: Some(&object),
            old: Some(&old),
        };
        let answer = self.ask(&update).await?.answer(&object, done);
        if answer.is_yes() {
            self.store(object).await?;
        }
        Ok(answer)
    }

    /// `kubectl delete -f`. Nothing holds the object, as if ASO had done its part.
    pub(super) async fn delete(
        &mut self,
        manifest: &ManifestFile,
    ) -> anyhow::Result<KubectlOutput> {
        let old = self.stored(manifest)?;
        let delete = ObjectChange {
            operation: "DELETE",
            object: None,
            old: Some(&old),
        };
        let said = self.ask(&delete).await?.about("deleting", manifest);
        let answer = said.answer(&old, "deleted");
        if answer.is_yes() {
            let key = key(&old);
            self.objects.remove(&key);
            self.cluster.remove(&key);
            self.notify_observer(&key, &text(&old, "/metadata/uid").into())
                .await?;
        }
        Ok(answer)
    }

    /// Asks the webhook, unless its match conditions say that there is no need.
    async fn ask(&self, change: &ObjectChange<'_>) -> anyhow::Result<WebhookAnswer> {
        let Some(webhook) = change.webhook() else {
            return Ok(WebhookAnswer {
                verdict: WebhookDecision::NotAsked,
                message: String::new(),
                warnings: Vec::new(),
            });
        };
        let response = self.webhook.ask(&change.review(false)).await?;
        let message = response.status.message;
        Ok(WebhookAnswer {
            verdict: if response.allowed {
                WebhookDecision::Admitted
            } else {
                WebhookDecision::Refused(response.status.reason)
            },
            message: format!("admission webhook \"{webhook}\" denied the request: {message}"),
            warnings: response.warnings,
        })
    }

    fn stored(&self, manifest: &ManifestFile) -> anyhow::Result<Value> {
        let key = key(&manifest.object()?);
        let found = self.objects.get(&key).cloned();
        found.with_context(|| format!("{key} is not in cluster {}", self.name))
    }

    async fn store(&mut self, mut object: Value) -> anyhow::Result<()> {
        let stored = self.cluster.store(facts(&object)?);
        object["metadata"]["resourceVersion"] = json!(stored.resource_version);
        self.objects.insert(stored.key.clone(), object);
        self.notify_observer(&stored.key, &stored.uid).await
    }

    /// Does the watch's part, and waits until the registry knows.
    async fn notify_observer(&self, key: &ObjectKey, uid: &Arc<str>) -> anyhow::Result<()> {
        self.observer.changed(key, uid, WatchedChange::Relevant);
        let seen = async {
            while !self.observer.is_idle() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SEEN, seen)
            .await
            .with_context(|| format!("the observer of cluster {} does not see {key}", self.name))
    }
}

impl<'a> ObjectChange<'a> {
    fn create(object: &'a Value) -> Self {
        Self {
            operation: "CREATE",
            object: Some(object),
            old: None,
        }
    }

    /// Which webhook is asked, by what the match conditions come to for the changes
    /// of this story: a copy that parks is let through.
    fn webhook(&self) -> Option<&'static str> {
        let parked = self.object.is_some_and(|object| {
            object["metadata"]["annotations"][POLICY_ANNOTATION] == Policy::Skip.as_str()
        });
        match (self.operation, parked) {
            ("DELETE", _) => Some(DELETE_WEBHOOK),
            ("CREATE", true) => Some(PARKED_WEBHOOK),
            (_, true) => None,
            (_, false) => Some(WRITE_WEBHOOK),
        }
    }

    fn review(&self, dry_run: bool) -> Value {
        let object = self.object.or(self.old).unwrap_or(&Value::Null);
        let (group, version) = group_version(object);
        let kind = text(object, "/kind");
        let group_kind = json!({"group": group, "version": version, "kind": kind});
        let plural = format!("{}s", kind.to_ascii_lowercase());
        let resource = json!({"group": group, "version": version, "resource": plural});
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": new_uid(),
                "kind": group_kind,
                "resource": resource,
                "requestKind": group_kind,
                "requestResource": resource,
                "name": object["metadata"]["name"],
                "namespace": object["metadata"]["namespace"],
                "operation": self.operation,
                "userInfo": {"username": USER, "groups": ["system:authenticated"]},
                "object": self.object,
                "oldObject": self.old,
                "dryRun": dry_run,
            },
        })
    }
}

/// The review of a dry run that creates what is in a manifest.
pub(super) fn dry_run_of_create(manifest: &ManifestFile) -> anyhow::Result<Value> {
    let mut object = manifest.object()?;
    object["metadata"]["uid"] = json!(new_uid());
    Ok(ObjectChange::create(&object).review(true))
}

impl WebhookAnswer {
    /// What `kubectl` puts before an error when it creates or deletes from files.
    fn about(mut self, doing: &str, manifest: &ManifestFile) -> Self {
        let context = format!("error when {doing} \"{}\": ", manifest.file);
        self.message.insert_str(0, &context);
        self
    }

    /// What `kubectl` prints: the object and what was `done`, or an error.
    fn answer(self, object: &Value, done: &str) -> KubectlOutput {
        let (group, _) = group_version(object);
        let kind = text(object, "/kind").to_ascii_lowercase();
        let name = text(object, "/metadata/name");
        let text = match (&self.verdict, done) {
            (WebhookDecision::Refused(reason), _) => {
                format!("Error from server ({reason}): {}", self.message)
            }
            (_, "deleted") => format!("{kind}.{group} \"{name}\" deleted"),
            (_, done) => format!("{kind}.{group}/{name} {done}"),
        };
        KubectlOutput {
            verdict: self.verdict,
            text,
            warnings: self.warnings,
        }
    }
}

impl KubectlOutput {
    fn is_yes(&self) -> bool {
        !matches!(self.verdict, WebhookDecision::Refused(_))
    }
}

fn new_uid() -> String {
    Uuid::new_v4().to_string()
}

fn facts(object: &Value) -> anyhow::Result<ObjectFacts> {
    let key = key(object);
    let read: WireObject = serde_json::from_value(object.clone())?;
    Ok(read.into_facts(&key.group, &key.kind, &key.namespace))
}
