//! The secrets with credentials and with ASO's settings.
//!
//! Of a secret only its subscription ID is kept, and of ASO's settings the default
//! policy and the target namespaces.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::api::{ApiResource, ObjectMeta};
use kube::{Api, Client};
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tracing::warn;

use super::watched::{SecretData, WatchedSecret};
use super::{CredentialSettings, call, restarts};
use crate::cluster::ClusterError;
use crate::object::CREDENTIAL_FROM_ANNOTATION;
use crate::resolve::{Freshness, NAMESPACE_SECRET, SETTINGS_SECRET, SecretFacts, SecretLookup};

/// How long a secret that was found missing is taken to be missing, if no watch says
/// otherwise, and one that may not be read to be unreadable: a namespace that uses the
/// global credential would cost a call for each object else.
const LATELY: Duration = Duration::from_secs(5);

/// How many names of secrets are watched: each is a connection.
const MOST_NAMES: usize = 64;

/// The names of secrets that objects name as their credential.
#[derive(Default)]
struct SecretNames {
    watched: HashSet<Box<str>>,
    unwatched: Vec<Box<str>>,
}

/// What is known of ASO's secrets.
pub(super) struct Credentials {
    client: Client,
    settings: CredentialSettings,
    /// The secrets that are watched, by `namespace/name`.
    known: RwLock<HashMap<String, SecretFacts>>,
    /// The names of the secrets that are watched wherever they are, and of those that are
    /// to be.
    names: Mutex<SecretNames>,
    named: Notify,
    /// The settings that an ASO may not have read yet, by `namespace/name`.
    unread: Mutex<HashSet<String>>,
    /// What was found of secrets lately, and when, by `namespace/name`.
    lately: RwLock<HashMap<String, (Instant, SecretLookup)>>,
}

/// The API resource of secrets.
pub(super) fn secrets() -> ApiResource {
    ApiResource::erase::<k8s_openapi::api::core::v1::Secret>(&())
}

/// What of a secret is kept.
pub(super) fn facts_of(data: Option<SecretData>) -> SecretFacts {
    let data = data.unwrap_or_default();
    let text = |bytes: Option<k8s_openapi::ByteString>| {
        let text = String::from_utf8(bytes?.0).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| Arc::<str>::from(text))
    };
    SecretFacts {
        subscription: text(data.subscription),
        default_policy: text(data.default_policy),
        target_namespaces: text(data.target_namespaces),
        outrun: false,
    }
}

impl Credentials {
    pub(super) fn new(client: Client, settings: CredentialSettings) -> Self {
        Self {
            client,
            settings,
            known: RwLock::default(),
            names: Mutex::default(),
            named: Notify::new(),
            unread: Mutex::default(),
            lately: RwLock::default(),
        }
    }

    /// Whether secrets are read at all.
    pub(super) fn reads_secrets(&self) -> bool {
        self.settings.subscription.is_none()
    }

    /// The namespaces of the ASOs.
    pub(super) fn operators(&self) -> Arc<[Arc<str>]> {
        self.settings.operators.clone()
    }

    /// Has the secrets of a name watched that an object names as its credential.
    pub(super) fn name(&self, name: &str) {
        let mut names = self.names.lock();
        if names.watched.contains(name) || self.is_always_watched(name) {
            return;
        }
        if names.watched.len() == MOST_NAMES {
            warn!(
                secret = name,
                "too many names of secrets in {CREDENTIAL_FROM_ANNOTATION}: a secret of this name \
                 that comes after its objects is seen up to ten minutes later"
            );
            return;
        }
        names.watched.insert(name.into());
        names.unwatched.push(name.into());
        self.named.notify_one();
    }

    fn is_always_watched(&self, name: &str) -> bool {
        name == NAMESPACE_SECRET || !self.reads_secrets()
    }

