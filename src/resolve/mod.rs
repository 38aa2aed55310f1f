//! From an object to what it is to the guard: the resource it stands for, and its
//! effective policy.
//!
//! [`Resolver`] is a machine without I/O. It says which [`LookupRequest`] comes next and
//! how fresh the answer has to be; who drives it only looks answers up. So all who
//! resolve an object, the webhook, the observer, the offline check and a transfer,
//! follow the same rules in the same order.

mod operator;

use std::sync::Arc;

use crate::arm::{self, Kinds, NextOwner, OwnerLink, Resolution, Unresolved};
use crate::object::{ObjectFacts, ObjectKey, not_empty};
use crate::policy::{self, EffectivePolicy, PolicySource};

/// The secret that holds a namespace's credential.
pub const NAMESPACE_SECRET: &str = "aso-credential";
/// The secret that holds the settings of an ASO, in its own namespace.
pub const SETTINGS_SECRET: &str = "aso-controller-settings";

/// How fresh what an answer rests on has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Freshness {
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
pub enum Lookup {
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
pub struct LookupRequest {
    /// What.
    pub need: Lookup,
    /// How fresh.
    pub trust: Freshness,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupAnswer {
    /// The owner; `None` where it is not there.
    Owner(Option<Arc<ObjectFacts>>),
    /// The namespace's policy annotation, as written.
    Namespace(Option<Arc<str>>),
    /// The secret.
    Secret(SecretLookup),
}

/// A secret, as far as the guard looks into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretLookup {
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
pub struct ResolvedObject {
    /// The resource it stands for, or why that cannot be said.
    pub identity: Result<Resolution, Unresolved>,
    /// Its effective policy.
    pub policy: EffectivePolicy,
}

/// Which resource an object stands for.
#[derive(Clone, Debug)]
pub enum IdentityOutcome {
    /// This one.
    Known(Resolution),
    /// That cannot be said.
    Unresolved(Unresolved),
}

impl IdentityOutcome {
    /// The resource, where it is known.
    pub fn known(self) -> Option<Resolution> {
        self.into_result().ok()
    }

    /// The resource.
    ///
    /// # Errors
    /// Why it cannot be said which.
    pub fn into_result(self) -> Result<Resolution, Unresolved> {
        match self {
            Self::Known(resolution) => Ok(resolution),
            Self::Unresolved(why) => Err(why),
        }
    }
}

impl From<Result<Resolution, Unresolved>> for IdentityOutcome {
    fn from(found: Result<Resolution, Unresolved>) -> Self {
        found.map_or_else(Self::Unresolved, Self::Known)
    }
}

/// Which subscription the credential is of that ASO uses for an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionOutcome {
    /// This one.
    Known(Arc<str>),
    /// That is not known; why, for a person.
    Unknown(String),
}

/// One object on the way to what it is.
///
/// Each outcome is a function of what was answered so far, and is either there or the
/// question that comes next.
pub struct Resolver<'a> {
    kinds: &'a Kinds,
    /// The namespaces of the ASOs in the cluster, as far as they are known.
    operators: &'a [Arc<str>],
    object: &'a ObjectFacts,
    trust: Freshness,
    answers: Vec<(LookupRequest, LookupAnswer)>,
}

