//! One end of a transfer: a namespace of a cluster, read and written directly.

mod calls;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ApiResource;
use kube::{Api, Client};

use crate::arm::{Identity, Kinds};
use crate::claim::NamespaceRef;
use crate::cluster::Cluster as _;
use crate::cluster::kube::survey::ClusterSurvey;
use crate::cluster::kube::{CredentialSettings, KubeCluster};
use crate::cluster::resolve::{Freshness, look_up};
use crate::object::{ObjectFacts, ObjectKey};
use crate::resolve::{self, Lookup, LookupAnswer, LookupRequest, Resolver};
use crate::transfer::copy::PolicyDefaults;

use super::call::CallError;
use super::served::ServedKinds;
use super::stored::StoredObject;

pub use calls::ReferenceNames;

/// One end of a transfer.
pub struct Endpoint {
    /// Which namespace of which member it is.
    pub place: NamespaceRef,
    /// How `kubectl` is told this cluster and namespace.
    pub(super) kubectl: String,
    pub(super) served: ServedKinds,
    pub(super) kinds: Kinds,
    /// Whether the namespace is there; `None` while it is being deleted.
    pub(super) namespace: Option<bool>,
    namespace_policy: Option<Arc<str>>,
    operator_policy: Option<Arc<str>>,
    /// The UID of the cluster's namespace `kube-system`.
    pub cluster_uid: Arc<str>,
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
    pub async fn open(
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
    pub fn surroundings(&self) -> PolicyDefaults<'_> {
        PolicyDefaults {
            namespace: self.namespace_policy.as_deref(),
            operator: self.operator_policy.as_deref(),
        }
    }

    /// Learns what these objects' credentials say, and what they would say here.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub async fn learn_subscriptions<'a>(
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
    pub fn resolve<T>(
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
    pub fn identity(
        &self,
        object: &ObjectFacts,
        find: impl Fn(&ObjectKey) -> Option<Arc<ObjectFacts>>,
    ) -> Result<Identity, String> {
        self.resolve(object, find, |one| one.identity())
            .into_result()
            .map(|resolution| resolution.identity)
            .map_err(|why| why.to_string())
    }

    /// How a kind is asked for here, in a version that the other end serves too if there is one.
    pub fn resource(&self, other: &Self, group: &str, kind: &str) -> Option<ApiResource> {
        let common = self.served.common(&other.served, group, kind);
        common.or_else(|| self.served.get(group, kind))
    }
}
