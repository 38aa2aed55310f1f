//! A person declares a member lost.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::claim::{FENCE_SETTLES, Fence, FenceProof, Justification, MemberName};
use crate::registry::{MemberRecord, PutOutcome, Registry, Versioned, edit};

use super::FailoverError;
use super::moving::not_moving;
use super::silence::{known, silent, speaks};

/// What a person says.
#[derive(Clone, Debug)]
pub struct FenceRequest {
    /// Of whom.
    pub member: MemberName,
    /// What makes sure that its ASO does not write any more.
    pub proof: FenceProof,
    /// For how long it must not have been heard from.
    pub silence: SignedDuration,
    /// How long to wait before anything is released.
    pub wait: SignedDuration,
    /// Who says so.
    pub by: Arc<str>,
    /// Why.
    pub why: Justification,
}

impl FenceRequest {
    /// For how long is waited: where the member's API server may be there, what its guard let
    /// through has to be over, too.
    fn lasts(&self) -> SignedDuration {
        match self.proof {
            FenceProof::ClusterGone => self.wait,
            FenceProof::CredentialRevoked => self.wait.max(FENCE_SETTLES),
        }
    }
}

/// Fences a member that was not heard from, and writes no heartbeat while it is watched. One that
/// is fenced by the same proof stays fenced as it was, so that the wait goes on.
///
/// Whether the fleet moves is asked again after the fence was written: whoever closes the registry
/// looks for fences after it is marked, so one of the two sees the other.
///
/// # Errors
/// It was heard from, or is fenced by another proof; or the registry did not answer.
pub async fn fence(
    registry: &dyn Registry,
    request: &FenceRequest,
    now: impl Fn() -> Timestamp,
) -> Result<Fence, FailoverError> {
    not_moving(registry).await?;
    let name = &request.member;
    let Versioned { record, .. } = known(registry, name).await?;
    if let Some(there) = record.fence.filter(|there| there.heard == record.heard) {
        return if there.proof == request.proof {
            Ok(there)
        } else {
            Err(FailoverError::Fenced(name.clone()))
        };
    }
    if now().duration_since(record.heard) < request.silence {
        return Err(FailoverError::TooLately {
            name: name.clone(),
            heard: record.heard,
            silence: request.silence,
        });
    }
    let Versioned {
        mut record,
        version,
    } = silent(registry, name).await?;
    let at = now();
    let until = at.saturating_add(request.lasts());
    let fence = Fence {
        at,
        by: request.by.clone(),
        why: request.why.clone(),
        proof: request.proof,
        until: until.unwrap_or(Timestamp::MAX),
        heard: record.heard,
    };
    record.fence = Some(fence.clone());
    match registry.put_member(&record, Some(&version)).await? {
        PutOutcome::Stored(_) => match not_moving(registry).await {
            Ok(()) => Ok(fence),
            Err(moving) => {
                take_off(registry, name, &fence).await?;
                Err(moving)
            }
        },
        PutOutcome::Conflict => Err(speaks(&known(registry, name).await?.record)),
    }
}

/// Takes a fence off that came too late.
async fn take_off(
    registry: &dyn Registry,
    name: &MemberName,
    fence: &Fence,
) -> Result<(), FailoverError> {
    edit::member(registry, name, |there| {
        let there = there.filter(|there| there.fence.as_ref() == Some(fence));
        Ok(there.map(|there| MemberRecord {
            fence: None,
            ..there.clone()
        }))
    })
    .await
}
