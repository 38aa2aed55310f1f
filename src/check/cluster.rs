//! One cluster, as its manifests describe it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::arm::{self, Kinds, OwnerLink, Resolution, Unresolved};
use crate::claim::MemberName;
use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::{self, Effective};

use super::manifest::{Item, Manifest, Secret};
use super::place::Place;

/// The subscription of clusters of which none is known at all: taken to be the same one.
pub const SOME_SUBSCRIPTION: &str = "some-subscription";
/// The secret that holds a namespace's credential.
const NAMESPACE_SECRET: &str = "aso-credential";
/// The secret that holds ASO's own settings.
const SETTINGS_SECRET: &str = "aso-controller-settings";

/// What a person states of a cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: MemberName,
    /// The subscription of its global credential.
    pub subscription: Option<Arc<str>>,
    /// ASO's `DEFAULT_RECONCILE_POLICY`.
    pub default_policy: Option<Arc<str>>,
    /// Its namespaces that are in no manifest, or not fully.
    pub namespaces: BTreeMap<String, NamespaceSettings>,
}

/// What a person states of a namespace.
#[derive(Clone, Debug, Default)]
pub struct NamespaceSettings {
    /// The subscription of its credential.
    pub subscription: Option<Arc<str>>,
    /// Its policy annotation.
    pub policy: Option<Arc<str>>,
    /// The subscriptions of the secrets that objects name as their credential.
    pub credentials: BTreeMap<String, Arc<str>>,
}

/// A cluster to be checked.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    kinds: Kinds,
    objects: BTreeMap<ObjectKey, Manifest>,
    twice: Vec<(Manifest, Manifest)>,
    policies: BTreeMap<Box<str>, (Box<str>, Option<Place>)>,
    secrets: HashMap<(Box<str>, Box<str>), Secret>,
    default_policy: Option<(Arc<str>, Option<Place>)>,
    /// Whether a subscription that is not known is taken to be one that all share.
    pub(super) shares_subscription: bool,
}

/// What an object is to the check.
pub(super) struct Resolved {
    pub(super) identity: Result<Resolution, Unresolved>,
    pub(super) policy: Effective,
    pub(super) owner: Owner,
}

/// The nearest owner of an object.
pub(super) enum Owner {
    /// It has none in Kubernetes.
    None,
    /// It is there.
    Found(Arc<ObjectFacts>),
    /// It is not.
    Missing(ObjectKey),
}

