//! Whether a refusal of a request blocks: the mode in force, and whether it is overridden.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::claim::{HistoryAction, Justification, KnownEpoch};
use crate::cluster::NamespaceFacts;
use crate::object::wire::WireNamespace;
use crate::object::{MODE_LABEL, OVERRIDE_ANNOTATION};
use crate::resolve::Freshness;

use super::context::{Enforcement, Override, RequestContext};
use super::guard::Guard;
use super::plain;
use super::privileges::Overrides;
use super::review::AdmissionRequest;
use super::verdict::Mode;

/// How long a namespace is waited for at most that no watch has told of.
const TO_LEARN: Duration = Duration::from_secs(2);

impl Guard {
    /// How the guard stands to a request. `patience`: how long finding out may take; `epoch`: what
    /// was known of the registry's epoch before the first call on claims.
    pub(super) async fn context(
        &self,
        request: &AdmissionRequest<'_>,
        patience: Duration,
        epoch: Option<Arc<KnownEpoch>>,
    ) -> RequestContext {
        // Before the first call on claims.
        let shards = self.shards.iter();
        let shard_epochs = shards.map(|shard| shard.epoch.known_alone()).collect();
        if self.exempts(request) {
            return RequestContext::of(Enforcement::Unjudged);
        }
        let namespace = self.namespace_of(request, patience).await;
        let (mode, note) = self.mode_of(request, namespace.as_ref());
        let enforcement = match mode {
            Mode::Off => Enforcement::Unjudged,
            Mode::Audit => Enforcement::Audit,
            Mode::Enforce => self.will(request, namespace.as_ref()),
        };
        RequestContext {
            note,
            namespace,
            epoch,
            shard_epochs,
            ..RequestContext::of(enforcement)
        }
    }

    /// The namespace that the object of a request is in; `None` where there is none, and
    /// where it cannot be told in time.
    async fn namespace_of(
        &self,
        request: &AdmissionRequest<'_>,
        patience: Duration,
    ) -> Option<NamespaceFacts> {
        let name = request.in_namespace();
        if request.is_about_namespace() || name.is_empty() {
            return None;
        }
        let known = timeout(
            patience.min(TO_LEARN),
            self.cluster.namespace(&name, Freshness::Known),
        )
        .await;
        known.ok()?.ok()
    }

    /// How the guard stands to a change of what it is told itself: in the cluster's own
    /// mode, whatever the namespace's is.
    pub(super) fn context_of_cluster(&self, request: &AdmissionRequest<'_>) -> RequestContext {
        RequestContext::of(match self.settings.mode {
            Mode::Enforce => self.will(request, None),
            Mode::Audit | Mode::Off => Enforcement::Audit,
        })
    }

    pub(super) fn exempts(&self, request: &AdmissionRequest<'_>) -> bool {
        let exempt = &self.privileges.exempt;
        let namespace = request.in_namespace();
        exempt.namespaces().iter().any(|one| *one == *namespace)
            || exempt
                .users
                .iter()
                .any(|user| *user == *request.user_info.username)
            || request.user_info.is_in(&exempt.groups)
    }

    /// The mode in force for a request, and a word on one that is none. Of a namespace
    /// that cannot be told of, the cluster's own mode is what there is to go by.
    fn mode_of(
        &self,
        request: &AdmissionRequest<'_>,
        namespace: Option<&NamespaceFacts>,
    ) -> (Mode, Option<String>) {
        if request.is_about_namespace() {
            let (old, new) = request.both::<WireNamespace>().unwrap_or_default();
            let of = |one: Option<WireNamespace>| one.map(|one| self.mode_by(one.mode()));
            // The stricter one: a change must not be judged by the mode it brings.
            return match (of(old), of(new)) {
                (Some(old), Some(new)) if new.0 >= old.0 => new,
                (Some((mode, _)), Some((_, note))) => (mode, note),
                (Some(old), None) => old,
                (None, Some((mode, note))) => (mode.max(self.settings.mode), note),
                (None, None) => (self.settings.mode, None),
            };
        }
        self.mode_by(namespace.and_then(|known| known.mode.as_deref()))
    }

