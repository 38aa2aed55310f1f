//! The promises, held against what is stored.

use std::sync::Arc;

use aso_guard::arm::{Identity, Resolution};
use aso_guard::claim::{ClaimState, CopyRef, MemberCopy, RequestUid};
use aso_guard::cluster::Cluster as _;
use aso_guard::cluster::family::descendants;
use aso_guard::cluster::resolve::{self, Freshness, IdentityOutcome};
use aso_guard::object::{ObjectFacts, ObjectKey};
use aso_guard::policy::Policy;
use aso_guard::registry::Registry as _;

use super::super::world::claims;
use super::Story;

/// An object that is stored, and what it is.
struct Stored {
    member: usize,
    object: Arc<ObjectFacts>,
    policy: Policy,
    identity: Option<Resolution>,
}

impl Stored {
    fn stands_for(&self, identity: &Identity) -> bool {
        let all = self.identity.iter().flat_map(Resolution::identities);
        all.into_iter().any(|one| one == identity)
    }
}

impl Story {
    /// Has the observers look at everything, and checks what must be so then.
    pub(super) async fn check(&self) {
        for member in &self.members {
            for object in member.cluster.objects() {
                member.look(&object.key).await;
            }
        }
        let all = self.all().await;
        for one in all.iter().filter(|one| one.policy.is_live()) {
            self.check_claimed(one).await;
        }
        if self.slipped {
            return;
        }
        for one in all.iter().filter(|one| one.policy.is_live()) {
            let Some(identity) = one.identity.as_ref().map(|found| &found.identity) else {
                continue;
            };
            let live = all.iter().filter(|other| other.policy.is_live());
            let in_conflict: Vec<_> = live
                .filter(|other| {
                    other
                        .identity
                        .as_ref()
                        .is_some_and(|is| is.identity == *identity)
                })
                .map(|other| (other.member, &other.object.key))
                .collect();
            assert_eq!(
                in_conflict.len(),
                1,
                "{identity} has two live copies: {in_conflict:?}"
            );
        }
        for record in claims(&self.registry).await {
            assert_ne!(record.state(), ClaimState::Conflict, "{record:#?}");
        }
    }

    /// Whether it can be told what an object stands for.
    pub(super) async fn is_known(&self, member: usize, key: &ObjectKey) -> bool {
        let all = self.all().await;
        let mut all = all.iter();
        all.any(|one| one.member == member && one.object.key == *key && one.identity.is_some())
    }

    /// Every claim of a live object covers it.
    async fn check_claimed(&self, one: &Stored) {
        let copy = CopyRef {
            member: self.members[one.member].name.clone(),
            object: one.object.key.clone(),
        };
        for identity in one.identity.iter().flat_map(Resolution::identities) {
            let known = self.registry.claim(identity).await.unwrap();
            let record = known.map(|known| known.record);
            let held = record.as_ref().and_then(|record| record.copies.get(&copy));
            assert!(
                held.is_some_and(MemberCopy::is_live),
                "{copy} of {identity}: {record:#?}"
            );
        }
    }

    /// Deletes that were admitted take nothing from anybody else.
    pub(super) async fn check_delete(&self, member: usize, object: &ObjectFacts) {
        let policy = self.policy(member, object).await;
        if policy != Policy::Manage || object.terminating {
            return;
        }
        let IdentityOutcome::Known(found) =
            resolve::identity(&*self.members[member].cluster, object, Freshness::Store)
                .await
                .unwrap()
        else {
            return;
        };
        for other in self.all().await {
            let same = other.member == member && other.object.key == object.key;
            let near = other.member == member && other.object.key.namespace == object.key.namespace;
            for identity in found.identities() {
                assert!(same || !other.stands_for(identity), "{:?}", other.object);
                let other_is = other.identity.as_ref().map(|found| &found.identity);
                let below = other_is.is_some_and(|other| other.is_below(identity));
                assert!(
                    near || !other.policy.is_live() || !below,
                    "{:?}",
                    other.object
                );
            }
        }
    }

    /// A delete that was admitted and leaves Azure alone takes no live child along.
    pub(super) async fn check_children(&self, member: usize, object: &ObjectFacts) {
        let destructive = self.policy(member, object).await == Policy::Manage;
        let safe = destructive || object.terminating;
        assert!(safe || !self.takes_live_children(member, object).await);
    }

    /// Whether a child would be deleted in Azure with this object.
    pub(super) async fn takes_live_children(&self, member: usize, object: &ObjectFacts) -> bool {
        for child in descendants(&*self.members[member].cluster, &object.key) {
            if !child.terminating && self.policy(member, &child).await == Policy::Manage {
                return true;
            }
        }
        false
    }

    /// A refused request left nothing under way.
    pub(super) async fn check_taken_back(&self, call: &str) {
        let call = RequestUid::new(call);
        for record in claims(&self.registry).await {
            for copy in record.copies.values() {
                let mut all = copy.acquiring.iter().chain(&copy.deleting);
                assert!(all.all(|one| one.request != call), "{record:#?}");
            }
        }
    }

    pub(super) async fn policy(&self, member: usize, object: &ObjectFacts) -> Policy {
        let cluster = &*self.members[member].cluster;
        resolve::effective_policy(cluster, object, Freshness::Store)
            .await
            .unwrap()
            .policy
    }

    async fn all(&self) -> Vec<Stored> {
        let mut all = Vec::new();
        for (number, member) in self.members.iter().enumerate() {
            for object in member.cluster.objects() {
                let found = resolve::identity(&*member.cluster, &object, Freshness::Store)
                    .await
                    .unwrap();
                all.push(Stored {
                    member: number,
                    policy: self.policy(number, &object).await,
                    object,
                    identity: found.known(),
                });
            }
        }
        all
    }
}
