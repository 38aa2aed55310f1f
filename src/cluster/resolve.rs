//! From an object to its identity and policy, with what the cluster knows.

use crate::arm::{self, NextOwner, OwnerLink, Resolution, Unresolved};
use crate::object::ObjectFacts;
use crate::policy::{self, Effective};

use super::{Cluster, ClusterError, Subscription};

/// Owner chains are four deep at most in ASO's kinds; a longer one is a circle.
const MAX_OWNERS: usize = 16;

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
    let namespace = cluster.namespace_policy(&object.key.namespace).await?;
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
    let words = |unresolved: Unresolved| unresolved.to_string();
    let owners = match owners(cluster, &kinds, object).await? {
        Ok(owners) => owners,
        Err(unresolved) => return Ok(Err(words(unresolved))),
    };
    let mut subscription = None;
    if arm::needs_subscription(&kinds, object, &owners) {
        let from = object.annotations.credential_from.as_deref();
        match cluster.subscription(&object.key.namespace, from).await? {
            Subscription::Id(id) => subscription = Some(id),
            Subscription::Unknown(why) => return Ok(Err(why)),
        }
    }
    let resolution = arm::resolve(&kinds, object, &owners, subscription.as_deref());
    Ok(resolution.map_err(words))
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

/// The owners of an object, nearest first, to its root or to the first one that is
/// not there.
async fn owners(
    cluster: &dyn Cluster,
    kinds: &arm::Kinds,
    object: &ObjectFacts,
) -> Result<Result<Vec<OwnerLink>, Unresolved>, ClusterError> {
    let mut links: Vec<OwnerLink> = Vec::new();
    loop {
        let next = match links.last() {
            Some(OwnerLink::Found(owner)) => arm::next_owner(kinds, owner),
            Some(OwnerLink::Missing(_)) => return Ok(Ok(links)),
            None => arm::next_owner(kinds, object),
        };
        match next {
            Err(unresolved) => return Ok(Err(unresolved)),
            Ok(NextOwner::Root | NextOwner::ArmId) => return Ok(Ok(links)),
            Ok(NextOwner::Object(_)) if links.len() == MAX_OWNERS => return Ok(Ok(links)),
            Ok(NextOwner::Object(key)) => links.push(match cluster.object(&key).await? {
                Some(owner) => OwnerLink::Found(owner),
                None => OwnerLink::Missing(key),
            }),
        }
    }
}
