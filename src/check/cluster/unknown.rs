//! What the manifests don't tell of where a resource lies.
//!
//! A subscription or an owner that is not known gets a stand-in, so that what is not known is
//! compared with what is not known: the same names may be the same resource. The stand-in is one
//! for all clusters; whether two unknowns may be the same at all, [`Unknown::may_be`] tells.

use std::sync::Arc;

use crate::arm::{Identity, OwnerLink, Resolution, Scope, Unresolved};
use crate::object::{ObjectFacts, ObjectKey, OwnerRef};
use crate::resolve::NAMESPACE_SECRET;

use super::CheckedCluster;

/// What stands for every subscription that is not known.
const SOME_SUBSCRIPTION: &str = "unknown-subscription";
/// What stands for an owner that nothing tells the owner of.
const SOME_OWNER: &str = "unknown-owner";
/// What stands for a name that is in no manifest.
pub(super) const SOME_NAME: &str = "unknown-name";
/// What the subscription of a credential begins with that is not known: `unknown:namespace` of
/// an operator's, `unknown:namespace:name` of a secret.
const UNKNOWN: &str = "unknown:";

/// What is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnknownSource {
    /// The subscription of the ASO in this namespace.
    Operator(Box<str>),
    /// That of a secret: its namespace and name.
    Secret(Box<str>, Box<str>),
    /// The name that comes from a ConfigMap: its namespace and name, and the key.
    Name(Box<str>, Box<str>, Box<str>),
    /// Where this owner lies, which is in no manifest.
    Owner(ObjectKey),
    /// There is nothing to take it from.
    Nowhere,
}

/// Something that is not known, and what to say of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// What.
    pub source: UnknownSource,
    /// Why, for a person.
    pub why: String,
    /// How to state it; empty where it cannot be stated.
    pub state: String,
}

impl Unknown {
    pub(super) fn new(source: UnknownSource, why: String) -> Self {
        Self {
            source,
            why,
            state: String::new(),
        }
    }

    /// Whether two unknowns may be one: the same secret or owner, here or in another cluster; or
    /// an operator's subscription, and that of another cluster's namespace.
    pub(in crate::check) fn may_be(&self, other: &Self, same_cluster: bool) -> bool {
        let is_operator = |one: &Self| matches!(one.source, UnknownSource::Operator(_));
        let is_part = |one: &Self| {
            matches!(
                one.source,
                UnknownSource::Owner(_) | UnknownSource::Name(..)
            )
        };
        self.source == other.source
            || !same_cluster
                && (is_operator(self) || is_operator(other))
                && !is_part(self)
                && !is_part(other)
    }
}

/// What is not known of an object that takes its name from a ConfigMap that is not there.
pub(super) fn name(object: &ObjectKey, from: [Box<str>; 3]) -> Unknown {
    let [namespace, name, key] = from;
    let place = format!("{namespace}/{name}");
    let why = format!(
        "the name of {object} in Azure is not known: it comes from {key} of the ConfigMap {place}, \
         which was not found"
    );
    Unknown {
        state: format!("put the ConfigMap {place} among the manifests"),
        ..Unknown::new(UnknownSource::Name(namespace, name, key), why)
    }
}

pub(super) fn of_operator(namespace: &str) -> Arc<str> {
    format!("{UNKNOWN}{namespace}").into()
}

pub(super) fn of_secret(namespace: &str, name: &str) -> Arc<str> {
    format!("{UNKNOWN}{namespace}:{name}").into()
}

impl CheckedCluster {
    /// What is not known of a credential whose subscription is this.
    pub(super) fn unknown_by(&self, subscription: &str) -> Option<Unknown> {
        let token = subscription.strip_prefix(UNKNOWN)?;
        let cluster = self.name();
        let Some((namespace, name)) = token.split_once(':') else {
            let source = UnknownSource::Operator(token.into());
            let hidden = self.hidden(token, super::SETTINGS_SECRET);
            let why = hidden.map_or_else(String::new, |why| {
                format!(
                    ", because the secret {token}/{} {why}",
                    super::SETTINGS_SECRET
                )
            });
            return Some(Unknown {
                state: format!("--subscription {cluster}=ID, or in aso-guard.yaml"),
                ..Unknown::new(
                    source,
                    format!("the subscription of ASO in cluster {cluster} is not known{why}"),
                )
            });
        };
        let why = self.hidden(namespace, name).unwrap_or("was not found");
        let (of, flag, stated) = if name == NAMESPACE_SECRET {
            (
                format!("namespace {namespace} in cluster {cluster}"),
                format!("{cluster}/{namespace}"),
                "subscription: ID".to_owned(),
            )
        } else {
            (
                format!("some objects in namespace {namespace} in cluster {cluster}"),
                format!("{cluster}/{namespace}/{name}"),
                format!("credentials: {{{name}: ID}}"),
            )
        };
        let of = format!("the subscription of {of} is not known");
        let state = format!(
            "--subscription {flag}=ID, or in aso-guard.yaml, for cluster {cluster}: \
             namespaces: {{{namespace}: {{{stated}}}}}"
        );
        Some(Unknown {
            state,
            ..Unknown::new(
                UnknownSource::Secret(namespace.into(), name.into()),
                format!("{of}, because the secret {namespace}/{name} {why}"),
            )
        })
    }

