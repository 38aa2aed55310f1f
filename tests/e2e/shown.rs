//! What slipped past the webhook is found and shown, on the objects and on the claim, in
//! every cluster that it concerns.
//!
//! In this lab nobody asks the guards: they run, and their webhook is away. Objects that
//! are older than the guards are there, too.

use serde_json::json;

use crate::GUARD;
use crate::lab::crds::SUBSCRIPTION;
use crate::lab::guard;
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::lab::world::{Cluster, Lab, Plan};

/// Another subscription.
const ELSEWHERE: &str = "99999999-1111-2222-3333-444444444444";
/// What nobody but ASO may see of a credential.
const MARKER: &str = "marker-of-a-secret-7f3a";
/// The same as API servers write it.
const MARKER_IN_BASE64: &str = "bWFya2VyLW9mLWEtc2VjcmV0";

/// The Events on an object, as `kubectl describe` finds them: reason, type and note.
async fn events(
    person: &Kubectl,
    object: &Object,
) -> anyhow::Result<Vec<(String, String, String)>> {
    let stored = person.get(object).await?.object;
    let events = person.list("events.k8s.io/v1", "Event").await?;
    let on = |event: &&Object| {
        event.text("/regarding/uid") == stored.uid()
            && event.text("/regarding/name") == object.name()
    };
    let told = events.iter().filter(on).map(|event| {
        let text = |at| event.text(at).to_owned();
        (text("/reason"), text("/type"), text("/note"))
    });
    Ok(told.collect())
}

/// Waits for an Event with this reason, and gives its type and note.
async fn told(person: &Kubectl, object: &Object, reason: &str) -> (String, String) {
    eventually(&format!("an Event {reason} on {object}"), async || {
        let all = events(person, object).await?;
        let found = all.iter().find(|(known, ..)| known == reason);
        let Some((_, kind, note)) = found else {
            anyhow::bail!("only {all:?}")
        };
        Ok((kind.clone(), note.clone()))
    })
    .await
}

/// Waits until a guard's metric has this value.
async fn metric(cluster: &Cluster, line: &str) {
    eventually(&format!("`{line}` of {}", cluster.name()), async || {
        let (_, text) = cluster.guard().replicas()[0].ops("/metrics").await?;
        anyhow::ensure!(text.lines().any(|one| one == line), "{text}");
        Ok(())
    })
    .await;
}

/// Waits until the claim of a resource says so of its conflict: status and message.
async fn condition(story: &Story<'_>, id: &str, status: &str, message: &str) {
    eventually(
        &format!("condition Conflict={status} of {id}"),
        async || {
            let claims = story
                .hub
                .list_path("/apis/asoguard.io/v1alpha1/claims")
                .await?;
            let claim = claims
                .iter()
                .find(|claim| claim.text("/spec/identity").eq_ignore_ascii_case(id));
            let claim = claim.ok_or_else(|| anyhow::anyhow!("no claim"))?;
            let conflict = &claim.0["status"]["conditions"][0];
            anyhow::ensure!(
                conflict["type"] == "Conflict" && conflict["status"] == status,
                "{conflict}"
            );
            anyhow::ensure!(conflict["message"] == message, "{conflict}");
            anyhow::ensure!(
                conflict["lastTransitionTime"].is_string() && conflict["reason"].is_string()
            );
            Ok(())
        },
    )
    .await;
}

async fn assert_shown_in_both(story: &Story<'_>, object: &Object) {
    for (person, peer) in [(&story.a, "b"), (&story.b, "a")] {
        let (kind, note) = told(person, object, "Conflict").await;
        assert_eq!(kind, "Warning");
        assert!(
            note.contains(&format!("live in cluster {peer} as")),
            "{note}"
        );
        assert!(
            note.contains(&format!("kubectl --context {peer} -n ")),
            "{note}"
        );
    }
}

