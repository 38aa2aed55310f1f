//! What happens in two clusters, a request a line, each through a guard:
//!
//! ```text
//! a create ResourceGroup rg
//! b create ResourceGroup rg | policy=skip
//! a update ResourceGroup rg | policy=skip
//! ```
//!
//! `a` and `b` are clusters, `c` is another namespace of `a`. After each line the
//! promises are held against what is stored, whatever the claims say.

mod promises;

use std::collections::BTreeMap;
use std::sync::Arc;

use aso_guard::cluster::Cluster as _;
use aso_guard::cluster::family::descendants;
use aso_guard::object::{ObjectFacts, ObjectKey, POLICY_ANNOTATION};
use serde_json::{Value, json};

use super::answer::Answer;
use super::script::{Line, lines};
use super::world::{Member, Registry, ask, block_on, claims, facts};

/// How many lines are played.
const LINES: usize = 14;

#[derive(Clone, Copy)]
enum Verb {
    Create,
    Update,
    Delete,
    /// A create that is admitted and never stored.
    Lose,
    /// What never passed the guard.
    Slip,
    Namespace,
    RemoveNamespace,
    Definition,
    Operator,
    Credential,
}

const VERBS: [(&str, Verb); 10] = [
    ("create", Verb::Create),
    ("update", Verb::Update),
    ("delete", Verb::Delete),
    ("lose", Verb::Lose),
    ("slip", Verb::Slip),
    ("namespace", Verb::Namespace),
    ("remove-namespace", Verb::RemoveNamespace),
    ("crd", Verb::Definition),
    ("operator", Verb::Operator),
    ("credential", Verb::Credential),
];

/// Where a line plays: the number of its cluster, and a namespace.
type Place = (usize, &'static str);

const PLACES: [(&str, Place); 3] = [("a", (0, "team")), ("b", (1, "team")), ("c", (0, "other"))];

/// Plays a story.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    block_on(async {
        let mut story = Story::new();
        for line in lines(&text, LINES) {
            story.play(&line).await;
            story.check().await;
        }
    });
}

/// A story as far as it went.
struct Story {
    registry: Arc<Registry>,
    members: [Member; 2],
    /// What is stored, as JSON.
    stored: BTreeMap<(usize, ObjectKey), Value>,
    policies: BTreeMap<Place, String>,
    /// Whether something happened that no admission sees: twins may be stored.
    slipped: bool,
    calls: usize,
}

impl Story {
    fn new() -> Self {
        let registry = Arc::new(Registry::new());
        Self {
            members: ["a", "b"].map(|name| Member::new(name, &registry)),
            registry,
            stored: BTreeMap::new(),
            policies: BTreeMap::new(),
            slipped: false,
            calls: 0,
        }
    }

    async fn play(&mut self, line: &Line<'_>) {
        let place = line.choice(0, &PLACES);
        match line.choice(1, &VERBS) {
            Verb::Create => self.create(line, place, true).await,
            Verb::Lose => self.create(line, place, false).await,
            Verb::Update => self.update(line, place).await,
            Verb::Delete => self.delete(line, place).await,
            Verb::Slip => self.slip(line, place).await,
            Verb::Namespace => self.change_namespace(line, place).await,
            Verb::RemoveNamespace => self.remove_namespace(place).await,
            Verb::Definition => self.remove_definition(line, place).await,
            Verb::Operator => {
                self.slipped = true;
                let member = &self.members[place.0];
                member.cluster.set_operator_policy(line.field("policy"));
            }
            Verb::Credential => {
                self.slipped = true;
                let id = line.field("id").unwrap_or("s1");
                self.members[place.0].cluster.set_subscription(place.1, id);
            }
        }
    }

