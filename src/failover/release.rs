//! What a fenced member held is released, claim by claim.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use crate::arm::Identity;
use crate::claim::{
    CopyRef, Fence, HistoryEntry, Justification, MemberName, MemberSilence, NotReleased, Takeover,
    TakeoverAnswer, TakeoverCall, TakeoverOutcome,
};
use crate::registry::{
    ClaimScope, CopyFilter, PutOutcome, RecordVersion, Registry, RegistryError, UnreadableRecord,
};

use super::FailoverError;
use super::moving::not_moving;
use super::plan::HeldClaim;
use super::silence::{known, speaks};

/// Which of a member's claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// All.
    All,
    /// This resource, and what is inside.
    Below(Identity),
    /// Those of its copies in this namespace.
    Namespace(String),
}

impl Chosen {
    /// Whether it means a claim, in which a member has these copies.
    fn means<'a>(
        &self,
        identity: &Identity,
        mut copies: impl Iterator<Item = &'a CopyRef>,
    ) -> bool {
        match self {
            Self::All => true,
            Self::Below(top) => identity == top || identity.is_below(top),
            Self::Namespace(namespace) => copies.any(|copy| *copy.object.namespace == **namespace),
        }
    }

    /// Whether it means a claim that the member holds.
    pub fn covers(&self, held: &HeldClaim) -> bool {
        self.means(&held.identity, held.copies.iter().map(|(copy, _)| copy))
    }
}

/// What is released, by whom, and how fast.
#[derive(Clone, Debug)]
pub struct Releasing {
    /// Whose.
    pub member: MemberName,
    /// Which.
    pub chosen: Chosen,
    /// Who does it.
    pub by: Arc<str>,
    /// Why.
    pub why: Justification,
    /// How many claims are changed at once.
    pub parallel: usize,
}

/// What a release came to.
#[derive(Clone, Debug, Default)]
pub struct Released {
    /// How many claims were changed.
    pub claims: usize,
    /// Claims that cannot be read, and may be the member's: they stay as they are.
    pub unreadable: Vec<UnreadableRecord>,
}

/// That a member may be taken over at `now`. Gives its fence.
///
/// # Errors
/// It may not.
pub async fn may_be_taken_over(
    registry: &dyn Registry,
    member: &MemberName,
    now: Timestamp,
) -> Result<Fence, FailoverError> {
    let record = known(registry, member).await?.record;
    let Some(fence) = record.fence.clone() else {
        return Err(FailoverError::NotFenced(member.clone()));
    };
    let silence = MemberSilence {
        fence: record.fence.clone(),
        heard: record.heard,
    };
    match silence.allows(&fence, now) {
        Ok(()) => Ok(fence),
        Err(NotReleased::NotFenced) => Err(FailoverError::NotFenced(member.clone())),
        Err(NotReleased::Speaks) => Err(speaks(&record)),
        Err(NotReleased::TooEarly) => Err(FailoverError::TooEarly {
            name: member.clone(),
            until: fence.until,
        }),
    }
}

/// Takes the copies of a fenced member out of the claims that are chosen. Cut off, it is done
/// again, and goes on. `on_claims` is told how many were changed so far.
///
/// # Errors
/// The member is not fenced, speaks, or it is too early; or the registry did not answer.
pub async fn release(
    registry: &dyn Registry,
    wanted: &Releasing,
    now: impl Fn() -> Timestamp + Copy,
    on_claims: impl Fn(usize),
) -> Result<Released, FailoverError> {
    not_moving(registry).await?;
    let member = &wanted.member;
    let fence = may_be_taken_over(registry, member, now()).await?;
    let scope = ClaimScope::Of(member.clone(), CopyFilter::AnyCopy);
    let mut released = Released::default();
    let mut page = registry.claims_page(&scope, None).await?;
    loop {
        released.unreadable.append(&mut page.unreadable);
        let claims = page.claims.iter().map(|known| &known.record);
        let meant = claims.filter(|record| {
            let its = record.copies.keys().filter(|copy| copy.member == *member);
            wanted.chosen.means(&record.identity, its)
        });
        let taking = meant.map(|record| {
            let way = Takeover::new(member.clone(), fence.clone(), record.identity.clone());
            take(registry, wanted, way, now)
        });
        let taking = stream::iter(taking).buffer_unordered(wanted.parallel);
        let taken: Vec<Vec<CopyRef>> = taking.try_collect().await?;
        released.claims += taken.iter().filter(|copies| !copies.is_empty()).count();
        on_claims(released.claims);
        let Some(at) = page.next else {
            return Ok(released);
        };
        page = registry.claims_page(&scope, Some(&at)).await?;
    }
}

/// Makes the calls that a takeover of one claim asks for. Gives the copies that were released.
async fn take(
    registry: &dyn Registry,
    wanted: &Releasing,
    mut way: Takeover<RecordVersion>,
    now: impl Fn() -> Timestamp,
) -> Result<Vec<CopyRef>, FailoverError> {
    let at = now();
    let entry = |copy: &CopyRef, action| HistoryEntry {
        at,
        by: wanted.by.clone(),
        copy: copy.clone(),
        action,
        why: wanted.why.clone(),
        refusal: "".into(),
    };
    loop {
        let answer = match way.call() {
            TakeoverCall::Claim(identity) => {
                let known = match registry.claim(identity).await {
                    // It was readable when it was listed: another try tells of it.
                    Err(RegistryError::Corrupt(_)) => None,
                    known => known?,
                };
                TakeoverAnswer::Claim(known.map(|known| (known.record, known.version)))
            }
            TakeoverCall::Member(member) => {
                let known = registry.member(member).await?;
                let silence = known.map(|known| MemberSilence {
                    fence: known.record.fence,
                    heard: known.record.heard,
                });
                TakeoverAnswer::Member(silence, now())
            }
            TakeoverCall::Put(record, version) => {
                match registry.put_claim(record, Some(version)).await? {
                    PutOutcome::Stored(_) => TakeoverAnswer::Stored,
                    PutOutcome::Conflict => TakeoverAnswer::Conflict,
                }
            }
            TakeoverCall::Done(TakeoverOutcome::Released(copies)) => return Ok(copies.clone()),
            TakeoverCall::Done(TakeoverOutcome::Not(_)) => {
                may_be_taken_over(registry, &wanted.member, now()).await?;
                // It was fenced anew meanwhile.
                return Err(FailoverError::NotFenced(wanted.member.clone()));
            }
        };
        way.answer(answer, entry);
    }
}

#[cfg(test)]
mod tests;
