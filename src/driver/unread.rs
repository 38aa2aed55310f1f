//! Kinds that a cluster does not give: what they keep from being moved, and what not.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::arm::{self, Kinds, NextOwner, Scope};
use crate::object::{ObjectFacts, ObjectKey};

use super::call::CallError;
use super::item::TransferItem;
use super::stored::StoredObjects;

/// The kinds that a cluster did not give, each with what it said.
#[derive(Clone, Debug, Default)]
pub struct UnreadKinds(BTreeMap<(Box<str>, Box<str>), CallError>);

impl UnreadKinds {
    /// Adds one.
    pub fn add(&mut self, group: &str, kind: &str, fault: CallError) {
        self.0.insert((group.into(), kind.into()), fault);
    }

    /// What was said of the first, where none of so many was given.
    pub fn only_fault(&self, of: usize) -> Option<CallError> {
        let first = self.0.values().next()?;
        (self.0.len() == of).then(|| first.clone())
    }

    /// Each of them: group, kind, and what was said.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        let kinds = self.0.iter();
        kinds.map(|((group, kind), fault)| (&**group, &**kind, &*fault.words))
    }

    /// Why what rests on objects of this kind cannot be told, for a person.
    pub fn why(&self, group: &str, kind: &str) -> Option<String> {
        let fault = self.0.get(&(group.into(), kind.into()))?;
        Some(format!("{kind}.{group} cannot be listed: {}", fault.words))
    }

    /// The same of an object, or of one of its owners.
    pub fn why_not<T>(
        &self,
        kinds: &Kinds,
        object: &ObjectFacts,
        find: impl Fn(&ObjectKey) -> Option<T>,
    ) -> Option<String>
    where
        T: AsRef<ObjectFacts>,
    {
        if self.0.is_empty() {
            return None;
        }
        if let Some(why) = self.why(&object.key.group, &object.key.kind) {
            return Some(why);
        }
        let mut next = arm::next_owner(kinds, object);
        for _ in 0..arm::MAX_LINKS {
            let Ok(NextOwner::Object(key)) = next else {
                return None;
            };
            if let Some(why) = self.why(&key.group, &key.kind) {
                return Some(format!("its owner {}/{}: {why}", key.kind, key.name));
            }
            next = arm::next_owner(kinds, find(&key)?.as_ref());
        }
        None
    }

    /// One of them, as kind.group, whose objects may have an object of this kind as their owner.
    pub fn below(&self, kinds: &Kinds, owner: &ObjectKey) -> Option<String> {
        let mut unread = self.0.keys();
        let found = unread.find(|(group, kind)| {
            let Some(known) = kinds.get(group, kind) else {
                return true;
            };
            match known.implied_owner() {
                Some(implied) => implied == (&*owner.group, &*owner.kind),
                None => known.scope == Scope::Extension,
            }
        });
        found.map(|(group, kind)| format!("{kind}.{group}"))
    }
}

/// What an end gave of the kinds that it has, and what not.
type End<'a> = (&'a UnreadKinds, &'a Kinds, &'a StoredObjects);

/// Leaves the items alone of which a copy, or an owner of one, cannot be read.
pub fn leave_unread(items: &mut [TransferItem], here: End<'_>, there: End<'_>) {
    let why_not = |(unread, kinds, objects): End<'_>, object: &ObjectFacts| {
        unread.why_not(kinds, object, |key| Some(objects.get(key)?.facts.clone()))
    };
    for item in items {
        let source = match &item.source {
            Some(source) => source.facts.clone(),
            None => Arc::new(ObjectFacts::named(item.source_key.clone())),
        };
        let target = match &item.target {
            Some(target) => target.facts.clone(),
            // It would have the same owners.
            None => Arc::new(ObjectFacts {
                key: item.target_key.clone(),
                ..ObjectFacts::clone(&source)
            }),
        };
        item.failed = why_not(here, &source).or_else(|| why_not(there, &target));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::OwnerRef;

    const NETWORK: &str = "network.azure.com";

    fn unread(kinds: &[(&str, &str)]) -> UnreadKinds {
        let mut unread = UnreadKinds::default();
        for (group, kind) in kinds {
            unread.add(group, kind, CallError::new("no".to_owned()));
        }
        unread
    }

    fn object(group: &str, kind: &str, owner: &str) -> Arc<ObjectFacts> {
        let owner = OwnerRef {
            name: Some(owner.into()),
            ..OwnerRef::default()
        };
        Arc::new(ObjectFacts {
            owner: Some(owner),
            ..ObjectFacts::named(ObjectKey::new(group, kind, "ns", "x"))
        })
    }

    #[test]
    fn what_an_unread_kind_may_belong_to_stays() {
        let kinds = Kinds::builtin();
        let below = |unread: &UnreadKinds, group: &str, kind: &str| {
            unread.below(&kinds, &ObjectKey::new(group, kind, "ns", "x"))
        };
        let subnets = unread(&[(NETWORK, "VirtualNetworksSubnet")]);
        assert!(below(&subnets, NETWORK, "VirtualNetwork").is_some());
        assert_eq!(
            below(&subnets, "resources.azure.com", "ResourceGroup"),
            None
        );
        let roles = unread(&[("authorization.azure.com", "RoleAssignment")]);
        assert!(below(&roles, NETWORK, "VirtualNetwork").is_some());
        let unknown = unread(&[("new.azure.com", "Thing")]);
        assert!(below(&unknown, NETWORK, "VirtualNetwork").is_some());
        let groups = unread(&[("resources.azure.com", "ResourceGroup")]);
        assert_eq!(below(&groups, NETWORK, "VirtualNetwork"), None);
    }

    #[test]
    fn what_rests_on_an_unread_owner_is_not_told() {
        let kinds = Kinds::builtin();
        let subnet = object(NETWORK, "VirtualNetworksSubnet", "x");
        let network = object(NETWORK, "VirtualNetwork", "x");
        let find = |key: &ObjectKey| (*key == network.key).then(|| network.clone());
        let why = |unread: &UnreadKinds| unread.why_not(&kinds, &subnet, find);
        assert_eq!(why(&unread(&[])), None);
        assert_eq!(
            why(&unread(&[("storage.azure.com", "StorageAccount")])),
            None
        );
        for (group, kind) in [
            (NETWORK, "VirtualNetworksSubnet"),
            (NETWORK, "VirtualNetwork"),
            ("resources.azure.com", "ResourceGroup"),
        ] {
            let why = why(&unread(&[(group, kind)])).unwrap();
            assert!(
                why.contains(&format!("{kind}.{group} cannot be listed: no")),
                "{why}"
            );
        }
    }

    #[test]
    fn a_cluster_that_gives_nothing_is_not_there() {
        let both = unread(&[
            (NETWORK, "VirtualNetwork"),
            (NETWORK, "VirtualNetworksSubnet"),
        ]);
        assert!(both.only_fault(2).is_some());
        assert!(both.only_fault(3).is_none());
        assert!(unread(&[]).only_fault(0).is_none());
    }
}
