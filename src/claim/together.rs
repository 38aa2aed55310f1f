//! Deletes of many copies together: which claims to list for them, and whether anybody
//! depends on one of them.
//!
//! A read a copy is a lot where a namespace has thousands. What is inside something that
//! is deleted too comes with the list of what is inside that, and a subscription with
//! many such lists is listed once.

use std::collections::{BTreeSet, HashMap};

use crate::arm::Identity;

use super::delete::{dependents, others_depend};
use super::names::CopyRef;
use super::record::Record;
use super::refusal::Refusal;

/// How many lists of what is inside a resource are made in one subscription at most,
/// before the subscription itself is listed.
const LISTS: usize = 16;

/// Copies that would be deleted together, and their resources in Azure with them.
#[derive(Clone, Debug)]
pub struct DeleteSet {
    /// Each copy of each resource, in the order in which they were given.
    deletes: Vec<(CopyRef, Identity)>,
    /// Where a resource is in the list above.
    known: HashMap<Identity, Vec<usize>>,
    /// The resources that are inside no other one of them.
    outermost: HashMap<Identity, usize>,
    /// The first of the copies whose peers depend on the resource.
    refused: Option<(usize, Refusal)>,
    /// What others have inside the outermost resources.
    inside: HashMap<usize, Vec<Record>>,
}

/// What to read or list from the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteLookups {
    /// Claims to read.
    pub claims: Vec<Identity>,
    /// Identities to list what is below.
    pub below: Vec<Identity>,
}

impl DeleteSet {
    /// Copies that would be deleted, each with a resource of its.
    pub fn new(deletes: Vec<(CopyRef, Identity)>) -> Self {
        let mut known: HashMap<Identity, Vec<usize>> = HashMap::new();
        for (at, (_, identity)) in deletes.iter().enumerate() {
            known.entry(identity.clone()).or_default().push(at);
        }
        let is_inside = |one: &Identity| one.ancestors().iter().any(|a| known.contains_key(a));
        let outermost = known.iter().filter(|(identity, _)| !is_inside(identity));
        let outermost = outermost.filter_map(|(one, at)| Some((one.clone(), *at.first()?)));
        Self {
            outermost: outermost.collect(),
            deletes,
            known,
            refused: None,
            inside: HashMap::new(),
        }
    }

    /// What tells of all of them.
    pub fn lookups(&self) -> DeleteLookups {
        let mut by_subscription: HashMap<Option<Identity>, Vec<&Identity>> = HashMap::new();
        for identity in self.outermost.keys() {
            let mut above = identity.ancestors().into_iter();
            let subscription = above.find(Identity::is_subscription);
            by_subscription
                .entry(subscription)
                .or_default()
                .push(identity);
        }
        let (mut claims, mut below) = (Vec::new(), Vec::new());
        for (subscription, outermost) in by_subscription {
            match subscription {
                Some(subscription) if outermost.len() > LISTS => below.push(subscription),
                _ => {
                    claims.extend(outermost.iter().copied().cloned());
                    below.extend(outermost.into_iter().cloned());
                }
            }
        }
        DeleteLookups { claims, below }
    }

    /// Whether a claim tells of one of them: what cannot be read is nobody's business
    /// otherwise.
    pub fn is_about(&self, identity: &Identity) -> bool {
        let mut above = identity.ancestors().into_iter();
        self.known.contains_key(identity) || above.any(|one| self.outermost.contains_key(&one))
    }

    /// Takes a claim that was read or listed; each may come any number of times.
    pub fn take(&mut self, record: Record) {
        for &at in self.known.get(&record.identity).into_iter().flatten() {
            let (copy, identity) = &self.deletes[at];
            let is_first = self.refused.as_ref().is_none_or(|(first, _)| at < *first);
            if is_first && let Err(refusal) = others_depend(Some(&record), identity, copy) {
                self.refused = Some((at, refusal));
            }
        }
        for outer in record.identity.ancestors() {
            let Some(&at) = self.outermost.get(&outer) else {
                continue;
            };
            let copy = &self.deletes[at].0;
            if dependents(&outer, copy, [&record]).is_err() {
                let inside = self.inside.entry(at).or_default();
                inside.retain(|known| known.identity != record.identity);
                inside.push(record);
            }
            return;
        }
    }

