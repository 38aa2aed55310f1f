//! From an object to its identity and policy, with what the cluster knows.

use crate::arm::{self, NextOwner, OwnerLink, Resolution, Unresolved};
use crate::object::ObjectFacts;
use crate::policy::{self, Effective};

use super::{Cluster, ClusterError, Subscription};

/// What an object is to the guard.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The resource it stands for, or why that cannot be said.
    pub identity: Result<Resolution, String>,
    /// Its effective policy.
    pub policy: Effective,
}

/// Works out an object's effective policy.
///
/// # Errors
/// The cluster did not answer.
pub async fn effective_policy(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
) -> Result<Effective, ClusterError> {
    let own = object.annotations.policy.as_deref();
    let effective = policy::effective(own, None, None);
    if effective.source == policy::Source::Object && effective.unknown.is_none() {
        return Ok(effective);
    }
    let namespace = cluster.namespace(&object.key.namespace).await?.policy;
    let operator = cluster.operator_policy().await?;
    Ok(policy::effective(
        own,
        namespace.as_deref(),
        operator.as_deref(),
    ))
}

/// Works out an object's identity.
///
/// # Errors
/// The cluster did not answer. That the identity cannot be known is no error: it
/// is the inner result, in words.
pub async fn identity(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
) -> Result<Result<Resolution, String>, ClusterError> {
    let kinds = cluster.kinds();
    let owners = owners(cluster, &kinds, object).await?;
    let (mut subscription, mut without) = (None, None);
    if arm::needs_subscription(&kinds, object, &owners) {
        let from = object.annotations.credential_from.as_deref();
        match cluster.subscription(&object.key.namespace, from).await? {
            Subscription::Id(id) => subscription = Some(id),
            Subscription::Unknown(why) => without = Some(why),
        }
    }
    let resolution = arm::resolve(&kinds, object, &owners, subscription.as_deref());
    Ok(resolution
        .map_err(|unresolved: Unresolved| without.unwrap_or_else(|| unresolved.to_string())))
}

/// Works out both.
///
/// # Errors
/// The cluster did not answer.
pub async fn resolve(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
) -> Result<Resolved, ClusterError> {
    Ok(Resolved {
        identity: identity(cluster, object).await?,
        policy: effective_policy(cluster, object).await?,
    })
}

/// The owners of an object, nearest first: up to its root, to the first one that is
/// not there, or to where the chain makes no sense, which [`arm::resolve`] tells.
async fn owners(
    cluster: &dyn Cluster,
    kinds: &arm::Kinds,
    object: &ObjectFacts,
) -> Result<Vec<OwnerLink>, ClusterError> {
    let mut links: Vec<OwnerLink> = Vec::new();
    while links.len() < arm::MAX_LINKS {
        let below = match links.last() {
            Some(OwnerLink::Found(owner)) => owner,
            Some(OwnerLink::Missing(_)) => break,
            None => object,
        };
        let Ok(NextOwner::Object(key)) = arm::next_owner(kinds, below) else {
            break;
        };
        links.push(match cluster.object(&key).await? {
            Some(owner) => OwnerLink::Found(owner),
            None => OwnerLink::Missing(key),
        });
    }
    Ok(links)
}
