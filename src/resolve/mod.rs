//! From an object to what it is to the guard: the resource it stands for, and its
//! effective policy.
//!
//! [`Resolving`] is a machine without I/O. It says which [`Question`] comes next and
//! how fresh the answer has to be; who drives it only looks answers up. So all who
//! resolve an object, the webhook, the observer, the offline check and a transfer,
//! follow the same rules in the same order.

mod operator;

use std::sync::Arc;

use crate::arm::{self, Kinds, NextOwner, OwnerLink, Resolution, Unresolved};
use crate::object::{ObjectFacts, ObjectKey, not_empty};
use crate::policy::{self, Effective, Source};

/// The secret that holds a namespace's credential.
pub const NAMESPACE_SECRET: &str = "aso-credential";
/// The secret that holds the settings of an ASO, in its own namespace.
pub const SETTINGS_SECRET: &str = "aso-controller-settings";

/// How fresh what an answer rests on has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// What is known already is enough; only what is not known is asked for.
    Known,
    /// The same, save that what parks an object from outside it, its namespace or its
    /// operator, is read from the store. To a single question it is as [`Known`](Self::Known).
    KnownUnlessParked,
    /// The API server's store alone: a quorum read.
    Store,
}

/// What has to be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// The object that owns another one.
    Owner(ObjectKey),
    /// The policy annotation of a namespace.
    Namespace(Arc<str>),
    /// The settings of the ASO in this namespace.
    OperatorSettings(Arc<str>),
    /// A secret with a credential.
    Credential {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

/// What has to be looked up next, and how fresh it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// What.
    pub need: Need,
    /// How fresh.
    pub trust: Trust,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The owner; `None` where it is not there.
    Owner(Option<Arc<ObjectFacts>>),
    /// The namespace's policy annotation, as written.
    Namespace(Option<Arc<str>>),
    /// The secret.
    Secret(Secret),
}

/// A secret, as far as the guard looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// It is there.
    Found(SecretFacts),
    /// It is not.
    Missing,
    /// Nobody can tell, for this reason; in words for a person.
    Unreadable(String),
}

/// The keys of a secret that are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// `AZURE_SUBSCRIPTION_ID`.
    pub subscription: Option<Arc<str>>,
    /// `DEFAULT_RECONCILE_POLICY`.
    pub default_policy: Option<Arc<str>>,
    /// `AZURE_TARGET_NAMESPACES`, as written.
    pub target_namespaces: Option<Arc<str>>,
    /// Of an ASO's settings as the store has them: whether that ASO started before they
    /// were last written. It reads them at its start, so it acts by older ones.
    pub outrun: bool,
}

impl SecretFacts {
    /// `DEFAULT_RECONCILE_POLICY`, if ASO follows it. In place of one that it may not follow
    /// yet `manage` is assumed: of all policies it allows ASO the most.
    pub fn followed_policy(&self) -> Option<&Arc<str>> {
        self.default_policy.as_ref().filter(|_| !self.outrun)
    }
}

/// What an object is to the guard.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The resource it stands for, or why that cannot be said.
    pub identity: Result<Resolution, Unresolved>,
    /// Its effective policy.
    pub policy: Effective,
}

/// One object on the way to what it is.
///
/// Each outcome is a function of what was answered so far, and is either there or the
/// question that comes next.
pub struct Resolving<'a> {
    kinds: &'a Kinds,
    /// The namespaces of the ASOs in the cluster, as far as they are known.
    operators: &'a [Arc<str>],
    object: &'a ObjectFacts,
    trust: Trust,
    answers: Vec<(Question, Answer)>,
}

impl<'a> Resolving<'a> {
    /// An object of which this was looked up already. `operators`: the namespaces of the
    /// cluster's ASOs, as far as they are known.
    pub fn new(
        kinds: &'a Kinds,
        operators: &'a [Arc<str>],
        object: &'a ObjectFacts,
        trust: Trust,
        answers: Vec<(Question, Answer)>,
    ) -> Self {
        Self {
            kinds,
            operators,
            object,
            trust,
            answers,
        }
    }

    /// Takes an answer.
    pub fn answer(&mut self, question: Question, answer: Answer) {
        self.answers
            .retain(|(known, _)| known.need != question.need);
        self.answers.push((question, answer));
    }

    /// All that was answered.
    pub fn into_answers(self) -> Vec<(Question, Answer)> {
        self.answers
    }

    /// Asks what an outcome needs of somebody who has all answers at hand.
    pub fn by<T>(
        mut self,
        outcome: impl Fn(&Self) -> Result<T, Question>,
        find: impl Fn(&Need) -> Answer,
    ) -> T {
        loop {
            match outcome(&self) {
                Ok(found) => return found,
                Err(question) => {
                    let answer = find(&question.need);
                    self.answer(question, answer);
                }
            }
        }
    }

