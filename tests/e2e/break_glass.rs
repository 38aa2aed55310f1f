//! `asoguard.io/override`: one refused request goes through, and everybody can see that it did.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::GUARD;
use crate::audit_log::AuditLog;
use crate::lab::aso::FINALIZER;
use crate::lab::guard;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
use crate::lab::world::{Lab, Plan};
use crate::shared_lab;

/// A namespace takes its time to go.
const GONE: Duration = Duration::from_mins(1);
const OVERRIDE: &str = "asoguard.io/override";

/// Writes everything that is not a read into a log, with the webhooks' annotations.
const AUDIT_POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, verbs: [get, list, watch]}
- {level: Metadata}
";

/// The claim of a story's resource group, once it is there.
async fn claim(hub: &Kubectl, resource: &str) -> anyhow::Result<Object> {
    let claims = hub.claims().await?;
    let found = claims
        .into_iter()
        .find(|claim| claim.text("/status/resource") == resource);
    found.ok_or_else(|| anyhow::anyhow!("no claim on {resource}"))
}

/// Waits until a delete would be refused.
async fn known_to_depend(person: &Kubectl, object: &Object) {
    eventually_refused("parked in cluster b as", async || {
        person.dry_run().delete(object).await
    })
    .await;
}

#[tokio::test]
async fn a_create_a_delete_and_what_is_left_over() {
    let story = Story::begin(shared_lab().await, "glass").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();

    for empty in ["", "   "] {
        let refusal = story
            .b
            .create(&group.clone().annotated(OVERRIDE, empty))
            .await;
        refusal.refused().because("is there, but empty");
    }
    let twin = group
        .clone()
        .annotated(OVERRIDE, "INC-7: we know")
        .with("/metadata/finalizers", json!([FINALIZER]));
    story
        .b
        .create(&twin)
        .await
        .admitted()
        .warning("aso-guard would refuse this, but admin overrides it: \"INC-7: we know\"")
        .warning("two ASOs write to")
        .warning("take it off again");
    let held = claim(&story.hub, "rg-glass").await.unwrap();
    assert_eq!(held.text("/status/state"), "Conflict");
    let entry = &held.0["status"]["history"][0];
    for (field, value) in [
        ("by", "admin"),
        ("action", "create"),
        ("why", "INC-7: we know"),
        ("refusal", "LiveElsewhere"),
        ("member", "b"),
    ] {
        assert_eq!(entry[field], value, "{entry}");
    }

    // The annotation is still there, and lets no delete through.
    let refusal = story.b.delete(&group).await.refused();
    refusal.because("was used already, to create it");
    // Annotated anew it does, once.
    story
        .b
        .annotate(&group, OVERRIDE, Some("and away"))
        .await
        .admitted();
    let gone = story.b.delete(&group).await.admitted();
    gone.warning("but admin overrides it: \"and away\"");
    story
        .a
        .delete(&group)
        .await
        .refused()
        .because("being deleted in cluster b as");
    let none = json!({"metadata": {"finalizers": null}});
    story.b.patch(&group, none).await.admitted();
}

#[tokio::test]
async fn the_history_outlives_the_last_copy() {
    let story = Story::begin(shared_lab().await, "glass-history").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    known_to_depend(&story.a, &group).await;
    story
        .a
        .annotate(&group, OVERRIDE, Some("all of it goes"))
        .await
        .admitted();
    story.a.delete(&group).await.admitted();
    story.b.delete(&group).await.admitted();
    eventually("both copies to be released", async || {
        let claim = claim(&story.hub, "rg-glass-history").await?;
        anyhow::ensure!(
            claim.text("/status/state") == "Free",
            "{}",
            claim.0["status"]
        );
        assert_eq!(claim.text("/status/history/0/why"), "all of it goes");
        Ok(())
    })
    .await;
    // It is in nobody's way.
    story.b.create(&group).await.admitted_silently();
}

