//! The objects of a namespace or a kind, listed from the API server's store.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{ApiResource, ListParams};

use crate::cluster::{ClusterError, ObjectScope};
use crate::object::ObjectFacts;

use super::watched::WatchedObject;
use super::{KubeCluster, call};

/// How many kinds are listed together.
const AT_ONCE: usize = 16;
/// How many objects one page holds.
const PAGE: u32 = 500;

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
        let within = namespace.map_or("all namespaces".to_owned(), |one| {
            format!("namespace {one}")
        });
        let what = format!("{}.{} in {within}", resource.plural, resource.group);
        let mut params = ListParams::default().limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = async {
                match api.list(&params).await {
                    // A kind that came after the roles were written, or is gone: nobody
                    // guards its objects, and they keep nobody from the others.
                    Err(kube::Error::Api(status)) if matches!(status.code, 403 | 404) => Ok(None),
                    listed => listed.map(Some),
                }
            };
            let Some(page) = call(&what, page).await? else {
                return Ok(found);
            };
            let facts = page.items.into_iter();
            found
                .extend(facts.map(|one| Arc::new(one.into_facts(&resource.group, &resource.kind))));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}
