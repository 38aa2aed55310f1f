//! What a person is told whom an open transfer keeps from something.

use crate::arm::Identity;
use crate::claim::{Reservation, TransferName};
use crate::object::POLICY_ANNOTATION;

use super::peers::leave_azure_alone;
use super::phrases::short;
use super::wakes::{leave_it, park_namespace};
use super::{Action, RefusalMessage, RefusedRequest, cause, going_live};

/// The resource is brought to another place, and would go live elsewhere.
pub(super) fn reserved_elsewhere(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    identity: &Identity,
    reservation: &Reservation,
) -> RefusalMessage {
    let what = going_live(to, subject);
    let (name, target) = (&reservation.transfer, &reservation.to);
    let mut next = Vec::new();
    if to.action == Action::Create {
        next.push(format!(
            "Create this copy parked, with the annotation {POLICY_ANNOTATION}: skip"
        ));
    }
    next.extend(see_and_end(to, name));
    RefusalMessage {
        summary: format!("{what} would go against transfer {name}"),
        holders: vec![format!(
            "{} is being moved from {} to {target}, and may be live only there until the transfer \
             ends",
            short(identity),
            reservation.from
        )],
        next,
        details: vec![format!("Resource: {identity}")],
    }
}

/// What is moved would be deleted.
pub(super) fn transfer_depends(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    identity: &Identity,
    moved: &Identity,
    reservation: &Reservation,
) -> RefusalMessage {
    let own = match to.action {
        Action::Delete => "deleting this copy",
        Action::Rename => "this copy is being deleted; this change",
        Action::MoveAway => "taking skip off before clusterctl's delete",
        _ => "this copy is being deleted; making it manage",
    };
    let what = cause(subject, own);
    let what_moves = if moved == identity {
        "it".to_owned()
    } else {
        format!("{} inside of it", short(moved))
    };
    let Reservation {
        transfer,
        from,
        to: target,
    } = reservation;
    let mut next = match to.action {
        Action::Delete => leave_azure_alone(to, subject),
        Action::MoveAway => park_namespace(to),
        action => vec![leave_it(action)],
    };
    next.extend(see_and_end(to, transfer));
    let mut details = vec![format!("Resource: {identity}")];
    if moved != identity {
        details.push(format!("Moved:    {moved}"));
    }
    RefusalMessage {
        summary: format!("{what} would delete {} in Azure", short(identity)),
        holders: vec![format!(
            "transfer {transfer} moves {what_moves} from {from} to {target}"
        )],
        next,
        details,
    }
}

/// Where to look, and what ends it.
fn see_and_end(to: &RefusedRequest<'_>, name: &TransferName) -> [String; 3] {
    [
        "See what the transfer still has to do, and end it when it is through:".to_owned(),
        format!("  aso-guard transfer status {name}{}", to.registry),
        format!("  aso-guard transfer finish {name}{}", to.registry),
    ]
}
