//! That the checker and the diaries see what they are there to see: the same people at work,
//! with guards that only warn, and with something in everybody's way.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::checker::Seen;
use crate::lab::guard::Plan;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, until};
use crate::second_webhook::registration;
use crate::traffic::{self, Resource};
use crate::trial::{Trial, plan};

const SEED: u64 = 0;
/// How many requests there are among which something goes wrong for certain.
const ENOUGH: usize = 300;
const PATIENCE: Duration = Duration::from_mins(1);

fn audit() -> Plan {
    Plan {
        mode: "audit".to_owned(),
        replicas: 1,
        ..plan()
    }
}

#[tokio::test]
async fn with_guards_that_only_warn_it_all_goes_wrong_and_is_seen() {
    let trial = Trial::guarded("sight", &audit()).await;
    let resources = traffic::resources(&trial, 12);
    let stop = CancellationToken::new();
    let story = async {
        // However long that takes on a busy machine.
        until("enough to go wrong", PATIENCE, async || {
            let tallies = [&trial.a, &trial.b].map(|side| side.person.tally());
            let admitted = tallies.map(|tally| tally.admitted.load(Ordering::Relaxed));
            anyhow::ensure!(admitted.iter().sum::<usize>() >= ENOUGH, "{admitted:?}");
            Ok(())
        })
        .await
        .unwrap();
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), story);
    assert!(!diary.doubles().is_empty(), "no doubles were seen");
    assert!(
        !diary.unsafe_deletes().is_empty(),
        "no unsafe delete was seen"
    );
    let findings = Seen::now(&trial).await.unwrap().findings();
    assert!(
        findings.iter().any(|f| f.contains("two live copies")),
        "{findings:?}"
    );
}

#[tokio::test]
async fn what_blocks_the_safe_steps_and_what_stays_stuck_is_seen() {
    let trial = Trial::guarded("blocked", &audit()).await;
    let resources = traffic::resources(&trial, 6);
    let stop = CancellationToken::new();
    let story = async {
        sleep(Duration::from_secs(2)).await;
        // Nobody answers there, and nothing goes without an answer.
        let nobody = json!({"url": "https://127.0.0.1:9/validate"});
        let webhook = registration(&nobody, trial.name, &["CREATE", "UPDATE"]);
        trial.a.person.apply(&webhook).await.admitted();
        sleep(Duration::from_secs(4)).await;
        stop.cancel();
    };
    let (diary, ()) = futures::join!(traffic::work(&trial, &resources, SEED, &stop), story);
    assert!(!diary.blocked.is_empty(), "no safe step was blocked");
    let free = Resource {
        id: trial.resource_group_id("free"),
        copy: trial.resource_group("free"),
    };
    let seen = Seen::now(&trial).await.unwrap();
    eventually("what nobody may have to be seen", async || {
        let stuck = traffic::stuck(&trial, std::slice::from_ref(&free), &seen).await;
        anyhow::ensure!(!stuck.is_empty(), "nothing is stuck");
        Ok(())
    })
    .await;
}
