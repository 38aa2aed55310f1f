//! Kill -9 in each phase of what a guard does: before the claim, after the yes, while it
//! releases, while it takes back. (Between claim and yes: `kill`. While it enrols: `enrolment`.)

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use crate::diary::Diary;
use crate::kill::warm_up;
use crate::lab::aso::FINALIZER;
use crate::lab::guard::{self, Replica};
use crate::lab::object::Object;
use crate::lab::verdict::{Outcome, Verdict};
use crate::lab::wait::eventually;
use crate::proxy::{Proxy, Weather};
use crate::second_webhook::SecondWebhook;
use crate::table::conclude;
use crate::traffic::Resource;
use crate::trial::{DEADLINE, Trial, plan};

/// Long enough for a request to get to the guard, and for its answer to get back.
const A_MOMENT: Duration = Duration::from_millis(500);

fn one_replica() -> guard::Plan {
    guard::Plan {
        replicas: 1,
        ..plan()
    }
}

/// One replica each; A's has a bad line to the hub.
async fn with_proxy(name: &'static str) -> (Trial, Proxy) {
    let mut trial = Trial::begin(name).await;
    let proxy = Proxy::to_hub(&trial, "a").await;
    let registries = [&*proxy.registry(), &*trial.registry()];
    let plan = one_replica();
    trial.guard([&plan, &plan], registries).await;
    (trial, proxy)
}

fn of_a(trial: &Trial) -> &Replica {
    &trial.a.guard().replicas()[0]
}

fn resource(trial: &Trial, name: &str) -> Resource {
    Resource {
        id: trial.resource_group_id(name),
        copy: trial.resource_group(name),
    }
}

#[tokio::test]
async fn a_replica_dies_before_its_claim() {
    let (trial, proxy) = with_proxy("unclaimed").await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let names = ["created", "woken", "deleted"];
    let resources = names.map(|name| resource(&trial, name));
    let [created, woken, deleted] = &resources;
    a.create(&woken.copy.clone().policy("skip"))
        .await
        .admitted();
    a.create(&deleted.copy).await.admitted();
    trial.claim_becomes(&woken.id, "Parked").await;
    trial.claim_becomes(&deleted.id, "Live").await;

    proxy.set(Weather::Silent);
    let requests = async {
        let three = futures::join!(
            a.create(&created.copy),
            a.clear_policy(&woken.copy),
            a.delete(&deleted.copy),
        );
        [three.0, three.1, three.2]
    };
    let death = async {
        sleep(A_MOMENT).await;
        of_a(&trial).process.kill();
    };
    let (outcomes, ()) = futures::join!(requests, death);
    for outcome in outcomes {
        let said = outcome.unwrap_err().message;
        assert!(said.contains("failed calling webhook"), "{said}");
    }
    proxy.set(Weather::Fair);
    assert!(trial.hub_claim(&created.id).await.is_none());
    // Nobody has to wait for what never had a claim.
    b.create(&created.copy).await.admitted();
    b.create(&woken.copy).await.admitted();
    of_a(&trial).start_again().await.unwrap();
    let fault = "kill -9 before the claim: of a create, an un-skip, a delete";
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 3).await;
}

#[tokio::test]
async fn a_replica_dies_after_its_yes_and_before_the_store() {
    let trial = Trial::guarded("held", &one_replica()).await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let names = ["created", "woken", "deleted"];
    let resources = names.map(|name| resource(&trial, name));
    let [created, woken, deleted] = &resources;
    a.create(&woken.copy.clone().policy("skip"))
        .await
        .admitted();
    a.create(&deleted.copy).await.admitted();
    trial.claim_becomes(&woken.id, "Parked").await;
    trial.claim_becomes(&deleted.id, "Live").await;
    let second = SecondWebhook::of(&trial.a).await;
    let before = verdicts(of_a(&trial)).await.unwrap();
    second.hold();

    let requests = async {
        let outcomes = futures::join!(
            a.create(&created.copy),
            a.clear_policy(&woken.copy),
            a.delete(&deleted.copy),
        );
        for outcome in [outcomes.0, outcomes.1, outcomes.2] {
            outcome.admitted();
        }
    };
    let death = async {
        eventually("three more verdicts", async || {
            let now = verdicts(of_a(&trial)).await?;
            anyhow::ensure!(now >= before + 3.0, "{before}, and now {now}");
            Ok(())
        })
        .await;
        sleep(A_MOMENT).await;
        of_a(&trial).process.kill();
        let patient = b.trying_again();
        for resource in &resources {
            patient.create(&resource.copy).await.refused();
        }
        // It comes back before they are stored, sees none of it, and must wait. (Where it
        // took longer than they are held for, what was deleted may be free.)
        of_a(&trial).start_again().await.unwrap();
        for resource in [created, woken] {
            patient.create(&resource.copy).await.refused();
        }
    };
    let ((), ()) = futures::join!(requests, death);
    second.release();
    let fault = "kill -9 between yes and store: of a create, an un-skip, a delete";
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 3).await;
    for resource in [created, woken] {
        let refusal = b.create(&resource.copy).await.refused();
        refusal.because("live in cluster a");
    }
    b.create(&deleted.copy).await.admitted();
}