    async fn create(&mut self, line: &Line<'_>, place: Place, lands: bool) {
        let uid = self.number("uid");
        let object = line.object(2, place.1, &uid);
        let Some(new) = facts(&object) else { return };
        let id = (place.0, new.key.clone());
        if self.stored.contains_key(&id) {
            return;
        }
        let review = self.review("CREATE", &object, &Value::Null);
        let answer = self.judge(place, review).await;
        let parked = new.annotations.policy.as_deref() == Some("skip");
        assert!(
            !parked || answer.allowed || reason(&answer) == "WakesChild",
            "{answer:?}"
        );
        if answer.allowed && lands {
            self.store(place, object).await;
            // Let through with a warning: the observer takes it for what claims of its name say.
            self.slipped |= !self.is_known(place.0, &new.key).await;
        }
    }

    async fn update(&mut self, line: &Line<'_>, place: Place) {
        let named = line.object(2, place.1, "");
        let Some(key) = facts(&named).map(|facts| facts.key) else {
            return;
        };
        let Some(old) = self.stored.get(&(place.0, key)).cloned() else {
            return;
        };
        let new = line.changed(old.clone());
        let (Some(before), Some(after)) = (facts(&old), facts(&new)) else {
            return;
        };
        let review = self.review("UPDATE", &new, &old);
        let answer = self.judge(place, review).await;
        let parked = after.annotations.policy.as_deref() == Some("skip");
        let own = same_but_status(&before, &after);
        let names_children = reason(&answer) == "WakesChild";
        assert!(
            answer.allowed || !own && (!parked || names_children),
            "{answer:?}"
        );
        if answer.allowed {
            // By what ASO writes down of it, an object becomes known that nobody could tell.
            self.slipped |= own && !self.is_known(place.0, &before.key).await;
            self.store(place, new).await;
        }
    }

    async fn delete(&mut self, line: &Line<'_>, place: Place) {
        let named = line.object(2, place.1, "");
        let Some(key) = facts(&named).map(|facts| facts.key) else {
            return;
        };
        let Some(old) = self.stored.get(&(place.0, key.clone())).cloned() else {
            return;
        };
        let Some(before) = facts(&old) else { return };
        let review = self.review("DELETE", &Value::Null, &old);
        let answer = self.judge(place, review).await;
        let parked = before.annotations.policy.as_deref() == Some("skip");
        assert!(
            !parked || answer.allowed || reason(&answer) == "TakesLiveChildren",
            "{answer:?}"
        );
        assert!(!before.terminating || answer.allowed, "{answer:?}");
        if !answer.allowed {
            return;
        }
        self.check_delete(place.0, &before).await;
        self.check_children(place.0, &before).await;
        if line.field("slow").is_some() {
            let mut old = old;
            old["metadata"]["deletionTimestamp"] = json!("2026-03-01T12:00:00Z");
            self.store(place, old).await;
        } else {
            self.remove(place.0, &key).await;
        }
    }

    async fn slip(&mut self, line: &Line<'_>, place: Place) {
        let object = line.object(2, place.1, &self.number("uid"));
        if facts(&object).is_some() {
            self.slipped = true;
            self.store(place, object).await;
        }
    }

    async fn change_namespace(&mut self, line: &Line<'_>, place: Place) {
        let old = self.policies.get(&place).cloned().unwrap_or_default();
        let new = line.field("policy").unwrap_or_default().to_owned();
        let review = self.review(
            "UPDATE",
            &namespace(place.1, &new),
            &namespace(place.1, &old),
        );
        if self.judge(place, review).await.allowed {
            let policy = Some(&*new).filter(|new| !new.is_empty());
            let member = &self.members[place.0];
            member.cluster.set_namespace_policy(place.1, policy);
            self.policies.insert(place, new);
        }
    }

    async fn remove_namespace(&mut self, place: Place) {
        let policy = self.policies.get(&place).cloned().unwrap_or_default();
        let review = self.review("DELETE", &Value::Null, &namespace(place.1, &policy));
        if !self.judge(place, review).await.allowed {
            return;
        }
        let inside = self.members[place.0].cluster.in_namespace(place.1);
        for object in &inside {
            self.check_delete(place.0, object).await;
        }
        for object in inside {
            self.remove(place.0, &object.key).await;
        }
    }

