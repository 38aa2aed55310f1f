//! Replicas that are killed, at any moment and in the worst ones.

use std::time::Duration;

use rstest::rstest;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::diary::Diary;
use crate::lab::guard::{self, Replica};
use crate::lab::verdict::{Outcome, Verdict};
use crate::lab::wait::eventually;
use crate::load::{BUSY, Conditions};
use crate::proxy::{Proxy, Weather};
use crate::random::Random;
use crate::table::conclude;
use crate::traffic::{self, Resource};
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 1;
const TIMES: usize = 8;
/// How often a replica is given the chance to die in time.
const ATTEMPTS: usize = 5;

#[rstest]
#[case::calm(Conditions::Calm)]
#[case::under_load(BUSY)]
#[tokio::test]
async fn replicas_are_killed_at_random_while_both_clusters_work(#[case] conditions: Conditions) {
    let trial = Trial::guarded_in(conditions, SEED, "kill", &plan()).await;
    let resources = traffic::resources(&trial, 12);
    let stop = CancellationToken::new();
    let kill = async {
        let mut random = Random::new(SEED);
        let replicas: Vec<&Replica> = [&trial.a, &trial.b]
            .into_iter()
            .flat_map(|side| side.guard().replicas())
            .collect();
        for _ in 0..TIMES {
            sleep(random.millis(200, 1_500)).await;
            let replica = random.one_of(&replicas);
            replica.process.kill();
            sleep(random.millis(0, 800)).await;
            replica.start_again().await.unwrap();
        }
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), kill);
    let fault = format!("kill -9 of one of four replicas, {TIMES} times");
    conclude(&trial, &fault, &resources, &diary, DEADLINE * 4).await;
}

/// Between the claim and the yes: the guard dies before it hears that its mark was written.
#[tokio::test]
async fn a_replica_dies_after_its_claim_and_before_its_yes() {
    let mut trial = Trial::begin("dying").await;
    let proxy = Proxy::to_hub(&trial, "a").await;
    let registries = [&*proxy.registry(), &*trial.registry()];
    let one = guard::Plan {
        replicas: 1,
        ..plan()
    };
    trial.guard([&one, &one], registries).await;
    let (a, b) = (&trial.a.person, trial.b.person.trying_again());
    let live = async |resource: &Resource| {
        a.trying_again().create(&resource.copy).await.admitted();
        trial.claim_becomes(&resource.id, "Live").await;
    };
    let parked = async |resource: &Resource| {
        let copy = resource.copy.clone().policy("skip");
        a.trying_again().create(&copy).await.admitted();
        trial.claim_becomes(&resource.id, "Parked").await;
    };
    let replica = &trial.a.guard().replicas()[0];
    let death = Death {
        trial: &trial,
        proxy: &proxy,
    };

    let delete = async |resource: &Resource| a.delete(&resource.copy).await;
    let over_delete = death.during("deleted", "deleting", live, delete).await;
    replica.start_again().await.unwrap();
    let wake = async |resource: &Resource| a.clear_policy(&resource.copy).await;
    let over_wake = death.during("woken", "acquiring", parked, wake).await;
    replica.start_again().await.unwrap();
    let create = async |resource: &Resource| a.create(&resource.copy).await;
    let over_create = death
        .during("created", "acquiring", async |_| {}, create)
        .await;
    let [deleted, woken, created] =
        [&over_delete, &over_wake, &over_create].map(|all| all.last().unwrap().clone());
    // For all anybody knows, the API server may yet store it: B must wait.
    let refusal = b.create(&created.copy).await.refused();
    refusal.because("going live in cluster a");
    replica.start_again().await.unwrap();

    let fault = "kill -9 between claim and yes: of a delete, an un-skip, a create";
    let resources = [over_delete, over_wake, over_create].concat();
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 3).await;
    let a = a.trying_again();
    b.create(&created.copy).await.admitted();
    a.clear_policy(&woken.copy).await.admitted();
    a.delete(&deleted.copy).await.admitted();
    eventually("the deleted resource to be free", async || {
        b.create(&deleted.copy).await.map_err(Into::into)
    })
    .await;
}

/// How A's replica is made to die between a claim and its yes.
struct Death<'a> {
    trial: &'a Trial,
    proxy: &'a Proxy,
}

impl Death<'_> {
    /// Has A's replica die when a request has left its mark on the hub. On a machine so busy that
    /// it was quicker to say yes, it is done once more, with another resource: gives all that
    /// were tried, the last of which it died over.
    async fn during(
        &self,
        name: &str,
        mark: &str,
        prepare: impl AsyncFn(&Resource),
        request: impl AsyncFn(&Resource) -> Outcome,
    ) -> Vec<Resource> {
        let replica = &self.trial.a.guard().replicas()[0];
        let mut tried = Vec::new();
        for attempt in 1..=ATTEMPTS {
            let name = format!("{name}-{attempt}");
            let resource = Resource {
                id: self.trial.resource_group_id(&name),
                copy: self.trial.resource_group(&name),
            };
            prepare(&resource).await;
            warm_up(self.trial).await;
            self.proxy
                .set(Weather::SlowAnswers(Duration::from_millis(1_200)));
            let answered = CancellationToken::new();
            let asks = async {
                let outcome = request(&resource).await;
                answered.cancel();
                outcome
            };
            let dies = async {
                while !answered.is_cancelled() && !self.is_marked(&resource, mark).await {
                    sleep(Duration::from_millis(20)).await;
                }
                replica.process.kill();
            };
            let (outcome, ()) = futures::join!(asks, dies);
            self.proxy.set(Weather::Fair);
            let is_marked = self.is_marked(&resource, mark).await;
            tried.push(resource);
            match outcome {
                Err(refusal) if refusal.is_unheard() && is_marked => return tried,
                outcome => println!("it was quicker: {outcome:?}"),
            }
            replica.start_again().await.unwrap();
        }
        panic!("{name}: it was quicker each time");
    }

    async fn is_marked(&self, resource: &Resource, mark: &str) -> bool {
        let claim = self.trial.hub_claim(&resource.id).await;
        claim.is_some_and(|claim| claim.0["status"]["copies"][0][mark].is_array())
    }
}

/// Has A's guard open some connections to the hub, for on the slow line it would take too long.
pub async fn warm_up(trial: &Trial) {
    let person = trial.a.person.dry_run().trying_again();
    let probes: Vec<_> = (0..8)
        .map(|number| trial.resource_group(&format!("probe-{number}")))
        .collect();
    let asked = futures::future::join_all(probes.iter().map(|probe| person.create(probe))).await;
    for outcome in asked {
        outcome.admitted();
    }
}
