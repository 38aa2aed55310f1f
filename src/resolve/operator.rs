//! Which ASO is responsible for an object, and with which credential it acts.
//!
//! A cluster may have several ASOs, each in a namespace of its own. The annotation that
//! ASO writes to what it reconciles tells which one it is; else the one whose
//! `AZURE_TARGET_NAMESPACES` have the object's namespace, else one that takes them all.

use std::sync::Arc;

use crate::object::{CREDENTIAL_FROM_ANNOTATION, not_empty};

use super::{
    Freshness, Lookup, LookupRequest, NAMESPACE_SECRET, Resolver, SETTINGS_SECRET, SecretFacts,
    SecretLookup, SubscriptionOutcome,
};

impl Resolver<'_> {
    /// The namespace of the ASO that is responsible for the object.
    fn operator(&self, trust: Freshness) -> Result<Option<Arc<str>>, LookupRequest> {
        if let Some(named) = &self.object.annotations.operator_namespace
            && !named.is_empty()
        {
            // A copy that came with the annotation of another cluster names none here.
            let known = self.operators.contains(named);
            if known || *self.settings_of(named, trust)? != SecretLookup::Missing {
                return Ok(Some(named.clone()));
            }
        }
        if let [one] = self.operators {
            return Ok(Some(one.clone()));
        }
        let mut takes_all = None;
        for operator in self.operators {
            let targets = match self.settings_of(operator, trust)? {
                SecretLookup::Found(settings) => not_empty(settings.target_namespaces.as_deref()),
                SecretLookup::Unreadable(_) => None,
                // No ASO lives there: the list may be that of several clusters.
                SecretLookup::Missing => continue,
            };
            match targets {
                Some(targets) if names(targets, &self.object.key.namespace) => {
                    return Ok(Some(operator.clone()));
                }
                Some(_) => {}
                None => takes_all = takes_all.or(Some(operator)),
            }
        }
        Ok(takes_all.or(self.operators.first()).cloned())
    }

    /// The namespace that the object has as that of its ASO, where no ASO here answers to it: one
    /// that lives elsewhere, or that has other namespaces. No other ASO reconciles the object then.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn strange_operator(&self) -> Result<Option<Arc<str>>, LookupRequest> {
        let named = self.object.annotations.operator_namespace.as_ref();
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return Ok(None);
        };
        let answers = match self.settings_of(named, self.trust)? {
            SecretLookup::Found(settings) => not_empty(settings.target_namespaces.as_deref())
                .is_none_or(|targets| names(targets, &self.object.key.namespace)),
            SecretLookup::Missing => self.operators.contains(named),
            SecretLookup::Unreadable(_) => true,
        };
        Ok((!answers).then(|| named.clone()))
    }

    /// The settings of the responsible ASO, where they can be read.
    pub(super) fn settings(&self, trust: Freshness) -> Result<Option<&SecretFacts>, LookupRequest> {
        let Some(operator) = self.operator(trust)? else {
            return Ok(None);
        };
        Ok(match self.settings_of(&operator, trust)? {
            SecretLookup::Found(settings) => Some(settings),
            SecretLookup::Missing | SecretLookup::Unreadable(_) => None,
        })
    }

    fn settings_of(
        &self,
        operator: &Arc<str>,
        trust: Freshness,
    ) -> Result<&SecretLookup, LookupRequest> {
        self.secret(Lookup::OperatorSettings(operator.clone()), trust)
    }

    /// The subscription of the credential that ASO uses for the object; else, for a
    /// person, why it is not known. ASO's order: the secret that `credential-from` names
    /// (where it is missing nothing else is tried), the namespace's, the operator's.
    ///
    /// # Errors
    /// What has to be looked up next.
    pub fn subscription(&self) -> Result<SubscriptionOutcome, LookupRequest> {
        let namespace = &self.object.key.namespace;
        let credential = |name: &str| {
            let need = Lookup::Credential {
                namespace: namespace.clone(),
                name: name.into(),
            };
            self.secret(need, self.trust)
        };
        if let Some(name) = not_empty(self.object.annotations.credential_from.as_deref()) {
            let missing = || {
                format!(
                    "the annotation {CREDENTIAL_FROM_ANNOTATION} names the secret {name}, \
                     which is not in namespace {namespace}; create it, or correct the annotation"
                )
            };
            return Ok(subscription_of(credential(name)?, namespace, name, missing));
        }
        let own = credential(NAMESPACE_SECRET)?;
        if *own != SecretLookup::Missing {
            return Ok(subscription_of(
                own,
                namespace,
                NAMESPACE_SECRET,
                String::new,
            ));
        }
        let Some(operator) = self.operator(self.trust)? else {
            return Ok(SubscriptionOutcome::Unknown(format!(
                "there is no credential: no secret {NAMESPACE_SECRET} in namespace {namespace}, \
                 and no ASO is known"
            )));
        };
        let missing = || {
            format!(
                "there is no credential: neither the secret {NAMESPACE_SECRET} in namespace \
                 {namespace}, nor {SETTINGS_SECRET} in namespace {operator}"
            )
        };
        let settings = self.settings_of(&operator, self.trust)?;
        if let SecretLookup::Found(SecretFacts { outrun: true, .. }) = settings {
            return Ok(SubscriptionOutcome::Unknown(format!(
                "ASO in namespace {operator} started before its secret {SETTINGS_SECRET} was last \
                 written, so it may use another subscription; restart its deployment, \
                 azureserviceoperator-controller-manager in that namespace"
            )));
        }
        Ok(subscription_of(
            settings,
            &operator,
            SETTINGS_SECRET,
            missing,
        ))
    }
}

/// Whether a list of namespaces, as ASO's settings have it, names this one.
fn names(targets: &str, namespace: &str) -> bool {
    targets.split(',').any(|target| target.trim() == namespace)
}

fn subscription_of(
    secret: &SecretLookup,
    namespace: &str,
    name: &str,
    missing: impl FnOnce() -> String,
) -> SubscriptionOutcome {
    SubscriptionOutcome::Unknown(match secret {
        SecretLookup::Found(SecretFacts {
            subscription: Some(known),
            ..
        }) => return SubscriptionOutcome::Known(known.clone()),
        SecretLookup::Found(_) => {
            format!("the secret {name} in namespace {namespace} has no key AZURE_SUBSCRIPTION_ID")
        }
        SecretLookup::Missing => missing(),
        SecretLookup::Unreadable(why) => why.clone(),
    })
}
