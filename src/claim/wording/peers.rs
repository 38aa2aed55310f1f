//! What a person is told whose delete would take the resource from other copies.

use crate::arm::Identity;
use crate::claim::{CopyRef, Hold, Holder};

use super::phrases::{
    NAMED, clock, is_forgotten, kubectl, park, release_first, resource, short, silence, still,
};
use super::{RefusalMessage, RefusedRequest, cause};

/// Other copies of the resource are there.
pub(super) fn peers_depend(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    identity: &Identity,
    peers: &[Holder],
) -> RefusalMessage {
    let what = cause(subject, "deleting this copy");
    let mut next = leave_azure_alone(to, subject);
    let parked = |peer: &Holder| matches!(peer.hold, Hold::Parked | Hold::Arriving(_));
    if peers.iter().all(parked) {
        next.extend(delete_the_parked(to, identity, peers));
    }
    let arriving = peers.iter().filter_map(|peer| match peer.hold {
        Hold::Arriving(deadline) => Some(deadline),
        _ => None,
    });
    if let Some(deadline) = arriving.max() {
        next.push(format!(
            "If the request for a copy that is being created failed, try again after {}.",
            clock(deadline)
        ));
    }
    RefusalMessage {
        summary: format!("{what} would delete {} in Azure", short(identity)),
        holders: still(to, identity, peers),
        next,
        details: vec![format!("Resource: {identity}")],
    }
}

/// How to get rid of parked copies, so that the last one can take the resource with it.
fn delete_the_parked(
    to: &RefusedRequest<'_>,
    identity: &Identity,
    peers: &[Holder],
) -> Vec<String> {
    let first = peers.iter().take(NAMED).map(|peer| &peer.copy);
    let (there, absent): (Vec<&CopyRef>, Vec<&CopyRef>) =
        first.partition(|copy| silence(to, copy).is_none());
    let mut next = Vec::new();
    if !there.is_empty() {
        next.push(
            "To delete the resource too, first delete the parked copies (Azure is not touched):"
                .to_owned(),
        );
    }
    let delete = |copy: &CopyRef| {
        let delete = format!("delete {}", resource(&copy.object));
        kubectl(copy, &delete)
    };
    next.extend(there.into_iter().map(delete));
    for copy in absent {
        next.extend(release_first(to, identity, copy));
        if !is_forgotten(to, copy) {
            let member = &copy.member;
            next.push(format!(
                "If cluster {member} is there, delete its parked copy:"
            ));
            next.push(delete(copy));
        }
    }
    next
}

/// How to go on without touching Azure.
pub(super) fn leave_azure_alone(to: &RefusedRequest<'_>, subject: Option<&str>) -> Vec<String> {
    let how = match subject {
        None => "To delete only this copy and leave Azure alone, park it first:".to_owned(),
        Some(_) => format!("To leave Azure alone, park {} first:", to.copy.object),
    };
    vec![how, park(to.copy)]
}
