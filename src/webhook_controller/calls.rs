//! Calls to the API server: each within its time, and named in what is said of its failure.

use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, watcher};
use tokio::sync::Notify;
use tracing::debug;

use super::WebhookControllerError;
use crate::api_server::{CALL_TIMEOUT, within};
use crate::object::text::causes;

/// Says whenever an object of this name changes. Where it may not be watched, looking
/// every now and then must do.
pub(super) async fn nudge<K>(api: Api<PartialObjectMeta<K>>, name: String, changed: Arc<Notify>)
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + Send + 'static,
{
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = Box::pin(watcher(api, only).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(_) => changed.notify_one(),
            Err(error) => debug!(%name, %error, "cannot watch; looking now and then"),
        }
    }
}

/// One call, within its time, with what it was for.
pub(super) async fn call<T>(
    what: &str,
    verb: &'static str,
    answer: impl Future<Output = kube::Result<T>>,
) -> Result<T, WebhookControllerError> {
    let answer = within(CALL_TIMEOUT, Box::pin(answer)).await;
    answer.map_err(|error| WebhookControllerError::Call {
        verb,
        what: what.to_owned(),
        why: match error {
            kube::Error::Api(status) if status.code == 403 => {
                format!("{}. {}", status.message, remedy(verb))
            }
            error => causes(&error),
        },
    })
}

/// What to do where a right is missing.
fn remedy(verb: &str) -> String {
    match verb {
        // A right to create cannot be for one name only.
        "create" => "Make it, empty, and the guard fills it: helm upgrade does, or \
                     kubectl create secret generic"
            .to_owned(),
        "apply" => "Grant the guard create and patch on it, by this name".to_owned(),
        _ => format!("Grant the guard get, list, watch and {verb} on it, by this name"),
    }
}
