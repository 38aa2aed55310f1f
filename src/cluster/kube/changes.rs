//! What a change that a watch tells of means: what is known afterwards, and what the
//! observer has to look at.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::cluster::family;
use crate::cluster::observer::{Observer, WatchedChange};
use crate::object::{ObjectFacts, ObjectKey, not_empty};
use crate::policy::Policy;

use super::KubeCluster;

impl KubeCluster {
    /// That of the registry, and of the next one.
    fn observers(&self) -> impl Iterator<Item = &Arc<Observer>> {
        self.observer
            .get()
            .into_iter()
            .chain(self.next_observer.get())
    }

    /// An object was stored, or turned out to be when all were `listed`.
    ///
    /// Until everything is known, what is listed for the first time is no change: the
    /// observer compares all of it afterwards. Later, when a watch could not go on where
    /// it broke off, or a kind was installed, nobody else would tell the observer.
    pub(super) fn stored(&self, object: ObjectFacts, listed: bool) {
        let (object, before) = self.store.put(object);
        if let Some(name) = not_empty(object.annotations.credential_from.as_deref()) {
            self.credentials.name(name);
        }
        let change = change_of(before.as_deref(), &object);
        // Asked after the object was put where the comparison finds it.
        let compared = listed && before.is_none() && !self.is_known.load(Ordering::SeqCst);
        if !compared {
            for observer in self.observers() {
                observer.changed(&object.key, &object.uid, change);
            }
            if before
                .as_ref()
                .is_none_or(|before| renamed(before, &object))
            {
                self.reconsider_children(&object.key);
            }
        }
    }

    pub(super) fn gone(&self, key: &ObjectKey) {
        if let Some(before) = self.store.remove(key) {
            for observer in self.observers() {
                observer.changed(key, &before.uid, WatchedChange::Relevant);
            }
            self.reconsider_children(key);
        }
    }

    /// Has everything below an owner looked at: what it stands for rests on it.
    fn reconsider_children(&self, owner: &ObjectKey) {
        if self.observers().next().is_some() {
            self.reconsider(&family::descendants(self, owner));
        }
    }

    pub(super) fn reconsider_namespace(&self, namespace: &str) {
        self.reconsider(&self.store.in_namespace(namespace));
    }

    fn reconsider(&self, objects: &[Arc<ObjectFacts>]) {
        for observer in self.observers() {
            for object in objects {
                observer.reconsider(object.key.clone());
            }
        }
    }

    /// A secret changed: in an ASO's own namespace it counts for every namespace.
    pub(super) fn reconsider_credential(&self, namespace: &str) {
        let operators = self.credentials.operators();
        if operators.iter().any(|operator| **operator == *namespace) {
            self.reconsider(&self.store.objects());
        } else {
            self.reconsider_namespace(namespace);
        }
    }
}

/// What it means to the observer that an object is like this now.
fn change_of(before: Option<&ObjectFacts>, now: &ObjectFacts) -> WatchedChange {
    let parked = Policy::Skip.as_str();
    match before {
        Some(before) if !differs(before, now) => WatchedChange::Irrelevant,
        None if !now.terminating && now.annotations.policy.as_deref() != Some(parked) => {
            WatchedChange::CreatedLive
        }
        _ => WatchedChange::Relevant,
    }
}

/// Whether anything changed that identity, policy or deletion are made of.
fn differs(before: &ObjectFacts, now: &ObjectFacts) -> bool {
    let blank = |object: &ObjectFacts| ObjectFacts {
        resource_version: "".into(),
        ..object.clone()
    };
    blank(before) != blank(now)
}

/// Whether what its children's identities rest on changed.
fn renamed(before: &ObjectFacts, now: &ObjectFacts) -> bool {
    before.azure_name != now.azure_name
        || before.owner != now.owner
        || before.annotations.child_resource_id_override
            != now.annotations.child_resource_id_override
        || before.annotations.azure_name_from_config != now.annotations.azure_name_from_config
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use tower::service_fn;

    use crate::cluster::kube::CredentialSettings;
    use crate::registry::memory::MemoryRegistry;

    use super::*;

    /// A cluster whose API server never answers.
    fn cluster() -> (Arc<KubeCluster>, Arc<Observer>) {
        let nobody = service_fn(|_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>()
        });
        let settings = CredentialSettings {
            operators: ["aso".into()].into(),
            subscription: Some("sub".to_owned()),
        };
        let cluster = Arc::new(KubeCluster::new(Client::new(nobody, "default"), settings));
        let registry = Arc::new(MemoryRegistry::new());
        let member = "a".parse().unwrap();
        let observer = Arc::new(Observer::new(
            member,
            registry,
            cluster.clone(),
            Duration::from_secs(90),
        ));
        let _ = cluster.observer.set(observer.clone());
        (cluster, observer)
    }

    fn object() -> ObjectFacts {
        let (group, kind) = ("resources.azure.com", "ResourceGroup");
        ObjectFacts::named(ObjectKey::new(group, kind, "ns", "rg"))
    }

    #[test]
    fn what_is_new_and_not_parked_by_itself_was_created_live() {
        let live = object();
        let (mut parked, mut going, mut written) = (object(), object(), object());
        parked.annotations.policy = Some("skip".into());
        going.terminating = true;
        written.resource_version = "2".into();
        assert_eq!(change_of(None, &live), WatchedChange::CreatedLive);
        assert_eq!(change_of(None, &parked), WatchedChange::Relevant);
        assert_eq!(change_of(None, &going), WatchedChange::Relevant);
        assert_eq!(change_of(Some(&parked), &live), WatchedChange::Relevant);
        assert_eq!(change_of(Some(&live), &written), WatchedChange::Irrelevant);
    }

    #[tokio::test]
    async fn what_is_listed_before_everything_is_known_is_left_to_the_comparison() {
        let (cluster, observer) = cluster();
        cluster.stored(object(), true);
        assert!(observer.is_idle());
    }

    #[tokio::test]
    async fn what_is_new_when_a_watch_lists_again_is_looked_at() {
        let (cluster, observer) = cluster();
        cluster.is_known.store(true, Ordering::SeqCst);
        cluster.stored(object(), true);
        assert!(!observer.is_idle());
    }
}
