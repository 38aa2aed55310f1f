//! What a member holds, and what another one has of it.

use crate::arm::Identity;
use crate::claim::{CopyRef, Hold, Holder, MemberName, Record, TransferName};
use crate::registry::{ClaimScope, CopyFilter, MemberRecord, Registry, UnreadableRecord};

use super::FailoverError;
use super::silence::known;

/// What a failover of a member comes to.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its record.
    pub member: MemberRecord,
    /// The claims in which it has a copy, by identity.
    pub claims: Vec<HeldClaim>,
    /// Claims that cannot be read, and may be the member's.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A claim in which the member has a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldClaim {
    /// The resource.
    pub identity: Identity,
    /// The member's copies, and how they hold it.
    pub copies: Vec<(CopyRef, Hold)>,
    /// What the one has that is to take over.
    pub target: TargetCopy,
    /// The other members' copies.
    pub companions: Vec<CopyRef>,
    /// The open transfer that moves it: it goes live only where that leads.
    pub transfer: Option<TransferName>,
}

/// What the member that is to take over has of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetCopy {
    /// Nobody said who is to take over.
    Unasked,
    /// A copy that is live or going live: two are, or the resource was taken over already.
    Live,
    /// A parked copy: taking its `skip` off makes it live.
    Parked,
    /// Nothing: its manifest is to be applied there.
    Absent,
}

impl TargetCopy {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unasked => "",
            Self::Live => "live",
            Self::Parked => "parked",
            Self::Absent => "absent",
        }
    }
}

impl HeldClaim {
    /// Whether a copy of the member's is live, or may be.
    pub fn is_live(&self) -> bool {
        let mut holds = self.copies.iter().map(|(_, hold)| hold);
        holds.any(|hold| matches!(hold, Hold::Live | Hold::Pending(_) | Hold::Deleting))
    }

    fn of(record: &Record, member: &MemberName, target: Option<&MemberName>) -> Self {
        let copies = record.copies.iter();
        let its = copies.filter(|(copy, _)| copy.member == *member);
        let others = record.copies.keys().filter(|copy| copy.member != *member);
        let in_target = |live| {
            let mut copies = record.copies.iter();
            copies.any(|(copy, held)| Some(&copy.member) == target && held.is_live() == live)
        };
        Self {
            identity: record.identity.clone(),
            copies: its
                .map(|(copy, held)| (copy.clone(), Holder::of(copy, held).hold))
                .collect(),
            target: match target {
                None => TargetCopy::Unasked,
                Some(_) if in_target(true) => TargetCopy::Live,
                Some(_) if in_target(false) => TargetCopy::Parked,
                Some(_) => TargetCopy::Absent,
            },
            companions: others.cloned().collect(),
            transfer: record.reserved.as_ref().map(|one| one.transfer.clone()),
        }
    }
}

/// Looks at what a member holds, and at what `target` has of it. Nothing is changed.
///
/// # Errors
/// There is no such member, or the registry did not answer.
pub async fn plan(
    registry: &dyn Registry,
    member: &MemberName,
    target: Option<&MemberName>,
) -> Result<Plan, FailoverError> {
    let record = known(registry, member).await?.record;
    let scope = ClaimScope::Of(member.clone(), CopyFilter::AnyCopy);
    let listed = registry.claims(&scope).await?;
    let claims = listed.records.iter();
    let mut claims: Vec<HeldClaim> = claims
        .map(|known| HeldClaim::of(&known.record, member, target))
        .collect();
    claims.sort_by(|a, b| a.identity.cmp(&b.identity));
    Ok(Plan {
        member: record,
        claims,
        unreadable: listed.unreadable,
    })
}
