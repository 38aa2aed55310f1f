//! A fleet moves from one registry to another one: guards that have both judge all the while, and
//! those that have one of them refuse what they cannot know.

use std::sync::Arc;
use std::time::Duration;

use aso_guard::admission::{GuardPair, Guards, router};
use aso_guard::claim::{ClaimState, EpochRecord, Fence, FenceProof, Justification, Migration};
use aso_guard::failover::{FailoverError, FenceRequest, LISTENED, fence};
use aso_guard::registry::memory::MemoryRegistry;
use aso_guard::registry::migration::{MovedBy, READY, Unready, cancel, step};
use aso_guard::registry::{MemberRecord, NextRegistry, Registry};
use axum::Router;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::answer::Answer;
use super::object::{Object, group};
use super::world::{Member, SETTINGS, ask, member};

/// Longer than any admitted request is under way.
const WAITED_OUT: Duration = Duration::from_secs(91);
const NAMES: [&str; 2] = ["a", "b"];

/// Two clusters, and two registries: guards that have the first one alone, and both.
pub struct Fleet {
    old: Arc<MemoryRegistry>,
    new: Arc<MemoryRegistry>,
    /// With the old one alone.
    alone: [Member; 2],
    /// With the new one alone.
    next: [Member; 2],
    /// With both.
    both: [Router; 2],
}

impl Fleet {
    /// The new registry is prepared, and every member says that it has it.
    pub async fn prepared() -> Self {
        let registries = [(); 2].map(|()| Arc::<MemoryRegistry>::default());
        let [old, new] = &registries;
        let alone = NAMES.map(|name| Member::new(name, old.clone(), SETTINGS));
        for name in NAMES {
            for registry in &registries {
                registry.put_member(&member(name), None).await.unwrap();
            }
        }
        alone[0].epoch.look().await.unwrap();
        let moved = step((&**old, &**new), false, Timestamp::now()).await;
        assert_eq!(moved.unwrap(), MovedBy::Prepared);
        let id = new.epoch().await.unwrap().unwrap().record.epoch.id;
        for name in NAMES {
            let known = old.member(&name.parse().unwrap()).await.unwrap().unwrap();
            let since = known.record.heard - READY;
            let next = Some(NextRegistry {
                id: id.clone(),
                since,
            });
            let record = MemberRecord {
                next,
                ..known.record
            };
            let put = old.put_member(&record, Some(&known.version));
            put.await.unwrap();
        }
        let next = [0, 1].map(|at| {
            let cluster = alone[at].cluster.clone();
            Member::around(NAMES[at], new.clone(), SETTINGS, cluster.clone(), cluster)
        });
        let both = [0, 1].map(|at| {
            router(Guards::Two(Arc::new(GuardPair {
                old: alone[at].guard.clone(),
                new: next[at].guard.clone(),
            })))
        });
        let [old, new] = registries;
        Self {
            old,
            new,
            alone,
            next,
            both,
        }
    }

    async fn step(&self) -> MovedBy {
        let both: (&dyn Registry, &dyn Registry) = (&*self.old, &*self.new);
        step(both, true, Timestamp::now()).await.unwrap()
    }

    /// Guards with the old one alone begin to refuse.
    pub async fn close(&self) {
        assert_eq!(self.step().await, MovedBy::Closing);
    }

    /// From there to the end.
    pub async fn finish(&self) {
        self.bring_in().await;
        for expected in [MovedBy::Closed, MovedBy::Opened, MovedBy::Done] {
            assert_eq!(self.step().await, expected);
        }
    }

    /// Until nobody is awaited in the new one any more.
    async fn bring_in(&self) {
        assert_eq!(self.step().await, MovedBy::AllAwaited);
        let MovedBy::Awaiting(awaited) = self.step().await else {
            panic!("nobody is awaited");
        };
        assert_eq!(awaited.len(), 2);
        for next in &self.next {
            next.epoch.look().await.unwrap();
        }
        tokio::time::advance(WAITED_OUT).await;
        for next in &self.next {
            next.epoch.enrol(&*next.observer).await.unwrap();
        }
    }

    /// Whether a member is fenced in the old one.
    async fn set_fence(&self, name: &str, fence: Option<Fence>) {
        let known = self.old.member(&name.parse().unwrap()).await;
        let known = known.unwrap().unwrap();
        let record = MemberRecord {
            fence,
            ..known.record
        };
        let put = self.old.put_member(&record, Some(&known.version));
        put.await.unwrap();
    }

    /// Guards with the old one alone look at it.
    pub async fn look(&self) {
        self.alone[0].epoch.look().await.unwrap();
    }

    /// The answer of a guard with the old one alone.
    pub async fn ask_alone(&self, review: &Value) -> Answer {
        self.alone[0].ask(review).await
    }

    /// The answer of a guard with the new one alone.
    pub async fn ask_next(&self, review: &Value) -> Answer {
        self.next[0].ask(review).await
    }

    async fn ask(&self, at: usize, review: &Value) -> Answer {
        ask(&self.both[at], "10s", review).await
    }

    /// What an object's claims say in both.
    async fn states(&self, name: &str) -> [Option<ClaimState>; 2] {
        let identity = format!(
            "/subscriptions/{}/resourceGroups/{name}",
            super::world::SUBSCRIPTION
        );
        let identity = identity.parse().unwrap();
        let old = self.old.claim(&identity).await.unwrap();
        let new = self.new.claim(&identity).await.unwrap();
        [old, new].map(|known| known.map(|known| known.record.state()))
    }
}

