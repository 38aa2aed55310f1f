//! A look at a whole cluster, once, without changing or watching anything: page by page, kind
//! by kind.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, ListParams};
use kube::{Api, Client, ResourceExt as _};

use crate::api_server::{PATIENT_TIMEOUT, pages, within};
use crate::arm::Kinds;
use crate::cluster::ClusterError;
use crate::object::{CREDENTIAL_FROM_ANNOTATION, ObjectFacts};
use crate::resolve::SecretFacts;

use super::credentials::{facts_of, secrets};
use super::discovery::{self, InstalledKinds};
use super::watched::{self, WatchedObject, WatchedSecret};

/// A cluster, looked at from outside.
pub struct ClusterSurvey {
    client: Client,
    installed: InstalledKinds,
    kinds: Kinds,
}

/// What of a secret is read: nothing else of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SurveyedSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it says.
    pub facts: SecretFacts,
}

impl ClusterSurvey {
    /// Asks which of ASO's kinds are installed. A CRD's body is read only for kinds that the
    /// table of kinds lacks, one at a time.
    ///
    /// # Errors
    /// The API server did not answer.
    pub async fn begin(client: Client) -> Result<Self, ClusterError> {
        let nothing = InstalledKinds::default();
        let installed = InstalledKinds::discover(&client, &HashMap::new(), &nothing).await?;
        let builtin = Kinds::builtin();
        let learned = discovery::learn(&client, &installed, &builtin).await;
        Ok(Self {
            client,
            installed,
            kinds: learned.unwrap_or(builtin),
        })
    }

    /// The kinds that are known, with those learned from this cluster.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// The kinds to look at: those installed whose groups are ASO's.
    pub fn resources(&self) -> Vec<ApiResource> {
        let groups = self.installed.groups(&self.kinds);
        let of_aso = |resource: &&ApiResource| groups.contains(&resource.group);
        let mut found: Vec<ApiResource> = self.installed.all().filter(of_aso).cloned().collect();
        found.sort_by(|a, b| (&a.group, &a.kind).cmp(&(&b.group, &b.kind)));
        found
    }

    /// All objects of a kind.
    ///
    /// # Errors
    /// The API server did not answer, or does not let them be listed.
    pub async fn objects(&self, resource: &ApiResource) -> Result<Vec<ObjectFacts>, ClusterError> {
        let api: Api<WatchedObject> = Api::all_with(self.client.clone(), resource);
        let what = format!("{}.{}", resource.plural, resource.group);
        let mut found = Vec::new();
        list(
            &api,
            &what,
            ListParams::default(),
            |object: WatchedObject| {
                found.push(object.into_facts(&resource.group, &resource.kind));
            },
        )
        .await?;
        Ok(found)
    }

    /// The namespaces that have a policy annotation, and what it says.
    ///
    /// # Errors
    /// The API server did not answer, or does not let them be listed.
    pub async fn policies(&self) -> Result<Vec<(String, String)>, ClusterError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let mut found = Vec::new();
        list(
            &api,
            "namespaces",
            ListParams::default(),
            |namespace: Namespace| {
                if let Some(policy) = watched::namespace_of(&namespace.metadata).policy {
                    found.push((namespace.name_any(), policy.to_string()));
                }
            },
        )
        .await?;
        Ok(found)
    }

    /// The secrets of a name, of all namespaces.
    ///
    /// # Errors
    /// The API server did not answer, or does not let them be listed.
    pub async fn secrets(&self, name: &str) -> Result<Vec<SurveyedSecret>, ClusterError> {
        let resource = secrets();
        let api: Api<WatchedSecret> = Api::all_with(self.client.clone(), &resource);
        let params = ListParams::default().fields(&format!("metadata.name={name}"));
        let mut found = Vec::new();
        list(&api, &format!("secrets called {name}"), params, |secret| {
            found.push(SurveyedSecret::of(secret));
        })
        .await?;
        Ok(found)
    }

    /// The secrets that these objects name as their credential; of each that the API server
    /// does not let be read, the error.
    pub async fn named_secrets(
        &self,
        objects: &[ObjectFacts],
    ) -> Vec<Result<SurveyedSecret, ClusterError>> {
        let mut names: Vec<(&str, &str)> = objects
            .iter()
            .filter_map(|object| {
                let name = object.annotations.credential_from.as_deref()?;
                (!name.is_empty()).then_some((&*object.key.namespace, name))
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        let resource = secrets();
        let mut found = Vec::new();
        for (namespace, name) in names {
            let api: Api<WatchedSecret> =
                Api::namespaced_with(self.client.clone(), namespace, &resource);
            let what =
                format!("secret {namespace}/{name}, which {CREDENTIAL_FROM_ANNOTATION} names");
            let secret = super::call(&what, api.get_opt(name)).await.transpose();
            found.extend(secret.map(|secret| secret.map(SurveyedSecret::of)));
        }
        found
    }
}

impl SurveyedSecret {
    fn of(secret: WatchedSecret) -> Self {
        Self {
            namespace: secret.metadata.namespace.unwrap_or_default(),
            name: secret.metadata.name.unwrap_or_default(),
            facts: facts_of(secret.data),
        }
    }
}

/// Goes through a list, page by page.
async fn list<K>(
    api: &Api<K>,
    what: &str,
    params: ListParams,
    each: impl FnMut(K),
) -> Result<(), ClusterError>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let page = |params: ListParams| async move {
        let page = within(PATIENT_TIMEOUT, api.list(&params)).await;
        page.map_err(|error| super::failed(what, &error))
    };
    pages(params, page, each).await
}
