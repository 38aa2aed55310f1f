//! What a person does with `kubectl`, in one cluster and one namespace.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::kubeconfig;
use super::object::{Object, POLICY};
use super::timeline::{Timeline, about_path};
use super::verdict::{Answer, Outcome, Refusal, Tally};
use super::wait::{PATIENCE, until};

/// How long an answer may take; the API server gives up on its own requests after a minute.
const TIMEOUT: Duration = Duration::from_secs(65);
/// How long a person waits before asking again.
const PAUSE: Duration = Duration::from_millis(250);
/// Where claims are on a hub.
const CLAIMS: &str = "/apis/asoguard.io/v1alpha1/claims";
/// The claim that is about no resource, but about the registry itself.
pub const EPOCH: &str = "0";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";
const PLAIN: &str = "application/json";

/// A person in front of one cluster. Made anew in each test: a client belongs to its runtime.
#[derive(Clone)]
pub struct Kubectl {
    client: Client,
    namespace: String,
    dry_run: bool,
    /// Whether this person asks again where the guard had no time for a verdict.
    tries_again: bool,
    /// Whose name this person acts in: a user, and the user's group.
    name: Option<(String, String)>,
    tally: Arc<Tally>,
    /// Where this person's writes are noted, and who it is there.
    noted: Option<(Arc<Timeline>, String)>,
}