    fn hidden(&self, namespace: &str, name: &str) -> Option<&str> {
        let secret = self.secrets.get(&(namespace.into(), name.into()))?;
        let hidden = secret.hidden.as_deref();
        Some(hidden.unwrap_or("has no AZURE_SUBSCRIPTION_ID"))
    }

    /// What stands for an owner that is not there and has an owner itself. Of one that has none
    /// the name alone is not known, and resolving assumes that.
    pub(super) fn stand_in(&self, key: &ObjectKey) -> Option<Arc<ObjectFacts>> {
        let kind = self.kinds.get(&key.group, &key.kind)?;
        let has_owner = !matches!(
            kind.scope,
            Scope::Subscription | Scope::Tenant | Scope::Extension
        );
        has_owner.then(|| {
            Arc::new(ObjectFacts {
                owner: Some(OwnerRef {
                    name: Some(SOME_OWNER.into()),
                    ..OwnerRef::default()
                }),
                ..ObjectFacts::named(key.clone())
            })
        })
    }

    /// Puts one stand-in for every unknown subscription into an identity, and gives what is not
    /// known of it. What ASO wrote down, where it says the same but for the subscription, tells it.
    pub(super) fn set_unknown_apart(
        &self,
        object: &ObjectFacts,
        identity: &mut Result<Resolution, Unresolved>,
        owners: &[OwnerLink],
    ) -> Option<Unknown> {
        let resolution = identity.as_mut().ok()?;
        let mut unknown = owners.iter().find_map(|link| match link {
            OwnerLink::Found(owner) if !self.objects.contains_key(&owner.key) => {
                let why = format!("the owner {} was not found", owner.key);
                Some(Unknown::new(UnknownSource::Owner(owner.key.clone()), why))
            }
            _ => None,
        });
        let above = owners.iter().filter_map(|link| match link {
            OwnerLink::Found(owner) => Some(&owner.key),
            OwnerLink::Missing(_) => None,
        });
        let mut named = std::iter::once(&object.key).chain(above);
        unknown = unknown.or_else(|| named.find_map(|key| self.nameless.get(key)).cloned());
        let subscription = resolution.identity.subscription().map(str::to_owned);
        let by = subscription.and_then(|found| self.unknown_by(&found));
        if by.is_some() {
            let tail = in_subscription(&resolution.identity);
            let mut witness = resolution.also.iter().chain(&resolution.stale_status);
            let known = witness.find(|&other| in_subscription(other) == tail);
            let known = known.cloned();
            if let Some(known) = known {
                resolution.also.retain(|other| *other != known);
                resolution.stale_status.take_if(|other| *other == known);
                resolution.identity = known;
                return unknown;
            }
        }
        for named in std::iter::once(&mut resolution.identity).chain(&mut resolution.also) {
            let is_unknown = named
                .subscription()
                .is_some_and(|id| id.starts_with(UNKNOWN));
            if let (true, Some((_, rest))) = (is_unknown, split(named))
                && let Ok(apart) =
                    Identity::parse(&format!("/subscriptions/{SOME_SUBSCRIPTION}{rest}"))
            {
                *named = apart;
            }
        }
        unknown = unknown.or(by);
        unknown
    }
}

/// A resource's ID without its subscription, as IDs are compared; `None` of one in none.
pub(in crate::check) fn in_subscription(identity: &Identity) -> Option<String> {
    split(identity).map(|(_, rest)| crate::arm::folded(rest))
}

fn split(identity: &Identity) -> Option<(&str, &str)> {
    let subscription = identity.subscription()?;
    let rest = identity.as_str().strip_prefix('/')?.split_once('/')?.1;
    Some((subscription, rest.strip_prefix(subscription)?))
}
