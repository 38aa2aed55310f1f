//! Of all claims that pass by, those by which something is protected.
//!
//! Most claims have one copy, and nobody else has anything near them: of those, only the places
//! are kept that have had something in a resource group.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::arm::Identity;
use crate::claim::{MemberName, NamespaceRef, Record};

/// The claims that concern one member, as far as something is protected by them.
#[derive(Debug)]
pub struct KnownClaims {
    member: MemberName,
    /// By the outermost resource: mostly a resource group.
    groups: HashMap<Identity, GroupClaims>,
}

/// The claims of what is, or is inside, one outermost resource.
#[derive(Debug, Default)]
struct GroupClaims {
    /// Where copies have been. Places are never taken away: too many only cost memory.
    places: BTreeSet<NamespaceRef>,
    /// The claims with several copies, those in a transfer, and all where there are several
    /// places.
    records: BTreeMap<Identity, Record>,
}

/// What is to be done after a claim was taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToProtect {
    /// The member's namespaces whose protection may be another one now.
    pub namespaces: BTreeSet<Arc<str>>,
    /// What all is to be read and taken in of: until now, most of it was passed over.
    pub wanted: Option<Identity>,
}

impl KnownClaims {
    /// Nothing is known yet.
    pub fn new(member: MemberName) -> Self {
        Self {
            member,
            groups: HashMap::new(),
        }
    }

    /// Takes in what a claim says now.
    pub fn take(&mut self, record: Record) -> ToProtect {
        let outermost = outermost(&record.identity);
        let group = self.groups.entry(outermost.clone()).or_default();
        let was_shared = group.is_shared();
        for (copy, _) in record.copies.iter().filter(|(_, held)| held.is_copy()) {
            group.places.insert(NamespaceRef {
                member: copy.member.clone(),
                namespace: copy.object.namespace.clone(),
            });
        }
        let is_shared = group.is_shared();
        let identity = record.identity.clone();
        let counts = is_shared || record.copies.len() > 1 || record.reserved.is_some();
        let changed = if counts && !record.copies.is_empty() {
            let before = group.records.insert(identity.clone(), record);
            before.as_ref() != group.records.get(&identity)
        } else {
            group.records.remove(&identity).is_some()
        };
        ToProtect {
            namespaces: self.namespaces_if(changed, &outermost),
            wanted: (is_shared && !was_shared).then_some(outermost),
        }
    }

    /// Takes in that there is no claim of this identity any more with a copy of the member
    /// (`of_member`), or without one: it may have become one of the others.
    pub fn gone(&mut self, of_member: bool, identity: &Identity) -> ToProtect {
        let outermost = outermost(identity);
        let known = self.record(identity);
        let is_meant = known.is_some_and(|record| self.is_of_member(record) == of_member);
        let group = self.groups.get_mut(&outermost).filter(|_| is_meant);
        let changed = group.is_some_and(|group| group.records.remove(identity).is_some());
        ToProtect {
            namespaces: self.namespaces_if(changed, &outermost),
            wanted: None,
        }
    }

    /// After a list of all claims that have a copy of the member (`of_member`), or of all others
    /// that it follows: those that were not in it are gone.
    pub fn keep_listed(&mut self, of_member: bool, listed: &HashSet<Identity>) -> ToProtect {
        let known = self
            .groups
            .values()
            .flat_map(|group| group.records.values());
        let meant = known.filter(|record| self.is_of_member(record) == of_member);
        let gone = meant.map(|record| &record.identity);
        let gone: Vec<Identity> = gone.filter(|one| !listed.contains(*one)).cloned().collect();
        let namespaces = gone
            .iter()
            .flat_map(|one| self.gone(of_member, one).namespaces);
        ToProtect {
            namespaces: namespaces.collect(),
            wanted: None,
        }
    }

    /// The claim of an identity, if anything is protected by it.
    pub fn record(&self, identity: &Identity) -> Option<&Record> {
        self.groups.get(&outermost(identity))?.records.get(identity)
    }

