//! That the checker and the diaries see what they are there to see: the same people at work,
//! with guards that only warn.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::checker::Seen;
use crate::lab::guard::Plan;
use crate::traffic;
use crate::trial::{Trial, plan};

const SEED: u64 = 0;

#[tokio::test]
async fn with_guards_that_only_warn_it_all_goes_wrong_and_is_seen() {
    let audit = Plan {
        mode: "audit".to_owned(),
        replicas: 1,
        ..plan()
    };
    let trial = Trial::guarded("sight", &audit).await;
    let resources = traffic::resources(&trial, 12);
    let stop = CancellationToken::new();
    let story = async {
        sleep(Duration::from_secs(4)).await;
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
