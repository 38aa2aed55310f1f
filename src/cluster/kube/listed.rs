//! The objects of a namespace or a kind, listed from the API server's store.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{ApiResource, ListParams};

use crate::api_server::{CALL_TIMEOUT, pages, within};
use crate::cluster::{ClusterError, ObjectScope};
use crate::object::ObjectFacts;

use super::watched::WatchedObject;
use super::{KubeCluster, failed};

/// How many kinds are listed together.
const AT_ONCE: usize = 16;

impl KubeCluster {
    pub(super) async fn list_stored(
        &self,
        scope: ObjectScope<'_>,
    ) -> Result<Vec<Arc<ObjectFacts>>, ClusterError> {
        let installed = self.installed.load_full();
        let namespace = match scope {
            ObjectScope::Namespace(namespace) => namespace,
            ObjectScope::Kind(group, kind) => {
                return match installed.get(group, kind) {
                    Some(resource) => self.list_kind(resource.clone(), None).await,
                    None => Ok(Vec::new()),
                };
            }
        };
        let groups = installed.groups(&self.kinds.load());
        let of_aso = |resource: &&ApiResource| groups.contains(&resource.group);
        let resources: Vec<ApiResource> = installed.all().filter(of_aso).cloned().collect();
        let lists: Vec<Vec<Arc<ObjectFacts>>> = stream::iter(resources)
            .map(|resource| self.list_kind(resource, Some(namespace)))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(lists.into_iter().flatten().collect())
    }

    async fn list_kind(
        &self,
        resource: ApiResource,
        namespace: Option<&str>,
    ) -> Result<Vec<Arc<ObjectFacts>>, ClusterError> {
        let client = self.client.clone();
        let api: Api<WatchedObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let place = namespace.map_or("all namespaces".to_owned(), |one| {
            format!("namespace {one}")
        });
        let what = format!("{}.{} in {place}", resource.plural, resource.group);
        let api = &api;
        let list =
            |params: ListParams| async move { within(CALL_TIMEOUT, api.list(&params)).await };
        let mut found = Vec::new();
        let listed = pages(ListParams::default(), list, |one: WatchedObject| {
            found.push(Arc::new(one.into_facts(&resource.group, &resource.kind)));
        });
        match listed.await {
            // A kind that came after the roles were written, or is gone: nobody guards its
            // objects, and they keep nobody from the others.
            Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => {}
            listed => listed.map_err(|error| failed(&what, &error))?,
        }
        Ok(found)
    }
}