    /// The claims of what is inside a resource, as far as something is protected by them.
    pub fn below<'a>(&'a self, identity: &'a Identity) -> impl Iterator<Item = &'a Record> {
        let group = self.groups.get(&outermost(identity));
        let records = group.into_iter().flat_map(|group| group.records.values());
        records.filter(|record| record.identity.is_below(identity))
    }

    /// The subscriptions in which the member has had copies.
    pub fn subscriptions(&self) -> BTreeSet<String> {
        let mine = self.groups.iter().filter(|(_, group)| {
            let mut places = group.places.iter();
            places.any(|place| place.member == self.member)
        });
        mine.filter_map(|(outermost, _)| outermost.subscription())
            .map(str::to_ascii_lowercase)
            .collect()
    }

    fn is_of_member(&self, record: &Record) -> bool {
        let mut copies = record.copies.keys();
        copies.any(|copy| copy.member == self.member)
    }

    fn namespaces_if(&self, changed: bool, outermost: &Identity) -> BTreeSet<Arc<str>> {
        let group = self.groups.get(outermost).filter(|_| changed);
        let places = group.into_iter().flat_map(|group| &group.places);
        let mine = places.filter(|place| place.member == self.member);
        mine.map(|place| place.namespace.clone()).collect()
    }
}

impl GroupClaims {
    fn is_shared(&self) -> bool {
        self.places.len() > 1
    }
}

/// The resource that contains all that a request on this one could take along: its resource
/// group, or else the outermost one below the subscription or the tenant.
fn outermost(identity: &Identity) -> Identity {
    let above = identity.ancestors().into_iter();
    let outermost = above.filter(|one| !one.is_subscription()).last();
    outermost.unwrap_or_else(|| identity.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::testing::{Story, account, account_copy, copy, group};
    use crate::policy::Policy::{Manage, Skip};

    fn known() -> KnownClaims {
        KnownClaims::new("a".parse().unwrap())
    }

    fn claim(story: &Story) -> Record {
        story.record().clone()
    }

    #[test]
    fn a_claim_that_nobody_shares_is_passed_over() {
        let mut known = known();
        let alone = claim(&Story::default().found(&copy("a"), Manage));
        assert_eq!(known.take(alone), ToProtect::default());
        assert!(known.record(&group()).is_none());
        assert_eq!(known.subscriptions().len(), 1);
    }

    #[test]
    fn a_peer_that_comes_and_goes_has_the_namespace_looked_at() {
        let mut known = known();
        let alone = Story::default().found(&copy("a"), Manage);
        known.take(claim(&alone));
        let shared = claim(&alone.clone().found(&copy("b"), Skip));
        let todo = known.take(shared.clone());
        assert_eq!(todo.namespaces.len(), 1);
        // What was passed over in that resource group counts from now on.
        assert_eq!(todo.wanted, Some(group()));
        assert_eq!(known.record(&group()), Some(&shared));
        // The same once more is no news.
        assert_eq!(known.take(shared), ToProtect::default());
        let todo = known.gone(true, &group());
        assert_eq!((todo.namespaces.len(), todo.wanted), (1, None));
        assert!(known.record(&group()).is_none());
    }

    #[test]
    fn what_others_have_inside_is_known() {
        let mut known = known();
        known.take(claim(&Story::default().found(&copy("a"), Manage)));
        let inside = crate::claim::acquire(
            None,
            &account(),
            &crate::claim::testing::creating(&account_copy("b"), "r", "u", 0),
        )
        .unwrap();
        let todo = known.take(inside);
        assert_eq!((todo.namespaces.len(), todo.wanted), (1, Some(group())));
        assert_eq!(known.below(&group()).count(), 1);
        let none = known.keep_listed(true, &HashSet::new());
        assert_eq!(none, ToProtect::default());
        let todo = known.keep_listed(false, &HashSet::new());
        assert_eq!(todo.namespaces.len(), 1);
        assert_eq!(known.below(&group()).count(), 0);
    }
}
