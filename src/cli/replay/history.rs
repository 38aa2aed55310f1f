//! What happened in several clusters, once more: each change asked of the guard that was not
//! there, and then made all the same, for it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::admission::Verdict;
use crate::admission::review;
use crate::arm::Identity;
use crate::check::{Finding, Level, Location, Related, Rule};
use crate::claim::{ClaimState, CopyRef, MemberName};
use crate::cluster::FollowUp as _;
use crate::object::ObjectKey;
use crate::object::text::printable;
use crate::object::wire::WireObject;
use crate::registry::Registry as _;
use crate::registry::memory::MemoryRegistry;

use super::events::AuditEvent;
use crate::cli::simulated_member::SimulatedMember;

/// The clusters and their registry, as far as the logs have been read.
pub(super) struct ReplayedHistory {
    pub(super) registry: Arc<MemoryRegistry>,
    pub(super) members: BTreeMap<MemberName, ReplayedMember>,
    pub(super) found: Vec<Finding>,
    pub(super) counts: ReplayCounts,
    conflicts: BTreeMap<Identity, OpenConflict>,
}

/// One cluster.
pub(super) struct ReplayedMember {
    pub(super) stage: SimulatedMember,
    /// The objects as they were last seen.
    seen: BTreeMap<ObjectKey, Value>,
}

/// How many there were.
#[derive(Default)]
pub(super) struct ReplayCounts {
    pub(super) asked: usize,
    pub(super) refused: usize,
    pub(super) conflicts: usize,
    pub(super) longest: SignedDuration,
}

/// A resource that is live in several places.
struct OpenConflict {
    since: Timestamp,
    place: Location,
    copies: BTreeSet<CopyRef>,
}

impl ReplayedMember {
    pub(super) fn new(stage: SimulatedMember) -> Self {
        Self {
            stage,
            seen: BTreeMap::new(),
        }
    }
}

impl ReplayedHistory {
    pub(super) fn new(registry: Arc<MemoryRegistry>) -> Self {
        Self {
            registry,
            members: BTreeMap::new(),
            found: Vec::new(),
            counts: ReplayCounts::default(),
            conflicts: BTreeMap::new(),
        }
    }

    /// An object that was there before the log began.
    ///
    /// # Errors
    /// None of a registry in memory.
    pub(super) async fn was_there(
        &mut self,
        member: &MemberName,
        event: &AuditEvent,
    ) -> anyhow::Result<()> {
        for object in objects(&event.answer) {
            self.becomes(member, event, object).await?;
        }
        Ok(())
    }

    /// One event.
    ///
    /// # Errors
    /// None of a registry in memory.
    pub(super) async fn play(
        &mut self,
        member: &MemberName,
        event: &AuditEvent,
    ) -> anyhow::Result<()> {
        let deletes = event.verb.starts_with("delete");
        let mut objects: Vec<&Value> = objects(&event.answer).collect();
        let last = self.last(member, event);
        if deletes && objects.is_empty() {
            objects.extend(&last);
        }
        for object in objects {
            self.change(member, event, object, deletes).await?;
        }
        Ok(())
    }

    /// The object that a DELETE named, where its answer does not show it.
    fn last(&self, member: &MemberName, event: &AuditEvent) -> Option<Value> {
        let (namespace, name) = &event.named;
        let seen = self.members.get(member)?.seen.iter();
        let mut seen = seen.filter(|(key, _)| {
            *key.group == *event.group && *key.namespace == **namespace && *key.name == **name
        });
        let of_answer = event.answer.pointer("/details/kind").cloned();
        seen.find(|(_, one)| of_answer.is_none() || is_kind(one.get("kind"), of_answer.as_ref()))
            .map(|(_, one)| one.clone())
    }

