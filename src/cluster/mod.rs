//! What the guard knows of its own cluster: its objects, namespaces, credentials,
//! installed kinds; and the observer that keeps the registry true to them.

mod claim_index;
mod deadlines;
pub mod enrolment;
pub mod family;
pub mod fence;
pub mod kube;
mod lists_due;
pub mod member;
pub mod memory;
pub mod metrics;
pub mod observer;
mod pace;
pub mod protections;
mod queue;
pub mod resolve;
pub mod shards;
pub mod transfer_controller;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::arm::{Identity, Kinds};
use crate::claim::{HistoryEntry, RequestUid};
use crate::object::{ObjectFacts, ObjectKey};
use crate::resolve::{Freshness, SecretLookup};

/// The member's own cluster, as the webhook and the observer ask it.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// The kinds whose identities can be worked out.
    fn kinds(&self) -> Arc<Kinds>;

    /// The namespaces of the ASOs in the cluster, as far as they are known.
    fn operators(&self) -> Arc<[Arc<str>]>;

    /// An object. What is known may be old; an object that is not known is asked for.
    async fn object(
        &self,
        key: &ObjectKey,
        trust: Freshness,
    ) -> Result<Option<Arc<ObjectFacts>>, ClusterError>;

    /// Every object that is known, of every installed kind.
    fn objects(&self) -> Vec<Arc<ObjectFacts>>;

    /// The known objects of a namespace whose `spec.owner` has this name.
    fn owned_by(&self, namespace: &str, name: &str) -> Vec<Arc<ObjectFacts>>;

    /// The known objects of a namespace.
    fn in_namespace(&self, namespace: &str) -> Vec<Arc<ObjectFacts>>;

    /// A namespace. What is known may be old; one that is not known is asked for, and
    /// one that is not there says nothing.
    async fn namespace(&self, name: &str, trust: Freshness)
    -> Result<NamespaceFacts, ClusterError>;

    /// The objects in a scope as the API server's store has them now: quorum reads, one of
    /// each kind. A kind that it does not give keeps no other from being listed.
    async fn list(&self, scope: ObjectScope<'_>) -> ListedObjects;

    /// The installed kinds, as kind.group, that may not be read.
    fn unwatched(&self) -> Vec<String> {
        Vec::new()
    }

    /// A secret with a credential, or with an ASO's settings. One that may not be read
    /// is no error: it says nothing of others.
    async fn secret(
        &self,
        namespace: &str,
        name: &str,
        trust: Freshness,
    ) -> Result<SecretLookup, ClusterError>;
}

/// Which objects to list.
#[derive(Clone, Copy, Debug)]
pub enum ObjectScope<'a> {
    /// Those in a namespace, of every installed kind of ASO's.
    Namespace(&'a str),
    /// Those of a kind, in all namespaces: its group and name.
    Kind(&'a str, &'a str),
    /// All, of every installed kind of ASO's.
    All,
}

impl ObjectScope<'_> {
    /// Whether an object is in it.
    pub fn has(self, key: &ObjectKey) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(namespace) => *key.namespace == *namespace,
            Self::Kind(group, kind) => *key.group == *group && *key.kind == *kind,
        }
    }
}

/// What a list found.
#[derive(Clone, Debug, Default)]
pub struct ListedObjects {
    /// The objects of the kinds that the API server gave.
    pub objects: Vec<Arc<ObjectFacts>>,
    /// The kinds that it did not give: the group and name of each.
    pub unread: Vec<(Arc<str>, Arc<str>)>,
}

/// What a namespace says about the objects in it, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its resourceVersion; empty where it is not there.
    pub resource_version: Arc<str>,
    /// ASO's policy annotation.
    pub policy: Option<Arc<str>>,
    /// The guard's mode label.
    pub mode: Option<Arc<str>>,
    /// The guard's override annotation.
    pub overriding: Option<Arc<str>>,
    /// The guard's protect annotation.
    pub protect: Option<Arc<str>>,
    /// Whether it is being deleted, and all that is in it.
    pub terminating: bool,
}

/// Parks objects: the only thing that is ever written to one, and only where the
/// operator wants it.
#[async_trait]
pub trait Parking: Send + Sync {
    /// Sets the object's policy to `skip`, if it is still as it was read. Gives whether
    /// it was.
    async fn park(&self, object: &ObjectFacts) -> Result<bool, ClusterError>;
}

/// Is told of requests that were admitted, and sees how they end.
pub trait FollowUp: Send + Sync {
    /// A request that may store or delete `object`, as a copy of `identity`, is under
    /// way from now on; `deadline` is what its claim says, or is about to say.
    fn expect(
        &self,
        object: &ObjectKey,
        identity: &Identity,
        request: &RequestUid,
        deadline: Timestamp,
    );

    /// The identities whose claims may list an object as a copy; `None` while that is
    /// not known. It may be too many.
    fn claims_of(&self, object: &ObjectKey) -> Option<Vec<Identity>>;

    /// What a person overrode for a copy is to be in the history of its claims, once those
    /// can be written.
    fn remember(&self, entry: HistoryEntry);
}

/// The cluster's API server could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("this cluster's API server did not answer for {what}: {why}")]
pub struct ClusterError {
    /// What was asked for.
    pub what: String,
    /// What happened.
    pub why: String,
}
