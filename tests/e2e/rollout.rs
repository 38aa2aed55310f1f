//! A rolling restart: a Service that follows readiness, and API servers that keep connections.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::GUARD;
use crate::certificates::Guarded;
use crate::lab::guard::Plan;

/// So many calls at least.
const CALLS: usize = 10_000;

#[tokio::test]
async fn no_call_fails_while_replicas_are_replaced_one_after_the_other() {
    let plan = Plan {
        replicas: 2,
        self_signed: true,
        shutdown_notice: "10s".to_owned(),
        ..Plan::enforce(GUARD)
    };
    let guarded = Guarded::start("rollout", &plan).await;
    let (mut calls, mut failed, mut restarts) = (0, Vec::new(), 0);
    while calls < CALLS {
        let stop = CancellationToken::new();
        let rolling = async {
            for replica in guarded.guard.replicas() {
                sleep(Duration::from_secs(1)).await;
                replica.stop().await.unwrap();
                replica.start_again().await.unwrap();
                restarts += 1;
            }
            sleep(Duration::from_secs(1)).await;
            stop.cancel();
        };
        let ((more, mut said), ()) = futures::join!(guarded.load(&stop), rolling);
        calls += more;
        failed.append(&mut said);
    }
    println!(
        "{calls} calls, {restarts} restarts, {} failed",
        failed.len()
    );
    assert!(restarts >= 2);
    assert_eq!(failed, [""; 0]);
}
