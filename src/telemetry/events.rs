//! Notices as Kubernetes Events, in the cluster of the object they are about.
//!
//! A client library's recorder is not used: it keeps the first message of a
//! reason for minutes, though another cluster may be in the way by now, and it
//! has no bound.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt as _};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::api_server::{CALL_TIMEOUT, within};
use crate::object::ObjectKey;
use crate::object::text::causes;

use super::{Notice, Notices, Severity};

/// Who reports, in every Event.
const CONTROLLER: &str = "asoguard.io/aso-guard";
/// How many notices wait to be published.
const QUEUE: usize = 256;
/// How many different notices are remembered, to know a repeat.
const REMEMBERED: usize = 4096;
/// A repeat is published this long after the last time at the earliest.
const FOLD: Duration = Duration::from_mins(1);
/// How many Events are published at once, and how long it takes to earn one more.
const BURST: u32 = 50;
const REFILL: Duration = Duration::from_millis(200);
/// The longest note that API servers take, in bytes.
const NOTE: usize = 1024;

/// Finds a kind's `apiVersion`, by group and kind, where it is installed.
pub type ApiVersions = Box<dyn Fn(&str, &str) -> Option<String> + Send + Sync>;

/// Publishes notices as Events.
pub struct Events {
    queue: mpsc::Sender<EventTask>,
    memory: Mutex<HashMap<NoticeKey, PublishedNotice>>,
    metrics: EventMetrics,
}

/// The end of the queue: to be run in a task of its own.
pub struct Publisher {
    client: Client,
    api_versions: ApiVersions,
    instance: String,
    queue: mpsc::Receiver<EventTask>,
    metrics: EventMetrics,
}

/// What became of notices.
#[derive(Clone, Debug, Default)]
pub struct EventMetrics {
    events: Family<EventLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    outcome: &'static str,
}

const PUBLISHED: &str = "published";
const FOLDED: &str = "folded";
const DROPPED: &str = "dropped";
const FAILED: &str = "failed";

impl EventMetrics {
    /// Adds them to what is served.
    pub fn register(&self, registry: &mut Registry) {
        for outcome in [PUBLISHED, FOLDED, DROPPED, FAILED] {
            drop(self.events.get_or_create(&EventLabels { outcome }));
        }
        registry.register(
            "events",
            "Kubernetes Events, by what became of them: published, folded into one published shortly before or by another replica, \
             dropped because there were too many, failed",
            self.events.clone(),
        );
    }

    fn count(&self, outcome: &'static str) {
        self.events.get_or_create(&EventLabels { outcome }).inc();
    }
}

/// What makes two notices the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct NoticeKey {
    object: ObjectKey,
    uid: Option<Arc<str>>,
    reason: &'static str,
    /// Of the rest of it.
    hash: u64,
}

/// A notice that was published, or waits to be.
#[derive(Clone, Debug)]
struct PublishedNotice {
    /// The Event's name.
    name: String,
    first: Timestamp,
    count: i32,
    last: Instant,
}

struct EventTask {
    notice: Notice,
    published: PublishedNotice,
}

impl Events {
    /// A publisher through this client, and the end of its queue. `instance` is this
    /// replica's name: a pod's own, mostly.
    pub fn new(
        client: Client,
        api_versions: ApiVersions,
        instance: &str,
        metrics: EventMetrics,
    ) -> (Self, Publisher) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let publisher = Publisher {
            client,
            api_versions,
            instance: clip(instance, 128),
            queue: receiver,
            metrics: metrics.clone(),
        };
        let events = Self {
            queue: sender,
            memory: Mutex::default(),
            metrics,
        };
        (events, publisher)
    }
}

impl Notices for Events {
    fn report(&self, mut notice: Notice) {
        let words: Vec<&str> = notice.message.split_whitespace().collect();
        notice.message = clip(&words.join(" "), NOTE);
        let key = NoticeKey::of(&notice);
        let now = Instant::now();
        let mut memory = self.memory.lock();
        if let Some(published) = memory.get_mut(&key) {
            published.count = published.count.saturating_add(1);
            if now.duration_since(published.last) < FOLD {
                self.metrics.count(FOLDED);
                return;
            }
            published.last = now;
        } else {
            if memory.len() >= REMEMBERED {
                memory.retain(|_, published| now.duration_since(published.last) < FOLD);
            }
            if memory.len() >= REMEMBERED {
                self.metrics.count(DROPPED);
                return;
            }
            memory.insert(key.clone(), PublishedNotice::first(&notice, &key, now));
        }
        let Some(published) = memory.get(&key).cloned() else {
            return;
        };
        if self
            .queue
            .try_send(EventTask { notice, published })
            .is_err()
        {
            // Not told, so the next one is no repeat.
            memory.remove(&key);
            self.metrics.count(DROPPED);
        }
    }
}

