//! The label by which API servers ask about namespaces that have ASO objects, and
//! about no others.

use std::collections::HashMap;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;
use tracing::warn;

use crate::cluster::ClusterError;
use crate::object::GUARDED_LABEL;

use super::{KubeCluster, call};

/// How soon a namespace that got its first object is labelled.
const PERIOD: Duration = Duration::from_secs(1);
/// How long to wait with a namespace whose label could not be written.
const RETRY: Duration = Duration::from_secs(30);
/// How many labels are written together.
const AT_ONCE: usize = 8;

impl KubeCluster {
    /// Keeps the label on every namespace that has objects, and on no other. Replicas
    /// write the same.
    pub(super) async fn keep_labelling(&self) {
        let mut later = HashMap::new();
        loop {
            tokio::time::sleep(PERIOD).await;
            self.label_all(&mut later).await;
        }
    }

    /// Writes the labels that are due. `later`: when to try those namespaces again whose
    /// label could not be written; they keep no other one waiting.
    async fn label_all(&self, later: &mut HashMap<String, Instant>) {
        let now = Instant::now();
        later.retain(|_, at| *at > now);
        let mut due = self.store.labels_due();
        due.retain(|(namespace, _)| !later.contains_key(namespace));
        let labelled: Vec<(String, bool)> = stream::iter(due)
            .map(|(namespace, guarded)| async move {
                match self.label(&namespace, guarded).await {
                    // The watch says the same in a moment, or it is behind: once is enough.
                    Ok(true) => self.store.set_guarded(&namespace, guarded),
                    Ok(false) => self.store.remove_namespace(&namespace),
                    Err(error) => {
                        warn!(
                            %namespace, %error,
                            "cannot label a namespace: its deletion goes unguarded"
                        );
                        return (namespace, false);
                    }
                }
                (namespace, true)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let failed = labelled.into_iter().filter(|(_, done)| !done);
        later.extend(failed.map(|(namespace, _)| (namespace, now + RETRY)));
    }

    /// Writes a namespace's label. Gives whether the namespace is there.
    async fn label(&self, namespace: &str, guarded: bool) -> Result<bool, ClusterError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let value = guarded.then_some("true");
        let patch = Patch::Merge(json!({"metadata": {"labels": {GUARDED_LABEL: value}}}));
        let params = PatchParams::default();
        let what = format!("the label of namespace {namespace}");
        let patched = async {
            match namespaces.patch_metadata(namespace, &params, &patch).await {
                // It was deleted meanwhile.
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
                answer => answer.map(|_| true),
            }
        };
        call(&what, patched).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::sync::Arc;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use parking_lot::Mutex;
    use tower::service_fn;

    use crate::cluster::kube::{CredentialSettings, store};
    use crate::object::{ObjectFacts, ObjectKey};

    use super::*;

    /// A cluster with an object in each of these namespaces, whose API server answers a
    /// patch of them like this, and how often it was asked to.
    fn cluster(answers: &[(&str, u16)]) -> (KubeCluster, Arc<Mutex<BTreeMap<String, u32>>>) {
        let statuses: BTreeMap<String, u16> = answers
            .iter()
            .map(|&(namespace, status)| (format!("/api/v1/namespaces/{namespace}"), status))
            .collect();
        let asked: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
        let counted = asked.clone();
        let server = service_fn(move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            let status = statuses[&path];
            let name = path.rsplit('/').next().unwrap().to_owned();
            *counted.lock().entry(name.clone()).or_default() += 1;
            let body = if status == 200 {
                json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
            } else {
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status})
            };
            async move {
                let response = Response::builder().status(status);
                let body = Body::from(body.to_string().into_bytes());
                Ok::<_, Infallible>(response.body(body).unwrap())
            }
        });
        let settings = CredentialSettings {
            operators: ["aso".into()].into(),
            subscription: Some("sub".to_owned()),
        };
        let cluster = KubeCluster::new(Client::new(server, "default"), settings);
        for (namespace, _) in answers {
            let key = ObjectKey::new("g", "K", namespace, "x");
            cluster.store.put(ObjectFacts::named(key));
            cluster
                .store
                .put_namespace(namespace, store::NamespaceEntry::default());
        }
        (cluster, asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_label_that_may_not_be_written_keeps_no_other_namespace_waiting() {
        let (cluster, asked) = cluster(&[("barred", 403), ("free", 200), ("gone", 404)]);
        let mut later = HashMap::new();
        for _ in 0..5 {
            cluster.label_all(&mut later).await;
            tokio::time::advance(PERIOD).await;
        }
        let once = ["barred", "free", "gone"].map(|name| (name.to_owned(), 1));
        assert_eq!(*asked.lock(), BTreeMap::from(once));
        tokio::time::advance(RETRY).await;
        cluster.label_all(&mut later).await;
        assert_eq!(asked.lock()["barred"], 2);
        assert_eq!(asked.lock()["gone"], 1);
    }
}