    /// Until another name is to be watched.
    pub(super) fn named(&self) -> Notified<'_> {
        self.named.notified()
    }

    /// The names that are to be watched from now on.
    pub(super) fn take_unwatched(&self) -> Vec<Box<str>> {
        std::mem::take(&mut self.names.lock().unwatched)
    }

    /// Keeps what a watched secret says, and tells whether it changed.
    pub(super) fn put(&self, secret: WatchedSecret) -> bool {
        let id = id_of(&secret.metadata);
        let facts = facts_of(secret.data);
        let is_settings = id.ends_with(&format!("/{SETTINGS_SECRET}"));
        let mut known = self.known.write();
        let before = known.insert(id.clone(), facts.clone());
        drop(known);
        let changed = before.as_ref() != Some(&facts);
        if changed && is_settings && before.is_some() {
            self.unread.lock().insert(id);
        }
        changed
    }

    /// Forgets a watched secret, and tells whether it was known.
    pub(super) fn remove(&self, secret: &ObjectMeta) -> bool {
        let mut known = self.known.write();
        known.remove(&id_of(secret)).is_some()
    }

    /// Forgets the secrets of this name that a full list did not have, and gives
    /// their namespaces. `within`: the namespace that was listed, where it was not all.
    pub(super) fn keep_only(
        &self,
        name: &str,
        within: Option<&str>,
        listed: &HashSet<String>,
    ) -> Vec<String> {
        let is_listed = |of: &str| within.is_none_or(|within| within == of);
        let mut known = self.known.write();
        let gone: Vec<String> = known
            .keys()
            .filter_map(|id| id.split_once('/'))
            .filter(|(namespace, of)| *of == name && is_listed(namespace))
            .filter(|(namespace, _)| !listed.contains(*namespace))
            .map(|(namespace, _)| namespace.to_owned())
            .collect();
        for namespace in &gone {
            known.remove(&format!("{namespace}/{name}"));
        }
        gone
    }

    /// A secret: a watched one that is not known is asked for, for it may have been
    /// created a moment ago.
    pub(super) async fn find(
        &self,
        namespace: &str,
        name: &str,
        trust: Freshness,
    ) -> Result<SecretLookup, ClusterError> {
        if let Some(stated) = &self.settings.subscription {
            return Ok(SecretLookup::Found(SecretFacts {
                subscription: Some(stated.as_str().into()),
                ..SecretFacts::default()
            }));
        }
        if trust == Freshness::Store {
            return self.get_with_restarts(namespace, name).await;
        }
        let id = format!("{namespace}/{name}");
        if let Some(known) = self.recall(&id) {
            return Ok(known);
        }
        let found = self.get_with_restarts(namespace, name).await?;
        let lasts = match &found {
            // Of an ASO that is not among those that are watched, or has not read them yet.
            SecretLookup::Found(_) => {
                self.has_read(&id, &found);
                name == SETTINGS_SECRET
            }
            SecretLookup::Missing => {
                [NAMESPACE_SECRET, SETTINGS_SECRET].contains(&name)
                    || self.names.lock().watched.contains(name)
            }
            SecretLookup::Unreadable(_) => true,
        };
        if lasts {
            let mut lately = self.lately.write();
            lately.retain(|_, (since, _)| since.elapsed() < LATELY);
            lately.insert(id, (Instant::now(), found.clone()));
        }
        Ok(found)
    }

    fn recall(&self, id: &str) -> Option<SecretLookup> {
        let known = self.known(id);
        if known.is_some() && !self.unread.lock().contains(id) {
            return known;
        }
        let lately = self.lately.read();
        let (since, secret) = lately.get(id)?;
        (since.elapsed() < LATELY).then(|| secret.clone())
    }

    /// What a watch told of a secret.
    fn known(&self, id: &str) -> Option<SecretLookup> {
        let known = self.known.read();
        known.get(id).cloned().map(SecretLookup::Found)
    }

    /// Takes what the store has: once ASO has read it, what the watches tell is enough.
    fn has_read(&self, id: &str, stored: &SecretLookup) {
        let mut unread = self.unread.lock();
        if self.known(id).as_ref() == Some(stored) {
            unread.remove(id);
        }
    }

    /// A secret as the store has it; of an ASO's settings also whether it has read them.
    async fn get_with_restarts(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<SecretLookup, ClusterError> {
        let (meta, mut found) = self.get(namespace, name).await?;
        if let SecretLookup::Found(facts) = &mut found
            && name == SETTINGS_SECRET
            && self
                .settings
                .operators
                .iter()
                .any(|operator| **operator == *namespace)
        {
            facts.outrun = restarts::is_outrun(&self.client, namespace, &meta).await?;
        }
        Ok(found)
    }

    async fn get(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<(ObjectMeta, SecretLookup), ClusterError> {
        let resource = secrets();
        let api: Api<WatchedSecret> =
            Api::namespaced_with(self.client.clone(), namespace, &resource);
        let answer = async {
            Ok(match api.get_opt(name).await {
                Err(kube::Error::Api(status)) if status.code == 403 => {
                    let why = format!(
                        "the secret {name} in namespace {namespace} may not be read; grant aso-guard \
                         get, list and watch on secrets of that name (the chart's rbac.secretNames)"
                    );
                    (ObjectMeta::default(), SecretLookup::Unreadable(why))
                }
                found => match found? {
                    None => (ObjectMeta::default(), SecretLookup::Missing),
                    Some(found) => (found.metadata, SecretLookup::Found(facts_of(found.data))),
                },
            })
        };
        call(&format!("secret {namespace}/{name}"), answer).await
    }
}

fn id_of(secret: &ObjectMeta) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("{}/{}", part(&secret.namespace), part(&secret.name))
}

#[cfg(test)]
mod tests;
