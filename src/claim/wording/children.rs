//! What a person is told whose delete would take resources inside along.

use crate::arm::Identity;
use crate::claim::CopyRef;
use crate::claim::refusal::Dependent;

use crate::object::text::quoted;

use super::peers::leave_azure_alone;
use super::phrases::{NAMED, kubectl, named, park, place, resource, short};
use super::{RefusalMessage, RefusedRequest, cause};

/// Others hold resources inside.
pub(super) fn children_depend(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    identity: &Identity,
    children: &[Dependent],
) -> RefusalMessage {
    let what = cause(subject, "deleting this copy");
    let mut next = vec!["Delete or move those first.".to_owned()];
    next.extend(leave_azure_alone(to, subject));
    RefusalMessage {
        summary: format!(
            "{what} would delete {} in Azure and what others hold inside",
            short(identity)
        ),
        holders: named(
            children,
            &format!("list --below {}{}", quoted(identity.as_str()), to.registry),
            |child| {
                let place = place(to, &child.holder);
                format!("{} is {place}", short(&child.identity))
            },
        ),
        next,
        details: vec![format!("Resource: {identity}")],
    }
}

/// Kubernetes would delete live children with a copy that leaves Azure alone.
pub(super) fn takes_live_children(to: &RefusedRequest<'_>, children: &[CopyRef]) -> RefusalMessage {
    let (member, namespace) = (&to.copy.member, &to.copy.object.namespace);
    let here = format!(
        "list --member {member} --namespace {}{}",
        quoted(namespace),
        to.registry
    );
    let mut next = vec!["Park them first, or move them, too:".to_owned()];
    let commands = children.iter().take(NAMED).map(park);
    next.extend(commands);
    let alone = format!("delete --cascade=orphan {}", resource(&to.copy.object));
    next.push("Or delete this copy alone; ASO then waits for an owner of that name:".to_owned());
    next.push(kubectl(to.copy, &alone));
    RefusalMessage {
        summary: "deleting this copy would take its live children along, and delete them in Azure"
            .to_owned(),
        holders: named(children, &here, |child| {
            format!(
                "{} is live in this cluster ({})",
                child.object, to.copy.member
            )
        }),
        next,
        details: Vec::new(),
    }
}
