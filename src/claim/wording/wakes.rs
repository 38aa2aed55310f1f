//! What a person is told whose change would have a delete reach Azure.

use crate::arm::Identity;
use crate::claim::Holder;
use crate::object::POLICY_ANNOTATION;
use crate::object::text::quoted;

use super::phrases::{short, still};
use super::{Action, RefusalMessage, RefusedRequest};

/// A safe delete would turn into one that reaches Azure.
pub(super) fn wakes_delete(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    identity: &Identity,
    peers: &[Holder],
) -> RefusalMessage {
    if to.action == Action::MoveAway && subject.is_none() {
        return moved_away(to, identity, peers);
    }
    let what = match (subject, to.action) {
        (Some(subject), _) => format!("{subject}, and its delete, which is under way,"),
        (None, Action::Rename) => "this copy is being deleted; this change".to_owned(),
        (None, _) => "this copy is being deleted; making it manage".to_owned(),
    };
    RefusalMessage {
        summary: format!("{what} would delete {} in Azure", short(identity)),
        holders: still(to, identity, peers),
        next: vec![leave_it(to.action)],
        details: vec![format!("Resource: {identity}")],
    }
}

/// What ends a delete under way well.
pub(super) fn leave_it(action: Action) -> String {
    let keep = match action {
        Action::Rename => "Leave it unchanged",
        _ => "Keep skip",
    };
    format!("{keep}: the delete then finishes without touching Azure.")
}

fn moved_away(to: &RefusedRequest<'_>, identity: &Identity, peers: &[Holder]) -> RefusalMessage {
    let what = short(identity);
    RefusalMessage {
        summary: format!("taking skip off before clusterctl's delete could delete {what} in Azure"),
        holders: still(to, identity, peers),
        next: park_namespace(to),
        details: vec![format!("Resource: {identity}")],
    }
}

/// What to do about clusterctl, which leaves the namespace's annotations alone.
pub(super) fn park_namespace(to: &RefusedRequest<'_>) -> Vec<String> {
    let namespace = &to.copy.object.namespace;
    vec![
        "clusterctl removes skip before it deletes. Set skip on the namespace too; clusterctl then \
         succeeds at its next try:"
            .to_owned(),
        format!(
            "  kubectl --context {} annotate --overwrite namespace {} {POLICY_ANNOTATION}=skip",
            to.copy.member,
            quoted(namespace)
        ),
    ]
}
