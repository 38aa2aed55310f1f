//! Objects whose resource cannot be worked out, or only in part.

use std::collections::BTreeMap;

use crate::arm::Unresolved;
use crate::check::cluster::{CheckedCluster, Unknown, UnknownSource};
use crate::check::finding::{Finding, Level, Rule};
use crate::check::manifest::Manifest;
use crate::check::place::Location;
use crate::claim::{CopyRef, MemberName};

use super::claims::{CheckedClaims, LiveByResource, in_brackets, related};
use super::copy_of;

/// A finding for an object whose resource cannot be worked out, and where to point.
pub(super) fn find<'m>(
    manifest: &'m Manifest,
    why: &Unresolved,
) -> Option<(Finding, &'m Option<Location>)> {
    let marks = &manifest.marks;
    let (level, place) = match why.reason() {
        // Told of the object that lacks its owner.
        "owner-missing" => return None,
        "no-subscription" => (Level::Warning, &marks.credential),
        // Only ASO can tell, once it runs.
        "name-pending" => (Level::Note, &marks.object),
        "no-owner" | "bad-owner" => (Level::Warning, &marks.owner),
        _ => (Level::Warning, &marks.object),
    };
    Some((
        Finding::new(Rule::Unresolved, level, why.to_string()),
        place,
    ))
}

/// The same in few words.
pub(super) fn in_short(why: &Unresolved) -> &'static str {
    match why.reason() {
        "owner-missing" => "an owner is missing",
        "no-subscription" => "no credential",
        "name-pending" => "only ASO can tell the name",
        "no-owner" | "bad-owner" => "no owner, or a wrong one",
        _ => "cannot be worked out",
    }
}

/// A note for each object of a group that is none of ASO's.
pub(super) fn foreign(cluster: &CheckedCluster) -> impl Iterator<Item = Finding> {
    cluster.foreign().map(|manifest| {
        let key = &manifest.facts.key;
        let message = format!(
            "{} is not looked at: {} is no API group of ASO that aso-guard knows",
            key.kind, key.group
        );
        Finding {
            place: manifest.marks.object.clone(),
            copy: Some(copy_of(cluster, manifest)),
            ..Finding::new(Rule::Unreadable, Level::Note, message)
        }
    })
}

impl Unknown {
    /// What is not known, in few words.
    pub(super) fn in_short(&self) -> &'static str {
        match self.source {
            UnknownSource::Operator(_) => "no subscription is stated",
            UnknownSource::Secret(..) => "a credential is not known",
            UnknownSource::Name(..) => "a name comes from a ConfigMap that is not there",
            UnknownSource::Owner(_) => "an owner is missing",
            UnknownSource::Nowhere => "no credential",
        }
    }
}

/// What is not known of the clusters' objects.
#[derive(Default)]
pub(super) struct UnknownSubscriptions {
    /// Those of each cluster, with the objects that they are of, live ones first.
    of: BTreeMap<(MemberName, Unknown), Vec<(bool, CopyRef)>>,
}

impl UnknownSubscriptions {
    pub(super) fn add(&mut self, unknown: &Unknown, copy: &CopyRef, live: bool) {
        let of = self.of.entry((copy.member.clone(), unknown.clone()));
        of.or_default().push((live, copy.clone()));
    }

    /// A finding for each subscription that is not known: a warning where that may hide a
    /// conflict with what is known, else a note. Where nothing is stated, the summary says so.
    pub(super) fn findings(
        &self,
        claims: &CheckedClaims<'_>,
        known: &LiveByResource<'_>,
    ) -> Vec<Finding> {
        let findings = self.of.iter().filter_map(|((_, unknown), copies)| {
            let live = copies
                .iter()
                .filter(|(live, _)| *live)
                .map(|(_, copy)| copy);
            let doubt = live.filter_map(|copy| {
                let identity = &claims.copies.get(copy)?.resolution.identity;
                Some((copy, known.but_for_subscription(identity)?))
            });
            let doubt = doubt.into_iter().next();
            match (&unknown.source, &doubt) {
                (UnknownSource::Owner(_) | UnknownSource::Nowhere, _)
                | (UnknownSource::Operator(_), None) => None,
                _ => finding(claims, unknown, &copies.first()?.1, doubt),
            }
        });
        findings.collect()
    }
}

fn finding(
    claims: &CheckedClaims<'_>,
    unknown: &Unknown,
    any: &CopyRef,
    doubt: Option<(&CopyRef, &CopyRef)>,
) -> Option<Finding> {
    let copy = doubt.map_or(any, |(copy, _)| copy);
    let standing = claims.copies.get(copy)?;
    let credential = standing.marks.credential.clone();
    let mut finding = Finding {
        place: credential.or_else(|| standing.marks.object.clone()),
        copy: Some(copy.clone()),
        next: format!("State it: {}", unknown.state),
        ..Finding::new(Rule::Unresolved, Level::Note, unknown.why.clone())
    };
    if let Some((other, held)) =
        doubt.and_then(|(_, other)| Some((other, claims.copies.get(other)?)))
    {
        finding.level = Level::Warning;
        finding.message += &format!(
            "; in that of {other}{} it would be the same resource, {}",
            in_brackets(held.marks.object.as_ref()),
            held.resolution.identity
        );
        finding.related.push(related(other, held));
    }
    Some(finding)
}