    /// The mode that a namespace's label sets, and a word on a label that sets none.
    pub(super) fn mode_by(&self, label: Option<&str>) -> (Mode, Option<String>) {
        let cluster = self.settings.mode;
        match label {
            None => (cluster, None),
            Some(label) => match Mode::of_label(label) {
                Some(mode) => (mode, None),
                None => (
                    cluster,
                    Some(format!(
                        "{MODE_LABEL}: {label:?} is no mode, so {} is in force; \
                         write enforce, audit or off",
                        cluster.as_str()
                    )),
                ),
            },
        }
    }

    /// Whether this user may override a refusal.
    pub(super) fn may_override(&self, request: &AdmissionRequest<'_>) -> bool {
        match &self.privileges.overrides {
            Overrides::Off => false,
            Overrides::Everybody => true,
            Overrides::Groups(groups) => request.user_info.is_in(groups),
        }
    }

    /// Where refusals block: whether this one is overridden, or could be.
    fn will(
        &self,
        request: &AdmissionRequest<'_>,
        namespace: Option<&NamespaceFacts>,
    ) -> Enforcement {
        let by: Arc<str> = plain::name(&request.user_info.username).into();
        if let Some(why) = self.of_namespace(request, namespace) {
            return Enforcement::Override(Override {
                why,
                by,
                action: Some(HistoryAction::DeleteWithNamespace),
                to_be_proven: false,
            });
        }
        let text = request.overriding();
        if !self.may_override(request) {
            return Enforcement::Enforce(text.and_then(|_| self.may_not_override()));
        }
        match text.as_deref().map(Justification::new) {
            None => Enforcement::Enforce(Some(self.how_to_override(request))),
            Some(None) => Enforcement::Enforce(Some(format!(
                "{OVERRIDE_ANNOTATION} is there, but empty: write down why"
            ))),
            Some(Some(why)) => Enforcement::Override(Override {
                why,
                by,
                action: None,
                // Nothing remembers what was done to a namespace or a CRD.
                to_be_proven: *request.operation == *"DELETE"
                    && !request.is_about_namespace()
                    && !request.namespace.is_empty(),
            }),
        }
    }

    /// What a user is told who tries to override and may not.
    pub(super) fn may_not_override(&self) -> Option<String> {
        match &self.privileges.overrides {
            Overrides::Everybody => None,
            Overrides::Off => Some(format!(
                "{OVERRIDE_ANNOTATION} has no effect: overriding is switched off (--override off)"
            )),
            Overrides::Groups(groups) => Some(format!(
                "{OVERRIDE_ANNOTATION} has no effect: only members of {} may override \
                 (--override-groups)",
                groups.join(", ")
            )),
        }
    }

    /// What goes with its namespace: who overrode the refusal of that meant all of it.
    /// Else the namespace would be stuck, for good.
    fn of_namespace(
        &self,
        request: &AdmissionRequest<'_>,
        namespace: Option<&NamespaceFacts>,
    ) -> Option<Justification> {
        let off = self.privileges.overrides == Overrides::Off;
        let namespace = namespace.filter(|known| known.terminating)?;
        if off || *request.operation != *"DELETE" {
            return None;
        }
        Justification::new(namespace.overriding.as_deref()?)
    }

    /// How a refusal can be overridden, in a line.
    fn how_to_override(&self, request: &AdmissionRequest<'_>) -> String {
        let (name, namespace) = (request.subject_name(), request.in_namespace());
        let kind = request.kind.kind.to_ascii_lowercase();
        let what = match &*request.kind.group {
            "" => format!("{kind}/{name}"),
            group => format!("{kind}.{group}/{name}"),
        };
        let place = if request.is_about_namespace() || namespace.is_empty() {
            String::new()
        } else {
            format!(" -n {namespace}")
        };
        match &*request.operation {
            "CREATE" => format!(
                "If you must, override it: with the annotation {OVERRIDE_ANNOTATION}: \"<why>\""
            ),
            "UPDATE" => format!(
                "If you must, override it: set the annotation {OVERRIDE_ANNOTATION}: \"<why>\" in the \
                 same change"
            ),
            _ => format!(
                "If you must, override it: kubectl --context {}{place} annotate --overwrite {what} \
                 {OVERRIDE_ANNOTATION}=\"<why>\"",
                self.member
            ),
        }
    }
}