/// Both want it: `a` gets it, and `b` does not.
async fn is_for_one(fleet: &Fleet, object: &Object) {
    fleet.ask(0, &object.create()).await.admitted();
    fleet
        .ask(1, &object.create())
        .await
        .refused(403, "LiveElsewhere");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_moves_and_nothing_is_refused_for_it() {
    let fleet = Fleet::prepared().await;
    is_for_one(&fleet, &group("first")).await;
    let [old, new] = fleet.states("first").await;
    assert!(old.is_some() && new.is_none(), "{old:?} {new:?}");
    // It is stored before the members bring their copies in.
    fleet.alone[0].store(&group("first")).await;

    fleet.close().await;
    is_for_one(&fleet, &group("second")).await;
    let [old, new] = fleet.states("second").await;
    assert!(old.is_some() && new.is_some(), "{old:?} {new:?}");
    fleet.alone[0].store(&group("second")).await;
    fleet.finish().await;

    for name in ["first", "second"] {
        let review = group(name).create();
        fleet.ask(1, &review).await.refused(403, "LiveElsewhere");
        fleet.next[1]
            .ask(&review)
            .await
            .refused(403, "LiveElsewhere");
    }
    is_for_one(&fleet, &group("third")).await;
    let [old, new] = fleet.states("third").await;
    assert!(old.is_none() && new.is_some(), "{old:?} {new:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_has_one_of_them_alone_refuses_what_it_cannot_know() {
    let fleet = Fleet::prepared().await;
    let review = group("rg").create();
    fleet
        .ask_next(&review)
        .await
        .refused(503, "RegistryRebuilding");
    fleet.ask_alone(&review).await.admitted();
    fleet.close().await;
    fleet.look().await;
    fleet
        .ask_alone(&group("x").create())
        .await
        .refused(503, "RegistryRebuilding");
    let parked = group("parked").policy("skip").create();
    fleet.ask_alone(&parked).await.admitted();
    fleet.finish().await;
    fleet.look().await;
    fleet
        .ask_alone(&group("y").create())
        .await
        .refused(503, "RegistryRebuilding");
    fleet.next[0].epoch.look().await.unwrap();
    fleet.ask_next(&group("z").create()).await.admitted();
}

#[tokio::test(start_paused = true)]
async fn a_move_is_given_up_while_the_old_registry_closes() {
    let fleet = Fleet::prepared().await;
    fleet.close().await;
    is_for_one(&fleet, &group("one")).await;
    assert!(cancel(&*fleet.old).await.unwrap());
    is_for_one(&fleet, &group("two")).await;
    let [old, new] = fleet.states("two").await;
    assert!(old.is_some() && new.is_none(), "{old:?} {new:?}");
    fleet.look().await;
    fleet.ask_alone(&group("three").create()).await.admitted();
}

/// Its guard would heed the fence no longer: nobody says anything of it in the new one.
#[tokio::test(start_paused = true)]
async fn a_member_that_is_fenced_keeps_the_old_registry_from_being_closed_for_good() {
    let fleet = Fleet::prepared().await;
    fleet.close().await;
    fleet.bring_in().await;
    let fence = Fence {
        at: Timestamp::now(),
        by: "ann".into(),
        why: Justification::new("it burned").unwrap(),
        proof: FenceProof::ClusterGone,
        until: Timestamp::now(),
        heard: Timestamp::now(),
    };
    fleet.set_fence("b", Some(fence)).await;
    let fenced = vec![Unready::Fenced("b".parse().unwrap())];
    assert_eq!(fleet.step().await, MovedBy::Unready(fenced));
    fleet.set_fence("b", None).await;
    assert_eq!(fleet.step().await, MovedBy::Closed);
}

#[tokio::test(start_paused = true)]
async fn who_is_fenced_while_the_old_registry_begins_to_close_is_not() {
    let fleet = Fleet::prepared().await;
    let request = FenceRequest {
        member: "b".parse().unwrap(),
        proof: FenceProof::ClusterGone,
        silence: SignedDuration::ZERO,
        wait: SignedDuration::ZERO,
        by: "ann".into(),
        why: Justification::new("it burned").unwrap(),
    };
    let closing = async {
        tokio::time::sleep(LISTENED / 2).await;
        fleet.close().await;
    };
    let (fenced, ()) = tokio::join!(fence(&*fleet.old, &request, Timestamp::now), closing);
    assert!(matches!(fenced, Err(FailoverError::Moving)), "{fenced:?}");
    let known = fleet.old.member(&request.member).await.unwrap().unwrap();
    assert_eq!(known.record.fence, None);
}

#[tokio::test(start_paused = true)]
async fn nobody_judges_by_two_registries_that_do_not_fit() {
    let fleet = Fleet::prepared().await;
    let known = fleet.new.epoch().await.unwrap().unwrap();
    let record = EpochRecord {
        migration: Some(Migration::After {
            old: "another".into(),
            since: None,
        }),
        ..known.record
    };
    let put = fleet.new.put_epoch(&record, Some(&known.version));
    put.await.unwrap();
    fleet.next[0].epoch.look().await.unwrap();
    let answer = fleet.ask(0, &group("rg").create()).await;
    answer.refused(503, "RegistryRebuilding");
    let parked = group("rg").policy("skip").create();
    fleet.ask(0, &parked).await.admitted();
}
