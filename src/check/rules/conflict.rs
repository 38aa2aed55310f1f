//! Two live copies of one resource.

use crate::arm::Identity;
use crate::check::cluster::{Unknown, UnknownSource};
use crate::check::finding::{Finding, Level, Rule};
use crate::claim::{CopyRef, Record};
use crate::object::POLICY_ANNOTATION;
use crate::policy::Policy;

use super::claims::{CheckedClaims, ClaimedObject, in_brackets, related};

type Copy<'r, 'a> = (&'r CopyRef, &'r ClaimedObject<'a>);

/// A finding for each live copy that has another one before it.
pub(super) fn find(
    claims: &CheckedClaims<'_>,
    identity: &Identity,
    record: &Record,
) -> Vec<Finding> {
    let live = claims.own(identity, record.live().map(|(copy, _)| copy));
    let later = (1..live.len()).filter_map(|at| {
        let (before, copy) = (&live[..at], live[at]);
        let may = |first: &&Copy<'_, '_>| may_conflict(**first, copy, identity);
        let same = |first: &&Copy<'_, '_>| first.1.unknown == copy.1.unknown;
        let first = before.iter().find(|first| may(first) && same(first));
        let first = *first.or_else(|| before.iter().find(may))?;
        Some(finding(identity, first, copy))
    });
    later.collect()
}

fn may_conflict(first: Copy<'_, '_>, copy: Copy<'_, '_>, identity: &Identity) -> bool {
    let is_own = |standing: &ClaimedObject<'_>| standing.resolution.identity == *identity;
    // Two names of one pair of objects are one finding.
    let named = is_own(first.1) || is_own(copy.1);
    let may_be = match (&first.1.unknown, &copy.1.unknown) {
        (Some(one), Some(other)) => one.may_be(other, first.0.member == copy.0.member),
        _ => true,
    };
    named && may_be
}

fn finding(identity: &Identity, first: Copy<'_, '_>, copy: Copy<'_, '_>) -> Finding {
    let same_cluster = first.0.member == copy.0.member;
    let unknown = copy.1.unknown.as_ref().filter(|unknown| {
        // What is not known is one and the same for both.
        !same_cluster
            || matches!(
                unknown.source,
                UnknownSource::Owner(_) | UnknownSource::Name(..)
            )
    });
    let (unsure, state) = match unknown {
        Some(unknown) => assumed(unknown, first.1.unknown.as_ref()),
        None if copy.1.resolution.assumed => (
            " (assumed: taking a missing owner's name for its name in Azure)".to_owned(),
            String::new(),
        ),
        None => (String::new(), String::new()),
    };
    Finding {
        place: copy.1.marks.object.clone(),
        copy: Some(copy.0.clone()),
        identity: Some(identity.clone()),
        next: format!(
            "Park one of the two: annotate it with {POLICY_ANNOTATION}: {}{state}",
            Policy::Skip
        ),
        related: vec![related(first.0, first.1)],
        ..Finding::new(
            Rule::Conflict,
            Level::Error,
            format!(
                "conflict: {} would be live twice, as {} and {}{}{unsure}",
                identity.last_pair(),
                copy.0,
                first.0,
                in_brackets(first.1.marks.object.as_ref()),
            ),
        )
    }
}

/// What is assumed of the two, and how to settle it.
fn assumed(unknown: &Unknown, other: Option<&Unknown>) -> (String, String) {
    if let UnknownSource::Owner(owner) = &unknown.source {
        let assumed = format!(" (assumed: taking their missing owner {owner} to be the same)");
        return (assumed, String::new());
    }
    if let UnknownSource::Name(namespace, name, key) = &unknown.source {
        let assumed = format!(
            " (assumed: taking {key} of the ConfigMap {namespace}/{name} to be the same for both)"
        );
        return (assumed, format!(". Or {}", unknown.state));
    }
    let states = [other, Some(unknown)].into_iter().flatten();
    let states: Vec<&str> = states.map(|unknown| &*unknown.state).collect();
    (
        " (assumed: taking both to be in one subscription)".to_owned(),
        format!(
            ". If their subscriptions differ, state them: {}",
            states.join("; ")
        ),
    )
}
