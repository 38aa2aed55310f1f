//! One cluster, as its manifests describe it.

mod settings;
mod unknown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::arm::{Kind, Kinds, OwnerLink, Resolution, Unresolved};
use crate::claim::MemberName;
use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::EffectivePolicy;
use crate::resolve::{
    self, Freshness, Lookup, LookupAnswer, LookupRequest, NAMESPACE_SECRET, Resolver,
    SETTINGS_SECRET, SecretFacts, SubscriptionOutcome,
};

use super::manifest::{Document, Manifest, SecretManifest};
use super::place::Location;

pub use settings::{ClusterSettings, NamespaceSettings};
pub(super) use unknown::in_subscription;
pub use unknown::{Unknown, UnknownSource};

/// The namespace that ASO is installed in by default.
const ASO_NAMESPACE: &str = "azureserviceoperator-system";

/// A cluster to be checked.
#[derive(Debug)]
pub struct CheckedCluster {
    settings: ClusterSettings,
    kinds: Kinds,
    objects: BTreeMap<ObjectKey, Manifest>,
    twice: Vec<(Manifest, Manifest)>,
    policies: BTreeMap<Box<str>, (Box<str>, Option<Location>)>,
    /// By namespace and name.
    secrets: BTreeMap<(Box<str>, Box<str>), SecretManifest>,
    /// The values in ConfigMaps, by namespace, name and key.
    config_maps: BTreeMap<[Box<str>; 3], Box<str>>,
    /// The objects whose name in Azure is not known.
    nameless: BTreeMap<ObjectKey, Unknown>,
    /// What could not be read: by its key where that is known, and why.
    unread: Vec<(Option<ObjectKey>, &'static str)>,
    /// How many objects there are of each kind of which others' controllers make more.
    makers: BTreeMap<&'static str, usize>,
}

/// What an object is to the check.
pub(super) struct CheckedResolution {
    pub(super) identity: Result<Resolution, Unresolved>,
    pub(super) policy: EffectivePolicy,
    pub(super) owner: NearestOwner,
    /// What the identity lacks to be more than assumed.
    pub(super) unknown: Option<Unknown>,
}

/// The nearest owner of an object.
pub(super) enum NearestOwner {
    /// It has none in Kubernetes.
    None,
    /// It is there.
    Found(Arc<ObjectFacts>),
    /// It is not.
    Missing(ObjectKey),
}

impl CheckedCluster {
    /// A cluster without objects.
    pub fn new(settings: ClusterSettings) -> Self {
        Self {
            settings,
            kinds: Kinds::builtin(),
            objects: BTreeMap::new(),
            twice: Vec::new(),
            policies: BTreeMap::new(),
            secrets: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            nameless: BTreeMap::new(),
            unread: Vec::new(),
            makers: BTreeMap::new(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &MemberName {
        &self.settings.name
    }

    /// Adds what a document says. Of an object that is there twice, the later one counts.
    pub fn add(&mut self, item: Document) {
        match item {
            Document::Object(manifest) => {
                let key = manifest.facts.key.clone();
                if let Some(before) = self.objects.insert(key, manifest.clone()) {
                    self.twice.push((before, manifest));
                }
            }
            Document::Namespace { name, policy } => {
                if let Some(policy) = policy {
                    self.policies.insert(name, policy);
                }
            }
            Document::Secret(secret) => {
                let id = (secret.namespace.clone(), secret.name.clone());
                self.secrets.insert(id, secret);
            }
            Document::ConfigMap { id, data } => {
                let values = data
                    .into_iter()
                    .map(|(key, value)| ([id.0.clone(), id.1.clone(), key], value));
                self.config_maps.extend(values);
            }
            Document::Kind(kind) => self.learn(kind),
            Document::Unread(key, why) => self.unread.push((key, why)),
            Document::Maker(kind) => *self.makers.entry(kind).or_default() += 1,
        }
    }

    /// Gives objects the names that they take from ConfigMaps, once all is added: as ASO does,
    /// in the annotation that it writes. What is not known gets a stand-in.
    pub fn name_objects(&mut self) {
        for (key, manifest) in &mut self.objects {
            let Some((name, entry)) = &manifest.name_from else {
                continue;
            };
            let annotation = &mut Arc::make_mut(&mut manifest.facts).annotations;
            let annotation = &mut annotation.azure_name_from_config;
            if annotation.as_deref().is_some_and(|name| !name.is_empty()) {
                continue;
            }
            let from = [Box::from(&*key.namespace), name.clone(), entry.clone()];
            if let Some(found) = self.config_maps.get(&from) {
                *annotation = Some(found.clone());
            } else {
                let unknown = unknown::name(key, from);
                self.nameless.insert(key.clone(), unknown);
                *annotation = Some(unknown::SOME_NAME.into());
            }
        }
    }

    /// Takes up a kind that a CRD told of.
    pub(super) fn learn(&mut self, kind: Kind) {
        self.kinds = self.kinds.with_learned(kind);
    }

    /// The kinds that CRDs among its manifests told of.
    pub(super) fn learned(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(|kind| kind.learned)
    }

    /// Its objects.
    pub fn objects(&self) -> impl Iterator<Item = &Manifest> {
        self.by_group(true)
    }

    /// The objects of API groups that no kind of ASO's is known of.
    pub(super) fn foreign(&self) -> impl Iterator<Item = &Manifest> {
        self.by_group(false)
    }

    fn by_group(&self, asos: bool) -> impl Iterator<Item = &Manifest> {
        let groups: BTreeSet<&str> = self.kinds.groups().collect();
        let all = self.objects.values();
        all.filter(move |one| groups.contains(&*one.facts.key.group) == asos)
    }

    /// What could not be read: by its key where that is known, and why.
    pub(super) fn unread(&self) -> &[(Option<ObjectKey>, &'static str)] {
        &self.unread
    }

    /// How many objects there are of each kind of which others' controllers make more.
    pub fn makers(&self) -> &BTreeMap<&'static str, usize> {
        &self.makers
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
    pub fn policies(&self) -> impl Iterator<Item = (&str, &str, Option<&Location>)> {
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
    pub fn default_policies(&self) -> Vec<(&str, Option<&Location>)> {
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

    /// The subscription of the credential that ASO uses for an object.
    ///
    /// # Errors
    /// It is not known.
    pub fn subscription(&self, object: &ObjectFacts) -> Result<Arc<str>, Unknown> {
        let found = match self.find(object, |one| one.subscription()) {
            SubscriptionOutcome::Known(found) => found,
            SubscriptionOutcome::Unknown(why) => {
                return Err(Unknown::new(UnknownSource::Nowhere, why));
            }
        };
        self.unknown_by(&found).map_or(Ok(found), Err)
    }

    /// The effective policy of an object.
    pub fn policy(&self, object: &ObjectFacts) -> EffectivePolicy {
        self.find(object, |one| one.policy())
    }

    /// What an object stands for.
    pub(super) fn resolve(&self, object: &ObjectFacts) -> CheckedResolution {
        let (of, owners) = self.find(object, |one| Ok((one.resolved()?, one.owners()?)));
        let mut resolved = CheckedResolution {
            identity: of.identity,
            policy: of.policy,
            owner: match owners.first() {
                None => NearestOwner::None,
                Some(OwnerLink::Found(owner)) if !self.objects.contains_key(&owner.key) => {
                    NearestOwner::Missing(owner.key.clone())
                }
                Some(OwnerLink::Found(found)) => NearestOwner::Found(found.clone()),
                Some(OwnerLink::Missing(key)) => NearestOwner::Missing(key.clone()),
            },
            unknown: None,
        };
        resolved.unknown = self.set_unknown_apart(object, &mut resolved.identity, &owners);
        resolved
    }

    fn find<T>(
        &self,
        object: &ObjectFacts,
        outcome: impl Fn(&Resolver<'_>) -> Result<T, LookupRequest>,
    ) -> T {
        let operators = self.operators();
        let resolving = Resolver::new(
            &self.kinds,
            &operators,
            object,
            Freshness::Known,
            Vec::new(),
        );
        resolving.by(outcome, |need| self.answer(need, &operators))
    }

    fn answer(&self, need: &Lookup, operators: &[Arc<str>]) -> LookupAnswer {
        match need {
            Lookup::Owner(key) => {
                let found = self.objects.get(key).map(|one| one.facts.clone());
                LookupAnswer::Owner(found.or_else(|| self.stand_in(key)))
            }
            Lookup::Namespace(name) => {
                let stated = self.settings.namespaces.get(&**name);
                let stated = stated.and_then(|stated| stated.policy.clone());
                let written = || Some(Arc::from(&*self.policies.get(&**name)?.0));
                LookupAnswer::Namespace(stated.or_else(written))
            }
            Lookup::OperatorSettings(name) => {
                let id = (Box::from(&**name), Box::from(SETTINGS_SECRET));
                let is_there = operators.contains(name) || self.secrets.contains_key(&id);
                LookupAnswer::Secret(if is_there {
                    resolve::SecretLookup::Found(self.operator_settings(name))
                } else {
                    resolve::SecretLookup::Missing
                })
            }
            Lookup::Credential { namespace, name } => {
                LookupAnswer::Secret(self.credential(namespace, name, operators))
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
        let found: Vec<&SecretManifest> =
            found.filter(|one| *one.name == *SETTINGS_SECRET).collect();
        let (with_targets, without): (Vec<&SecretManifest>, Vec<&SecretManifest>) = found
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

    /// What is stated of ASO's settings counts for every ASO; else what is written.
    fn operator_settings(&self, operator: &str) -> SecretFacts {
        let written = self.secrets.get(&(operator.into(), SETTINGS_SECRET.into()));
        let written = written.map(|one| one.facts.clone()).unwrap_or_default();
        let stated = &self.settings;
        let subscription = stated.subscription.clone().or(written.subscription);
        SecretFacts {
            subscription: subscription.or_else(|| Some(unknown::of_operator(operator))),
            default_policy: stated.default_policy.clone().or(written.default_policy),
            target_namespaces: written.target_namespaces,
            outrun: false,
        }
    }

    fn credential(
        &self,
        namespace: &str,
        name: &str,
        operators: &[Arc<str>],
    ) -> resolve::SecretLookup {
        let stated = self.settings.namespaces.get(namespace);
        let stated = stated.and_then(|stated| match name {
            NAMESPACE_SECRET => stated.subscription.clone(),
            name => stated.credentials.get(name).cloned(),
        });
        let written = self.secrets.get(&(namespace.into(), name.into()));
        let known = stated.or_else(|| written?.facts.subscription.clone());
        let is_there = written.is_some() || name != NAMESPACE_SECRET;
        let unknown = || is_there.then(|| unknown::of_secret(namespace, name));
        if let Some(subscription) = known.or_else(unknown) {
            return resolve::SecretLookup::Found(SecretFacts {
                subscription: Some(subscription),
                ..SecretFacts::default()
            });
        }
        if self.settings.subscription.is_none() && !self.is_watched(namespace, operators) {
            return resolve::SecretLookup::Unreadable(format!(
                "no ASO of cluster {} watches namespace {namespace}: the AZURE_TARGET_NAMESPACES \
                 of each leaves it out",
                self.name()
            ));
        }
        resolve::SecretLookup::Missing
    }

    /// Whether an ASO has the namespace among its targets, or takes all.
    fn is_watched(&self, namespace: &str, operators: &[Arc<str>]) -> bool {
        operators.iter().any(|operator| {
            let targets = self.operator_settings(operator).target_namespaces;
            targets.is_none_or(|targets| targets.split(',').any(|one| one.trim() == namespace))
        })
    }
}