impl NoticeKey {
    fn of(notice: &Notice) -> Self {
        let mut hasher = DefaultHasher::new();
        (notice.severity, notice.action).hash(&mut hasher);
        // "last heard from 3 s ago" is no news after "2 s ago".
        let digits = |c: &char| !c.is_ascii_digit();
        notice
            .message
            .chars()
            .filter(digits)
            .for_each(|c| c.hash(&mut hasher));
        Self {
            object: notice.object.clone(),
            uid: notice.uid.clone(),
            reason: notice.reason,
            hash: hasher.finish(),
        }
    }
}

impl PublishedNotice {
    /// Told for the first time, by this replica. Another one that tells it on the same
    /// occasion gives the Event the same name, so there is one of it.
    fn first(notice: &Notice, key: &NoticeKey, now: Instant) -> Self {
        let first = Timestamp::now();
        let mut hasher = DefaultHasher::new();
        (key, &notice.occasion).hash(&mut hasher);
        // As other Events are named: the object's name, and what makes it one of its own.
        let ending = format!(".{:016x}", hasher.finish());
        let object = &notice.object.name;
        let object = &object[..object.floor_char_boundary(253 - ending.len())];
        Self {
            name: format!("{object}{ending}"),
            first,
            count: 1,
            last: now,
        }
    }
}

impl Publisher {
    /// Publishes until told to stop.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let mut allowance = PublishAllowance::full();
        while let Some(Some(post)) = shutdown.run_until_cancelled(self.queue.recv()).await {
            if shutdown
                .run_until_cancelled(allowance.take())
                .await
                .is_none()
            {
                return;
            }
            match within(CALL_TIMEOUT, self.publish(&post)).await {
                Ok(outcome) => self.metrics.count(outcome),
                Err(error) => {
                    self.metrics.count(FAILED);
                    let (object, reason) = (&post.notice.object, post.notice.reason);
                    warn!(%object, reason, error = causes(&error), "could not publish an Event");
                }
            }
        }
    }

    /// Publishes it, or finds that another replica has.
    async fn publish(&self, post: &EventTask) -> kube::Result<&'static str> {
        let event = self.event(post);
        let namespace = event.metadata.namespace.as_deref().unwrap_or_default();
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        if post.published.count > 1 {
            let series = json!({"series": {
                "count": post.published.count,
                "lastObservedTime": MicroTime(Timestamp::now()),
            }});
            let params = PatchParams::default();
            match events
                .patch(&event.name_any(), &params, &Patch::Merge(series))
                .await
            {
                // API servers forget Events after an hour or so.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                answer => return answer.map(|_| PUBLISHED),
            }
        }
        match events.create(&PostParams::default(), &event).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(FOLDED),
            answer => answer.map(|_| PUBLISHED),
        }
    }

    fn event(&self, EventTask { notice, published }: &EventTask) -> Event {
        let object = &notice.object;
        let own = (!object.namespace.is_empty()).then(|| object.namespace.to_string());
        let severity = match notice.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        Event {
            metadata: ObjectMeta {
                name: Some(published.name.clone()),
                namespace: Some(own.clone().unwrap_or_else(|| "default".to_owned())),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(published.first)),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            action: Some(notice.action.to_owned()),
            reason: Some(notice.reason.to_owned()),
            note: Some(notice.message.clone()),
            type_: Some(severity.to_owned()),
            regarding: Some(ObjectReference {
                api_version: (self.api_versions)(&object.group, &object.kind),
                kind: Some(object.kind.to_string()),
                namespace: own,
                name: Some(object.name.to_string()),
                uid: notice.uid.as_deref().map(str::to_owned),
                ..ObjectReference::default()
            }),
            ..Event::default()
        }
    }
}

/// How much may be published just now.
struct PublishAllowance {
    left: u32,
    since: Instant,
}

impl PublishAllowance {
    fn full() -> Self {
        Self {
            left: BURST,
            since: Instant::now(),
        }
    }

    /// Takes one, once there is one.
    async fn take(&mut self) {
        loop {
            let earned = self.since.elapsed().as_millis() / REFILL.as_millis();
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(BURST);
            self.since += REFILL * earned.min(BURST);
            if earned > BURST {
                self.since = Instant::now();
            }
            if self.left > 0 {
                self.left -= 1;
                return;
            }
            tokio::time::sleep(REFILL).await;
        }
    }
}

/// At most so many bytes, cut between characters.
fn clip(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(longest - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests;
