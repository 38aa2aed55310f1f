//! The objects of a namespace or a kind, listed from the API server's store.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use kube::Api;
use kube::api::{ApiResource, ListParams};
use tracing::warn;

use crate::api_server::{CALL_TIMEOUT, pages, within};
use crate::cluster::{ClusterError, ListedObjects, ObjectScope};
use crate::object::ObjectFacts;

use super::watched::WatchedObject;
use super::{KubeCluster, failed};

/// How many kinds are listed together.
const AT_ONCE: usize = 16;

impl KubeCluster {
    pub(super) async fn list_stored(&self, scope: ObjectScope<'_>) -> ListedObjects {
        let installed = self.installed.load_full();
        let (namespace, resources): (_, Vec<ApiResource>) = match scope {
            ObjectScope::Namespace(_) | ObjectScope::All => {
                let groups = installed.groups(&self.kinds.load());
                let of_aso = |resource: &&ApiResource| groups.contains(&resource.group);
                let namespace = match scope {
                    ObjectScope::Namespace(namespace) => Some(namespace),
                    _ => None,
                };
                (namespace, installed.all().filter(of_aso).cloned().collect())
            }
            ObjectScope::Kind(group, kind) => {
                let resource = installed.get(group, kind);
                (None, resource.cloned().into_iter().collect())
            }
        };
        let mut lists = stream::iter(resources)
            .map(|resource| async move {
                let listed = self.list_kind(&resource, namespace).await;
                (resource, listed)
            })
            .buffer_unordered(AT_ONCE);
        let mut found = ListedObjects::default();
        while let Some((resource, listed)) = lists.next().await {
            match listed {
                Ok(objects) => found.objects.extend(objects),
                Err(error) => {
                    warn!(%error, "a kind is not given; its objects are asked for one by one");
                    let kind = (resource.group.into(), resource.kind.into());
                    found.unread.push(kind);
                }
            }
        }
        found
    }

    async fn list_kind(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
    ) -> Result<Vec<Arc<ObjectFacts>>, ClusterError> {
        let client = self.client.clone();
        let api: Api<WatchedObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, resource),
            None => Api::all_with(client, resource),
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
        listed.await.map_err(|error| failed(&what, &error))?;
        Ok(found)
    }
}