    async fn remove_definition(&mut self, line: &Line<'_>, place: Place) {
        let (group, kind) = line.kind(2);
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "x"},
            "spec": {"group": group, "names": {"kind": kind}},
        });
        let review = self.review("DELETE", &Value::Null, &definition);
        let answer = self.judge(place, review).await;
        let mut is_live = false;
        for object in self.members[place.0].cluster.objects() {
            let of_kind = (&*object.key.group, &*object.key.kind) == (group, kind);
            is_live |= of_kind && self.policy(place.0, &object).await.is_live();
            is_live |= of_kind && self.takes_live_children(place.0, &object).await;
        }
        assert_eq!(answer.allowed, !is_live, "{answer:?}");
    }

    /// Asks the guard, first without consequences.
    async fn judge(&self, place: Place, review: Value) -> Answer {
        let member = &self.members[place.0];
        let before = claims(&self.registry).await;
        let mut dry = review.clone();
        dry["request"]["dryRun"] = json!(true);
        let (tried, audited) = (
            ask(&member.guard, &dry).await,
            ask(&member.audit, &dry).await,
        );
        assert_eq!(
            claims(&self.registry).await,
            before,
            "a dry run wrote something"
        );
        let answer = ask(&member.guard, &review).await;
        assert_eq!(
            (tried.allowed, reason(&tried)),
            (answer.allowed, reason(&answer))
        );
        assert!(audited.allowed, "{audited:?}");
        if !answer.allowed {
            assert_eq!(reason(&audited), reason(&answer));
            self.check_taken_back(&answer.uid).await;
        }
        answer
    }

    fn review(&mut self, operation: &str, object: &Value, old: &Value) -> Value {
        let one = if object.is_null() { old } else { object };
        let version = one["apiVersion"].as_str().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let namespace = match one["kind"].as_str() {
            Some("Namespace") => &one["metadata"]["name"],
            _ => &one["metadata"]["namespace"],
        };
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": self.number("call"),
                "kind": {"group": group, "version": "v1", "kind": one["kind"]},
                "namespace": namespace.as_str().unwrap_or_default(),
                "operation": operation,
                "userInfo": {"username": "alice"},
                "object": object,
                "oldObject": old,
            },
        })
    }

    async fn store(&mut self, place: Place, mut object: Value) {
        let Some(new) = facts(&object) else { return };
        let key = new.key.clone();
        let member = &self.members[place.0];
        member.store(new).await;
        let stored = member.cluster.stored(&key).unwrap();
        object["metadata"]["resourceVersion"] = json!(stored.resource_version);
        self.stored.insert((place.0, key), object);
    }

    /// Removes an object, and with it what Kubernetes' garbage collector would.
    async fn remove(&mut self, member: usize, key: &ObjectKey) {
        let below = descendants(&*self.members[member].cluster, key);
        let all = below.iter().map(|child| &child.key).chain([key]);
        for key in all {
            self.members[member].remove(key).await;
            self.stored.remove(&(member, key.clone()));
        }
    }

    fn number(&mut self, what: &str) -> String {
        self.calls += 1;
        format!("{what}-{}", self.calls)
    }
}

fn namespace(name: &str, policy: &str) -> Value {
    let annotations = json!({POLICY_ANNOTATION: policy});
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "annotations": annotations},
    })
}

/// Whether an UPDATE is one that ASO makes by itself.
fn same_but_status(old: &ObjectFacts, new: &ObjectFacts) -> bool {
    let mut old = old.clone();
    old.status_id.clone_from(&new.status_id);
    old.annotations.busy = new.annotations.busy;
    old == *new
}

/// Why an answer is what it is; empty for a plain yes.
fn reason(answer: &Answer) -> &str {
    answer
        .audit_annotations
        .reason
        .as_deref()
        .unwrap_or_default()
}
