//! Answers that are processed after what happened since they were made. A read and a watch have
//! connections of their own, and whoever is slow on the one may be quick on the other.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::diary::Diary;
use crate::lab::guard::Plan;
use crate::lab::timeline::about;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::load::{Conditions, LATE_ANSWERS};
use crate::person::Habit;
use crate::proxy::{Proxy, Weather};
use crate::second_webhook::SecondWebhook;
use crate::table::conclude;
use crate::traffic::{self, Resource};
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 10;
const FOR: Duration = Duration::from_secs(40);
/// Long enough for a guard to have taken up an event, and shorter than its patience with a read.
const A_MOMENT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn both_clusters_create_and_delete_the_same_groups_under_load() {
    let busy = Conditions::Busy(&[LATE_ANSWERS]);
    let trial = Trial::guarded_in(busy, SEED, "late", &plan()).await;
    let resources = traffic::groups(&trial, 12);
    let stop = CancellationToken::new();
    let work = traffic::work_by(Habit::CreateAndDelete, &trial, &resources, SEED, &stop);
    let end = async {
        sleep(FOR).await;
        stop.cancel();
    };
    let (diary, ()) = futures::join!(work, end);
    let fault = format!("the same twelve groups created and deleted for {FOR:?}");
    conclude(&trial, &fault, &resources, &diary, DEADLINE * 4).await;
}

/// "It is not there", says the API server, and while that answer is on its way the object is
/// stored and the event of it processed: its create is over, and the object is not gone.
#[tokio::test]
async fn an_answer_that_is_older_than_the_event_releases_nothing() {
    let mut trial = Trial::begin("not-there").await;
    trial.put_proxies(SEED).await;
    let (to_hub, registry) = (Proxy::to_hub(&trial, "a").await, trial.registry());
    let one = Plan {
        replicas: 1,
        ..plan()
    };
    trial
        .guard([&one, &one], [&to_hub.registry(), &registry])
        .await;
    let second = SecondWebhook::of(&trial.a).await;
    let (a, b, proxy) = (&trial.a.person, &trial.b.person, trial.a.proxy());
    let resource = Resource {
        id: trial.resource_group_id("group"),
        copy: trial.resource_group("group"),
    };
    a.create(&resource.copy).await.admitted();
    trial.claim_becomes(&resource.id, "Live").await;

    // What the guard is told late is the reason why it looks while the next create is under way.
    proxy.hold_events(true);
    a.delete(&resource.copy).await.admitted();
    second.hold();
    let looks = async {
        eventually("the next create to be under way", async || {
            let claim = trial.hub_claim(&resource.id).await;
            let claim = claim.ok_or_else(|| anyhow::anyhow!("there is no claim"))?;
            let acquiring = &claim.0["status"]["copies"][0]["acquiring"];
            anyhow::ensure!(acquiring.is_array(), "{}", claim.0["status"]);
            Ok(())
        })
        .await;
        let before = proxy.held();
        proxy.hold_answers(Some(about("resourcegroups", resource.copy.name())));
        proxy.hold_events(false);
        eventually("the guard to look", async || {
            anyhow::ensure!(proxy.held() > before, "no answer is held");
            Ok(())
        })
        .await;
        second.release();
    };
    let (created, ()) = futures::join!(a.create(&resource.copy), looks);
    created.admitted();
    sleep(A_MOMENT).await;
    // Should the guard drop the claim, it is some time until it has found that out.
    to_hub.set(Weather::SlowAnswers(A_MOMENT));
    proxy.hold_answers(None);
    for _ in 0..100 {
        b.create(&resource.copy).await.refused();
        sleep(Duration::from_millis(20)).await;
    }
    let fault = "\"not there\" processed after the object was stored and its event processed";
    conclude(&trial, fault, &[resource], &Diary::default(), DEADLINE * 4).await;
}
