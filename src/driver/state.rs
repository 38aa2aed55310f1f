//! What a transfer finds at its two ends and in the registry, put together by resource.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::api::ApiResource;

use crate::arm::{self, Identity, NextOwner};
use crate::claim::{Record, Reservation};
use crate::object::{ObjectFacts, ObjectKey};
use crate::registry::{ClaimScope, Registry};
use crate::transfer::copy::{
    MADE_BY_ANNOTATION, POLICY_BEFORE_ANNOTATION, TargetCopy, copy_for, live_annotation,
};
use crate::transfer::order::{self, OrderedItem};
use crate::transfer::{ObservedCopy, Ready, Transfer, TransferStep, next};

use super::LookError;
use super::call::CallError;
use super::endpoint::{Endpoint, ReferenceNames};
use super::item::TransferItem;
use super::selection::{TransferSelection, all_kinds, wanted_there};
use super::stored::{StoredObject, StoredObjects};
use super::unread::{UnreadKinds, leave_unread};

/// A transfer, as it is found.
pub struct TransferState {
    /// Its record.
    pub transfer: Transfer,
    /// The way it leads now: back, where it is being undone.
    pub way: Reservation,
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    /// What is moved.
    pub items: Vec<TransferItem>,
    /// Objects at the source of which nobody can tell which resource they stand for.
    pub(super) unresolved: Vec<(ObjectKey, String)>,
    /// Resources that are reserved for it, and of which neither end has a copy.
    pub lost: Vec<Identity>,
    /// The objects at the target, of the kinds that matter.
    pub(super) there: StoredObjects,
    /// The kinds that the source does not give.
    pub(super) unread_here: UnreadKinds,
    /// The same of the target.
    pub(super) unread_there: UnreadKinds,
    /// The names of the target's secrets and ConfigMaps.
    pub(super) names: ReferenceNames,
}

/// A copy that is to be made, and what had to be stated in it.
pub struct NewCopy {
    pub value: serde_json::Value,
    pub resource: ApiResource,
    /// The policy annotation, where it is not the one that the source had.
    pub policy: Option<String>,
    /// `spec.azureName`, where the namespace is part of the name that ASO would make up.
    pub azure_name: Option<String>,
}

impl TransferState {
    /// Looks at both ends and the registry; changes nothing.
    ///
    /// # Errors
    /// Something did not answer.
    pub async fn look(
        registry: &dyn Registry,
        transfer: Transfer,
        mut from: Endpoint,
        mut to: Endpoint,
    ) -> Result<Self, LookError> {
        let (here, mut unread_here) = from.list(&all_kinds(&from, &to)).await?;
        from.learn_subscriptions(here.values()).await?;
        let way = transfer.reservation();
        let mut found = TransferSelection::default();
        if !transfer.turned {
            found
                .select(&transfer, &from, (&here, &mut unread_here))
                .await?;
        }
        let scope = ClaimScope::Reserved(Some(transfer.name.clone()));
        for known in registry.claims(&scope).await?.records {
            found
                .claims
                .insert(known.record.identity.clone(), known.record);
        }
        found.read_claims(registry).await?;
        let mut items = found.items(&way);
        let wanted = wanted_there(&items, &here, &from, &to);
        let (there, not_given) = to.list(&wanted).await?;
        // What is made there will use the credentials of there.
        let both = there.values().chain(here.values());
        to.learn_subscriptions(both).await?;
        for item in &mut items {
            item.source = here.get(&item.source_key).cloned();
            item.target = there.get(&item.target_key).cloned();
        }
        let mut state = Self {
            names: to.names().await,
            lost: found.lost(&way),
            transfer,
            way,
            from,
            to,
            items,
            unresolved: found.unresolved,
            there,
            unread_here,
            unread_there: not_given,
        };
        leave_unread(
            &mut state.items,
            (&state.unread_here, &state.from.kinds, &here),
            (&state.unread_there, &state.to.kinds, &state.there),
        );
        state.relate(&here);
        state.identify();
        Ok(state)
    }

    /// Looks at everything again where something is reserved for the transfer by now that is not
    /// known of.
    ///
    /// # Errors
    /// Something did not answer.
    pub async fn with_reserved(self, registry: &dyn Registry) -> Result<Self, LookError> {
        let items = self.items.iter().map(|item| &item.identity);
        let known: BTreeSet<&Identity> = items.chain(&self.lost).collect();
        let scope = ClaimScope::Reserved(Some(self.transfer.name.clone()));
        let claims = registry.claims(&scope).await?.records;
        let mut claims = claims.iter().map(|claim| &claim.record.identity);
        if claims.all(|identity| known.contains(identity)) {
            return Ok(self);
        }
        Self::look(registry, self.transfer, self.from, self.to).await
    }

