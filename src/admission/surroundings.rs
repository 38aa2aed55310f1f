//! What namespaces and CRDs mean for the copies in them.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::timeout;

use crate::arm::Identity;
use crate::claim::{Action, HistoryAction, HistoryEntry, PolicyChange, Reason, RefusalMessage};
use crate::cluster::ObjectScope;
use crate::cluster::resolve::{self, Freshness, IdentityOutcome};
use crate::object::text::quoted;
use crate::object::wire::{WireCrd, WireCrdSpec, WireNamespace};
use crate::object::{GUARDED_LABEL, ObjectFacts, ObjectKey};
use crate::registry::policy_changes;

use super::context::RequestContext;
use super::guard::{AT_ONCE, AdmissionError, Case, Guard};
use super::policies::NamespacePolicies;
use super::protect::by_its_namespace;
use super::protocol::WrittenClaims;
use super::review::AdmissionRequest;
use super::verdict::{Verdict, Violation};

/// How long those who override the refusal of a whole kind wait for the claims to
/// remember it.
const TO_REMEMBER: Duration = Duration::from_secs(3);
/// How many objects a message names before it counts the rest.
const NAMED: usize = 3;

/// A live object; and the resources whose claims list it, where it cannot be read itself.
type LiveObject = (Arc<ObjectFacts>, Vec<Identity>);

impl Guard {
    /// The verdict on a request about a namespace.
    pub(super) async fn judge_namespace(
        &self,
        request: &AdmissionRequest<'_>,
        context: &RequestContext,
    ) -> Verdict {
        let (old, new) = match request.both::<WireNamespace>() {
            Ok(both) => both,
            Err(error) => return context.unreadable(&error.to_string()),
        };
        let marks = match &new {
            Some(new) => self.judge_marks(request, old.as_ref(), new),
            None => None,
        };
        match marks {
            Some(marks) if !marks.allowed => marks,
            Some(marks) => {
                let rest = self.judge_contents(request, context, old, new).await;
                if rest.reason.is_some() { rest } else { marks }
            }
            None => self.judge_contents(request, context, old, new).await,
        }
    }

    /// The verdict on what a request about a namespace does to what is in it.
    async fn judge_contents(
        &self,
        request: &AdmissionRequest<'_>,
        context: &RequestContext,
        old: Option<WireNamespace>,
        new: Option<WireNamespace>,
    ) -> Verdict {
        let old = match (old, &*request.operation) {
            (Some(old), _) => old,
            // A new namespace is empty.
            (None, "CREATE") => return Verdict::allow(),
            (None, _) => return context.lacks_object(),
        };
        let name = old.name();
        let facts = ObjectFacts::named(ObjectKey::new("", "Namespace", name, name));
        match (&*request.operation, new) {
            ("DELETE", _) => {
                let case = self.case(request, context, &facts, Action::Delete);
                let objects = self.cluster.in_namespace(name);
                let all = objects.len();
                // The request shows the namespace as it is stored.
                let policies = NamespacePolicies::of(&*self.cluster).knowing(name, old.policy());
                match self.look_at_deletes(&case, objects, policies).await {
                    Ok(live) => match by_its_namespace(&old, &live, |one| self.copy_of(one)) {
                        Some(refusal) => self.stopped(&case, refusal.into()).await,
                        None if live.is_empty() => Verdict::allow(),
                        None => match self.confirm(&case).await {
                            Ok(()) => self.goes_along(name, &live, all),
                            Err(stop) => self.stopped(&case, stop).await,
                        },
                    },
                    Err(stop) => self.stopped(&case, stop).await,
                }
            }
            ("UPDATE", Some(new)) => {
                let case = self.case(request, context, &facts, Action::NamespacePolicy);
                self.update_namespace(&case, &old, &new).await
            }
            ("UPDATE", None) => context.lacks_object(),
            _ => Verdict::allow(),
        }
    }

