//! What the API server's own audit log says of the guard's verdicts.

#![allow(
    clippy::unwrap_used,
    reason = "what a story expects fails its test otherwise"
)]

use std::fs;

use serde_json::Value;

use crate::GUARD;
use crate::certificates::Guarded;
use crate::lab::guard::Plan;
use crate::lab::object::Object;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;

const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    resources: [{group: resources.azure.com}]
  - level: None
";

#[tokio::test]
async fn each_verdict_is_in_the_audit_log_with_its_reason() {
    let plan = Plan::enforce(GUARD);
    let (guarded, log) = Guarded::start_audited("audited", &plan, POLICY).await;
    let group = Object::of("ResourceGroup", "audited").azure_name("rg-audited");
    guarded.kubectl.create(&group).await.admitted();
    let namespace = Object::namespace("other");
    guarded.kubectl.apply(&namespace).await.admitted();
    let other = guarded.kubectl.in_namespace("other");
    other.create(&group).await.refused();
    let overriding = group.annotated("asoguard.io/override", "INC-7: a is gone");
    other.create(&overriding).await.admitted();

    let expected = [
        ("default", "allowed", "", ""),
        ("other", "refused", "LiveElsewhere", ""),
        ("other", "overridden", "LiveElsewhere", "INC-7: a is gone"),
    ];
    eventually("the three to be in the log", async || {
        let text = fs::read_to_string(log.file())?;
        let entries: Vec<Value> = text
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let of_group = entries.iter().filter(|entry| {
            entry["verb"] == "create"
                && entry["requestURI"]
                    .as_str()
                    .is_some_and(|uri| !uri.contains("dryRun"))
        });
        let said = of_group.map(|entry| {
            let word = |at: &str| {
                entry["annotations"][format!("write.asoguard.io/{at}")]
                    .as_str()
                    .unwrap_or("")
            };
            let namespace = entry["objectRef"]["namespace"].as_str().unwrap_or("");
            (namespace, word("verdict"), word("reason"), word("override"))
        });
        let said: Vec<_> = said.collect();
        anyhow::ensure!(said == expected, "{said:?}");
        Ok(())
    })
    .await;
}
