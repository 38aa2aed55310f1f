//! A pasted `resource-id` annotation.

use crate::check::finding::{Finding, Level, Rule};
use crate::claim::CopyRef;
use crate::object::RESOURCE_ID_ANNOTATION;

use super::claims::{CheckedClaims, ClaimedObject, in_brackets, related};

/// A `resource-id` annotation that names another resource than the spec.
pub(super) fn find(
    claims: &CheckedClaims<'_>,
    copy: &CopyRef,
    standing: &ClaimedObject<'_>,
) -> Option<Finding> {
    let resolution = &standing.resolution;
    let named = resolution
        .also
        .iter()
        .find(|other| !standing.names(other))?;
    let holders = claims
        .records
        .get(named)
        .into_iter()
        .flat_map(|record| record.copies.keys());
    let holders = holders.filter(|other| *other != copy);
    let holder = claims.own(named, holders).into_iter().next();
    let (level, whose) = match holder {
        Some((other, held)) => (
            Level::Error,
            format!(
                ", which is that of {other}{}",
                in_brackets(held.marks.object.as_ref())
            ),
        ),
        None => (Level::Warning, String::new()),
    };
    Some(Finding {
        place: standing
            .marks
            .resource_id
            .clone()
            .or_else(|| standing.marks.object.clone()),
        copy: Some(copy.clone()),
        identity: Some(resolution.identity.clone()),
        next: format!("Leave {RESOURCE_ID_ANNOTATION} out; ASO sets it again."),
        related: holder
            .iter()
            .map(|(copy, standing)| related(copy, standing))
            .collect(),
        ..Finding::new(
            Rule::ForeignResourceId,
            level,
            format!(
                "its annotation {RESOURCE_ID_ANNOTATION} names {}{whose}, and its spec {}: \
                 deleting it would delete the one named",
                named.last_pair(),
                resolution.identity.last_pair(),
            ),
        )
    })
}
