//! The order of events: what people asked for and were answered, what the API servers and the hub
//! stored, what a guard was told of it, and when. It is kept while a story runs, and printed of
//! the resource that broke.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;
use tokio::task::JoinSet;

use super::crds;
use super::kubectl::Kubectl;
use super::object::{Object, POLICY};

/// What is kept; the oldest goes first.
const MOST: usize = 200_000;

/// What happened so far.
pub struct Timeline {
    began: Instant,
    entries: Mutex<VecDeque<Entry>>,
}

struct Entry {
    at: Duration,
    /// An object as `plural/name`, a claim by its ARM ID; empty where it concerns all.
    about: String,
    text: String,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            entries: Mutex::default(),
        }
    }
}

impl Timeline {
    /// Something happens now. `about` is an object as [`about`] names it, or an ARM ID, or empty
    /// where it concerns all.
    pub fn note(&self, about: &str, text: impl Into<String>) {
        let mut entries = self.entries();
        if entries.len() == MOST {
            entries.pop_front();
        }
        entries.push_back(Entry {
            at: self.began.elapsed(),
            about: about.to_owned(),
            text: text.into(),
        });
    }

    /// Begins afresh: what was before is of no more interest.
    pub fn clear(&self) {
        self.entries().clear();
    }

    /// What happened to these, and what concerns all, in its order.
    pub fn of(&self, these: &[&str]) -> String {
        lines(self.entries().iter().filter(|entry| {
            let is_one = |one: &&str| one.eq_ignore_ascii_case(&entry.about);
            entry.about.is_empty() || these.iter().any(is_one)
        }))
    }

    /// The last events, whatever they are about.
    pub fn last(&self, number: usize) -> String {
        let entries = self.entries();
        lines(entries.iter().skip(entries.len().saturating_sub(number)))
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows what a cluster stores of some kinds, and what the hub stores of claims. It ends
    /// with the tasks.
    pub fn follow(
        self: &Arc<Self>,
        tasks: &mut JoinSet<()>,
        who: &str,
        kinds: &[&str],
        at: &Kubectl,
    ) {
        for kind in kinds {
            let (group, version, kind) = match *kind {
                "Claim" => ("asoguard.io", "v1alpha1", "Claim"),
                kind => {
                    let kind = crds::kind(kind);
                    (
                        kind.group,
                        kind.versions[kind.versions.len() - 1],
                        kind.kind,
                    )
                }
            };
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
            let api: Api<DynamicObject> = Api::all_with(at.client().clone(), &resource);
            let (timeline, who) = (self.clone(), who.to_owned());
            tasks.spawn(async move {
                let mut events = watcher(api, watcher::Config::default())
                    .default_backoff()
                    .boxed();
                while let Some(event) = events.next().await {
                    // A watch that fails is begun again.
                    let (verb, object) = match event {
                        Ok(Event::Apply(object)) => ("stores", object),
                        Ok(Event::InitApply(object)) => ("has", object),
                        Ok(Event::Delete(object)) => ("no longer has", object),
                        _ => continue,
                    };
                    let object = Object(serde_json::to_value(object).unwrap_or_default());
                    let about = match object.text("/spec/identity") {
                        "" => about(&resource.plural, object.name()),
                        identity => identity.to_owned(),
                    };
                    timeline.note(&about, format!("{who} {verb} {}", described(&object)));
                }
            });
        }
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:9.3} {} {}",
            self.at.as_secs_f64(),
            self.about,
            self.text
        )
    }
}

fn lines<'e>(entries: impl Iterator<Item = &'e Entry>) -> String {
    entries.fold(String::new(), |mut text, entry| {
        // A String takes everything.
        let _ = writeln!(text, "{entry}");
        text
    })
}

/// An object, by its resource's plural name and its own.
pub fn about(plural: &str, name: &str) -> String {
    format!("{plural}/{name}")
}

/// The object of an API server's path; `body` where it is created in a collection.
pub fn about_path(method: &str, path: &str, body: Option<&Value>) -> String {
    let mut segments = path.rsplit('/');
    let last = segments.next().unwrap_or_default();
    if method == "POST" {
        let name = body.and_then(|body| body["metadata"]["name"].as_str());
        return about(last, name.unwrap_or_default());
    }
    about(segments.next().unwrap_or_default(), last)
}

/// What of an object, or of a claim, an order of events is told by.
pub fn described(object: &Object) -> String {
    let mut facts = vec![format!(
        "version {}",
        object.text("/metadata/resourceVersion")
    )];
    if let Some(copies) = object.0["status"]["copies"].as_array() {
        facts.push(object.text("/status/state").to_owned());
        facts.extend(copies.iter().map(|copy| {
            let mut copy = copy.clone();
            if let Some(copy) = copy.as_object_mut() {
                let telling = [
                    "member",
                    "namespace",
                    "name",
                    "stored",
                    "acquiring",
                    "arriving",
                    "renaming",
                    "deleting",
                ];
                copy.retain(|key, _| telling.contains(&&**key));
            }
            copy.to_string()
        }));
        return facts.join(", ");
    }
    facts.push(format!("uid {}", object.uid()));
    facts.push(format!("namespace {}", object.text("/metadata/namespace")));
    facts.push(object.annotation(POLICY).unwrap_or("no policy").to_owned());
    if !object.text("/metadata/deletionTimestamp").is_empty() {
        facts.push("terminating".to_owned());
    }
    facts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_events_is_that_of_one_resource_and_of_what_concerns_all() {
        let timeline = Timeline::default();
        timeline.note("", "seed 7");
        timeline.note("resourcegroups/one", "first");
        timeline.note("resourcegroups/two", "second");
        timeline.note("/subscriptions/S/resourceGroups/One", "third");
        let of_one = timeline.of(&["resourcegroups/one", "/subscriptions/s/resourcegroups/one"]);
        let told: Vec<&str> = of_one
            .lines()
            .filter_map(|line| line.rsplit(' ').next())
            .collect();
        assert_eq!(told, ["7", "first", "third"]);
        assert_eq!(timeline.last(2).lines().count(), 2);
    }

    #[test]
    fn objects_are_known_by_the_paths_of_requests() {
        let body = Object::of("ResourceGroup", "rg").0;
        let collection = "/apis/resources.azure.com/v1/namespaces/ns/resourcegroups";
        assert_eq!(
            about_path("POST", collection, Some(&body)),
            "resourcegroups/rg"
        );
        let path = format!("{collection}/rg");
        assert_eq!(about_path("DELETE", &path, None), "resourcegroups/rg");
    }
}
