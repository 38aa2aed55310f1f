//! Which subscription ASO uses for an object.
//!
//! ASO's order: the secret that `serviceoperator.azure.com/credential-from` names
//! in the object's namespace (missing is an error, nothing else is tried), the
//! namespace's `aso-credential`, ASO's own `aso-controller-settings`. Of a secret
//! only its subscription ID is kept, and of ASO's settings the default policy.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use kube::api::{ApiResource, ObjectMeta};
use kube::{Api, Client};

use super::watched::{SecretData, WatchedSecret};
use super::{CredentialSettings, call};
use crate::cluster::{ClusterError, Subscription};
use crate::object::CREDENTIAL_FROM_ANNOTATION;

/// The secret that holds a namespace's credential.
pub(super) const NAMESPACE_SECRET: &str = "aso-credential";
/// The secret that holds ASO's own settings.
pub(super) const SETTINGS_SECRET: &str = "aso-controller-settings";
/// How long a secret that was found missing is taken to be missing, if no watch
/// says otherwise: a namespace that uses the global credential would cost a call
/// for each object else.
const MISSING_FOR: Duration = Duration::from_secs(5);

/// What a secret says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SecretFacts {
    subscription: Option<Arc<str>>,
    default_policy: Option<Arc<str>>,
}

/// What an answer may rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// What the watches told.
    Watches,
    /// The API server's store alone.
    Store,
}

/// What is known of ASO's secrets.
pub(super) struct Credentials {
    client: Client,
    settings: CredentialSettings,
    /// The secrets that are watched, by `namespace/name`.
    known: RwLock<HashMap<String, SecretFacts>>,
    /// When a secret was last found missing, by `namespace/name`.
    missing: RwLock<HashMap<String, Instant>>,
}

/// The API resource of secrets.
pub(super) fn secrets() -> ApiResource {
    ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&())
}

impl SecretFacts {
    fn of(data: Option<SecretData>) -> Self {
        let data = data.unwrap_or_default();
        let text = |bytes: Option<k8s_openapi::ByteString>| {
            let text = String::from_utf8(bytes?.0).ok()?;
            let text = text.trim();
            (!text.is_empty()).then(|| Arc::<str>::from(text))
        };
        Self {
            subscription: text(data.subscription),
            default_policy: text(data.default_policy),
        }
    }
}

impl Credentials {
    pub(super) fn new(client: Client, settings: CredentialSettings) -> Self {
        Self {
            client,
            settings,
            known: RwLock::default(),
            missing: RwLock::default(),
        }
    }

    /// Whether secrets are read at all.
    pub(super) fn reads_secrets(&self) -> bool {
        self.settings.subscription.is_none()
    }

    /// ASO's own namespace.
    pub(super) fn aso_namespace(&self) -> &str {
        &self.settings.aso_namespace
    }

    /// Keeps what a watched secret says, and tells whether it changed.
    pub(super) fn put(&self, secret: WatchedSecret) -> bool {
        let id = id_of(&secret.metadata);
        let facts = SecretFacts::of(secret.data);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(id, facts.clone()) != Some(facts)
    }

