//! One end of a transfer: a namespace of a cluster, read and written directly.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
    Preconditions,
};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use crate::arm::{Identity, Kinds};
use crate::claim::NamespaceRef;
use crate::cluster::Cluster as _;
use crate::cluster::kube::survey::ClusterSurvey;
use crate::cluster::kube::{CredentialSettings, KubeCluster};
use crate::cluster::resolve::{Freshness, look_up};
use crate::object::{ObjectFacts, ObjectKey, wire};
use crate::resolve::{self, Lookup, LookupAnswer, LookupRequest, Resolver};
use crate::transfer::copy::PolicyDefaults;

use super::call_error::{CallError, once, patiently};
use super::served::ServedKinds;

/// Who it is in the objects' managed fields.
const MANAGER: &str = "aso-guard-transfer";
/// How many objects one page of a list holds.
const PAGE: u32 = 250;
/// How many kinds are listed at once: an API server of the free tier is easily overloaded.
const LISTS: usize = 3;

/// An object as it is stored.
#[derive(Clone, Debug)]
pub(super) struct StoredObject {
    /// All of it.
    pub(super) value: Value,
    /// What identity and policy are made of.
    pub(super) facts: Arc<ObjectFacts>,
}

impl StoredObject {
    /// Reads an object of a kind.
    pub(super) fn new(value: Value, group: &str, kind: &str, namespace: &str) -> Option<Self> {
        let read: wire::WireObject = serde_json::from_value(value.clone()).ok()?;
        Some(Self {
            facts: Arc::new(read.into_facts(group, kind, namespace)),
            value,
        })
    }

    /// One of its annotations.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.value["metadata"]["annotations"][name].as_str()
    }

    /// Whether its own annotation parks it, whatever its namespace says.
    pub(super) fn is_parked_itself(&self) -> bool {
        self.facts.annotations.policy.as_deref() == Some("skip")
    }
}

/// Objects by their names.
pub(super) type StoredObjects = BTreeMap<ObjectKey, StoredObject>;

/// The secrets and ConfigMaps of a namespace, by name; `None` where they may not be listed.
#[derive(Clone, Debug, Default)]
pub(super) struct ReferenceNames {
    pub(super) secrets: Option<BTreeSet<String>>,
    pub(super) config_maps: Option<BTreeSet<String>>,
}

/// One end of a transfer.
pub(super) struct Endpoint {
    pub(super) place: NamespaceRef,
    /// How `kubectl` is told this cluster and namespace.
    pub(super) kubectl: String,
    pub(super) served: ServedKinds,
    pub(super) kinds: Kinds,
    /// Whether the namespace is there; `None` while it is being deleted.
    pub(super) namespace: Option<bool>,
    namespace_policy: Option<Arc<str>>,
    operator_policy: Option<Arc<str>>,
    /// The UID of the cluster's namespace `kube-system`.
    pub(super) cluster_uid: Arc<str>,
    /// What was looked up, but for owners.
    known: Vec<(LookupRequest, LookupAnswer)>,
    cluster: Arc<KubeCluster>,
    client: Client,
}

impl Endpoint {
    /// Looks at a cluster, as far as it does not depend on objects.
    ///
    /// # Errors
    /// It did not answer.
    pub(super) async fn open(
        client: Client,
        place: NamespaceRef,
        kubectl: String,
        credentials: CredentialSettings,
    ) -> Result<Self, CallError> {
        let member = place.member.to_string();
        let words =
            |error: &dyn std::fmt::Display| CallError::new(format!("cluster {member}: {error}"));
        let cluster = Arc::new(KubeCluster::new(client.clone(), credentials));
        let cluster_uid = cluster.identity().await.map_err(|error| words(&error))?;
        let served = ServedKinds::discover(&client)
            .await
            .map_err(|error| words(&error))?;
        let survey = ClusterSurvey::begin(client.clone()).await;
        let survey = survey.map_err(|error| words(&error))?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let name = &place.namespace;
        let found = namespaces
            .get_opt(name)
            .await
            .map_err(|error| words(&error))?;
        let namespace = match &found {
            None => Some(false),
            Some(found) if found.metadata.deletion_timestamp.is_some() => None,
            Some(_) => Some(true),
        };
        let mut end = Self {
            kinds: survey.kinds().clone(),
            namespace_policy: None,
            operator_policy: None,
            known: Vec::new(),
            place,
            kubectl,
            served,
            namespace,
            cluster_uid,
            cluster,
            client,
        };
        let probe = end.probe();
        let failed = |fault: CallError| words(&fault.words);
        let policy = end.learn(&probe, |one| one.namespace_policy()).await;
        end.namespace_policy = policy.map_err(failed)?;
        let policy = end.learn(&probe, |one| one.operator_policy()).await;
        end.operator_policy = policy.map_err(failed)?;
        Ok(end)
    }