    async fn update_namespace(
        &self,
        case: &Case<'_>,
        old: &WireNamespace,
        new: &WireNamespace,
    ) -> Verdict {
        let objects = self.cluster.in_namespace(old.name());
        if old.is_guarded() && !new.is_guarded() && !objects.is_empty() {
            return self.keeps_its_label(case.context, old.name(), &objects);
        }
        let policies = (old.policy(), new.policy());
        let change = PolicyChange {
            namespace: old.name().into(),
            resource_version: old.resource_version().into(),
            request: case.request.clone(),
            policy: new.policy().map(Arc::from),
        };
        if policies.0 == policies.1 {
            return Verdict::allow();
        }
        let mut touched = WrittenClaims::new();
        let outcome = self
            .change_policy(case, &change, policies.0, &mut touched)
            .await;
        let outcome = self.finalize(case, touched, outcome).await;
        if outcome.is_err() && !case.context.lets_through() && !case.dry_run {
            // What cannot be taken back now is over by its deadline.
            let requests = [case.request.clone()];
            let _ = policy_changes::remove(&*self.registry, &self.member, &requests).await;
        }
        self.conclude(case, outcome).await
    }
}

impl Guard {
    /// The verdict on the deletion of a CRD: Kubernetes would delete every object of
    /// the kind, and ASO their resources.
    pub(super) async fn judge_definition(
        &self,
        request: &AdmissionRequest<'_>,
        context: &RequestContext,
    ) -> Verdict {
        let definition = match request.both::<WireCrd>() {
            Ok(_) if *request.operation != *"DELETE" => return Verdict::allow(),
            Ok((Some(definition), _)) => definition.spec,
            Ok((None, _)) => return context.lacks_object(),
            Err(error) => return context.unreadable(&error.to_string()),
        };
        let facts = ObjectFacts::named(ObjectKey::new(
            "",
            "CustomResourceDefinition",
            "",
            &request.name,
        ));
        let case = self.case(request, context, &facts, Action::Delete);
        let live = match self.live_of(&case, &definition).await {
            Ok(live) if live.is_empty() => return Verdict::allow(),
            Ok(live) => live,
            Err(stop) => return self.stopped(&case, stop).await,
        };
        let objects: Vec<_> = live.iter().map(|(object, _)| object.clone()).collect();
        let words = RefusalMessage {
            summary: format!(
                "deleting this CRD deletes all its objects and what they own, and with that \
                 resources in Azure: {}",
                some_of(&objects)
            ),
            next: vec![format!(
                "Park or delete them first; see: kubectl --context {} get {} --all-namespaces",
                self.member,
                quoted(&format!(
                    "{}.{}",
                    definition.names.kind.to_ascii_lowercase(),
                    definition.group
                ))
            )],
            ..RefusalMessage::default()
        };
        let verdict = context.on(&violation(Reason::KindInUse, words));
        let remembering = self.remember_kind(&case, &live);
        match timeout(TO_REMEMBER, remembering).await {
            Ok(()) => verdict,
            Err(_) => verdict.noting(format!(
                "not all {} claims remember who deletes this CRD: there was no time",
                live.len()
            )),
        }
    }

    /// Remembers in the claim of each live object that a person had its whole kind
    /// deleted. Nobody asks the guard for the objects one by one.
    async fn remember_kind(&self, case: &Case<'_>, live: &[LiveObject]) {
        let remember = async |(object, claims): &LiveObject| {
            let Some(entry) = case.entry(&self.copy_of(object), Some(Reason::KindInUse)) else {
                return;
            };
            let entry = HistoryEntry {
                action: HistoryAction::DeleteWithKind,
                ..entry
            };
            let mut identities = claims.clone();
            if identities.is_empty()
                && let Ok(IdentityOutcome::Known(found)) =
                    resolve::identity(&*self.cluster, object, Freshness::Known).await
            {
                identities.extend(found.identities().cloned());
            }
            let entries = identities.into_iter().map(|one| (entry.clone(), one));
            // A claim that could not be written is told of in the log.
            let _ = self.remember(case, entries.collect()).await;
        };
        stream::iter(live)
            .for_each_concurrent(AT_ONCE, remember)
            .await;
    }