impl Kubectl {
    /// With the kubeconfig's current context, in a namespace.
    pub async fn new(kubeconfig: &Path, namespace: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: kubeconfig::client(kubeconfig).await?,
            namespace: namespace.to_owned(),
            dry_run: false,
            tries_again: false,
            name: None,
            tally: Arc::default(),
            noted: None,
        })
    }

    /// The client, for what is not said here.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What became of this person's requests so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The same person, whose writes are noted.
    #[must_use]
    pub fn noted_in(&self, timeline: &Arc<Timeline>, who: &str) -> Self {
        Self {
            noted: Some((timeline.clone(), who.to_owned())),
            ..self.clone()
        }
    }

    /// The same person in another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            ..self.clone()
        }
    }

    /// `--as user --as-group group`: what this person may, the other one may.
    #[must_use]
    pub fn in_the_name_of(&self, user: &str, group: &str) -> Self {
        Self {
            name: Some((user.to_owned(), group.to_owned())),
            ..self.clone()
        }
    }

    /// The same person, who asks again where the guard was not heard in time: on a busy
    /// machine that says nothing of what a story is about.
    #[must_use]
    pub fn trying_again(&self) -> Self {
        Self {
            tries_again: true,
            ..self.clone()
        }
    }

    /// The same person, who takes every answer as it comes.
    #[must_use]
    pub fn trying_once(&self) -> Self {
        Self {
            tries_again: false,
            ..self.clone()
        }
    }

    /// `--dry-run=server`.
    #[must_use]
    pub fn dry_run(&self) -> Self {
        Self {
            dry_run: true,
            ..self.clone()
        }
    }

    /// `kubectl create`.
    pub async fn create(&self, object: &Object) -> Outcome {
        let path = object.collection(&self.namespace);
        self.create_at(&path, object).await
    }

    /// A plain `POST`, such as to the `/token` of a service account.
    pub async fn create_at(&self, path: &str, object: &Object) -> Outcome {
        let body = Some((PLAIN, &object.0));
        self.send("POST", path, "fieldManager=kubectl-create", body)
            .await
    }

    /// `kubectl apply --server-side --force-conflicts`.
    pub async fn apply(&self, object: &Object) -> Outcome {
        let query = "fieldManager=kubectl&force=true";
        let body = Some((APPLY, &object.0));
        self.send("PATCH", &self.path(object), query, body).await
    }

    /// `kubectl replace`: all of it, over whatever is there, unless it has a resourceVersion.
    pub async fn replace(&self, object: &Object) -> Outcome {
        let body = Some((PLAIN, &object.0));
        self.send("PUT", &self.path(object), "", body).await
    }

    /// Replaces it through one of its subresources.
    pub async fn replace_through(&self, object: &Object, subresource: &str) -> Outcome {
        let path = format!("{}/{subresource}", self.path(object));
        let body = Some((PLAIN, &object.0));
        self.send("PUT", &path, "", body).await
    }

    /// `kubectl patch --type merge`.
    pub async fn patch(&self, object: &Object, patch: Value) -> Outcome {
        let body = Some((MERGE, &patch));
        self.send("PATCH", &self.path(object), "", body).await
    }

    /// `kubectl patch --subresource status --type merge`.
    pub async fn patch_status(&self, object: &Object, status: Value) -> Outcome {
        let path = format!("{}/status", self.path(object));
        let body = json!({"status": status});
        self.send("PATCH", &path, "", Some((MERGE, &body))).await
    }

    /// `kubectl annotate --overwrite`; `None` takes the annotation away.
    pub async fn annotate(&self, object: &Object, key: &str, value: Option<&str>) -> Outcome {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let query = "fieldManager=kubectl-annotate";
        let body = Some((MERGE, &patch));
        self.send("PATCH", &self.path(object), query, body).await
    }

    /// `kubectl label --overwrite`; `None` takes the label away.
    pub async fn label(&self, object: &Object, key: &str, value: Option<&str>) -> Outcome {
        self.patch(object, json!({"metadata": {"labels": {key: value}}}))
            .await
    }

    /// Sets the reconcile policy by annotation.
    pub async fn set_policy(&self, object: &Object, policy: &str) -> Outcome {
        self.annotate(object, POLICY, Some(policy)).await
    }

    /// Takes the annotation with the reconcile policy away.
    pub async fn clear_policy(&self, object: &Object) -> Outcome {
        self.annotate(object, POLICY, None).await
    }

    /// `kubectl delete --wait=false`.
    pub async fn delete(&self, object: &Object) -> Outcome {
        let query = "propagationPolicy=Background";
        self.send("DELETE", &self.path(object), query, None).await
    }

    /// `kubectl delete --wait=false --cascade=orphan`.
    pub async fn delete_orphaning(&self, object: &Object) -> Outcome {
        let query = "propagationPolicy=Orphan";
        self.send("DELETE", &self.path(object), query, None).await
    }

    /// `kubectl delete <kind> --all`, as one call for the whole collection.
    pub async fn delete_all(&self, kind: &str) -> Outcome {
        self.delete_collection(&Object::of(kind, "all")).await
    }

    /// Deletes everything of an object's kind, in its namespace where it has one.
    pub async fn delete_collection(&self, one: &Object) -> Outcome {
        let path = one.collection(&self.namespace);
        self.send("DELETE", &path, "", None).await
    }

    /// `kubectl get`.
    pub async fn get(&self, object: &Object) -> Outcome {
        self.send("GET", &self.path(object), "", None).await
    }

    /// `kubectl get` for all objects of a kind in this namespace, or of a kind that has none.
    pub async fn list(&self, api_version: &str, kind: &str) -> Result<Vec<Object>, Refusal> {
        let path = Object::new(api_version, kind, "").collection(&self.namespace);
        self.list_path(&path).await
    }

    /// `kubectl get --all-namespaces`, by the path of a collection.
    pub async fn list_path(&self, path: &str) -> Result<Vec<Object>, Refusal> {
        let list = self.send("GET", path, "", None).await?.object;
        let items = list.0["items"].as_array().cloned().unwrap_or_default();
        Ok(items.into_iter().map(Object).collect())
    }

    /// The claims, where this is the hub; the one that is about the registry itself is left out.
    pub async fn claims(&self) -> Result<Vec<Object>, Refusal> {
        let mut claims = self.list_path(CLAIMS).await?;
        claims.retain(|claim| claim.name() != EPOCH);
        Ok(claims)
    }

    /// Waits until it is gone.
    pub async fn gone(&self, object: &Object, within: Duration) -> anyhow::Result<()> {
        until(
            &format!("{object} to be gone"),
            within,
            async || match self.get(object).await {
                Err(refusal) if refusal.code == 404 => Ok(()),
                Err(refusal) => Err(refusal.into()),
                Ok(answer) => anyhow::bail!("it is still there: {}", answer.object.0),
            },
        )
        .await
    }

    /// A plain `GET`, such as of `/readyz`.
    pub async fn raw(&self, path: &str) -> Result<String, Refusal> {
        let response = self.exchange("GET", path, None).await?;
        let status = response.status().as_u16();
        let text = body_of(response).await?;
        if status == 200 {
            return Ok(text);
        }
        Err(refusal(status, "", text, Vec::new()))
    }

    fn path(&self, object: &Object) -> String {
        let collection = object.collection(&self.namespace);
        format!("{collection}/{}", object.name())
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: Option<(&str, &Value)>,
    ) -> Outcome {
        if method == "GET" {
            return self.ask(method, path, query, body).await;
        }
        if self.dry_run {
            let query = format!("{query}&dryRun=All");
            return Box::pin(self.insist(method, path, &query, body)).await;
        }
        self.tally.begin();
        let annotations = body.map_or(&Value::Null, |(_, body)| &body["metadata"]["annotations"]);
        self.note(method, path, body, &format!("asks: {annotations}"));
        let outcome = Box::pin(self.insist(method, path, query, body)).await;
        self.tally.count(&outcome);
        let answer = match &outcome {
            Ok(answer) => format!("stored, uid {}", answer.object.uid()),
            Err(refusal) => refusal.to_string().lines().next().unwrap_or("").to_owned(),
        };
        self.note(method, path, body, &format!("is answered: {answer}"));
        outcome
    }

    fn note(&self, method: &str, path: &str, body: Option<(&str, &Value)>, what: &str) {
        if let Some((timeline, who)) = &self.noted {
            let about = about_path(method, path, body.map(|(_, body)| body));
            timeline.note(&about, format!("somebody in {who}, {method} {what}"));
        }
    }

    /// Asks, and asks again for a while where that is this person's way.
    async fn insist(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: Option<(&str, &Value)>,
    ) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ask(method, path, query, body).await {
                Err(refusal)
                    if self.tries_again && refusal.is_unheard() && Instant::now() < deadline =>
                {
                    sleep(PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: Option<(&str, &Value)>,
    ) -> Outcome {
        let uri = format!("{path}?{query}");
        let response = self.exchange(method, &uri, body).await?;
        let status = response.status();
        let warnings = warnings_of(&response);
        let text = body_of(response).await?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if status.is_success() {
            return Ok(Answer {
                object: Object(value),
                warnings,
            });
        }
        let said = Object(value);
        let message = match said.text("/message") {
            "" => said.0.to_string(),
            message => message.to_owned(),
        };
        let reason = said.text("/reason");
        Err(refusal(status.as_u16(), reason, message, warnings))
    }

    async fn exchange(
        &self,
        method: &str,
        uri: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Response<Body>, Refusal> {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some((user, group)) = &self.name {
            request = request
                .header("Impersonate-User", user)
                .header("Impersonate-Group", group)
                .header("Impersonate-Group", "system:authenticated");
        }
        let mut bytes = Vec::new();
        if let Some((content_type, value)) = body {
            request = request.header("Content-Type", content_type);
            bytes = value.to_string().into_bytes();
        }
        let request = request.body(Body::from(bytes)).map_err(no_answer)?;
        tokio::time::timeout(TIMEOUT, self.client.send(request))
            .await
            .map_err(no_answer)?
            .map_err(no_answer)
    }
}

/// The texts of `Warning: 299 - "text"` headers, where `\` escapes.
fn warnings_of(response: &Response<Body>) -> Vec<String> {
    let headers = response.headers().get_all("Warning").iter();
    headers
        .filter_map(|header| {
            let line = String::from_utf8_lossy(header.as_bytes()).into_owned();
            let text = line.split_once('"')?.1.strip_suffix('"')?;
            Some(text.replace("\\\"", "\"").replace("\\\\", "\\"))
        })
        .collect()
}

async fn body_of(response: Response<Body>) -> Result<String, Refusal> {
    let collected = tokio::time::timeout(TIMEOUT, response.into_body().collect())
        .await
        .map_err(no_answer)?;
    let bytes = collected.map_err(no_answer)?.to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn no_answer(error: impl std::fmt::Display) -> Refusal {
    refusal(0, "NoAnswer", error.to_string(), Vec::new())
}

fn refusal(code: u16, reason: &str, message: String, warnings: Vec<String>) -> Refusal {
    Refusal {
        code,
        reason: reason.to_owned(),
        message,
        warnings,
    }
}
