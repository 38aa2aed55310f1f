//! What a person is told in a cluster that was declared lost.

use crate::claim::{Fence, MemberName};
use crate::object::text::printable;

use super::phrases::clock;
use super::{Action, RefusalMessage, RefusedRequest, cause};

/// How much of a name and of a reason is shown.
const SHOWN: usize = 200;

/// A person has said that this cluster is lost.
pub(super) fn fenced(
    to: &RefusedRequest<'_>,
    subject: Option<&str>,
    member: &MemberName,
    fence: &Fence,
) -> RefusalMessage {
    let own = match to.action {
        Action::Delete => "deleting this in Azure",
        Action::Create => "creating this copy live",
        Action::Activate | Action::MoveAway | Action::Rename | Action::NamespacePolicy => {
            "making this copy live"
        }
    };
    let what = cause(subject, own);
    let registry = to.registry;
    RefusalMessage {
        summary: format!(
            "{what} may be at odds with another cluster: this one ({member}) was declared lost, and \
             others may have taken over what it held"
        ),
        holders: vec![format!(
            "{} fenced it at {} ({}): {}",
            printable(&fence.by, SHOWN),
            clock(fence.at),
            fence.proof.as_str(),
            printable(fence.why.as_str(), SHOWN)
        )],
        next: vec![
            "Keep ASO here stopped. See what others hold now:".to_owned(),
            format!("  aso-guard failover plan --member {member}{registry}"),
            "Park here what they hold, then take the fence off:".to_owned(),
            format!("  aso-guard failover undo --member {member}{registry}"),
        ],
        details: Vec::new(),
    }
}