    /// Identity and policy.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn resolved(&self) -> Result<Resolved, Question> {
        Ok(Resolved {
            policy: self.policy()?,
            identity: self.identity()?,
        })
    }

    /// The effective policy.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn policy(&self) -> Result<Effective, Question> {
        let found = self.policy_by(self.trust)?;
        let parked_from_outside = !found.policy.is_live() && found.source != Source::Object;
        if parked_from_outside && self.trust == Trust::KnownUnlessParked {
            return self.policy_by(Trust::Store);
        }
        Ok(found)
    }

    fn policy_by(&self, trust: Trust) -> Result<Effective, Question> {
        let own = not_empty(self.object.annotations.policy.as_deref());
        let namespace = match own {
            Some(_) => None,
            None => self.namespace(trust)?,
        };
        // What the object or its namespace says, and ASO understands, needs no operator.
        let found = policy::effective(own, namespace, None);
        if matches!(found.source, Source::Object | Source::Namespace) {
            return Ok(found);
        }
        let settings = self.settings(trust)?;
        let default = settings.and_then(|settings| settings.followed_policy());
        let default = default.map(|policy| &**policy);
        Ok(policy::effective(own, namespace, default))
    }

    /// The resource that the object stands for, or why that cannot be said.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn identity(&self) -> Result<Result<Resolution, Unresolved>, Question> {
        let owners = self.owners()?;
        let needed = arm::needs_subscription(self.kinds, self.object, &owners);
        let subscription = needed.then(|| self.subscription()).transpose()?;
        let known = subscription
            .as_ref()
            .and_then(|known| known.as_deref().ok());
        let found = arm::resolve(self.kinds, self.object, &owners, known);
        let Some(Err(without)) = subscription else {
            return Ok(found);
        };
        let told = |unresolved| match unresolved {
            Unresolved::NoSubscription { .. } => Unresolved::NoCredential { why: without },
            unresolved => unresolved,
        };
        Ok(match found {
            Err(unresolved) => Err(told(unresolved)),
            Ok(mut found) => {
                found.witness = found.witness.map(|(by, unresolved)| (by, told(unresolved)));
                Ok(found)
            }
        })
    }

    /// The owners of the object, nearest first: up to its root, to the first one that is
    /// not there, or to where the chain makes no sense, which [`arm::resolve`] tells.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn owners(&self) -> Result<Vec<OwnerLink>, Question> {
        let mut links: Vec<OwnerLink> = Vec::new();
        while links.len() < arm::MAX_LINKS {
            let below = match links.last() {
                Some(OwnerLink::Found(owner)) => owner,
                Some(OwnerLink::Missing(_)) => break,
                None => self.object,
            };
            let Ok(NextOwner::Object(key)) = arm::next_owner(self.kinds, below) else {
                break;
            };
            let found = match self.ask(Need::Owner(key.clone()), self.trust)? {
                Answer::Owner(found) => found.clone(),
                Answer::Namespace(_) | Answer::Secret(_) => None,
            };
            links.push(found.map_or(OwnerLink::Missing(key), OwnerLink::Found));
        }
        Ok(links)
    }

    /// The policy annotation of the object's namespace.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn namespace_policy(&self) -> Result<Option<Arc<str>>, Question> {
        Ok(self.namespace(self.trust)?.map(Arc::from))
    }

    /// `DEFAULT_RECONCILE_POLICY` of the responsible ASO.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn operator_policy(&self) -> Result<Option<Arc<str>>, Question> {
        let settings = self.settings(self.trust)?;
        Ok(settings.and_then(|settings| settings.followed_policy().cloned()))
    }

    fn namespace(&self, trust: Trust) -> Result<Option<&str>, Question> {
        let need = Need::Namespace(self.object.key.namespace.clone());
        Ok(match self.ask(need, trust)? {
            Answer::Namespace(policy) => policy.as_deref(),
            Answer::Owner(_) | Answer::Secret(_) => None,
        })
    }

    fn secret(&self, need: Need, trust: Trust) -> Result<&Secret, Question> {
        Ok(match self.ask(need, trust)? {
            Answer::Secret(secret) => secret,
            Answer::Owner(_) | Answer::Namespace(_) => &Secret::Missing,
        })
    }

    /// What was answered, if it is as fresh as this.
    fn ask(&self, need: Need, trust: Trust) -> Result<&Answer, Question> {
        let trust = match trust {
            Trust::Known | Trust::KnownUnlessParked => Trust::Known,
            Trust::Store => Trust::Store,
        };
        let mut known = self.answers.iter();
        let known = known.find(|(known, _)| known.need == need && known.trust >= trust);
        match known {
            Some((_, answer)) => Ok(answer),
            None => Err(Question { need, trust }),
        }
    }
}

#[cfg(test)]
mod tests;
