//! Owners that are missing, or parked.

use crate::check::cluster::{
    CheckedCluster, CheckedResolution, NearestOwner, Unknown, UnknownSource,
};
use crate::check::finding::{Finding, Level, Related, Rule};
use crate::check::manifest::Manifest;
use crate::policy::Policy;

use super::copy_of;

/// An owner that is not there.
pub(super) fn missing(cluster: &CheckedCluster, resolved: &CheckedResolution) -> Option<Finding> {
    let NearestOwner::Missing(owner) = &resolved.owner else {
        return None;
    };
    let mut unread = cluster.unread().iter();
    if unread.any(|(key, _)| key.as_ref() == Some(owner)) {
        return None;
    }
    let has_owner = |unknown: &Unknown| matches!(unknown.source, UnknownSource::Owner(_));
    let then = if resolved.identity.is_ok() && !resolved.unknown.as_ref().is_some_and(has_owner) {
        "; its name is taken for its name in Azure"
    } else {
        ", so nobody can tell where in Azure it lies"
    };
    Some(Finding {
        next: "Add the owner, or name it by spec.owner.armId.".to_owned(),
        ..Finding::new(
            Rule::OwnerMissing,
            Level::Warning,
            format!("its owner {owner} is not there{then}"),
        )
    })
}

/// A live object below a parked owner.
pub(super) fn parked(
    cluster: &CheckedCluster,
    manifest: &Manifest,
    resolved: &CheckedResolution,
) -> Option<Finding> {
    let NearestOwner::Found(owner) = &resolved.owner else {
        return None;
    };
    let owner_is_parked = cluster.policy(owner).policy == Policy::Skip;
    if !resolved.policy.policy.deletes() || !owner_is_parked {
        return None;
    }
    let written = cluster.object(&owner.key)?;
    let related = Related {
        copy: copy_of(cluster, written),
        place: written.marks.object.clone(),
    };
    Some(Finding {
        related: vec![related],
        next: "Park this object too, or set it to detach-on-delete.".to_owned(),
        ..Finding::new(
            Rule::LiveUnderParked,
            Level::Warning,
            format!(
                "{} is live, and its owner {} is parked: deleting the owner would delete this \
                 object, and its resource in Azure",
                manifest.facts.key, owner.key
            ),
        )
    })
}