#[tokio::test]
async fn a_replica_dies_while_it_releases() {
    let (trial, proxy) = with_proxy("releasing").await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let resources = ["unread", "written", "gone"].map(|name| resource(&trial, name));
    let [unread, written, gone] = &resources;
    for resource in &resources {
        a.create(&resource.copy).await.admitted();
        trial.claim_becomes(&resource.id, "Live").await;
    }
    warm_up(&trial).await;

    // Before it has read the claim.
    proxy.set(Weather::Silent);
    a.set_policy(&unread.copy, "skip").await.admitted();
    sleep(A_MOMENT).await;
    of_a(&trial).process.kill();
    proxy.set(Weather::Fair);
    b.create(&unread.copy)
        .await
        .refused()
        .because("live in cluster a");
    of_a(&trial).start_again().await.unwrap();
    trial.claim_becomes(&unread.id, "Parked").await;
    warm_up(&trial).await;

    // After the write, before it knows; and what it has just released is taken at once.
    proxy.set(Weather::SlowAnswers(Duration::from_millis(800)));
    a.set_policy(&written.copy, "skip").await.admitted();
    a.set_policy(&gone.copy, "skip").await.admitted();
    a.delete(&gone.copy).await.admitted();
    trial.claim_becomes(&written.id, "Parked").await;
    b.create(&written.copy).await.admitted();
    of_a(&trial).process.kill();
    proxy.set(Weather::Fair);
    of_a(&trial).start_again().await.unwrap();
    let fault = "kill -9 while it releases: before the read, and between write and answer";
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 3).await;
    for free in [unread, gone] {
        b.create(&free.copy).await.admitted();
    }
}

/// A create inside of what is being deleted has its claim written before that is seen, and the
/// guard dies before it takes the claim back.
#[tokio::test]
async fn a_replica_dies_while_it_takes_back() {
    let (trial, proxy) = with_proxy("taking-back").await;
    let (a, b) = (&trial.a.person, &trial.b.person);
    let group = resource(&trial, "group");
    let finalized = group.copy.clone();
    let finalized = finalized.with("/metadata/finalizers", json!([FINALIZER]));
    b.create(&finalized).await.admitted();
    trial.claim_becomes(&group.id, "Live").await;
    b.delete(&finalized).await.admitted();
    trial.claim_becomes(&group.id, "Deleting").await;
    let inside = Resource {
        id: format!(
            "{}/providers/Microsoft.Storage/storageAccounts/inside",
            group.id
        ),
        copy: Object::of("StorageAccount", "inside")
            .azure_name("inside")
            .owner_arm_id(&group.id),
    };
    a.create(&inside.copy)
        .await
        .refused()
        .because("being deleted");
    eventually("the claim to be taken back", async || {
        anyhow::ensure!(trial.hub_claim(&inside.id).await.is_none());
        Ok(())
    })
    .await;

    warm_up(&trial).await;
    let answer = Duration::from_millis(600);
    proxy.set(Weather::SlowAnswers(answer));
    let death = async {
        marked(&trial, &inside.id, "acquiring").await;
        // Two answers later it has seen the delete, and reads the claim to take it back.
        sleep(answer * 5 / 2).await;
        of_a(&trial).process.kill();
    };
    let (outcome, ()): (Outcome, ()) = futures::join!(a.create(&inside.copy), death);
    outcome.unwrap_err();
    proxy.set(Weather::Fair);
    // Nobody took it back.
    marked(&trial, &inside.id, "acquiring").await;
    of_a(&trial).start_again().await.unwrap();
    let none = json!({"metadata": {"finalizers": null}});
    b.patch(&finalized, none).await.admitted();
    let fault = "kill -9 between a refusal and taking its claim back";
    let resources = [group, inside.clone()];
    conclude(&trial, fault, &resources, &Diary::default(), DEADLINE * 4).await;
    b.create(&inside.copy).await.admitted();
}

/// How many verdicts a replica has given.
async fn verdicts(replica: &Replica) -> anyhow::Result<f64> {
    let (_, text) = replica.ops("/metrics").await?;
    let counted = text
        .lines()
        .filter(|line| line.starts_with("aso_guard_requests_total{"));
    let values = counted.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    Ok(values.sum())
}

/// Waits until a request has left its mark on the claim of an ARM ID.
async fn marked(trial: &Trial, id: &str, mark: &str) {
    eventually(&format!("the mark on {id}"), async || {
        let claim = trial.hub_claim(id).await;
        let claim = claim.ok_or_else(|| anyhow::anyhow!("there is no claim"))?;
        let marks = claim.0["status"]["copies"][0][mark].as_array();
        anyhow::ensure!(marks.is_some(), "{}", claim.0["status"]);
        Ok(())
    })
    .await;
}
