//! The marks on a namespace by which the guard itself is told what to do: its mode
//! label, and its override annotation. They are guarded, too.

use crate::claim::{Reason, RefusalMessage};
use crate::object::wire::WireNamespace;
use crate::object::{MODE_LABEL, OVERRIDE_ANNOTATION};

use super::guard::Guard;
use super::review::AdmissionRequest;
use super::surroundings::{some_of, violation};
use super::verdict::{Mode, Verdict, Violation};

impl Guard {
    /// The verdict on a change of the marks, where there is something against it.
    pub(super) fn judge_marks(
        &self,
        request: &AdmissionRequest<'_>,
        old: Option<&WireNamespace>,
        new: &WireNamespace,
    ) -> Option<Verdict> {
        if self.exempts(request) {
            return None;
        }
        let violation = self
            .against_mode(request, old, new)
            .or_else(|| self.against_override(request))?;
        Some(self.context_of_cluster(request).on(&violation))
    }

    /// Whether a namespace would be guarded less than before. Whether it has objects
    /// yet makes no difference: they can be created afterwards. A new namespace had the
    /// cluster's mode before.
    fn against_mode(
        &self,
        request: &AdmissionRequest<'_>,
        old: Option<&WireNamespace>,
        new: &WireNamespace,
    ) -> Option<Violation> {
        let (before, _) = self.mode_by(old.and_then(WireNamespace::mode));
        let (after, _) = self.mode_by(new.mode());
        let groups = &self.privileges.mode_groups;
        if after >= before || request.user_info.is_in(groups) {
            return None;
        }
        let name = request.subject_name();
        let objects = self.cluster.in_namespace(&name);
        let has = if objects.is_empty() {
            String::new()
        } else {
            format!(", and it has {}", some_of(&objects))
        };
        let then = match after {
            Mode::Off => "allowed silently",
            Mode::Audit | Mode::Enforce => "allowed with a warning",
        };
        let mut next = vec![format!(
            "Only members of {} may loosen {MODE_LABEL} (--mode-groups).",
            groups.join(", ")
        )];
        next.extend(self.see_all(&name, objects.len()));
        let words = RefusalMessage {
            summary: format!(
                "namespace {name} would go from mode {} to {}: what aso-guard refuses in it \
                 would be {then}{has}",
                before.as_str(),
                after.as_str()
            ),
            next,
            ..RefusalMessage::default()
        };
        Some(violation(Reason::ModeGuarded, words))
    }

    /// An override on a namespace counts for all that is deleted with it, whoever
    /// deletes it then. So only who may override may put it there.
    fn against_override(&self, request: &AdmissionRequest<'_>) -> Option<Violation> {
        if request.overriding().is_none() || self.may_override(request) {
            return None;
        }
        let words = RefusalMessage {
            summary: format!("{OVERRIDE_ANNOTATION} on a namespace allows every delete in it"),
            ..RefusalMessage::default()
        };
        Some(violation(Reason::NamespaceGuarded, words))
    }
}
