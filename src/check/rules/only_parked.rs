//! Parked copies without a live one.

use crate::arm::Identity;
use crate::check::finding::{Finding, Level, Rule};
use crate::claim::Record;

use super::claims::{CheckedClaims, LiveByResource, related};

/// A finding for a resource that has parked copies alone.
pub(super) fn find(
    claims: &CheckedClaims<'_>,
    identity: &Identity,
    record: &Record,
    known: &LiveByResource<'_>,
) -> Option<Finding> {
    let parked = claims.own(identity, record.copies.keys());
    let ((first, held), others) = parked.split_first()?;
    // A second name of the same object is not a second resource.
    if held.resolution.identity != *identity {
        return None;
    }
    // In a subscription that is not known: what is live in one that is may be the same.
    if held.unknown.is_some() && known.but_for_subscription(identity).is_some() {
        return None;
    }
    let more = match others.len() {
        0 => String::new(),
        1 => " and one other copy".to_owned(),
        more => format!(" and {more} other copies"),
    };
    Some(Finding {
        place: held
            .marks
            .policy
            .clone()
            .or_else(|| held.marks.object.clone()),
        copy: Some((*first).clone()),
        identity: Some(identity.clone()),
        next: "Make one copy live, or leave this rule out if a cluster that is not checked \
               here has it: --ignore parked-without-live"
            .to_owned(),
        related: others
            .iter()
            .map(|(copy, standing)| related(copy, standing))
            .collect(),
        ..Finding::new(
            Rule::ParkedWithoutLive,
            Level::Note,
            format!(
                "nobody reconciles {}: {first}{more} is parked, and no copy is live",
                identity.last_pair()
            ),
        )
    })
}
