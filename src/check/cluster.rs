//! One cluster, as its manifests describe it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::{Kinds, OwnerLink, Resolution, Unresolved};
use crate::claim::MemberName;
use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::Effective;
use crate::resolve::{
    self, Answer, NAMESPACE_SECRET, Need, Question, Resolving, SETTINGS_SECRET, SecretFacts, Trust,
};

use super::manifest::{Item, Manifest, Secret};
use super::place::Place;

/// The subscription of clusters of which none is known at all: taken to be the same one.
pub const SOME_SUBSCRIPTION: &str = "some-subscription";
/// The namespace that ASO is installed in by default.
const ASO_NAMESPACE: &str = "azureserviceoperator-system";

/// What a person states of a cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name.
    pub name: MemberName,
    /// The subscription of its global credential.
    pub subscription: Option<Arc<str>>,
    /// ASO's `DEFAULT_RECONCILE_POLICY`.
    pub default_policy: Option<Arc<str>>,
    /// The namespaces that ASO runs in; empty where it is to be seen by the manifests.
    pub operators: Vec<Arc<str>>,
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
    /// By namespace and name.
    secrets: BTreeMap<(Box<str>, Box<str>), Secret>,
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
            settings,
            kinds: Kinds::builtin(),
            objects: BTreeMap::new(),
            twice: Vec::new(),
            policies: BTreeMap::new(),
            secrets: BTreeMap::new(),
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

    /// The `DEFAULT_RECONCILE_POLICY` of its ASOs, and where each is written.
    pub fn default_policies(&self) -> Vec<(&str, Option<&Place>)> {
        if let Some(stated) = &self.settings.default_policy {
            return vec![(stated, None)];
        }
        let secrets = self.operators().into_iter().filter_map(|operator| {
            let id = (Box::from(&*operator), Box::from(SETTINGS_SECRET));
            let secret = self.secrets.get(&id)?;
            let policy = secret.facts.default_policy.as_deref()?;
            Some((policy, secret.default_policy_at.as_ref()))
        });
        secrets.collect()
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
                .any(|secret| secret.facts.subscription.is_some())
    }

    /// The subscription of the credential that ASO uses for an object; for a person, why it
    /// is not known.
    ///
    /// # Errors
    /// It is not known.
    pub fn subscription(&self, object: &ObjectFacts) -> Result<Arc<str>, String> {
        self.find(object, |one| one.subscription())
    }

    /// The effective policy of an object.
    pub fn policy(&self, object: &ObjectFacts) -> Effective {
        self.find(object, |one| one.policy())
    }

    /// What an object stands for.
    pub(super) fn resolve(&self, object: &ObjectFacts) -> Resolved {
        let (of, owners) = self.find(object, |one| Ok((one.resolved()?, one.owners()?)));
        Resolved {
            identity: of.identity,
            policy: of.policy,
            owner: match owners.into_iter().next() {
                None => Owner::None,
                Some(OwnerLink::Found(found)) => Owner::Found(found),
                Some(OwnerLink::Missing(key)) => Owner::Missing(key),
            },
        }
    }

    fn find<T>(
        &self,
        object: &ObjectFacts,
        outcome: impl Fn(&Resolving<'_>) -> Result<T, Question>,
    ) -> T {
        let operators = self.operators();
        let resolving = Resolving::new(&self.kinds, &operators, object, Trust::Known, Vec::new());
        resolving.by(outcome, |need| self.answer(need))
    }

    fn answer(&self, need: &Need) -> Answer {
        match need {
            Need::Owner(key) => Answer::Owner(self.objects.get(key).map(|one| one.facts.clone())),
            Need::Namespace(name) => {
                let stated = self.settings.namespaces.get(&**name);
                let stated = stated.and_then(|stated| stated.policy.clone());
                let written = || Some(Arc::from(&*self.policies.get(&**name)?.0));
                Answer::Namespace(stated.or_else(written))
            }
            Need::OperatorSettings(name) => Answer::Secret(
                self.operator_settings(name)
                    .map_or(resolve::Secret::Missing, resolve::Secret::Found),
            ),
            Need::Credential { namespace, name } => {
                Answer::Secret(self.credential(namespace, name))
            }
        }
    }

    /// The namespaces of its ASOs: as stated, or those with settings. Of several without
    /// target namespaces of their own nobody can tell which one is ASO's, save where one
    /// is in the namespace that it is installed in by default.
    fn operators(&self) -> Vec<Arc<str>> {
        if !self.settings.operators.is_empty() {
            return self.settings.operators.clone();
        }
        let found = self.secrets.values();
        let found: Vec<&Secret> = found.filter(|one| *one.name == *SETTINGS_SECRET).collect();
        let (with_targets, without): (Vec<&Secret>, Vec<&Secret>) = found
            .into_iter()
            .partition(|one| one.facts.target_namespaces.is_some());
        let usual = without.iter().find(|one| *one.namespace == *ASO_NAMESPACE);
        let takes_all = match (usual, &*without) {
            (Some(usual), _) => Some(*usual),
            (None, [one]) => Some(*one),
            (None, _) => None,
        };
        let found = takes_all.into_iter().chain(with_targets);
        let mut found: Vec<Arc<str>> = found.map(|one| Arc::from(&*one.namespace)).collect();
        if found.is_empty() {
            found.push(ASO_NAMESPACE.into());
        }
        found
    }

    /// What is stated of ASO's settings counts for every ASO; else what is written, else
    /// that all clusters share a subscription where none is known of any.
    fn operator_settings(&self, operator: &str) -> Option<SecretFacts> {
        let written = self.secrets.get(&(operator.into(), SETTINGS_SECRET.into()));
        let written = written.map(|one| one.facts.clone()).unwrap_or_default();
        let stated = &self.settings;
        let shared = || self.shares_subscription.then(|| SOME_SUBSCRIPTION.into());
        let subscription = stated.subscription.clone().or(written.subscription);
        let facts = SecretFacts {
            subscription: subscription.or_else(shared),
            default_policy: stated.default_policy.clone().or(written.default_policy),
            target_namespaces: written.target_namespaces,
            outrun: false,
        };
        (facts != SecretFacts::default()).then_some(facts)
    }

    fn credential(&self, namespace: &str, name: &str) -> resolve::Secret {
        let stated = self.settings.namespaces.get(namespace);
        let stated = stated.and_then(|stated| match name {
            NAMESPACE_SECRET => stated.subscription.clone(),
            name => stated.credentials.get(name).cloned(),
        });
        let written = self.secrets.get(&(namespace.into(), name.into()));
        let written = || written.and_then(|secret| secret.facts.subscription.clone());
        if let Some(subscription) = stated.or_else(written) {
            return resolve::Secret::Found(SecretFacts {
                subscription: Some(subscription),
                ..SecretFacts::default()
            });
        }
        let cluster = self.name();
        if name != NAMESPACE_SECRET {
            return resolve::Secret::Unreadable(format!(
                "the subscription of the secret {namespace}/{name} is not known; state it in \
                 aso-guard.yaml, for cluster {cluster}: \
                 namespaces: {{{namespace}: {{credentials: {{{name}: ID}}}}}}"
            ));
        }
        let operators = self.operators();
        let mut settings = operators
            .iter()
            .filter_map(|one| self.operator_settings(one));
        if settings.any(|settings| settings.subscription.is_some()) {
            return resolve::Secret::Missing;
        }
        resolve::Secret::Unreadable(format!(
            "the subscription of namespace {namespace} in cluster {cluster} is not known; \
             state it: --subscription {cluster}=ID, or in aso-guard.yaml"
        ))
    }
}