    /// The live objects of a kind, and those below objects of the kind that would be
    /// deleted in Azure with them.
    async fn live_of(
        &self,
        case: &Case<'_>,
        definition: &WireCrdSpec,
    ) -> Result<Vec<LiveObject>, AdmissionError> {
        let (group, kind) = (&definition.group, &definition.names.kind);
        let mut policies = NamespacePolicies::of(&*self.cluster);
        let mut live: Vec<LiveObject> = Vec::new();
        let below = |found: Vec<Arc<ObjectFacts>>| found.into_iter().map(|one| (one, Vec::new()));
        let stored = self.stored(ObjectScope::Kind(group, kind)).await?;
        for object in stored.objects {
            live.extend(below(self.live_below(&object.key, &mut policies).await?));
            let is_live = policies.get(&object).await?.is_live();
            live.extend(is_live.then_some((object, Vec::new())));
        }
        if !stored.unread.is_empty() {
            self.confirm(case).await?;
        }
        for one in stored.unread {
            live.extend(below(self.live_below(&one.key, &mut policies).await?));
            // What is live is so in its claims, unless it has none.
            let is_live = match &one.known {
                Some(known) if one.claims.is_empty() => policies.get(known).await?.is_live(),
                _ => one.claims.iter().any(|(_, live)| *live),
            };
            live.extend(is_live.then(|| one.into_known()));
        }
        // One below another of the kind was found twice.
        live.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
        live.dedup_by(|(one, _), (other, _)| one.key == other.key);
        Ok(live)
    }
}

/// An objection to what would be done to many objects at once.
pub(super) fn violation(reason: Reason, words: RefusalMessage) -> Violation {
    Violation {
        reason,
        code: 403,
        words,
    }
}

impl Guard {
    /// What is deleted in Azure with a namespace of so many objects. That is a person's will,
    /// but not everybody knows.
    fn goes_along(&self, namespace: &str, live: &[Arc<ObjectFacts>], all: usize) -> Verdict {
        let resources = if live.len() == 1 {
            "resource"
        } else {
            "resources"
        };
        let mut verdict = Verdict::allow().noting(format!(
            "deleting namespace {namespace} deletes {} {resources} in Azure: {}",
            live.len(),
            some_of(live)
        ));
        // A move that was not gone through to its end looks like this.
        let stay = all - live.len();
        if stay > 0 {
            verdict = verdict.noting(format!(
                "others in it whose resources stay (parked, detached or terminating): {stay}"
            ));
        }
        match self.see_all(namespace, live.len()) {
            Some(see) => verdict.noting(see),
            None => verdict,
        }
    }

    fn keeps_its_label(
        &self,
        context: &RequestContext,
        namespace: &str,
        objects: &[Arc<ObjectFacts>],
    ) -> Verdict {
        let mut next = vec![
            "Leave the label; aso-guard removes it once the namespace has no ASO objects."
                .to_owned(),
        ];
        next.extend(self.see_all(namespace, objects.len()));
        let words = RefusalMessage {
            summary: format!(
                "without the label {GUARDED_LABEL} nobody would be asked before namespace \
                 {namespace} is deleted, and it has {}",
                some_of(objects)
            ),
            next,
            ..RefusalMessage::default()
        };
        context.on(&violation(Reason::NamespaceGuarded, words))
    }

    /// How to see all of a namespace's copies, where not all are named.
    pub(super) fn see_all(&self, namespace: &str, count: usize) -> Option<String> {
        (count > NAMED).then(|| {
            format!(
                "See them all: aso-guard claims list --member {} --namespace {}{}",
                self.member,
                quoted(namespace),
                self.registry.flags()
            )
        })
    }
}

/// `team/ResourceGroup/a, team/ResourceGroup/b and 3 more`.
pub(super) fn some_of(objects: &[Arc<ObjectFacts>]) -> String {
    let named = objects.iter().take(NAMED);
    let named: Vec<String> = named.map(|object| object.key.to_string()).collect();
    let named = named.join(", ");
    match objects.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