/// B takes back its copy, and both clusters hear of it.
async fn assert_ends(story: &Story<'_>, object: &Object) {
    story.b.set_policy(object, "skip").await.admitted();
    for person in [&story.a, &story.b] {
        let (kind, note) = told(person, object, "ConflictEnded").await;
        assert_eq!(kind, "Normal");
        assert!(note.contains("is live"), "{note}");
    }
}

#[tokio::test]
async fn what_slips_past_is_shown_in_both_clusters() {
    let mut lab = Lab::start(&Plan::default()).await.unwrap();
    // Older than the guards.
    {
        let story = Story::begin(&lab, "late").await;
        for person in [&story.a, &story.b] {
            person.create(&story.resource_group("rg")).await.admitted();
        }
    }
    let plan = guard::Plan::enforce(GUARD);
    lab.guard_unasked(&plan).await.unwrap();
    metric(&lab.a, "aso_guard_conflicts 1").await;
    metric(&lab.b, "aso_guard_conflicts 1").await;
    guards_installed_late_find_what_is_there(&lab).await;
    twins_made_while_the_webhook_is_down(&lab).await;
    a_namespace_policy_changed_afterwards(&lab).await;
    a_credential_changed_afterwards(&lab).await;
    // Of what is in credentials only the subscription is ever seen elsewhere.
    let shown = everything_shown(&lab).await.unwrap();
    for there in [SUBSCRIPTION, "Unresolved", "aso_guard_claims"] {
        assert!(shown.contains(there), "no {there}");
    }
    assert!(!shown.contains(MARKER) && !shown.contains(MARKER_IN_BASE64));
}

async fn guards_installed_late_find_what_is_there(lab: &Lab) {
    let story = Story::begin(lab, "late").await;
    let group = story.resource_group("rg");
    assert_shown_in_both(&story, &group).await;
    let both = "live at once: a/late/ResourceGroup/rg, b/late/ResourceGroup/rg";
    condition(&story, &story.resource_group_id("rg"), "True", both).await;
    assert_ends(&story, &group).await;
    let alone = "only a/late/ResourceGroup/rg is live";
    condition(&story, &story.resource_group_id("rg"), "False", alone).await;
    metric(&lab.a, "aso_guard_conflicts 0").await;
    metric(&lab.b, "aso_guard_conflicts 0").await;
}

async fn twins_made_while_the_webhook_is_down(lab: &Lab) {
    let story = Story::begin(lab, "down").await;
    let group = story.resource_group("rg");
    story.b.create(&group).await.admitted();
    story.a.create(&group).await.admitted();
    assert_shown_in_both(&story, &group).await;
    story.b.delete(&group).await.admitted();
    let (kind, _) = told(&story.a, &group, "ConflictEnded").await;
    assert_eq!(kind, "Normal");
}

async fn a_namespace_policy_changed_afterwards(lab: &Lab) {
    let story = Story::begin(lab, "ns-changed").await;
    let (group, namespace) = (story.resource_group("rg"), Object::namespace("ns-changed"));
    story
        .b
        .annotate(&namespace, POLICY, Some("skip"))
        .await
        .admitted();
    story.a.create(&group).await.admitted();
    story.b.create(&group).await.admitted();
    condition(
        &story,
        &story.resource_group_id("rg"),
        "False",
        "only a/ns-changed/ResourceGroup/rg is live",
    )
    .await;
    story.b.annotate(&namespace, POLICY, None).await.admitted();
    assert_shown_in_both(&story, &group).await;
    assert_ends(&story, &group).await;
}