impl Cluster {
    /// A cluster without objects.
    pub fn new(settings: Settings) -> Self {
        Self {
            default_policy: settings.default_policy.clone().map(|policy| (policy, None)),
            settings,
            kinds: Kinds::builtin(),
            objects: BTreeMap::new(),
            twice: Vec::new(),
            policies: BTreeMap::new(),
            secrets: HashMap::new(),
            shares_subscription: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &MemberName {
        &self.settings.name
    }

    /// Adds what a document says. Of an object that is there twice, the later one counts.
    pub fn add(&mut self, item: Item) {
        match item {
            Item::Object(manifest) => {
                let key = manifest.facts.key.clone();
                if let Some(before) = self.objects.insert(key, manifest.clone()) {
                    self.twice.push((before, manifest));
                }
            }
            Item::Namespace { name, policy } => {
                if let Some(policy) = policy {
                    self.policies.insert(name, policy);
                }
            }
            Item::Secret(secret) => {
                if *secret.name == *SETTINGS_SECRET
                    && let (Some((policy, place)), None) =
                        (&secret.default_policy, &self.settings.default_policy)
                {
                    self.default_policy = Some((Arc::from(&**policy), place.clone()));
                }
                let id = (secret.namespace.clone(), secret.name.clone());
                self.secrets.insert(id, secret);
            }
            Item::Kind(kind) => self.kinds = self.kinds.with_learned(kind),
        }
    }

    /// Its objects.
    pub fn objects(&self) -> impl Iterator<Item = &Manifest> {
        self.objects.values()
    }

    /// An object.
    pub fn object(&self, key: &ObjectKey) -> Option<&Manifest> {
        self.objects.get(key)
    }

    /// The objects that are written twice: the first and the later one.
    pub(super) fn twice(&self) -> &[(Manifest, Manifest)] {
        &self.twice
    }

    /// The policy annotations of its namespaces, and where they are written.
    pub fn policies(&self) -> impl Iterator<Item = (&str, &str, Option<&Place>)> {
        let stated = self
            .settings
            .namespaces
            .iter()
            .filter_map(|(name, stated)| Some((name.as_str(), stated.policy.as_deref()?, None)));
        let written = self
            .policies
            .iter()
            .map(|(name, (policy, place))| (&**name, &**policy, place.as_ref()));
        written.chain(stated)
    }

    /// ASO's `DEFAULT_RECONCILE_POLICY`, and where it is written.
    pub fn default_policy(&self) -> Option<(&str, Option<&Place>)> {
        let (policy, place) = self.default_policy.as_ref()?;
        Some((policy, place.as_ref()))
    }

    /// Whether anything tells a subscription.
    pub(super) fn knows_a_subscription(&self) -> bool {
        let stated = &self.settings;
        let of_namespaces =
            |of: &NamespaceSettings| of.subscription.is_some() || !of.credentials.is_empty();
        stated.subscription.is_some()
            || stated.namespaces.values().any(of_namespaces)
            || self
                .secrets
                .values()
                .any(|secret| secret.subscription.is_some())
    }

    /// The subscription of the credential that ASO uses for an object; for a person, why it
    /// is not known.
    ///
    /// # Errors
    /// It is not known.
    pub fn subscription(&self, object: &ObjectFacts) -> Result<Arc<str>, String> {
        let namespace = &*object.key.namespace;
        let stated = self.settings.namespaces.get(namespace);
        let secret = |namespace: &str, name: &str| {
            let secret = self.secrets.get(&(namespace.into(), name.into()))?;
            secret.subscription.as_deref().map(Arc::<str>::from)
        };
        let cluster = self.name();
        let named = object.annotations.credential_from.as_deref();
        if let Some(name) = named.filter(|name| !name.is_empty()) {
            let stated = stated.and_then(|stated| stated.credentials.get(name).cloned());
            return stated.or_else(|| secret(namespace, name)).ok_or_else(|| {
                format!(
                    "the subscription of the secret {namespace}/{name} is not known; state it in \
                     aso-guard.yaml, for cluster {cluster}: \
                     namespaces: {{{namespace}: {{credentials: {{{name}: ID}}}}}}"
                )
            });
        }
        let global = || {
            let mut settings = self.secrets.values();
            let found = settings.find(|secret| *secret.name == *SETTINGS_SECRET);
            found.and_then(|secret| secret.subscription.as_deref().map(Arc::from))
        };
        stated
            .and_then(|stated| stated.subscription.clone())
            .or_else(|| secret(namespace, NAMESPACE_SECRET))
            .or_else(|| self.settings.subscription.clone())
            .or_else(global)
            .or_else(|| self.shares_subscription.then(|| SOME_SUBSCRIPTION.into()))
            .ok_or_else(|| {
                format!(
                    "the subscription of namespace {namespace} in cluster {cluster} is not known; \
                     state it: --subscription {cluster}=ID, or in aso-guard.yaml"
                )
            })
    }

    /// The effective policy of an object.
    pub fn policy(&self, object: &ObjectFacts) -> Effective {
        let namespace = &*object.key.namespace;
        let stated = self.settings.namespaces.get(namespace);
        let stated = stated.and_then(|stated| stated.policy.as_deref());
        let written = self.policies.get(namespace).map(|(policy, _)| &**policy);
        policy::effective(
            object.annotations.policy.as_deref(),
            stated.or(written),
            self.default_policy().map(|(policy, _)| policy),
        )
    }

    /// What an object stands for.
    pub(super) fn resolve(&self, object: &ObjectFacts) -> Resolved {
        let owners = self.owners(object);
        let subscription = arm::needs_subscription(&self.kinds, object, &owners)
            .then(|| self.subscription(object).ok())
            .flatten();
        Resolved {
            identity: arm::resolve(&self.kinds, object, &owners, subscription.as_deref()),
            policy: self.policy(object),
            owner: match owners.into_iter().next() {
                None => Owner::None,
                Some(OwnerLink::Found(found)) => Owner::Found(found),
                Some(OwnerLink::Missing(key)) => Owner::Missing(key),
            },
        }
    }

    /// The owners of an object, nearest first, as [`arm::resolve`] wants them.
    fn owners(&self, object: &ObjectFacts) -> Vec<OwnerLink> {
        arm::owners(&self.kinds, object, |key| {
            self.objects.get(key).map(|owner| owner.facts.clone())
        })
    }
}
