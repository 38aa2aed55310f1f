//! A fence is taken off, and what was released and nobody took over is given back.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use crate::claim::{ClaimState, MemberName};
use crate::registry::{ClaimScope, Registry, UnreadableRecord, edit};

use super::FailoverError;
use super::silence::known;

/// How many claims are changed together.
const AT_ONCE: usize = 16;
/// Until when a copy that is given back may be on its way, should nobody say more: the member's own
/// observer says what is there.
const GIVEN: SignedDuration = SignedDuration::from_secs(90);

/// What undoing a failover came to.
#[derive(Clone, Debug, Default)]
pub struct Undone {
    /// How many claims have the member's copy again.
    pub given_back: usize,
    /// Claims that cannot be read, and may have been released.
    pub unreadable: Vec<UnreadableRecord>,
}

/// Gives back what was released of a fenced member and is live nowhere, then takes its fence off.
///
/// Should it be there, its own observer has registered what it has already. So this is for what it
/// would be missed for: it is held until the member says what it has.
///
/// # Errors
/// It is not fenced, or the registry did not answer.
pub async fn undo(
    registry: &dyn Registry,
    member: &MemberName,
    by: &str,
    now: impl Fn() -> Timestamp,
) -> Result<Undone, FailoverError> {
    let Some(fence) = known(registry, member).await?.record.fence else {
        return Err(FailoverError::NotFenced(member.clone()));
    };
    let mut undone = Undone::default();
    let mut page = registry.claims_page(&ClaimScope::All, None).await?;
    loop {
        undone.unreadable.append(&mut page.unreadable);
        let free = page.claims.iter().map(|known| &known.record);
        let free = free.filter(|record| {
            let state = record.state();
            let is_free = matches!(state, ClaimState::Free | ClaimState::Parked);
            let mut its = record.history.iter();
            is_free && its.any(|one| one.copy.member == *member && one.at >= fence.at)
        });
        let edits = free.map(|record| {
            let (at, identity) = (now(), &record.identity);
            let deadline = at.saturating_add(GIVEN).unwrap_or(Timestamp::MAX);
            async move {
                let changed = std::sync::atomic::AtomicBool::new(false);
                edit::claim(registry, identity, |known| {
                    let back = known?.given_back(member, fence.at, at, deadline, by);
                    changed.store(back.is_some(), std::sync::atomic::Ordering::Relaxed);
                    back
                })
                .await
                .map(|()| changed.into_inner())
            }
        });
        let given: Vec<bool> = stream::iter(edits)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        undone.given_back += given.into_iter().filter(|given| *given).count();
        let Some(at) = page.next else { break };
        page = registry.claims_page(&ClaimScope::All, Some(&at)).await?;
    }
    edit::member(registry, member, |there| {
        let mut next = there.cloned();
        if let Some(next) = &mut next {
            next.fence = None;
        }
        Ok::<_, FailoverError>(next)
    })
    .await?;
    Ok(undone)
}
