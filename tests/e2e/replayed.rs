//! The audit log that a real API server wrote, replayed: what went wrong in it is found.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::time::Duration;

use serde_json::Value;

use crate::GUARD;
use crate::audit_log::FOR_REPLAY;
use crate::certificates::Guarded;
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::process::output;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;

/// No replay of the lab takes longer.
const BOUND: Duration = Duration::from_mins(1);
#[tokio::test]
async fn what_went_wrong_is_found_in_the_log_of_a_real_api_server() {
    // In audit mode a guard lets everything happen.
    let plan = Plan::audit(GUARD);
    let (guarded, log) = Guarded::start_audited("replayed", &plan, FOR_REPLAY).await;
    let group = Object::of("ResourceGroup", "one").azure_name("rg-replayed");
    guarded.kubectl.apply(&group).await.admitted();
    let namespace = Object::namespace("other");
    guarded.kubectl.apply(&namespace).await.admitted();
    let other = guarded.kubectl.in_namespace("other");
    other.create(&group).await.admitted();
    other.set_policy(&group, "skip").await.admitted();
    guarded.kubectl.delete(&group).await.admitted();

    let log = format!("--audit-log=main={}", log.file().display());
    let expected = [
        ("refused", "CREATE LiveElsewhere"),
        ("refused", "DELETE PeersDepend"),
        (
            "conflict",
            "resourceGroups/rg-replayed was live as main/default/ResourceGroup/one and main/other/ResourceGroup/one from 2",
        ),
    ];
    eventually("all of it to be in the log", async || {
        let ended = output(GUARD.as_ref(), &["replay", &log, "-o=json"], BOUND).await?;
        let report: Value = serde_json::from_slice(&ended.stdout)?;
        let found = report["findings"].as_array().cloned().unwrap_or_default();
        let is = |one: &Value, (rule, words): (&str, &str)| {
            one["rule"] == rule
                && one["message"]
                    .as_str()
                    .is_some_and(|told| told.contains(words))
        };
        let all = expected
            .iter()
            .all(|&what| found.iter().any(|one| is(one, what)));
        anyhow::ensure!(all && found.len() == expected.len(), "{report:#}");
        Ok(())
    })
    .await;
}