    /// What it came to, once all was looked up.
    ///
    /// # Errors
    /// [`Refusal::ChildRefused`] of the first of the copies that may not be deleted.
    pub fn outcome(self) -> Result<(), Refusal> {
        let of_child = |copy: &CopyRef, refusal| Refusal::ChildRefused {
            child: copy.clone(),
            refusal: Box::new(refusal),
        };
        if let Some((at, refusal)) = self.refused {
            return Err(of_child(&self.deletes[at].0, refusal));
        }
        let inside: BTreeSet<usize> = self.inside.keys().copied().collect();
        for at in inside {
            let (copy, identity) = &self.deletes[at];
            dependents(identity, copy, &self.inside[&at])
                .map_err(|refusal| of_child(copy, refusal))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::testing::{Story, account, account_copy, copy, creating, group};
    use super::super::{Dependent, acquire};
    use super::*;
    use crate::policy::Policy::{Manage, Skip};

    fn nth(number: usize) -> Identity {
        format!("/subscriptions/s/resourceGroups/rg-{number}")
            .parse()
            .unwrap()
    }

    fn of_child(outcome: Result<(), Refusal>) -> (CopyRef, Refusal) {
        let Err(Refusal::ChildRefused { child, refusal }) = outcome else {
            panic!("{outcome:?}");
        };
        (child, *refusal)
    }

    #[test]
    fn what_is_inside_comes_with_what_contains_it() {
        let both = [(copy("a"), group()), (account_copy("a"), account())];
        let lookups = DeleteSet::new(both.to_vec()).lookups();
        let only = vec![group()];
        assert_eq!((lookups.claims, lookups.below), (only.clone(), only));
    }

    #[test]
    fn a_subscription_with_many_groups_is_listed_once() {
        let of = |count: usize| {
            let deletes = (0..count).map(|number| (copy("a"), nth(number)));
            DeleteSet::new(deletes.collect()).lookups()
        };
        let few = of(LISTS);
        assert_eq!((few.claims.len(), few.below.len()), (LISTS, LISTS));
        let many = of(LISTS + 1);
        assert_eq!(many.claims, []);
        assert_eq!(many.below, ["/subscriptions/s".parse().unwrap()]);
    }

    #[test]
    fn the_first_that_a_peer_depends_on_is_named() {
        let deletes: Vec<(CopyRef, Identity)> =
            (0..3).map(|number| (copy("a"), nth(number))).collect();
        let mut together = DeleteSet::new(deletes);
        for number in [2, 1] {
            let peer = creating(&copy("b"), "r", "u", 0);
            together.take(acquire(None, &nth(number), &peer).unwrap());
        }
        let (_, refusal) = of_child(together.outcome());
        let Refusal::PeersDepend { identity, .. } = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(identity, nth(1));
    }

    #[rstest]
    #[case::its_own("a", false)]
    #[case::of_another_cluster("b", true)]
    fn what_others_have_inside_counts(#[case] place: &str, #[case] refused: bool) {
        let mut together = DeleteSet::new(vec![(copy("a"), group())]);
        let inside = creating(&account_copy(place), "r", "u", 0);
        let claim = acquire(None, &account(), &inside).unwrap();
        // A list may bring it twice.
        together.take(claim.clone());
        together.take(claim);
        let outcome = together.outcome();
        assert_eq!(outcome.is_err(), refused);
        if refused {
            let (child, refusal) = of_child(outcome);
            let Refusal::ChildrenDepend { children, .. } = refusal else {
                panic!("{refusal:?}");
            };
            let [Dependent { identity, .. }] = &children[..] else {
                panic!("{children:?}");
            };
            assert_eq!((child, identity), (copy("a"), &account()));
        }
    }

    #[test]
    fn a_claim_without_peers_is_in_nobodys_way() {
        let mut together = DeleteSet::new(vec![(copy("a"), group())]);
        together.take(Story::default().found(&copy("a"), Manage).record().clone());
        assert!(together.clone().outcome().is_ok());
        let shared = Story::default().found(&copy("a"), Manage);
        together.take(shared.found(&copy("b"), Skip).record().clone());
        assert!(together.outcome().is_err());
    }
}
