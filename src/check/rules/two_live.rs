//! Two live copies of one resource.

use crate::arm::Identity;
use crate::check::finding::{Finding, Level, Rule};
use crate::claim::{CopyRef, Record};
use crate::object::POLICY_ANNOTATION;
use crate::policy::Policy;

use super::claims::{Claims, Standing, in_brackets, related};

/// A finding for each live copy but the first. `none_known`: no subscription is, of any cluster.
pub(super) fn find(
    claims: &Claims<'_>,
    identity: &Identity,
    record: &Record,
    none_known: bool,
) -> Vec<Finding> {
    let live = claims.own(identity, record.live().map(|(copy, _)| copy));
    let Some(((first, held), others)) = live.split_first() else {
        return Vec::new();
    };
    let resource = identity.last_pair();
    let others = others.iter().filter(|(_, standing)| {
        // Two names of one pair of objects are one finding.
        standing.resolution.identity == *identity || held.resolution.identity == *identity
    });
    let finding = |(copy, standing): &(&CopyRef, &Standing<'_>)| {
        let unsure = match (none_known, standing.resolution.assumed) {
            (true, _) => " (taking both to be in one subscription: none is stated)",
            (false, true) => " (taking a missing owner's name for its name in Azure)",
            (false, false) => "",
        };
        Finding {
            place: standing.marks.object.clone(),
            copy: Some((*copy).clone()),
            identity: Some(identity.clone()),
            next: format!(
                "Park one of the two: annotate it with {POLICY_ANNOTATION}: {}",
                Policy::Skip
            ),
            related: vec![related(first, held)],
            ..Finding::new(
                Rule::TwoLive,
                Level::Error,
                format!(
                    "{resource} would have two live reconcilers, {copy} and {first}{}{unsure}",
                    in_brackets(held.marks.object.as_ref()),
                ),
            )
        }
    };
    others.map(finding).collect()
}