impl<'a> Resolver<'a> {
    /// An object of which this was looked up already. `operators`: the namespaces of the
    /// cluster's ASOs, as far as they are known.
    pub fn new(
        kinds: &'a Kinds,
        operators: &'a [Arc<str>],
        object: &'a ObjectFacts,
        trust: Freshness,
        answers: Vec<(LookupRequest, LookupAnswer)>,
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
    pub fn answer(&mut self, question: LookupRequest, answer: LookupAnswer) {
        self.answers
            .retain(|(known, _)| known.need != question.need);
        self.answers.push((question, answer));
    }

    /// All that was answered.
    pub fn into_answers(self) -> Vec<(LookupRequest, LookupAnswer)> {
        self.answers
    }

    /// Asks what an outcome needs of somebody who has all answers at hand.
    pub fn by<T>(
        mut self,
        outcome: impl Fn(&Self) -> Result<T, LookupRequest>,
        find: impl Fn(&Lookup) -> LookupAnswer,
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
    pub fn resolved(&self) -> Result<ResolvedObject, LookupRequest> {
        Ok(ResolvedObject {
            policy: self.policy()?,
            identity: self.identity()?.into_result(),
        })
    }

    /// The effective policy.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn policy(&self) -> Result<EffectivePolicy, LookupRequest> {
        let found = self.policy_by(self.trust)?;
        let parked_from_outside = !found.policy.is_live() && found.source != PolicySource::Object;
        if parked_from_outside && self.trust == Freshness::KnownUnlessParked {
            return self.policy_by(Freshness::Store);
        }
        Ok(found)
    }

    fn policy_by(&self, trust: Freshness) -> Result<EffectivePolicy, LookupRequest> {
        let own = not_empty(self.object.annotations.policy.as_deref());
        let namespace = match own {
            Some(_) => None,
            None => self.namespace(trust)?,
        };
        // What the object or its namespace says, and ASO understands, needs no operator.
        let found = policy::effective(own, namespace, None);
        if matches!(found.source, PolicySource::Object | PolicySource::Namespace) {
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
    pub fn identity(&self) -> Result<IdentityOutcome, LookupRequest> {
        let owners = self.owners()?;
        let resolve = |subscription: Option<&str>| {
            arm::resolve(self.kinds, self.object, &owners, subscription)
        };
        if !arm::needs_subscription(self.kinds, self.object, &owners) {
            return Ok(resolve(None).into());
        }
        let without = match self.subscription()? {
            SubscriptionOutcome::Known(known) => return Ok(resolve(Some(&*known)).into()),
            SubscriptionOutcome::Unknown(why) => why,
        };
        let explained = |unresolved| match unresolved {
            Unresolved::NoSubscription { .. } => Unresolved::NoCredential {
                why: without.clone(),
            },
            unresolved => unresolved,
        };
        let found = resolve(None).map_err(explained).map(|mut found| {
            found.witness = found.witness.map(|(by, why)| (by, explained(why)));
            found
        });
        Ok(found.into())
    }

    /// The owners of the object, nearest first: up to its root, to the first one that is
    /// not there, or to where the chain makes no sense, which [`arm::resolve`] tells.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn owners(&self) -> Result<Vec<OwnerLink>, LookupRequest> {
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
            let found = match self.ask(Lookup::Owner(key.clone()), self.trust)? {
                LookupAnswer::Owner(found) => found.clone(),
                LookupAnswer::Namespace(_) | LookupAnswer::Secret(_) => None,
            };
            links.push(found.map_or(OwnerLink::Missing(key), OwnerLink::Found));
        }
        Ok(links)
    }

    /// The policy annotation of the object's namespace.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn namespace_policy(&self) -> Result<Option<Arc<str>>, LookupRequest> {
        Ok(self.namespace(self.trust)?.map(Arc::from))
    }

    /// `DEFAULT_RECONCILE_POLICY` of the responsible ASO.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn operator_policy(&self) -> Result<Option<Arc<str>>, LookupRequest> {
        let settings = self.settings(self.trust)?;
        Ok(settings.and_then(|settings| settings.followed_policy().cloned()))
    }

    fn namespace(&self, trust: Freshness) -> Result<Option<&str>, LookupRequest> {
        let need = Lookup::Namespace(self.object.key.namespace.clone());
        Ok(match self.ask(need, trust)? {
            LookupAnswer::Namespace(policy) => policy.as_deref(),
            LookupAnswer::Owner(_) | LookupAnswer::Secret(_) => None,
        })
    }

    fn secret(&self, need: Lookup, trust: Freshness) -> Result<&SecretLookup, LookupRequest> {
        Ok(match self.ask(need, trust)? {
            LookupAnswer::Secret(secret) => secret,
            LookupAnswer::Owner(_) | LookupAnswer::Namespace(_) => &SecretLookup::Missing,
        })
    }

    /// What was answered, if it is as fresh as this.
    fn ask(&self, need: Lookup, trust: Freshness) -> Result<&LookupAnswer, LookupRequest> {
        let trust = match trust {
            Freshness::Known | Freshness::KnownUnlessParked => Freshness::Known,
            Freshness::Store => Freshness::Store,
        };
        let mut known = self.answers.iter();
        let known = known.find(|(known, _)| known.need == need && known.trust >= trust);
        match known {
            Some((_, answer)) => Ok(answer),
            None => Err(LookupRequest { need, trust }),
        }
    }
}

#[cfg(test)]
mod tests;