    async fn change(
        &mut self,
        member: &MemberName,
        event: &AuditEvent,
        object: &Value,
        deletes: bool,
    ) -> anyhow::Result<()> {
        let Some(key) = key_of(event, object) else {
            return Ok(());
        };
        let Some(at) = self.members.get(member) else {
            return Ok(());
        };
        let before = at.seen.get(&key).cloned();
        let operation = match (deletes, &*event.verb, &before) {
            (true, ..) => "DELETE",
            (false, "create", _) => "CREATE",
            (false, _, Some(_)) => "UPDATE",
            // Made by a patch: server-side apply creates what is not there.
            (false, _, None) if is_new(object) => "CREATE",
            (false, _, None) => return self.becomes(member, event, object).await,
        };
        let old = if deletes {
            before.or_else(|| Some(object.clone()))
        } else {
            before
        };
        let old = old.filter(|_| operation != "CREATE");
        if event.subresource.is_empty() {
            let now = (!deletes).then_some(object);
            let review = review_of(event, operation, &key, now, old.as_ref()).to_string();
            let request = review::parse(review.as_bytes())?;
            let verdict = at.stage.judge(&request).await?;
            self.counts.asked += 1;
            let found = at.stage.finding(&request, event.place.clone(), &verdict);
            self.report(event, found, &verdict);
        }
        self.becomes(member, event, object).await
    }

    fn report(&mut self, event: &AuditEvent, found: Option<Finding>, verdict: &Verdict) {
        self.counts.refused += usize::from(!verdict.allowed);
        let user = printable(event.user["username"].as_str().unwrap_or("somebody"), 100);
        self.found.extend(found.map(|found| Finding {
            message: format!("{} {user} {}", event.at, timeless(&found.message)),
            ..found
        }));
    }

    /// What is stored after an event.
    async fn becomes(
        &mut self,
        member: &MemberName,
        event: &AuditEvent,
        object: &Value,
    ) -> anyhow::Result<()> {
        let (Some(key), Some(at)) = (key_of(event, object), self.members.get_mut(member)) else {
            return Ok(());
        };
        let finalizers = object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array);
        let held = finalizers.is_some_and(|all| !all.is_empty());
        let terminating = object.pointer("/metadata/deletionTimestamp").is_some();
        let gone = !held && (terminating || event.verb.starts_with("delete"));
        let operation = if gone { "DELETE" } else { "UPDATE" };
        let (now, old) = if gone {
            (None, Some(object))
        } else {
            (Some(object), None)
        };
        let review = review_of(event, operation, &key, now, old).to_string();
        let request = review::parse(review.as_bytes())?;
        let mut touched: BTreeSet<Identity> = BTreeSet::new();
        let watched = at.stage.concerned(&key);
        let claims_of = |stage: &SimulatedMember| -> Vec<Identity> {
            let claims = watched
                .iter()
                .filter_map(|key| stage.observer.claims_of(key));
            claims.flatten().collect()
        };
        touched.extend(claims_of(&at.stage));
        if let Ok(Some(object)) = request.object() {
            at.stage.know_credential(&object);
        }
        at.stage.happen(&request).await?;
        touched.extend(claims_of(&at.stage));
        if gone {
            at.seen.remove(&key);
        } else {
            at.seen.insert(key, object.clone());
        }
        for identity in touched {
            self.look(identity, event).await?;
        }
        Ok(())
    }

    /// Whether a resource is in conflict now, and was before.
    async fn look(&mut self, identity: Identity, event: &AuditEvent) -> anyhow::Result<()> {
        let record = self
            .registry
            .claim(&identity)
            .await?
            .map(|found| found.record);
        let record = record.filter(|record| record.state() == ClaimState::Conflict);
        match (record, self.conflicts.remove(&identity)) {
            (Some(record), known) => {
                let mut conflict = known.unwrap_or_else(|| OpenConflict {
                    since: event.at,
                    place: event.place.clone(),
                    copies: BTreeSet::new(),
                });
                let live = record.live().map(|(copy, _)| copy.clone());
                conflict.copies.extend(live);
                self.conflicts.insert(identity, conflict);
            }
            (None, Some(ended)) => self.conflict(&identity, ended, event.at, true),
            (None, None) => {}
        }
        Ok(())
    }

    /// What still is in conflict when the logs end.
    pub(super) fn end(&mut self, at: Timestamp) {
        for (identity, conflict) in std::mem::take(&mut self.conflicts) {
            self.conflict(&identity, conflict, at, false);
        }
    }

    fn conflict(
        &mut self,
        identity: &Identity,
        conflict: OpenConflict,
        to: Timestamp,
        ended: bool,
    ) {
        let lasted = to.duration_since(conflict.since);
        self.counts.conflicts += 1;
        self.counts.longest = self.counts.longest.max(lasted);
        let names: Vec<String> = conflict.copies.iter().map(ToString::to_string).collect();
        let end = if ended {
            format!("to {to}")
        } else {
            "and still when the logs end".to_owned()
        };
        let message = format!(
            "conflict: {} was live as {} from {} {end} ({lasted:#})",
            identity.last_pair(),
            names.join(" and "),
            conflict.since,
        );
        let related = conflict.copies.iter().map(|copy| Related {
            copy: copy.clone(),
            place: None,
        });
        self.found.push(Finding {
            copy: conflict.copies.first().cloned(),
            identity: Some(identity.clone()),
            related: related.skip(1).collect(),
            ..Finding::at(Rule::Conflict, Level::Error, conflict.place, message)
        });
    }
}

