//! Which resources a transfer moves, as objects and claims tell, before all of it is put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use kube::api::ApiResource;

use crate::arm::{Identity, OwnerLink};
use crate::claim::{Record, Reservation};
use crate::object::ObjectKey;
use crate::registry::{Registry, RegistryError};
use crate::transfer::{Transfer, stage};

use super::LookError;
use super::call::CallError;
use super::endpoint::Endpoint;
use super::item::TransferItem;
use super::stored::StoredObjects;
use super::unread::UnreadKinds;

/// How many claims are read at once.
const CLAIMS: usize = 16;

/// What is moved, before it is put together.
#[derive(Default)]
pub struct TransferSelection {
    /// The copies at the source.
    sources: BTreeMap<Identity, ObjectKey>,
    pub claims: BTreeMap<Identity, Record>,
    pub unresolved: Vec<(ObjectKey, String)>,
}

impl TransferSelection {
    /// Selects what a transfer takes among the objects at its source; of kinds that are not
    /// given, nothing.
    pub async fn select(
        &mut self,
        transfer: &Transfer,
        from: &Endpoint,
        (here, unread): (&StoredObjects, &mut UnreadKinds),
    ) -> Result<(), LookError> {
        let labelled = labelled(transfer, from, here, unread).await?;
        for (key, object) in here {
            if labelled.as_ref().is_some_and(|names| !names.contains(key)) {
                continue;
            }
            let find = |key: &ObjectKey| here.get(key).map(|owner| owner.facts.clone());
            if let Some(why) = unread.why_not(&from.kinds, &object.facts, find) {
                self.unresolved.push((key.clone(), why));
                continue;
            }
            match from.identity(&object.facts, find) {
                Ok(identity) if transfer.selection.covers(&identity, key) => {
                    self.sources.insert(identity, key.clone());
                }
                Ok(_) => {}
                Err(why) => self.unresolved.push((key.clone(), why)),
            }
        }
        Ok(())
    }

    /// Reads the claims of what was selected.
    pub async fn read_claims(&mut self, registry: &dyn Registry) -> Result<(), LookError> {
        let unread = self.sources.keys();
        let unread = unread.filter(|identity| !self.claims.contains_key(identity));
        let unread: Vec<Identity> = unread.cloned().collect();
        let read = stream::iter(unread)
            .map(|identity| async move { (registry.claim(&identity).await, identity) })
            .buffer_unordered(CLAIMS);
        let read: Vec<_> = read.collect().await;
        for (known, identity) in read {
            match known {
                // It stays where it is: nothing is decided on such a claim.
                Err(RegistryError::Corrupt(why)) => {
                    let object = self.sources.remove(&identity);
                    let unresolved = object.map(|object| (object, why.to_string()));
                    self.unresolved.extend(unresolved);
                }
                known => {
                    let record = known?.map(|known| known.record);
                    self.claims.extend(record.map(|record| (identity, record)));
                }
            }
        }
        Ok(())
    }

    /// What is reserved, and has no copy at either end.
    pub fn lost(&self, way: &Reservation) -> Vec<Identity> {
        let lost = self.claims.values().filter(|claim| {
            let at = stage(way, claim);
            let ours = claim.reserved.as_ref() == Some(way);
            let selected = self.sources.contains_key(&claim.identity);
            ours && !selected && at.source.is_none() && at.target.is_none()
        });
        lost.map(|claim| claim.identity.clone()).collect()
    }

    /// The items, owners before what lies below them in Azure.
    pub fn items(&self, way: &Reservation) -> Vec<TransferItem> {
        let all: BTreeSet<&Identity> = self.sources.keys().chain(self.claims.keys()).collect();
        let item = |identity: &Identity| {
            let claim = self.claims.get(identity);
            let at = claim.map(|claim| stage(way, claim));
            let claimed_source = at.as_ref().and_then(|at| at.source.clone());
            let claimed_target = at.as_ref().and_then(|at| at.target.clone());
            let source = self.sources.get(identity).cloned();
            let source = source.or_else(|| claimed_source.map(|copy| copy.object));
            let target = claimed_target.map(|copy| copy.object);
            let either = source.as_ref().or(target.as_ref())?;
            Some(TransferItem {
                identity: identity.clone(),
                source_key: source
                    .as_ref()
                    .unwrap_or(either)
                    .in_namespace(&way.from.namespace),
                target_key: target
                    .as_ref()
                    .unwrap_or(either)
                    .in_namespace(&way.to.namespace),
                source: None,
                target: None,
                target_identity: None,
                claim: claim.cloned(),
                owner: None,
                owner_key: None,
                child_left: None,
                may_own: None,
                failed: None,
                parked: 0,
            })
        };
        all.into_iter().filter_map(item).collect()
    }
}

/// The objects at the source that the selection's labels take; `None`: all.
async fn labelled(
    transfer: &Transfer,
    from: &Endpoint,
    here: &StoredObjects,
    unread: &mut UnreadKinds,
) -> Result<Option<BTreeSet<ObjectKey>>, CallError> {
    let Some(labels) = transfer.selection.labels.as_deref() else {
        return Ok(None);
    };
    let kinds: BTreeSet<(&Arc<str>, &Arc<str>)> =
        here.keys().map(|key| (&key.group, &key.kind)).collect();
    let mut taken = BTreeSet::new();
    for (group, kind) in kinds {
        let Some(resource) = from.served.get(group, kind) else {
            continue;
        };
        let names = match from.labelled(&resource, labels).await {
            Ok(names) => names,
            // There is no such selector.
            Err(fault) if fault.code == Some(400) => return Err(fault),
            Err(fault) => {
                unread.add(group, kind, fault);
                continue;
            }
        };
        let keys = names.iter();
        let keys = keys.map(|name| ObjectKey::new(group, kind, &from.place.namespace, name));
        taken.extend(keys);
    }
    Ok(Some(taken))
}

/// All of ASO's kinds that an end serves.
pub fn all_kinds(end: &Endpoint, other: &Endpoint) -> Vec<ApiResource> {
    let known = end.served.kinds();
    let known = known.filter(|(group, kind)| end.kinds.get(group, kind).is_some());
    let resources = known.filter_map(|(group, kind)| end.resource(other, group, kind));
    resources.collect()
}

/// Which kinds are listed at the target: those of the items and of their owners.
pub fn wanted_there(
    items: &[TransferItem],
    here: &StoredObjects,
    from: &Endpoint,
    to: &Endpoint,
) -> Vec<ApiResource> {
    let mut kinds: BTreeSet<(&str, &str)> = BTreeSet::new();
    for item in items {
        kinds.insert((&item.source_key.group, &item.source_key.kind));
        let Some(object) = here.get(&item.source_key) else {
            continue;
        };
        let find = |key: &ObjectKey| here.get(key).map(|owner| owner.facts.clone());
        for owner in from.resolve(&object.facts, find, |one| one.owners()) {
            let key = match &owner {
                OwnerLink::Found(facts) => &facts.key,
                OwnerLink::Missing(key) => key,
            };
            if let Some(kind) = from.kinds.get(&key.group, &key.kind) {
                kinds.insert((&kind.group, &kind.kind));
            }
        }
    }
    let resources = kinds.iter();
    let resources = resources.filter_map(|(group, kind)| {
        let common = from.served.common(&to.served, group, kind);
        common.or_else(|| to.served.get(group, kind))
    });
    resources.collect()
}
