//! What somebody said is not to be deleted: by `asoguard.io/protect` on an object or its
//! namespace.

use std::sync::Arc;

use crate::claim::{CopyRef, Refusal};
use crate::cluster::ClusterError;
use crate::object::ObjectFacts;
use crate::object::wire::WireNamespace;
use crate::resolve::Freshness;

use super::context::RequestContext;
use super::guard::{AdmissionError, Case, Guard};
use super::protocol::WrittenClaims;

impl Guard {
    /// Whether an object is protected from being deleted in Azure. A namespace is believed from
    /// the store alone: whoever has just protected it relies on it.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn protection_of(
        &self,
        object: &ObjectFacts,
    ) -> Result<Option<Refusal>, ClusterError> {
        let copy = self.copy_of(object);
        if let Some(refusal) = by_itself(&copy, object) {
            return Ok(Some(refusal));
        }
        let namespace = &object.key.namespace;
        let stored = self.cluster.namespace(namespace, Freshness::Store).await?;
        Ok(stored.protect.map(|why| by_namespace(copy, &why)))
    }

    /// Whether the object of a request may be deleted in Azure, as far as anybody protected it:
    /// before the request, or by it.
    pub(super) async fn against_protection(
        &self,
        case: &Case<'_>,
        before: &ObjectFacts,
    ) -> Result<(), AdmissionError> {
        let by_request = by_itself(&case.copy, case.object);
        let refusal = match by_request {
            Some(refusal) => refusal,
            None => match self.protection_of(before).await? {
                Some(refusal) => refusal,
                None => return Ok(()),
            },
        };
        let mut known = WrittenClaims::new();
        if case.context.overriding().is_some() {
            known = self.known_claims(before).await?;
            if known.is_empty() && case.context.is_to_be_proven() {
                return Err(AdmissionError::Unproven(refusal));
            }
        }
        Err(self.overrule(case, &known, refusal).await)
    }

    /// Whether the delete of a terminating object, where there is one, may become destructive, as
    /// far as anybody protected it.
    pub(super) async fn may_wake(
        &self,
        object: Option<&ObjectFacts>,
    ) -> Result<(), AdmissionError> {
        let Some(object) = object else { return Ok(()) };
        match self.protection_of(object).await? {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        }
    }
}

impl RequestContext {
    /// Whether a request ends with this, and is not let through all the same.
    pub(super) fn stops_at(&self, stop: &AdmissionError) -> bool {
        !self.lets_through() || !matches!(stop, AdmissionError::Refused(_))
    }
}

/// The first of these that its own annotation protects.
pub(super) fn first_protected(
    objects: &[Arc<ObjectFacts>],
    copy_of: impl Fn(&ObjectFacts) -> CopyRef,
) -> Option<Refusal> {
    objects.iter().find_map(|object| {
        let copy = copy_of(object);
        let refusal = by_itself(&copy, object)?;
        Some(Refusal::ChildRefused {
            child: copy,
            refusal: Box::new(refusal),
        })
    })
}

/// Whether a namespace protects one of these, which are deleted in Azure with it.
pub(super) fn by_its_namespace(
    namespace: &WireNamespace,
    objects: &[Arc<ObjectFacts>],
    copy_of: impl Fn(&ObjectFacts) -> CopyRef,
) -> Option<Refusal> {
    let why = namespace.protect()?;
    let copy = copy_of(objects.first()?);
    Some(Refusal::ChildRefused {
        child: copy.clone(),
        refusal: Box::new(by_namespace(copy, why)),
    })
}

fn by_itself(copy: &CopyRef, object: &ObjectFacts) -> Option<Refusal> {
    let why = object.annotations.protect.as_deref()?;
    Some(Refusal::Protected {
        copy: copy.clone(),
        by_namespace: false,
        why: why.to_owned(),
    })
}

fn by_namespace(copy: CopyRef, why: &str) -> Refusal {
    Refusal::Protected {
        copy,
        by_namespace: true,
        why: why.to_owned(),
    }
}
