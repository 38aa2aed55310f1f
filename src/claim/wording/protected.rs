//! What a person is told whose delete somebody asked not to be made.

use crate::claim::CopyRef;
use crate::object::PROTECT_ANNOTATION;
use crate::object::text::{printable, quoted};

use super::peers::leave_azure_alone;
use super::phrases::{kubectl, resource};
use super::{Action, RefusalMessage, RefusedRequest, cause};

/// How much of a reason is shown.
const SHOWN: usize = 200;

/// Somebody said that what would be deleted in Azure is not to be. `said`: whether of the whole
/// namespace, and why.
pub(super) fn protected(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    copy: &CopyRef,
    (by_namespace, why): (bool, &str),
) -> RefusalMessage {
    let own = match to.action {
        Action::Delete => "deleting this",
        _ => "this copy is being deleted; this change",
    };
    let (object, what) = (&copy.object, cause(subject, own));
    let (on, named) = if by_namespace {
        let namespace = quoted(&object.namespace);
        ("its namespace", format!("namespace/{namespace}"))
    } else {
        ("it", resource(object))
    };
    let why = printable(why, SHOWN);
    let mut next = vec![
        "It is in force until it is taken off:".to_owned(),
        kubectl(copy, &format!("annotate {named} {PROTECT_ANNOTATION}-")),
    ];
    if to.copy == copy && to.action == Action::Delete {
        next.extend(leave_azure_alone(to, subject));
    }
    RefusalMessage {
        summary: format!(
            "{what} would delete {}/{} in Azure",
            object.kind, object.name
        ),
        holders: vec![format!("{PROTECT_ANNOTATION} on {on} says {why:?}")],
        next,
        details: Vec::new(),
    }
}
