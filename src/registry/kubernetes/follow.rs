//! Claims as they change, by a watch.

use futures::future::ready;
use futures::stream::{BoxStream, StreamExt as _};
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use tracing::warn;

use crate::registry::{ClaimEvent, ClaimScope, FollowClaims};

use super::convert;
use super::crd::{Claim, EPOCH};
use super::{KubernetesRegistry, PAGE};

/// By a watch. Claims are read one by one: what is wrong with one of them is no other's trouble.
impl FollowClaims for KubernetesRegistry {
    fn follow<'a>(&'a self, scope: &ClaimScope) -> BoxStream<'a, ClaimEvent> {
        let kind = ApiResource::erase::<Claim>(&());
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
        let selector = convert::selector(scope);
        let config = watcher::Config::default().labels(&selector).page_size(PAGE);
        let scope = scope.clone();
        let events = watcher(api, config).default_backoff();
        let claims = events.filter_map(move |event| {
            ready(match event {
                Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object))
                    if object.metadata.name.as_deref() == Some(EPOCH) =>
                {
                    None
                }
                Ok(Event::Init) => Some(ClaimEvent::Begins),
                Ok(Event::InitDone) => Some(ClaimEvent::Complete),
                Ok(Event::Apply(object) | Event::InitApply(object)) => stored(&scope, object),
                Ok(Event::Delete(object)) => identity_of(&object).map(ClaimEvent::Gone),
                Err(error) => Some(ClaimEvent::Failed(error.to_string())),
            })
        });
        claims.boxed()
    }
}

fn stored(scope: &ClaimScope, object: DynamicObject) -> Option<ClaimEvent> {
    let identity = identity_of(&object);
    let name = object.metadata.name.clone().unwrap_or_default();
    match read(object) {
        Ok(record) if scope.covers(&record) => Some(ClaimEvent::Stored(record)),
        Ok(_) => identity.map(ClaimEvent::Gone),
        Err(error) => {
            warn!(claim = %name, %error, "a claim cannot be read");
            identity.map(ClaimEvent::Unread)
        }
    }
}

fn read(object: DynamicObject) -> Result<crate::claim::Record, String> {
    let object = serde_json::to_value(object).map_err(|error| error.to_string())?;
    let claim: Claim = serde_json::from_value(object).map_err(|error| error.to_string())?;
    convert::from_claim(&claim)
}

fn identity_of(object: &DynamicObject) -> Option<crate::arm::Identity> {
    let identity = object.data.get("spec")?.get("identity")?;
    identity.as_str()?.parse().ok()
}
