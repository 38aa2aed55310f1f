//! What is read and written at one end of a transfer.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
    Preconditions,
};
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::Endpoint;
use crate::api_server::pages;
use crate::driver::call::{CallError, once, patiently};
use crate::driver::stored::{StoredObject, StoredObjects};
use crate::driver::unread::UnreadKinds;

/// Who it is in the objects' managed fields.
const MANAGER: &str = "aso-guard-transfer";
/// How many kinds are listed at once: an API server of the free tier is easily overloaded.
const LISTS: usize = 3;

/// The secrets and ConfigMaps of a namespace, by name; `None` where they may not be listed.
#[derive(Clone, Debug, Default)]
pub struct ReferenceNames {
    pub secrets: Option<BTreeSet<String>>,
    pub config_maps: Option<BTreeSet<String>>,
}

impl Endpoint {
    fn api(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.place.namespace, resource)
    }

    /// All objects of these kinds in the namespace; a kind that the cluster does not give keeps
    /// no other from being listed.
    ///
    /// # Errors
    /// The cluster gave none of them.
    pub async fn list(
        &self,
        kinds: &[ApiResource],
    ) -> Result<(StoredObjects, UnreadKinds), CallError> {
        let mut lists = stream::iter(kinds.to_vec())
            .map(|resource| async move {
                let listed = self.list_kind(&resource).await;
                (resource, listed)
            })
            .buffer_unordered(LISTS);
        let (mut objects, mut unread) = (StoredObjects::new(), UnreadKinds::default());
        while let Some((resource, listed)) = lists.next().await {
            match listed {
                Ok(listed) => {
                    let listed = listed.into_iter();
                    objects.extend(listed.map(|object| (object.facts.key.clone(), object)));
                }
                Err(fault) => unread.add(&resource.group, &resource.kind, fault),
            }
        }
        drop(lists);
        match unread.only_fault(kinds.len()) {
            Some(fault) => Err(fault),
            None => Ok((objects, unread)),
        }
    }

    async fn list_kind(&self, resource: &ApiResource) -> Result<Vec<StoredObject>, CallError> {
        let api = self.api(resource);
        let what = format!("{}.{} of {}", resource.plural, resource.group, self.place);
        let (api, what) = (&api, &what);
        let list = |params: ListParams| async move {
            patiently(what, async || api.list(&params).await).await
        };
        let mut found = Vec::new();
        pages(ListParams::default(), list, |object| {
            found.extend(self.read(resource, object));
        })
        .await?;
        Ok(found)
    }

    fn read(&self, resource: &ApiResource, mut object: DynamicObject) -> Option<StoredObject> {
        // The items of a list do not say what they are.
        object.types = Some(kube::core::TypeMeta {
            api_version: resource.api_version.clone(),
            kind: resource.kind.clone(),
        });
        object.metadata.managed_fields = None;
        let value = serde_json::to_value(object).ok()?;
        StoredObject::new(
            value,
            &resource.group,
            &resource.kind,
            &self.place.namespace,
        )
    }

    /// The names of the objects of a kind that a label selector takes.
    ///
    /// # Errors
    /// The cluster did not answer, or does not know such a selector.
    pub async fn labelled(
        &self,
        resource: &ApiResource,
        labels: &str,
    ) -> Result<Vec<String>, CallError> {
        let api = self.api(resource);
        let what = format!("{}.{} with {labels}", resource.plural, resource.group);
        let params = ListParams::default().labels(labels);
        let list = patiently(&what, async || api.list_metadata(&params).await).await?;
        Ok(list.items.iter().map(ResourceExt::name_any).collect())
    }

    /// An object as it is now; a quorum read.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub async fn get(
        &self,
        resource: &ApiResource,
        name: &str,
    ) -> Result<Option<StoredObject>, CallError> {
        let api = self.api(resource);
        let found = patiently(name, async || api.get_opt(name).await).await?;
        Ok(found.and_then(|object| self.read(resource, object)))
    }

    /// Changes an object's metadata, if it is still the one that was read.
    ///
    /// # Errors
    /// The cluster did not answer, or refused; 409 where it is another one by now.
    pub async fn patch(
        &self,
        resource: &ApiResource,
        object: &StoredObject,
        annotations: Value,
    ) -> Result<StoredObject, CallError> {
        let api = self.api(resource);
        let name = &object.facts.key.name;
        let patch = Patch::Merge(serde_json::json!({"metadata": {
            "uid": object.facts.uid,
            "resourceVersion": object.facts.resource_version,
            "annotations": annotations,
        }}));
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = patiently(name, async || api.patch(name, &params, &patch).await).await?;
        self.read(resource, patched).ok_or_else(|| unreadable(name))
    }

    /// Creates an object.
    ///
    /// # Errors
    /// The cluster did not answer, or refused; 409 where there is one of that name.
    pub async fn create(
        &self,
        resource: &ApiResource,
        value: &Value,
    ) -> Result<StoredObject, CallError> {
        self.post(resource, value, false).await
    }

    /// What would come of creating an object; nothing is stored.
    ///
    /// # Errors
    /// As of [`Endpoint::create`].
    pub async fn would_create(
        &self,
        resource: &ApiResource,
        value: &Value,
    ) -> Result<StoredObject, CallError> {
        self.post(resource, value, true).await
    }

    async fn post(
        &self,
        resource: &ApiResource,
        value: &Value,
        dry_run: bool,
    ) -> Result<StoredObject, CallError> {
        let api = self.api(resource);
        let object: DynamicObject = serde_json::from_value(value.clone())
            .map_err(|error| CallError::new(format!("it is no object: {error}")))?;
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            dry_run,
        };
        let name = object.name_any();
        let call = async || api.create(&params, &object).await;
        let created = if dry_run {
            once(&name, call).await?
        } else {
            patiently(&name, call).await?
        };
        self.read(resource, created)
            .ok_or_else(|| unreadable(&name))
    }

    /// Deletes an object, if it is still the one that was read. Gives what is left of it,
    /// where it waits for a finalizer.
    ///
    /// # Errors
    /// The cluster did not answer, or refused; 409 where it is another one by now.
    pub async fn delete(
        &self,
        resource: &ApiResource,
        object: &StoredObject,
    ) -> Result<Option<StoredObject>, CallError> {
        let api = self.api(resource);
        let name = &object.facts.key.name;
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(object.facts.uid.to_string()),
            resource_version: Some(object.facts.resource_version.to_string()),
        });
        let deleted = patiently(name, async || api.delete(name, &params).await).await;
        match deleted {
            Ok(answer) => Ok(answer.left().and_then(|left| self.read(resource, left))),
            Err(fault) if fault.code == Some(404) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The names of the namespace's secrets and ConfigMaps; nothing of what they hold.
    pub async fn names(&self) -> ReferenceNames {
        let namespace = &self.place.namespace;
        let params = ListParams::default();
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let config_maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        let secrets = secrets.list_metadata(&params).await.ok();
        let config_maps = config_maps.list_metadata(&params).await.ok();
        ReferenceNames {
            secrets: secrets.map(|list| list.items.iter().map(ResourceExt::name_any).collect()),
            config_maps: config_maps
                .map(|list| list.items.iter().map(ResourceExt::name_any).collect()),
        }
    }
}

fn unreadable(name: &str) -> CallError {
    CallError::new(format!(
        "{name}: the API server answered with something that cannot be read"
    ))
}
