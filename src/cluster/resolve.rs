//! From an object to its identity and policy, with what the cluster knows: makes the
//! calls that [`Resolving`] asks for.

use std::sync::Arc;

use crate::arm::{OwnerLink, Resolution, Unresolved};
use crate::object::{ObjectFacts, ObjectKey};
use crate::policy::Effective;
use crate::resolve::{Answer, Need, Question, Resolving, SETTINGS_SECRET};

use super::{Cluster, ClusterError};

pub use crate::resolve::{Resolved, Trust};

/// A cluster as it would be, with some answers in place of its own.
pub struct View<'a> {
    cluster: &'a dyn Cluster,
    trust: Trust,
    instead: Vec<(Question, Answer)>,
}

impl<'a> View<'a> {
    /// A cluster as it is.
    pub fn of(cluster: &'a dyn Cluster, trust: Trust) -> Self {
        Self {
            cluster,
            trust,
            instead: Vec::new(),
        }
    }

    /// The same with one object as it would be; `None`: not there.
    #[must_use]
    pub fn with(mut self, key: &ObjectKey, object: Option<&ObjectFacts>) -> Self {
        let answer = Answer::Owner(object.cloned().map(Arc::new));
        self.given(Need::Owner(key.clone()), answer);
        self
    }

    /// The same with a namespace as it would be, with this policy annotation.
    #[must_use]
    pub fn with_namespace(mut self, name: &str, policy: Option<&str>) -> Self {
        let answer = Answer::Namespace(policy.map(Arc::from));
        self.given(Need::Namespace(name.into()), answer);
        self
    }

    fn given(&mut self, need: Need, answer: Answer) {
        let trust = Trust::Store;
        self.instead.push((Question { need, trust }, answer));
    }

    /// What an object's effective policy is in this view.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub async fn policy(&self, object: &ObjectFacts) -> Result<Effective, ClusterError> {
        self.find(object, |one| one.policy()).await
    }

    /// What an object's identity is in this view; the inner error says why it cannot
    /// be known.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub async fn identity(
        &self,
        object: &ObjectFacts,
    ) -> Result<Result<Resolution, Unresolved>, ClusterError> {
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
        let stored = Trust::Store;
        let owners = look_up(cluster, object, stored, &mut known, |one| one.owners()).await?;
        if owners.is_empty() {
            return Ok((owners, None));
        }
        let by = self.trust;
        let identity = look_up(cluster, object, by, &mut known, |one| one.identity()).await?;
        Ok((owners, identity.ok()))
    }

    async fn find<T>(
        &self,
        object: &ObjectFacts,
        outcome: impl Fn(&Resolving<'_>) -> Result<T, Question>,
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
    trust: Trust,
    known: &mut Vec<(Question, Answer)>,
    outcome: impl Fn(&Resolving<'_>) -> Result<T, Question>,
) -> Result<T, ClusterError> {
    let (kinds, operators) = (cluster.kinds(), cluster.operators());
    let mut resolving = Resolving::new(&kinds, &operators, object, trust, std::mem::take(known));
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
async fn answer(cluster: &dyn Cluster, question: &Question) -> Result<Answer, ClusterError> {
    let trust = question.trust;
    Ok(match &question.need {
        Need::Owner(key) => Answer::Owner(cluster.object(key, trust).await?),
        Need::Namespace(name) => Answer::Namespace(cluster.namespace(name, trust).await?.policy),
        Need::OperatorSettings(operator) => {
            Answer::Secret(cluster.secret(operator, SETTINGS_SECRET, trust).await?)
        }
        Need::Credential { namespace, name } => {
            Answer::Secret(cluster.secret(namespace, name, trust).await?)
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
    trust: Trust,
) -> Result<Effective, ClusterError> {
    View::of(cluster, trust).policy(object).await
}

/// Works out an object's identity.
///
/// # Errors
/// The cluster did not answer. That the identity cannot be known is no error: it
/// is the inner result.
pub async fn identity(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
    trust: Trust,
) -> Result<Result<Resolution, Unresolved>, ClusterError> {
    View::of(cluster, trust).identity(object).await
}

/// Works out both.
///
/// # Errors
/// The cluster did not answer.
pub async fn resolve(
    cluster: &dyn Cluster,
    object: &ObjectFacts,
    trust: Trust,
) -> Result<Resolved, ClusterError> {
    View::of(cluster, trust)
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
    trust: Trust,
) -> Result<Option<Arc<str>>, ClusterError> {
    let view = View::of(cluster, trust);
    view.find(object, |one| one.strange_operator()).await
}
