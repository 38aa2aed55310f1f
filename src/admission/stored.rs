//! What is stored of many objects, each kind for itself: one that the API server does not give
//! keeps nobody from the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tokio::time::timeout;

use crate::arm::Identity;
use crate::cluster::resolve::Freshness;
use crate::cluster::{ClusterError, ObjectScope};
use crate::object::text::quoted;
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::{ClaimScope, CopyFilter, RegistryError};

use super::guard::{AT_ONCE, AdmissionError, Guard};

/// How long one object of a kind that is not given is waited for.
const TO_READ: Duration = Duration::from_secs(2);

/// The objects of a scope.
#[derive(Default)]
pub(super) struct StoredObjects {
    pub(super) objects: Vec<Arc<ObjectFacts>>,
    /// Those that the API server does not give.
    pub(super) unread: Vec<UnreadObject>,
}

/// An object that the API server does not give, known from its watch or its claims alone.
pub(super) struct UnreadObject {
    pub(super) key: ObjectKey,
    /// The resources whose claims list it, each with whether it is live there.
    pub(super) claims: Vec<(Identity, bool)>,
    /// As a watch told of it, where one did.
    pub(super) known: Option<Arc<ObjectFacts>>,
    pub(super) error: ClusterError,
}

impl UnreadObject {
    /// Whether it is claimed as live: then the claims cover whatever it is.
    pub(super) fn is_claimed_live(&self) -> bool {
        !self.claims.is_empty() && self.claims.iter().all(|(_, live)| *live)
    }

    /// What is known of it: its name at least, and the resources whose claims list it.
    pub(super) fn into_known(self) -> (Arc<ObjectFacts>, Vec<Identity>) {
        let named = || Arc::new(ObjectFacts::named(self.key));
        let claims = self.claims.into_iter().map(|(identity, _)| identity);
        (self.known.unwrap_or_else(named), claims.collect())
    }
}

impl Guard {
    /// The objects of a scope as they are stored. Of a kind that the API server does not list,
    /// those that are known here or claimed are asked for one by one.
    ///
    /// # Errors
    /// Where a kind is not listed, the registry did not say what is claimed of it.
    pub(super) async fn stored(
        &self,
        scope: ObjectScope<'_>,
    ) -> Result<StoredObjects, RegistryError> {
        let listed = self.cluster.list(scope).await;
        let mut stored = StoredObjects {
            objects: listed.objects,
            unread: Vec::new(),
        };
        if listed.unread.is_empty() {
            return Ok(stored);
        }
        let is_unread = |key: &ObjectKey| {
            let mut kinds = listed.unread.iter();
            scope.has(key) && kinds.any(|(group, kind)| (group, kind) == (&key.group, &key.kind))
        };
        let claimed = self.claimed_objects(&is_unread).await?;
        let known = match scope {
            ObjectScope::Namespace(namespace) => self.cluster.in_namespace(namespace),
            ObjectScope::Kind(..) | ObjectScope::All => self.cluster.objects(),
        };
        let mut all: BTreeMap<ObjectKey, UnreadObject> = BTreeMap::new();
        for object in known.into_iter().filter(|object| is_unread(&object.key)) {
            let unread = not_read(&object.key);
            let known = Some(object);
            all.insert(unread.key.clone(), UnreadObject { known, ..unread });
        }
        for (key, identity, live) in claimed {
            let unread = all.entry(key.clone()).or_insert_with(|| not_read(&key));
            unread.claims.push((identity, live));
        }
        let mut reads = stream::iter(all.into_values())
            .map(|one| async move { (self.read_again(&one.key).await, one) })
            .buffer_unordered(AT_ONCE);
        while let Some((read, one)) = reads.next().await {
            match read {
                Ok(object) => stored.objects.extend(object),
                Err(error) => stored.unread.push(UnreadObject { error, ..one }),
            }
        }
        stored.unread.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(stored)
    }

    async fn read_again(&self, key: &ObjectKey) -> Result<Option<Arc<ObjectFacts>>, ClusterError> {
        let read = timeout(TO_READ, self.cluster.object(key, Freshness::Store));
        read.await.unwrap_or_else(|_| Err(not_read(key).error))
    }

    /// The objects of this cluster that claims list as copies, of those that are asked for:
    /// each with a resource, and whether the copy is live.
    async fn claimed_objects(
        &self,
        is_asked_for: &impl Fn(&ObjectKey) -> bool,
    ) -> Result<Vec<(ObjectKey, Identity, bool)>, RegistryError> {
        let scope = ClaimScope::Of(self.member.clone(), CopyFilter::AnyCopy);
        let mut found = Vec::new();
        // Nobody registers a copy in a claim that cannot be read.
        for known in self.registry.claims(&scope).await?.records {
            let copies = known.record.copies.iter();
            let here = copies.filter(|(copy, held)| {
                copy.member == self.member && held.is_copy() && is_asked_for(&copy.object)
            });
            let identity = &known.record.identity;
            found.extend(
                here.map(|(copy, held)| (copy.object.clone(), identity.clone(), held.is_live())),
            );
        }
        Ok(found)
    }

    /// What is to be said where a verdict rests on objects that the API server does not give;
    /// none: where there are none.
    pub(super) fn cannot_read(&self, unread: &[UnreadObject]) -> Option<AdmissionError> {
        let first = unread.first()?;
        let more = match unread.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more that it does not give)"),
        };
        let key = &first.key;
        let next = format!(
            "Other kinds are not affected. See why this cluster does not give that one, and mend it; \
             where ASO is to convert it, start ASO:\n  kubectl --context {} -n {} get {} {}",
            self.member,
            quoted(&key.namespace),
            quoted(&format!("{}.{}", key.kind.to_ascii_lowercase(), key.group)),
            quoted(&key.name)
        );
        Some(AdmissionError::Unknown(
            format!("{}{more}", first.error),
            next,
        ))
    }
}

fn not_read(key: &ObjectKey) -> UnreadObject {
    UnreadObject {
        key: key.clone(),
        claims: Vec::new(),
        known: None,
        error: ClusterError {
            what: key.to_string(),
            why: format!("no answer within {TO_READ:?}"),
        },
    }
}