async fn a_credential_changed_afterwards(lab: &Lab) {
    let story = Story::begin(lab, "cred-changed").await;
    let group = story.resource_group("rg");
    let credential = |subscription: &str| {
        Object::credential("aso-credential", subscription)
            .with("/stringData/AZURE_CLIENT_SECRET", MARKER)
    };
    story.b.apply(&credential(ELSEWHERE)).await.admitted();
    story.a.create(&group).await.admitted();
    story.b.create(&group).await.admitted();
    let id = story.resource_group_id("rg");
    let elsewhere = id.replace(SUBSCRIPTION, ELSEWHERE);
    condition(
        &story,
        &elsewhere,
        "False",
        "only b/cred-changed/ResourceGroup/rg is live",
    )
    .await;
    story.b.apply(&credential(SUBSCRIPTION)).await.admitted();
    assert_shown_in_both(&story, &group).await;
    assert_ends(&story, &group).await;
    // Without a subscription nobody can tell what it is.
    let lost = credential("x").with("/stringData", json!({"AZURE_CLIENT_SECRET": MARKER}));
    story.b.delete(&lost).await.admitted();
    story.b.apply(&lost).await.admitted();
    let (kind, note) = told(&story.b, &group, "Unresolved").await;
    assert_eq!(kind, "Warning", "{note}");
}

/// Logs, metrics, Events and claims: all that anybody but the guard gets to see.
async fn everything_shown(lab: &Lab) -> anyhow::Result<String> {
    let story = Story::begin(lab, "cred-changed").await;
    let mut shown = Vec::new();
    for (cluster, person) in [(&lab.a, &story.a), (&lab.b, &story.b)] {
        let replica = &cluster.guard().replicas()[0];
        shown.push(std::fs::read_to_string(replica.process.log())?);
        shown.push(replica.ops("/metrics").await?.1);
        shown.push(person.raw("/apis/events.k8s.io/v1/events").await?);
    }
    shown.push(story.hub.raw("/apis/asoguard.io/v1alpha1/claims").await?);
    Ok(shown.concat())
}

#[tokio::test]
async fn newcomers_are_parked_where_that_is_wanted() {
    let mut lab = Lab::start(&Plan::default()).await.unwrap();
    let plan = guard::Plan {
        replicas: 2,
        args: ["--on-conflict", "park", "--orphaned-after", "2s"]
            .map(str::to_owned)
            .to_vec(),
        ..guard::Plan::enforce(GUARD)
    };
    lab.guard_unasked(&plan).await.unwrap();
    let story = Story::begin(&lab, "park").await;
    let groups: Vec<Object> = (0..8)
        .map(|n| story.resource_group(&format!("rg{n}")))
        .collect();
    for group in &groups {
        let (a, b) = futures::join!(story.a.create(group), story.b.create(group));
        a.admitted();
        b.admitted();
    }
    let parked = async |person: &Kubectl, group: &Object| -> anyhow::Result<bool> {
        let stored = person.get(group).await?.object;
        Ok(stored.annotation(POLICY) == Some("skip"))
    };
    for group in &groups {
        eventually("one of two to be parked", async || {
            let (a, b) = (
                parked(&story.a, group).await?,
                parked(&story.b, group).await?,
            );
            anyhow::ensure!(a != b, "a: {a}, b: {b}");
            Ok(())
        })
        .await;
    }
    metric(&lab.a, "aso_guard_conflicts 0").await;
    metric(&lab.b, "aso_guard_conflicts 0").await;
    for group in &groups {
        let in_a = parked(&story.a, group).await.unwrap();
        assert_ne!(in_a, parked(&story.b, group).await.unwrap(), "{group}");
        let person = if in_a { &story.a } else { &story.b };
        let (_, note) = told(person, group, "ParkedNewcomer").await;
        assert!(note.contains("--on-conflict park"), "{note}");
    }
    // The one that stayed is parked by hand: nobody reconciles it any more.
    let group = &groups[0];
    let stayed = if parked(&story.a, group).await.unwrap() {
        &story.b
    } else {
        &story.a
    };
    stayed.set_policy(group, "skip").await.admitted();
    let (kind, note) = told(stayed, group, "Orphaned").await;
    assert_eq!(kind, "Normal");
    assert!(note.contains("reconcile-policy=manage"), "{note}");
}
