//! From an object to its identity and policy, with what the cluster knows: makes the
//! calls that [`Resolver`] asks for.

use std::sync::Arc;

use crate::arm::{OwnerLink, Resolution};
use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::EffectivePolicy;
use crate::resolve::{Lookup, LookupAnswer, LookupRequest, Resolver, SETTINGS_SECRET};

use super::{Cluster, ClusterError};

pub use crate::resolve::{Freshness, IdentityOutcome, ResolvedObject};

/// A cluster as it would be, with some answers in place of its own.
pub struct ClusterOverlay<'a> {
    cluster: &'a dyn Cluster,
    trust: Freshness,
    instead: Vec<(LookupRequest, LookupAnswer)>,
}

impl<'a> ClusterOverlay<'a> {
    /// A cluster as it is.
    pub fn of(cluster: &'a dyn Cluster, trust: Freshness) -> Self {
        Self {
            cluster,
            trust,
            instead: Vec::new(),
        }
    }

    /// The same with one object as it would be; `None`: not there.
    #[must_use]
    pub fn with(mut self, key: &ObjectKey, object: Option<&ObjectFacts>) -> Self {
        let answer = LookupAnswer::Owner(object.cloned().map(Arc::new));
        self.given(Lookup::Owner(key.clone()), answer);
        self
    }

    /// The same with a namespace as it would be, with this policy annotation.
    #[must_use]
    pub fn with_namespace(mut self, name: &str, policy: Option<&str>) -> Self {
        let answer = LookupAnswer::Namespace(policy.map(Arc::from));
        self.given(Lookup::Namespace(name.into()), answer);
        self
    }

    fn given(&mut self, need: Lookup, answer: LookupAnswer) {
        let trust = Freshness::Store;
        self.instead.push((LookupRequest { need, trust }, answer));
    }

    /// What an object's effective policy is in this view.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub async fn policy(&self, object: &ObjectFacts) -> Result<EffectivePolicy, ClusterError> {
        self.find(object, |one| one.policy()).await
    }

    /// What an object's identity is in this view.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub async fn identity(&self, object: &ObjectFacts) -> Result<IdentityOutcome, ClusterError> {
        self.find(object, |one| one.identity()).await
    }

    /// The owners of an object as they are stored, and what its identity is by them; the
    /// rest is as fresh as this view is. None where it has no owners, or cannot be known.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub async fn identity_by_stored_owners(
        &self,
        object: &ObjectFacts,
    ) -> Result<(Vec<OwnerLink>, Option<Resolution>), ClusterError> {
        let (cluster, mut known) = (self.cluster, self.instead.clone());
        let stored = Freshness::Store;
        let owners = look_up(cluster, object, stored, &mut known, |one| one.owners()).await?;
        if owners.is_empty() {
            return Ok((owners, None));
        }
        let by = self.trust;
        let identity = look_up(cluster, object, by, &mut known, |one| one.identity()).await?;
        Ok((owners, identity.known()))
    }

    async fn find<T>(
        &self,
        object: &ObjectFacts,
        outcome: impl Fn(&Resolver<'_>) -> Result<T, LookupRequest>,
    ) -> Result<T, ClusterError> {
        look_up(
            self.cluster,
            object,
            self.trust,
            &mut self.instead.clone(),
            outcome,
        )
        .await
    }
}

/// Looks up what an outcome needs, but for what is `known`, and keeps it there.
///
/// # Errors
/// The cluster did not answer.
pub async fn look_up<T>(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
    trust: Freshness,
    known: &mut Vec<(LookupRequest, LookupAnswer)>,
    outcome: impl Fn(&Resolver<'_>) -> Result<T, LookupRequest>,
) -> Result<T, ClusterError> {
    let (kinds, operators) = (cluster.kinds(), cluster.operators());
    let mut resolving = Resolver::new(&kinds, &operators, object, trust, std::mem::take(known));
    let found = loop {
        match outcome(&resolving) {
            Ok(found) => break found,
            Err(question) => {
                let answer = answer(cluster, &question).await?;
                resolving.answer(question, answer);
            }
        }
    };
    *known = resolving.into_answers();
    Ok(found)
}

/// Looks one thing up.
///
/// # Errors
/// The cluster did not answer.
async fn answer(
    cluster: &dyn Cluster,
    question: &LookupRequest,
) -> Result<LookupAnswer, ClusterError> {
    let trust = question.trust;
    Ok(match &question.need {
        Lookup::Owner(key) => LookupAnswer::Owner(cluster.object(key, trust).await?),
        Lookup::Namespace(name) => {
            LookupAnswer::Namespace(cluster.namespace(name, trust).await?.policy)
        }
        Lookup::OperatorSettings(operator) => {
            LookupAnswer::Secret(cluster.secret(operator, SETTINGS_SECRET, trust).await?)
        }
        Lookup::Credential { namespace, name } => {
            LookupAnswer::Secret(cluster.secret(namespace, name, trust).await?)
        }
    })
}

/// Works out an object's effective policy.
///
/// # Errors
/// The cluster did not answer.
pub async fn effective_policy(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
    trust: Freshness,
) -> Result<EffectivePolicy, ClusterError> {
    ClusterOverlay::of(cluster, trust).policy(object).await
}

/// Works out an object's identity.
///
/// # Errors
/// The cluster did not answer.
pub async fn identity(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
    trust: Freshness,
) -> Result<IdentityOutcome, ClusterError> {
    ClusterOverlay::of(cluster, trust).identity(object).await
}

/// Works out both.
///
/// # Errors
/// The cluster did not answer.
pub async fn resolve(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
    trust: Freshness,
) -> Result<ResolvedObject, ClusterError> {
    ClusterOverlay::of(cluster, trust)
        .find(object, |one| one.resolved())
        .await
}

/// The namespace that an object has as that of its ASO, where no ASO here answers to it.
///
/// # Errors
/// The cluster did not answer.
pub async fn strange_operator(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
    trust: Freshness,
) -> Result<Option<Arc<str>>, ClusterError> {
    let view = ClusterOverlay::of(cluster, trust);
    view.find(object, |one| one.strange_operator()).await
}
