//! What a request claimed that was cut off stays claimed for a while, so that the next try goes on
//! from there.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::arm::Identity;
use crate::claim::{Acquire, Proof, Record, RegistryAnswer, RegistryCall, RequestUid};
use crate::registry::{ClaimScope, CopyFilter, RecordVersion, RegistryError};

use super::guard::{Case, Guard};

/// So many copies may be more than there is time for.
const MANY: usize = 50;

/// What earlier tries of a request have claimed.
pub(super) struct EarlierClaims {
    requests: Vec<RequestUid>,
    /// The claims as they were listed when this try began.
    listed: Mutex<HashMap<Identity, (Record, RecordVersion)>>,
    /// What was read of what contains others, after that.
    above: Mutex<HashMap<Vec<Identity>, Vec<Record>>>,
}

impl Guard {
    /// What earlier tries of a request that renames so many have claimed; none, where there
    /// were none.
    pub(super) async fn claimed_earlier(
        &self,
        case: &Case<'_>,
        (renames, proof): (usize, &Proof),
    ) -> Option<EarlierClaims> {
        if case.dry_run || renames < MANY || *proof != Proof::Owner {
            return None;
        }
        case.context.progress.lasts();
        let within = self.settings.claim_deadline;
        let owner = &case.copy.object;
        let requests = self.cut_off.begin(owner, &case.request, within);
        if requests.is_empty() {
            return None;
        }
        let scope = ClaimScope::Of(self.member.clone(), CopyFilter::InFlight);
        // Without it, all is read and written again.
        let listed = self.registry.claims(&scope).await.ok()?.records;
        let listed = listed.into_iter().map(|known| {
            let identity = known.record.identity.clone();
            (identity, (known.record, known.version))
        });
        Some(EarlierClaims {
            requests,
            listed: Mutex::new(listed.collect()),
            above: Mutex::default(),
        })
    }
}

impl EarlierClaims {
    /// The same, as an earlier try asked it, where that is in the claim still: an acquire
    /// that holds for twice as long as a request is under way, so for all of this one.
    pub(super) fn asked(&self, ask: Acquire, identity: &Identity) -> Acquire {
        let listed = self.listed.lock();
        let found = listed.get(identity).and_then(|(record, _)| {
            let held = record.copies.get(&ask.copy)?;
            let mut acquiring = held.acquiring.iter();
            acquiring.find(|one| one.proof == Proof::Owner && self.requests.contains(&one.request))
        });
        match found {
            Some(one) => Acquire {
                request: one.request.clone(),
                deadline: one.deadline,
                ..ask
            },
            None => ask,
        }
    }

    /// The claim as it was listed, the first time that it is asked for.
    fn listed(&self, identity: &Identity) -> Option<(Record, RecordVersion)> {
        self.listed.lock().remove(identity)
    }
}

/// The calls of one copy's way to being live, some of them answered by what was read already.
pub(super) struct SharedReads<'a> {
    earlier: Option<&'a EarlierClaims>,
    /// Whether every claim so far is as it was listed. Then it was written before anything was
    /// read of what contains it, and whoever deletes that by now has seen it, or is seen.
    is_as_listed: bool,
}

impl<'a> SharedReads<'a> {
    pub(super) fn of(earlier: Option<&'a EarlierClaims>) -> Self {
        Self {
            earlier,
            is_as_listed: true,
        }
    }

    /// Makes a call.
    pub(super) async fn make(
        &mut self,
        guard: &Guard,
        case: &Case<'_>,
        call: RegistryCall<'_, RecordVersion>,
    ) -> Result<RegistryAnswer<RecordVersion>, RegistryError> {
        let Some(earlier) = self.earlier else {
            return guard.make(case, call).await;
        };
        match &call {
            RegistryCall::Claim(identity) => {
                let listed = earlier.listed(identity);
                self.is_as_listed &= listed.is_some();
                if listed.is_some() {
                    return Ok(RegistryAnswer::Claim(listed));
                }
            }
            RegistryCall::Claims(above) if self.is_as_listed => {
                let above = above.clone();
                if let Some(read) = earlier.above.lock().get(&above) {
                    return Ok(RegistryAnswer::Claims(read.clone()));
                }
                let answer = guard.make(case, call).await?;
                if let RegistryAnswer::Claims(read) = &answer {
                    earlier.above.lock().insert(above, read.clone());
                }
                return Ok(answer);
            }
            RegistryCall::Put(..) => self.is_as_listed = false,
            RegistryCall::Claims(_) | RegistryCall::Below(_) => {}
        }
        guard.make(case, call).await
    }
}
