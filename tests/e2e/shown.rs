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
pub async fn told(person: &Kubectl, object: &Object, reason: &str) -> (String, String) {
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

/// Waits until the claim of a resource says so: which condition, its status and message.
async fn condition(story: &Story<'_>, id: &str, (kind, status): (&str, &str), message: &str) {
    eventually(&format!("condition {kind}={status} of {id}"), async || {
        let claim = claim(story, id).await?;
        assert_says(&claim, (kind, status), message)
    })
    .await;
}

/// The claim of a resource.
async fn claim(story: &Story<'_>, id: &str) -> anyhow::Result<Object> {
    let claims = story.hub.claims().await?;
    let is_it = |claim: &Object| claim.text("/spec/identity").eq_ignore_ascii_case(id);
    let found = claims.into_iter().find(is_it);
    found.ok_or_else(|| anyhow::anyhow!("no claim of {id}"))
}

/// Fails unless this claim or member has this condition.
fn assert_says(object: &Object, (kind, status): (&str, &str), message: &str) -> anyhow::Result<()> {
    let conditions = object.0["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let condition = conditions.find(|condition| condition["type"] == kind);
    let condition = condition.ok_or_else(|| anyhow::anyhow!("no {kind} in {object}"))?;
    anyhow::ensure!(condition["status"] == status, "{condition}");
    anyhow::ensure!(condition["message"] == message, "{condition}");
    anyhow::ensure!(condition["lastTransitionTime"].is_string() && condition["reason"].is_string());
    Ok(())
}

/// Waits until a member says so of what it cannot place.
async fn member_says(story: &Story<'_>, name: &str, status: &str, message: &str) {
    eventually(&format!("Unresolved={status} of {name}"), async || {
        let member = Object::new("asoguard.io/v1alpha1", "Member", name);
        let member = story.hub.get(&member).await?.object;
        assert_says(&member, ("Unresolved", status), message)
    })
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
    let id = story.resource_group_id("rg");
    condition(&story, &id, ("Conflict", "True"), both).await;
    assert_ends(&story, &group).await;
    let alone = "only a/late/ResourceGroup/rg is live";
    condition(&story, &id, ("Conflict", "False"), alone).await;
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
        ("Conflict", "False"),
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
        ("Conflict", "False"),
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
    metric(&lab.b, "aso_guard_unresolved_objects 1").await;
    let which = "nobody can tell which Azure resources these are, so nobody guards them: \
                 cred-changed/ResourceGroup/rg";
    member_says(&story, "b", "True", which).await;
    member_says(&story, "a", "False", "").await;
    // And when it can be told again.
    story.b.delete(&lost).await.admitted();
    story.b.apply(&credential(SUBSCRIPTION)).await.admitted();
    let (kind, _) = told(&story.b, &group, "Resolved").await;
    assert_eq!(kind, "Normal");
    member_says(&story, "b", "False", "").await;
    // Once more, for what is shown everywhere.
    story.b.delete(&lost).await.admitted();
    story.b.apply(&lost).await.admitted();
    member_says(&story, "b", "True", which).await;
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
    // The claim remembers it, and there is one Event of it, though two replicas saw it.
    for group in &groups {
        let in_a = parked(&story.a, group).await.unwrap();
        let (person, member) = if in_a {
            (&story.a, "a")
        } else {
            (&story.b, "b")
        };
        let id = story.resource_group_id(group.name());
        let claim = claim(&story, &id).await.unwrap();
        let history = claim.0["status"]["history"].as_array().unwrap();
        assert_eq!(history.len(), 1, "{claim}");
        let entry = &history[0];
        assert_eq!(
            (&entry["action"], &entry["member"]),
            (&json!("park"), &json!(member))
        );
        let all = events(person, group).await.unwrap();
        for reason in ["Conflict", "ParkedNewcomer"] {
            let told = all.iter().filter(|(known, ..)| known == reason);
            assert_eq!(told.count(), 1, "{reason}: {all:?}");
        }
    }
    nobody_reconciles_it_any_more(&story, &groups[0]).await;
}

/// Who has the live copy parks it: both clusters are told within seconds, and so they are
/// when one makes it live again.
async fn nobody_reconciles_it_any_more(story: &Story<'_>, group: &Object) {
    let id = story.resource_group_id(group.name());
    for person in [&story.a, &story.b] {
        person.set_policy(group, "skip").await.admitted();
    }
    let both = format!(
        "nobody reconciles it, all are parked: a/park/ResourceGroup/{name}, b/park/ResourceGroup/{name}",
        name = group.name()
    );
    condition(story, &id, ("Orphaned", "True"), &both).await;
    for (cluster, person) in [(&story.lab.a, &story.a), (&story.lab.b, &story.b)] {
        let (kind, note) = told(person, group, "Orphaned").await;
        assert_eq!(kind, "Normal");
        assert!(note.contains("reconcile-policy=manage"), "{note}");
        metric(cluster, "aso_guard_orphaned 1").await;
    }
    story.b.set_policy(group, "manage").await.admitted();
    condition(story, &id, ("Orphaned", "False"), "").await;
    for (cluster, person) in [(&story.lab.a, &story.a), (&story.lab.b, &story.b)] {
        let (kind, _) = told(person, group, "OrphanedEnded").await;
        assert_eq!(kind, "Normal");
        metric(cluster, "aso_guard_orphaned 0").await;
    }
}