    /// Lists the source once more, and finds what belongs to the items by now.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn relate_again(&mut self) -> Result<(), CallError> {
        let (here, unread) = self.from.list(&all_kinds(&self.from, &self.to)).await?;
        self.unread_here = unread;
        self.relate(&here);
        Ok(())
    }

    /// Keeps what an item's copy at the target is now.
    pub(super) fn put_target(&mut self, at: usize, target: Option<StoredObject>) {
        let key = self.items[at].target_key.clone();
        let identity = target
            .as_ref()
            .map(|target| self.identity_there(&target.facts));
        match &target {
            Some(target) => self.there.insert(key, target.clone()),
            None => self.there.remove(&key),
        };
        let item = &mut self.items[at];
        if let Some(Ok(there)) = &identity
            && *there != item.identity
        {
            item.failed = Some(format!("its name is taken there, for {there}"));
        }
        item.target = target;
        item.target_identity = identity;
    }

    /// Finds each item's owner, and what else belongs to it.
    fn relate(&mut self, here: &StoredObjects) {
        let mut index: BTreeMap<&ObjectKey, usize> = BTreeMap::new();
        for (at, item) in self.items.iter().enumerate() {
            index.insert(&item.source_key, at);
            index.insert(&item.target_key, at);
        }
        let owner_of = |end: &Endpoint, object: &StoredObject| {
            let owner = arm::next_owner(&end.kinds, &object.facts).ok();
            owner.and_then(|owner| match owner {
                NextOwner::Object(key) => Some(key),
                _ => None,
            })
        };
        let mut owners = Vec::new();
        for item in &self.items {
            let source = item.source.as_ref().map(|object| (&self.from, object));
            let either = source.or(item.target.as_ref().map(|object| (&self.to, object)));
            let key = either.and_then(|(end, object)| owner_of(end, object));
            owners.push((key.as_ref().and_then(|key| index.get(key).copied()), key));
        }
        let mut left: BTreeMap<usize, ObjectKey> = BTreeMap::new();
        for (key, object) in here {
            if !index.contains_key(key)
                && let Some(owner) = owner_of(&self.from, object)
                && let Some(&at) = index.get(&owner)
            {
                left.entry(at).or_insert_with(|| key.clone());
            }
        }
        for (at, (item, (owner, key))) in self.items.iter_mut().zip(owners).enumerate() {
            item.owner = owner;
            item.owner_key = key;
            item.child_left = left.remove(&at);
            item.may_own = self.unread_here.below(&self.from.kinds, &item.source_key);
        }
    }

    /// Tells which resources the objects at the target stand for.
    fn identify(&mut self) {
        let found: Vec<_> = (self.items.iter())
            .map(|item| {
                item.target
                    .as_ref()
                    .map(|target| self.identity_there(&target.facts))
            })
            .collect();
        for (item, identity) in self.items.iter_mut().zip(found) {
            item.target_identity = identity;
        }
    }

    /// Which resource an object stands for at the target, with what is there and what will be.
    pub(super) fn identity_there(&self, facts: &ObjectFacts) -> Result<Identity, String> {
        let by_key = |key: &ObjectKey| {
            if let Some(there) = self.there.get(key) {
                return Some(there.facts.clone());
            }
            let item = self.items.iter().find(|item| item.target_key == *key)?;
            let mut facts = ObjectFacts::clone(&item.source.as_ref()?.facts);
            facts.key = key.clone();
            facts.annotations.resource_id = None;
            Some(Arc::new(facts))
        };
        self.to.identity(facts, by_key)
    }

    /// What is next for an item, by what is known of it.
    pub(super) fn step(&self, item: &TransferItem) -> TransferStep {
        self.step_by(item, item.claim.as_ref())
    }

    /// What will be next for it once its claim is reserved, if nobody else has done so.
    pub fn planned(&self, item: &TransferItem) -> TransferStep {
        let claim = item.claim.as_ref().map(|claim| Record {
            reserved: claim.reserved.clone().or_else(|| Some(self.way.clone())),
            ..claim.clone()
        });
        self.step_by(item, claim.as_ref())
    }

    fn step_by(&self, item: &TransferItem, claim: Option<&Record>) -> TransferStep {
        let ours = |object: &StoredObject| {
            let made_by = object.annotation(MADE_BY_ANNOTATION);
            !self.way_is_back() || made_by == Some(self.transfer.name.as_str())
        };
        let source = item.source.as_ref().map(|object| ObservedCopy {
            // Only a copy that says so itself stays parked whatever becomes of its namespace.
            live: !object.is_parked_itself(),
            terminating: object.facts.terminating,
            reconciled: true,
            removable: ours(object),
        });
        let target = item.target.as_ref().map(|object| {
            let policy = object.facts.annotations.policy.as_deref();
            ObservedCopy {
                live: self.to.surroundings().effective(policy).is_live(),
                terminating: object.facts.terminating,
                reconciled: self.is_reconciled(object),
                removable: false,
            }
        });
        next(&self.way, claim, source, target)
    }

    /// Whether a copy at the target is reconciled there. Of one that is taken back to, it is not
    /// asked: whatever ASO did for it before, it does again.
    pub(super) fn is_reconciled(&self, target: &StoredObject) -> bool {
        self.way_is_back() || Ready::of(&target.value) == Ready::Yes
    }

    /// Whether it is being undone.
    pub fn way_is_back(&self) -> bool {
        self.transfer.turned
    }

    /// The items as the order sees them.
    pub(super) fn rows(&self) -> Vec<OrderedItem> {
        let row = |item: &TransferItem| OrderedItem {
            step: self.step(item),
            owner: item.owner,
            failed: item.failed.is_some(),
            stays: item.is_kept(),
        };
        self.items.iter().map(row).collect()
    }

    /// How deep each item lies below those without an owner among them.
    pub fn depths(&self) -> Vec<Option<usize>> {
        let owners: Vec<Option<usize>> = self.items.iter().map(|item| item.owner).collect();
        order::depths(&owners)
    }

    /// How an item's kind is asked for, at both ends in the same version if there is one.
    pub(super) fn resource(&self, item: &TransferItem) -> Option<ApiResource> {
        let key = &item.source_key;
        self.from
            .served
            .common(&self.to.served, &key.group, &key.kind)
    }

    /// The copy that is to be made of an item at the target; for a person, why it would not be
    /// the same resource.
    pub(super) fn made(&self, item: &TransferItem) -> Result<NewCopy, String> {
        let source = item.source.as_ref();
        let source = source.ok_or_else(|| "there is no copy at the source".to_owned())?;
        let resource = self.resource(item).ok_or_else(|| {
            let (kind, member) = (&item.source_key.kind, &self.to.place.member);
            format!("cluster {member} serves {kind} in no version that the source has")
        })?;
        let before = policy_before(source);
        let policy = live_annotation(before, self.from.surroundings(), self.to.surroundings());
        let value = |azure_name: Option<&str>| {
            copy_for(
                &source.value,
                &TargetCopy {
                    namespace: &self.to.place.namespace,
                    api_version: &resource.api_version,
                    policy: policy.as_deref(),
                    azure_name,
                    transfer: self.transfer.name.as_str(),
                },
            )
        };
        let identity = |value: &serde_json::Value| {
            let (group, kind) = (&resource.group, &resource.kind);
            let object = StoredObject::new(value.clone(), group, kind, &self.to.place.namespace)
                .ok_or_else(|| "it cannot be read".to_owned())?;
            self.identity_there(&object.facts)
        };
        let plain = value(None);
        let stated = policy
            .clone()
            .filter(|policy| before.filter(|before| !before.is_empty()) != Some(policy));
        let found = identity(&plain);
        if found.as_ref() == Ok(&item.identity) {
            return Ok(NewCopy {
                value: plain,
                resource: resource.clone(),
                policy: stated,
                azure_name: None,
            });
        }
        let name = item.identity.name();
        let named = value(Some(name));
        if source.facts.azure_name.is_none() && identity(&named).as_ref() == Ok(&item.identity) {
            return Ok(NewCopy {
                value: named,
                resource: resource.clone(),
                policy: stated,
                azure_name: Some(name.to_owned()),
            });
        }
        Err(match found {
            Ok(other) => format!("there it would be another resource: {other}"),
            Err(why) => format!("which resource it would be there cannot be told: {why}"),
        })
    }

    /// The policy annotation with which an item's copy at the target is woken.
    pub(super) fn woken(&self, item: &TransferItem) -> Option<String> {
        let (from, to) = (self.from.surroundings(), self.to.surroundings());
        let noted = item.target.as_ref();
        let noted = noted.and_then(|target| target.annotation(POLICY_BEFORE_ANNOTATION));
        match (noted, &item.source) {
            (Some(noted), _) => live_annotation(Some(noted), to, to),
            (None, Some(source)) => live_annotation(policy_before(source), from, to),
            (None, None) => live_annotation(None, to, to),
        }
    }
}

/// The policy annotation that a copy had before it was parked for a transfer.
pub fn policy_before(object: &StoredObject) -> Option<&str> {
    let noted = object.annotation(POLICY_BEFORE_ANNOTATION);
    noted.or(object.facts.annotations.policy.as_deref())
}