/// A message without since when a copy is held and when its member was heard from: in a replay
/// that was just now.
fn timeless(message: &str) -> String {
    let mut parts = message.split(" (since ");
    let mut cleaned = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        cleaned += part.split_once(')').map_or("", |(_, rest)| rest);
    }
    cleaned
}

/// The objects in an answer: one, or those of a list; none in a Status.
fn objects(answer: &Value) -> impl Iterator<Item = &Value> {
    let items = answer.get("items").and_then(Value::as_array);
    let one = items.is_none().then_some(answer);
    let is_object = |one: &&Value| one["kind"] != "Status" && one["metadata"]["name"].is_string();
    one.into_iter()
        .chain(items.into_iter().flatten())
        .filter(is_object)
}

fn is_kind(kind: Option<&Value>, resource: Option<&Value>) -> bool {
    let lower = |value: &Value| value.as_str().unwrap_or_default().to_ascii_lowercase();
    let (kind, resource) = (kind.map(lower), resource.map(lower));
    matches!((kind, resource), (Some(kind), Some(resource)) if resource.starts_with(&kind) || kind == resource)
}

/// Whether an object was just made.
pub(super) fn is_new(object: &Value) -> bool {
    let generation = object
        .pointer("/metadata/generation")
        .and_then(Value::as_u64);
    generation == Some(1) && object.get("status").is_none()
}

/// Which object it is. Items of a list do not say their kind: their list does.
pub(super) fn key_of(event: &AuditEvent, object: &Value) -> Option<ObjectKey> {
    let text = |path: &str| object.pointer(path).and_then(Value::as_str);
    let of_list = event.answer["kind"]
        .as_str()
        .and_then(|kind| kind.strip_suffix("List"));
    let kind = text("/kind").or(of_list)?;
    let namespace = if kind == "Namespace" {
        ""
    } else {
        text("/metadata/namespace")?
    };
    Some(ObjectKey::new(
        &event.group,
        kind,
        namespace,
        text("/metadata/name")?,
    ))
}

/// Where an object's subscription was written down by ASO.
pub(super) fn known_subscription(object: &Value) -> Option<String> {
    let object: WireObject = serde_json::from_value(object.clone()).ok()?;
    let facts = object.into_facts("", "", "");
    let written = [facts.annotations.resource_id, facts.status_id];
    let found = written
        .into_iter()
        .flatten()
        .find_map(|id| Identity::parse(&id).ok());
    found.and_then(|id| id.subscription().map(str::to_owned))
}

fn review_of(
    event: &AuditEvent,
    operation: &str,
    key: &ObjectKey,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Value {
    json!({
        "apiVersion": review::API_VERSION,
        "kind": "AdmissionReview",
        "request": {
            "uid": "replayed",
            "kind": {"group": &*key.group, "version": "v1", "kind": &*key.kind},
            "namespace": if &*key.kind == "Namespace" { &*key.name } else { &*key.namespace },
            "name": &*key.name,
            "operation": operation,
            "userInfo": event.user,
            "object": object,
            "oldObject": old,
        },
    })
}
