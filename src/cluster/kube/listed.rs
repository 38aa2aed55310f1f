//! The objects of a namespace, listed from the API server's store.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::{ApiResource, ListParams};

use crate::cluster::ClusterError;
use crate::object::ObjectFacts;

use super::watched::WatchedObject;
use super::{KubeCluster, call};

/// How many kinds are listed together.
const AT_ONCE: usize = 16;
/// How many objects one page holds.
const PAGE: u32 = 500;

impl KubeCluster {
    /// The objects of a namespace, of every installed kind of ASO's.
    pub(super) async fn list_stored(
        &self,
        namespace: &str,
    ) -> Result<Vec<Arc<ObjectFacts>>, ClusterError> {
        let kinds = self.kinds.load();
        let installed = self.installed.load_full();
        let of_aso = |resource: &&ApiResource| kinds.groups().any(|group| group == resource.group);
        let resources: Vec<ApiResource> = installed.all().filter(of_aso).cloned().collect();
        let lists: Vec<Vec<Arc<ObjectFacts>>> = stream::iter(resources)
            .map(|resource| self.list_kind(resource, namespace))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(lists.into_iter().flatten().collect())
    }

    async fn list_kind(
        &self,
        resource: ApiResource,
        namespace: &str,
    ) -> Result<Vec<Arc<ObjectFacts>>, ClusterError> {
        let api: Api<WatchedObject> =
            Api::namespaced_with(self.client.clone(), namespace, &resource);
        let what = format!(
            "{}.{} in namespace {namespace}",
            resource.plural, resource.group
        );
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