    /// What policies are made of here.
    pub(super) fn surroundings(&self) -> PolicyDefaults<'_> {
        PolicyDefaults {
            namespace: self.namespace_policy.as_deref(),
            operator: self.operator_policy.as_deref(),
        }
    }

    /// Learns what these objects' credentials say, and what they would say here.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn learn_subscriptions<'a>(
        &mut self,
        objects: impl Iterator<Item = &'a StoredObject>,
    ) -> Result<(), CallError> {
        let annotations = objects.map(|object| &object.facts.annotations);
        let probes: BTreeSet<_> = annotations
            .map(|one| (one.credential_from.clone(), one.operator_namespace.clone()))
            .collect();
        for (credential_from, operator_namespace) in probes {
            let mut probe = self.probe();
            probe.annotations.credential_from = credential_from;
            probe.annotations.operator_namespace = operator_namespace;
            self.learn(&probe, |probe| probe.subscription().map(drop))
                .await?;
        }
        Ok(())
    }

    /// An object without properties of its own: it is what all in the namespace are.
    fn probe(&self) -> ObjectFacts {
        ObjectFacts::named(ObjectKey::new("", "", &self.place.namespace, ""))
    }

    /// Looks up what an outcome needs, and keeps it.
    async fn learn<T>(
        &mut self,
        object: &ObjectFacts,
        outcome: impl Fn(&Resolver<'_>) -> Result<T, LookupRequest>,
    ) -> Result<T, CallError> {
        let found = look_up(
            &*self.cluster,
            object,
            Freshness::Store,
            &mut self.known,
            outcome,
        );
        found
            .await
            .map_err(|error| CallError::new(error.to_string()))
    }

    /// What an object is here, among these objects and with what was learned.
    pub(super) fn resolve<T>(
        &self,
        object: &ObjectFacts,
        find: impl Fn(&ObjectKey) -> Option<Arc<ObjectFacts>>,
        outcome: impl Fn(&Resolver<'_>) -> Result<T, LookupRequest>,
    ) -> T {
        let operators = self.cluster.operators();
        let known = self.known.clone();
        Resolver::new(&self.kinds, &operators, object, Freshness::Store, known).by(
            outcome,
            |need| match need {
                Lookup::Owner(key) => LookupAnswer::Owner(find(key)),
                _ => LookupAnswer::Secret(resolve::SecretLookup::Missing),
            },
        )
    }

    /// Which resource an object stands for here; for a person, why it cannot be told.
    pub(super) fn identity(
        &self,
        object: &ObjectFacts,
        find: impl Fn(&ObjectKey) -> Option<Arc<ObjectFacts>>,
    ) -> Result<Identity, String> {
        self.resolve(object, find, |one| one.identity())
            .map(|resolution| resolution.identity)
            .map_err(|why| why.to_string())
    }

    /// How a kind is asked for here, in a version that the other end serves too if there is one.
    pub(super) fn resource(&self, other: &Self, group: &str, kind: &str) -> Option<ApiResource> {
        let common = self.served.common(&other.served, group, kind);
        common.or_else(|| self.served.get(group, kind))
    }

    fn api(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.place.namespace, resource)
    }

    /// All objects of these kinds in the namespace.
    ///
    /// # Errors
    /// The cluster did not answer, or does not let them be listed.
    pub(super) async fn list(&self, kinds: &[ApiResource]) -> Result<StoredObjects, CallError> {
        let lists = stream::iter(kinds.to_vec())
            .map(|resource| async move { self.list_kind(&resource).await })
            .buffer_unordered(LISTS);
        let lists: Vec<Vec<StoredObject>> = lists.try_collect().await?;
        let objects = lists.into_iter().flatten();
        Ok(objects
            .map(|object| (object.facts.key.clone(), object))
            .collect())
    }

    async fn list_kind(&self, resource: &ApiResource) -> Result<Vec<StoredObject>, CallError> {
        let api = self.api(resource);
        let what = format!("{}.{} of {}", resource.plural, resource.group, self.place);
        let mut found = Vec::new();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = patiently(&what, async || api.list(&params).await).await?;
            for object in page.items {
                found.extend(self.read(resource, object));
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
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
    pub(super) async fn labelled(
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
    pub(super) async fn get(
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
    pub(super) async fn patch(
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
    pub(super) async fn create(
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
    pub(super) async fn would_create(
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
    pub(super) async fn delete(
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
    pub(super) async fn names(&self) -> ReferenceNames {
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
