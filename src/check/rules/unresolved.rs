//! Objects whose resource cannot be worked out.

use std::collections::BTreeSet;

use crate::arm::Unresolved;
use crate::check::finding::{Finding, Level, Rule};
use crate::check::manifest::Manifest;
use crate::check::place::Place;

/// A finding for an object whose resource cannot be worked out, and where to point. `told`: the
/// missing subscriptions that were told of already.
pub(super) fn find<'m>(
    manifest: &'m Manifest,
    why: &Unresolved,
    told: &mut BTreeSet<String>,
) -> Option<(Finding, &'m Option<Place>)> {
    let marks = &manifest.marks;
    match why.reason() {
        // Told of the object that lacks its owner.
        "owner-missing" => None,
        "no-subscription" => {
            let why = why.to_string();
            let first = told.insert(why.clone());
            let finding = Finding::new(Rule::Unresolved, Level::Warning, why);
            first.then_some((finding, &marks.credential))
        }
        // Only ASO can tell, once it runs.
        "name-pending" => {
            let finding = Finding::new(Rule::Unresolved, Level::Note, why.to_string());
            Some((finding, &marks.object))
        }
        "no-owner" | "bad-owner" => {
            let finding = Finding::new(Rule::Unresolved, Level::Warning, why.to_string());
            Some((finding, &marks.owner))
        }
        _ => {
            let finding = Finding::new(Rule::Unresolved, Level::Warning, why.to_string());
            Some((finding, &marks.object))
        }
    }
}