    /// Forgets a watched secret, and tells whether it was known.
    pub(super) fn remove(&self, secret: &ObjectMeta) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.remove(&id_of(secret)).is_some()
    }

    /// Forgets the secrets of this name that a full list did not have, and gives
    /// their namespaces.
    pub(super) fn keep_only(&self, name: &str, listed: &HashSet<String>) -> Vec<String> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<String> = known
            .keys()
            .filter_map(|id| id.split_once('/'))
            .filter(|(namespace, of)| *of == name && !listed.contains(*namespace))
            .map(|(namespace, _)| namespace.to_owned())
            .collect();
        for namespace in &gone {
            known.remove(&format!("{namespace}/{name}"));
        }
        gone
    }

    /// `DEFAULT_RECONCILE_POLICY`.
    pub(super) async fn operator_policy(
        &self,
        trust: Trust,
    ) -> Result<Option<Arc<str>>, ClusterError> {
        if !self.reads_secrets() {
            return Ok(None);
        }
        let namespace = &self.settings.aso_namespace;
        let facts = self.find(namespace, SETTINGS_SECRET, trust).await?;
        Ok(facts.and_then(|facts| facts.default_policy))
    }

    /// The subscription of an object's credential.
    pub(super) async fn subscription(
        &self,
        namespace: &str,
        credential_from: Option<&str>,
        trust: Trust,
    ) -> Result<Subscription, ClusterError> {
        if let Some(stated) = &self.settings.subscription {
            return Ok(Subscription::Id(stated.as_str().into()));
        }
        if let Some(name) = credential_from.filter(|name| !name.is_empty()) {
            let why = format!(
                "the annotation {CREDENTIAL_FROM_ANNOTATION} names the secret {name}, \
                 which is not in namespace {namespace}; create it, or correct the annotation"
            );
            let facts = self.get(namespace, name).await?;
            return Ok(subscription_of(facts, namespace, name, why));
        }
        if let Some(facts) = self.find(namespace, NAMESPACE_SECRET, trust).await? {
            return Ok(subscription_of(
                Some(facts),
                namespace,
                NAMESPACE_SECRET,
                String::new(),
            ));
        }
        let aso = &self.settings.aso_namespace;
        let why = format!(
            "there is no credential: neither the secret {NAMESPACE_SECRET} in namespace \
             {namespace}, nor {SETTINGS_SECRET} in namespace {aso}"
        );
        let facts = self.find(aso, SETTINGS_SECRET, trust).await?;
        Ok(subscription_of(facts, aso, SETTINGS_SECRET, why))
    }

    /// A secret that is watched: one that is not known is asked for, for it may
    /// have been created a moment ago.
    async fn find(
        &self,
        namespace: &str,
        name: &str,
        trust: Trust,
    ) -> Result<Option<SecretFacts>, ClusterError> {
        if trust == Trust::Store {
            return self.get(namespace, name).await;
        }
        let id = format!("{namespace}/{name}");
        if let Some(facts) = self.recall(&id) {
            return Ok(Some(facts));
        }
        if self.found_missing_lately(&id) {
            return Ok(None);
        }
        let facts = self.get(namespace, name).await?;
        if facts.is_none() {
            let mut missing = self.missing.write().unwrap_or_else(PoisonError::into_inner);
            missing.retain(|_, since| since.elapsed() < MISSING_FOR);
            missing.insert(id, Instant::now());
        }
        Ok(facts)
    }

    fn recall(&self, id: &str) -> Option<SecretFacts> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned()
    }

    fn found_missing_lately(&self, id: &str) -> bool {
        let missing = self.missing.read().unwrap_or_else(PoisonError::into_inner);
        let since = missing.get(id);
        since.is_some_and(|since| since.elapsed() < MISSING_FOR)
    }

    async fn get(&self, namespace: &str, name: &str) -> Result<Option<SecretFacts>, ClusterError> {
        let resource = secrets();
        let api: Api<WatchedSecret> =
            Api::namespaced_with(self.client.clone(), namespace, &resource);
        let what = format!("secret {namespace}/{name}");
        let found = call(&what, api.get_opt(name)).await?;
        Ok(found.map(|secret| SecretFacts::of(secret.data)))
    }
}

fn id_of(secret: &ObjectMeta) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&secret.namespace), part(&secret.name))
}

fn subscription_of(
    facts: Option<SecretFacts>,
    namespace: &str,
    name: &str,
    missing: String,
) -> Subscription {
    match facts {
        None => Subscription::Unknown(missing),
        Some(facts) => facts.subscription.map_or_else(
            || {
                Subscription::Unknown(format!(
                    "the secret {name} in namespace {namespace} has no key AZURE_SUBSCRIPTION_ID"
                ))
            },
            Subscription::Id,
        ),
    }
}