#[tokio::test]
async fn an_override_in_flight_is_covered_when_the_peer_parks_and_goes() {
    let story = Story::begin(shared_lab().await, "glass-flight").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    let twin = group.clone().annotated(OVERRIDE, "on purpose");
    story.b.create(&twin).await.admitted();
    story.a.set_policy(&group, "skip").await.admitted();
    story.a.delete(&group).await.admitted();
    let third = story.namespace(&story.a, "glass-flight-other").await;
    for _ in 0..5 {
        third.create(&group).await.refused();
    }
    eventually("only B to be left", async || {
        let claim = claim(&story.hub, "rg-glass-flight").await?;
        let copies = claim.0["status"]["copies"].as_array().map_or(0, Vec::len);
        anyhow::ensure!(copies == 1, "{copies} copies");
        third.create(&group).await.refused();
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_namespace_goes_with_all_that_is_in_it() {
    let story = Story::begin(shared_lab().await, "glass-ns").await;
    let (namespace, group) = (Object::namespace("glass-ns"), story.resource_group("rg"));
    story.a.create(&group).await.admitted_silently();
    story
        .b
        .create(&group.clone().policy("skip"))
        .await
        .admitted();
    known_to_depend(&story.a, &group).await;
    eventually_refused("parked in cluster b as", async || {
        story.a.dry_run().delete(&namespace).await
    })
    .await;
    story
        .a
        .annotate(&namespace, OVERRIDE, Some("team is gone"))
        .await
        .admitted();
    let gone = story.a.delete(&namespace).await.admitted();
    gone.warning("but admin overrides it: \"team is gone\"");
    story.a.gone(&namespace, GONE).await.unwrap();
    let claim = claim(&story.hub, "rg-glass-ns").await.unwrap();
    let entry = &claim.0["status"]["history"][0];
    assert_eq!(entry["action"], "delete-with-namespace", "{entry}");
}

#[tokio::test]
async fn only_members_of_a_group_and_in_the_audit_log_and_without_a_registry() {
    let log = AuditLog::by(AUDIT_POLICY);
    let mut guard = guard::Plan::enforce(GUARD);
    guard.args = ["--override-groups", "breakers,system:masters"]
        .map(str::to_owned)
        .to_vec();
    let plan = Plan {
        guard: Some(guard),
        api_server_args: log.flags(),
        ..Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let story = Story::begin(&lab, "glass-groups").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    let twin = group.clone().annotated(OVERRIDE, "please, please");
    let developer = story.developer(&story.b).await;
    let refusal = developer.create(&twin).await.refused();
    refusal.because("only members of breakers, system:masters may override");
    let refusal = developer.create(&group).await.refused();
    assert!(!refusal.message.contains(OVERRIDE), "{refusal}");
    let namespace = Object::namespace("glass-groups");
    let own = story.resource_group("own");
    story.b.create(&own).await.admitted_silently();
    eventually("the namespace to be guarded", async || {
        let sneaky = developer
            .annotate(&namespace, OVERRIDE, Some("sneaky"))
            .await;
        let Err(refusal) = sneaky else {
            // Nothing of ASO's is in it yet: nothing is gained by it.
            developer.annotate(&namespace, OVERRIDE, None).await?;
            anyhow::bail!("not labelled yet")
        };
        refusal.because("allows every delete in it");
        Ok(())
    })
    .await;

    stuck_namespace(&lab).await;

    // The registry is gone: this is when it is needed.
    lab.hub().stop();
    let once = story.b.trying_once();
    let refusal = once.create(&group).await.refused().with_code(503);
    refusal
        .because("cannot tell whether this is safe")
        .because(OVERRIDE);
    once.create(&twin)
        .await
        .admitted()
        .warning("overrides it: \"please, please\"")
        .warning("cannot tell whether this is safe");
    logged(&log.file(), "please, please").await;
}

/// What a namespace's deletion comes to that nobody refused up front, as when a peer comes
/// later: Kubernetes' own controllers are refused like everybody, and the namespace says why it
/// stays.
async fn stuck_namespace(lab: &Lab) {
    let story = Story::begin(lab, "glass-stuck").await;
    let namespace = Object::namespace("glass-stuck");
    let group = story
        .resource_group("rg")
        .with("/metadata/finalizers", json!([FINALIZER]));
    story.a.create(&group).await.admitted_silently();
    let parked = group.clone().policy("skip");
    story.b.create(&parked).await.admitted();
    known_to_depend(&story.a, &group).await;
    let webhooks = "ValidatingWebhookConfiguration";
    let config = Object::new("admissionregistration.k8s.io/v1", webhooks, "aso-guard");
    let stored = story.a.get(&config).await.admitted().object;
    let asks = |webhook: &Value| webhook["name"] != "namespace.asoguard.io";
    let all = stored.0["webhooks"].clone();
    let some: Value = all
        .as_array()
        .map(|all| all.iter().filter(|one| asks(one)).cloned().collect())
        .unwrap_or_default();
    let unmanaged =
        |why: Value| json!({"metadata": {"annotations": {"asoguard.io/unmanaged": why}}});
    let mut without = unmanaged(json!("the namespace is to go"));
    without["webhooks"] = some;
    story.a.patch(&config, without).await.admitted();
    eventually("the namespace's delete to pass", async || {
        story.a.delete(&namespace).await.map_err(Into::into)
    })
    .await;
    let mut with = unmanaged(Value::Null);
    with["webhooks"] = all;
    story.a.patch(&config, with).await.admitted();
    eventually("Kubernetes to say why the namespace stays", async || {
        let stored = story.a.get(&namespace).await?.object;
        let said = stored.0["status"]["conditions"].to_string();
        anyhow::ensure!(
            said.contains("would delete resourceGroups/rg-glass-stuck"),
            "{said}"
        );
        Ok(())
    })
    .await;
    assert_eq!(
        story
            .a
            .get(&namespace)
            .await
            .admitted()
            .object
            .text("/status/phase"),
        "Terminating"
    );
    // Parked, it goes without harm.
    story.a.set_policy(&group, "skip").await.admitted();
    eventually("the copy to be on its way out", async || {
        let stored = story.a.get(&group).await?.object;
        anyhow::ensure!(
            !stored.text("/metadata/deletionTimestamp").is_empty(),
            "not yet"
        );
        Ok(())
    })
    .await;
    let none = json!({"metadata": {"finalizers": null}});
    story.a.patch(&group, none).await.admitted();
    let gone = story.a.gone(&namespace, GONE).await;
    assert!(gone.is_ok(), "{gone:?}");
}

/// The audit log of one of the API servers says why it was let through.
async fn logged(log: &Path, why: &str) {
    eventually("the audit log to say so", async || {
        let text = fs::read_to_string(log)?;
        let line = text.lines().find(|line| line.contains("/override\""));
        let line: Value = serde_json::from_str(line.unwrap_or("null"))?;
        let annotations = &line["annotations"];
        let of = |key: &str| annotations[&format!("write.asoguard.io/{key}")].clone();
        anyhow::ensure!(of("override") == why, "{annotations}");
        anyhow::ensure!(of("verdict") == "overridden", "{annotations}");
        anyhow::ensure!(of("reason") == "RegistryUnavailable", "{annotations}");
        Ok(())
    })
    .await;
}
