//! What an object stands for, to an admission: what can be worked out of it, or else
//! what it is known by.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::arm::{Identity, IdentitySource, Resolution};
use crate::claim::{CopyRef, MemberCopy};
use crate::cluster::resolve::{self, Freshness, IdentityOutcome};
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::sharded::touch_all;
use crate::registry::{ClaimScope, CopyFilter, RegistryError};

use super::guard::{AT_ONCE, AdmissionError, Guard};

impl Guard {
    /// The resource that a stored object stands for. Where its identity cannot be worked out,
    /// the claims that list it count: whatever became of its owner or its credential
    /// since, ASO may act on what it acted on before.
    ///
    /// # Errors
    /// The cluster or the registry did not answer.
    pub(super) async fn identity(
        &self,
        object: &ObjectFacts,
    ) -> Result<IdentityOutcome, AdmissionError> {
        match resolve::identity(&*self.cluster, object, Freshness::Known).await? {
            IdentityOutcome::Unresolved(why) => {
                let claimed = self.claimed(&object.key).await?;
                Ok(Resolution::by(IdentitySource::Claims, claimed, why).into())
            }
            known @ IdentityOutcome::Known(_) => Ok(known),
        }
    }

    /// The same of an object that stays as it is stored, or goes: where the cluster does not
    /// give what its identity rests on, the claims that list it count, too.
    ///
    /// # Errors
    /// As of [`Guard::identity`].
    pub(super) async fn identity_as_stored(
        &self,
        object: &ObjectFacts,
    ) -> Result<IdentityOutcome, AdmissionError> {
        let error = match self.identity(object).await {
            Err(AdmissionError::Cluster(error)) => error,
            known => return known,
        };
        let mut claimed = self.claimed(&object.key).await?.into_iter();
        let Some(identity) = claimed.next() else {
            return Err(AdmissionError::Cluster(error));
        };
        Ok(IdentityOutcome::Known(Resolution {
            also: claimed.collect(),
            ..Resolution::known(identity, false)
        }))
    }

    /// The identities whose claims list an object as a copy.
    async fn claimed(&self, object: &ObjectKey) -> Result<Vec<Identity>, RegistryError> {
        let copy = CopyRef {
            member: self.member.clone(),
            object: object.clone(),
        };
        // Any of them may list it.
        touch_all();
        let known = if let Some(identities) = self.follow_up.claims_of(object) {
            let read = stream::iter(identities)
                .map(|identity| async move { self.registry.claim(&identity).await })
                .buffered(AT_ONCE);
            let read: Vec<_> = read.try_collect().await?;
            read.into_iter().flatten().collect()
        } else {
            let scope = ClaimScope::Of(self.member.clone(), CopyFilter::AnyCopy);
            self.registry.claims(&scope).await?.whole()?
        };
        let listing = known.into_iter().map(|known| known.record);
        let listing = listing.filter(|record| record.copies.contains_key(&copy));
        Ok(listing.map(|record| record.identity).collect())
    }

    /// Whether the claim of each resource that an object stands for has it as live.
    ///
    /// # Errors
    /// The registry did not answer, and nobody here remembers those claims.
    pub(super) async fn is_claimed(
        &self,
        copy: &CopyRef,
        resolution: &Resolution,
    ) -> Result<bool, RegistryError> {
        for identity in resolution.identities() {
            let known = match self.registry.claim(identity).await {
                Ok(known) => known,
                // ASO's own first write is not to wait for a registry, where it was acquired for.
                Err(error) => match self.follow_up.claims_of(&copy.object) {
                    Some(claims) if claims.contains(identity) => continue,
                    _ => return Err(error),
                },
            };
            let held = known
                .as_ref()
                .and_then(|known| known.record.copies.get(copy));
            if !held.is_some_and(MemberCopy::is_live) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
