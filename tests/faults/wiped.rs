//! The hub's claims are deleted while people work in both clusters, and once its members with them.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::lab::kubectl::EPOCH;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::until;
use crate::table::{conclude, say};
use crate::traffic;
use crate::trial::{DEADLINE, Trial, plan};

const SEED: u64 = 11;
/// How long people work before, between and after.
const A_WHILE: Duration = Duration::from_secs(3);

#[tokio::test]
async fn claims_that_are_deleted_are_noticed_and_come_back() {
    let trial = Trial::guarded("wiped", &plan()).await;
    let resources = traffic::resources(&trial, 8);
    let stop = CancellationToken::new();
    let losses = async {
        sleep(A_WHILE).await;
        for kinds in [&["Claim"][..], &["Claim", "Member"]] {
            let before = epoch(&trial).await.unwrap();
            let began = Instant::now();
            for kind in kinds {
                let all = Object::new("asoguard.io/v1alpha1", kind, "");
                trial.hub.delete_collection(&all).await.admitted();
            }
            // Nobody is told yes that rests on claims, in a cluster that holds nothing itself.
            let person = trial.b.person.dry_run();
            let refusal = person.create(&trial.resource_group("new")).await.refused();
            refusal.with_code(503).because("does not know all copies");
            let uid = before.text("/metadata/uid");
            until("the registry to be whole again", DEADLINE * 4, async || {
                let now = epoch(&trial).await?;
                anyhow::ensure!(now.text("/metadata/uid") != uid, "it is the same one");
                let state = now.text("/status/state");
                anyhow::ensure!(state == "Whole", "{}", now.0["status"]);
                Ok(())
            })
            .await
            .unwrap();
            say(&format!(
                "all of {} deleted: whole again after {:.1?}, {DEADLINE:?} of it to wait out what \
                 had been admitted before",
                kinds.join(" and "),
                began.elapsed()
            ));
            sleep(A_WHILE).await;
        }
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), losses);
    let fault = "all claims deleted, and then all claims and members";
    conclude(&trial, fault, &resources, &diary, DEADLINE * 4).await;
}

/// What the hub says of itself.
async fn epoch(trial: &Trial) -> anyhow::Result<Object> {
    let epoch = Object::new("asoguard.io/v1alpha1", "Claim", EPOCH);
    Ok(trial.hub.get(&epoch).await?.object)
}
