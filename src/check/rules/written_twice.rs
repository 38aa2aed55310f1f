//! Objects that are written twice for one cluster.

use crate::check::cluster::CheckedCluster;
use crate::check::finding::{Finding, Level, Related, Rule};
use crate::check::place::Location;

use super::copy_of;

/// A finding for each.
pub(super) fn find(cluster: &CheckedCluster) -> Vec<Finding> {
    let mut found = Vec::new();
    for (first, later) in cluster.twice() {
        let copy = copy_of(cluster, later);
        let mut finding = Finding {
            place: later.marks.object.clone(),
            next: "Keep one of the two.".to_owned(),
            ..Finding::new(
                Rule::WrittenTwice,
                Level::Warning,
                format!(
                    "{copy} is written twice{}",
                    also_at(first.marks.object.as_ref())
                ),
            )
        };
        finding.related.push(Related {
            copy: copy.clone(),
            place: first.marks.object.clone(),
        });
        finding.copy = Some(copy);
        found.push(finding);
    }
    found
}

fn also_at(place: Option<&Location>) -> String {
    place.map_or_else(String::new, |place| format!(", first at {place}"))
}
