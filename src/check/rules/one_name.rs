//! One name of a RoleAssignment in several places.

use std::collections::BTreeMap;

use crate::check::finding::{Finding, Level, Rule};
use crate::claim::CopyRef;

use super::claims::{CheckedClaims, ClaimedObject, in_brackets, related};

/// A note for each RoleAssignment whose name another one, of something else, has too: names of
/// role assignments are one of a kind in a tenant.
pub(super) fn find(claims: &CheckedClaims<'_>) -> Vec<Finding> {
    let mut first: BTreeMap<String, (&CopyRef, &ClaimedObject<'_>)> = BTreeMap::new();
    let mut found = Vec::new();
    let assignments = claims
        .in_order()
        .filter(|(copy, _)| &*copy.object.kind == "RoleAssignment");
    for (copy, standing) in assignments {
        let identity = &standing.resolution.identity;
        let name = identity.name().to_ascii_lowercase();
        let Some((other, held)) = first.get(&name) else {
            first.insert(name, (copy, standing));
            continue;
        };
        if held.resolution.identity == *identity {
            continue;
        }
        found.push(Finding {
            place: standing.marks.object.clone(),
            copy: Some(copy.clone()),
            identity: Some(identity.clone()),
            next: "Give one of them another azureName, unless their tenants differ.".to_owned(),
            related: vec![related(other, held)],
            ..Finding::new(
                Rule::Unresolved,
                Level::Note,
                format!(
                    "{other}{} has the name {name} in Azure too, for another scope: in one tenant \
                     Azure takes a role assignment's name only once",
                    in_brackets(held.marks.object.as_ref())
                ),
            )
        });
    }
    found
}
