//! What an object stands for, and whether it is live, changes without the object: by its
//! credential, and by ASO's own default. No admission sees that; the observer does.

use serde_json::json;

use crate::GUARD;
use crate::lab::aso::OPERATOR_NAMESPACE;
use crate::lab::guard;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
use crate::lab::world::{ASO_NAMESPACE, Lab, Plan};
use crate::shared_lab;

const MINE: &str = "00000000-1111-2222-3333-aaaaaaaaaaaa";
const THEIRS: &str = "00000000-1111-2222-3333-bbbbbbbbbbbb";

fn credential(subscription: &str) -> Object {
    Object::credential("aso-credential", subscription)
}

/// Waits for the state and the holder of the claim on a resource group; no claim is
/// neither.
async fn claim(story: &Story<'_>, subscription: &str, expected: Option<(&str, &str)>) {
    let id = format!(
        "/subscriptions/{subscription}/resourceGroups/{}",
        story.azure_name("rg")
    );
    eventually(&format!("{id} to be {expected:?}"), async || {
        let claims = story.hub.claims().await?;
        let ours = claims
            .iter()
            .find(|claim| claim.text("/spec/identity") == id);
        let found = ours.map(|claim| (claim.text("/status/state"), claim.text("/status/holder")));
        anyhow::ensure!(found == expected, "{found:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_credential_of_another_subscription_makes_other_resources_and_twins_show() {
    let story = Story::begin(shared_lab().await, "credential").await;
    story.a.create(&credential(MINE)).await.admitted();
    story.b.create(&credential(THEIRS)).await.admitted();
    let group = story.resource_group("rg");
    let (in_a, in_b) = (
        "a/credential/ResourceGroup/rg",
        "b/credential/ResourceGroup/rg",
    );
    // Called the same, and not the same.
    for person in [&story.a, &story.b] {
        eventually("the credential to be known", async || {
            person.apply(&group).await.map_err(Into::into)
        })
        .await;
    }
    claim(&story, MINE, Some(("Live", in_a))).await;
    claim(&story, THEIRS, Some(("Live", in_b))).await;

    // Somebody edits A's secret: now both are the same.
    story.a.apply(&credential(THEIRS)).await.admitted();
    let both = format!("{in_a}, {in_b}");
    claim(&story, THEIRS, Some(("Conflict", &both))).await;
    claim(&story, MINE, None).await;
    for (person, peer) in [(&story.a, "b"), (&story.b, "a")] {
        let refusal = person.delete(&group).await.refused();
        refusal.because(&format!("live in cluster {peer}"));
    }
    // What it was is anybody's.
    let neighbour = story.namespace(&story.b, "credential-too").await;
    neighbour.create(&credential(MINE)).await.admitted();
    eventually("the old resource to be free", async || {
        neighbour.apply(&group).await.map_err(Into::into)
    })
    .await;
    // And back again: not over the neighbour's head, and the conflict goes.
    neighbour.set_policy(&group, "skip").await.admitted();
    story.a.apply(&credential(MINE)).await.admitted();
    claim(&story, MINE, Some(("Live", in_a))).await;
    claim(&story, THEIRS, Some(("Live", in_b))).await;
    neighbour.clear_policy(&group).await.refused();
}

#[tokio::test]
async fn a_secret_that_is_missing_is_told_and_nothing_else_is_tried() {
    let story = Story::begin(shared_lab().await, "credential-from").await;
    let from = "serviceoperator.azure.com/credential-from";
    // The guard may read secrets of these names, and in this namespace there is none of it.
    let missing = "aso-controller-settings";
    let group = story.resource_group("rg").annotated(from, missing);
    let answer = story.a.create(&group).await.admitted();
    answer.warning("names the secret aso-controller-settings");
    // It gets a credential: the change of the annotation is an acquire.
    story.b.create(&credential(THEIRS)).await.admitted();
    eventually("B's copy to be live", async || {
        story
            .b
            .apply(&story.resource_group("rg"))
            .await
            .map_err(Into::into)
    })
    .await;
    story.a.create(&credential(THEIRS)).await.admitted();
    let refusal = story
        .a
        .annotate(&group, from, Some("aso-credential"))
        .await
        .refused();
    refusal.because("live in cluster b as credential-from/ResourceGroup/rg");
}

/// A cluster may have several ASOs: the annotation says whose an object is, and with that which
/// subscription it is in.
#[tokio::test]
async fn an_object_that_is_given_to_another_aso_is_asked_about() {
    let story = Story::begin(shared_lab().await, "given-away").await;
    let settings = Object::credential("aso-controller-settings", THEIRS);
    let other = story.namespace(&story.a, "given-other-aso").await;
    other.create(&settings).await.admitted();
    let group = story
        .resource_group("rg")
        .annotated(OPERATOR_NAMESPACE, ASO_NAMESPACE);
    story.a.create(&group).await.admitted();
    story.b.create(&credential(THEIRS)).await.admitted();
    let twin = story.resource_group("rg");
    eventually("B's copy to be live", async || {
        story.b.apply(&twin).await.map_err(Into::into)
    })
    .await;
    let to = Some("given-other-aso");
    let given = story.a.annotate(&group, OPERATOR_NAMESPACE, to).await;
    given
        .refused()
        .because("live in cluster b as given-away/ResourceGroup/rg");
}

/// As `clusterctl move` leaves them: the objects first.
#[tokio::test]
async fn a_secret_that_comes_after_its_objects_is_taken_up_in_seconds() {
    let story = Story::begin(shared_lab().await, "credential-late").await;
    let from = "serviceoperator.azure.com/credential-from";
    // A name that the guard may read, and may not.
    let (readable, unreadable) = ("aso-controller-settings", "somebody-elses");
    let group = story.resource_group("rg").annotated(from, readable);
    let answer = story.b.create(&group).await.admitted();
    answer.warning("names the secret aso-controller-settings");
    let other = story.resource_group("other").annotated(from, unreadable);
    let answer = story.b.create(&other).await.admitted();
    answer.warning("may not be read");

    let secret = Object::credential(readable, THEIRS);
    story.b.create(&secret).await.admitted();
    let in_b = "b/credential-late/ResourceGroup/rg";
    claim(&story, THEIRS, Some(("Live", in_b))).await;
}

/// Warnings, refusals, logs, metrics, Events and claims; `shown` has the same where nobody asks
/// the guards.
#[tokio::test]
async fn nothing_of_a_secret_but_its_subscription_is_told() {
    let story = Story::begin(shared_lab().await, "kept-secret").await;
    let marker = "marker-of-a-client-secret-51c0";
    let in_base64 = "bWFya2VyLW9mLWEtY2xpZW50";
    let credential = |subscription: &str| {
        credential(subscription)
            .with("/stringData/AZURE_CLIENT_SECRET", marker)
            .with("/stringData/AZURE_CLIENT_CERTIFICATE", marker)
    };
    for person in [&story.a, &story.b] {
        person.create(&credential(THEIRS)).await.admitted();
    }
    let group = story.resource_group("rg");
    let mut told = story.a.create(&group).await.admitted().warnings;
    let refusal =
        eventually_refused("live in cluster a", async || story.b.create(&group).await).await;
    told.extend(refusal.warnings.iter().cloned());
    told.push(refusal.message);
    // No subscription, and none that can be one.
    for (name, subscription) in [("none", ""), ("garbage", "not\na\tsubscription")] {
        story.b.apply(&credential(subscription)).await.admitted();
        let warning = eventually("a warning about the credential", async || {
            let answer = story.b.apply(&story.resource_group(name)).await?;
            anyhow::ensure!(!answer.warnings.is_empty(), "no warning");
            Ok(answer.warnings)
        });
        told.extend(warning.await);
    }
    for (cluster, person) in [(&story.lab.a, &story.a), (&story.lab.b, &story.b)] {
        for replica in cluster.guard().replicas() {
            told.push(std::fs::read_to_string(replica.process.log()).unwrap());
            told.push(replica.ops("/metrics").await.unwrap().1);
        }
        let events = "/apis/events.k8s.io/v1/events";
        told.push(person.raw(events).await.unwrap());
    }
    let claims = "/apis/asoguard.io/v1alpha1/claims";
    told.push(story.hub.raw(claims).await.unwrap());
    let told = told.concat();
    assert!(told.contains("kept-secret"), "nothing was told");
    assert!(!told.contains(marker) && !told.contains(in_base64));
}

#[tokio::test]
async fn another_default_policy_parks_and_wakes_what_has_none_of_its_own() {
    let plan = Plan {
        guard: Some(guard::Plan::enforce(GUARD)),
        ..Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let story = Story::begin(&lab, "default-policy").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();

    let settings = Object::credential("aso-controller-settings", "").in_namespace(ASO_NAMESPACE);
    let default = async |policy: Option<&str>| {
        let patch = json!({"stringData": {"DEFAULT_RECONCILE_POLICY": policy.unwrap_or("")}});
        story.a.patch(&settings, patch).await.admitted();
    };
    default(Some("skip")).await;
    eventually("what the default parks to be free", async || {
        story.b.create(&group).await.map_err(Into::into)
    })
    .await;
    // A word of its own counts for more.
    story
        .a
        .set_policy(&group, "manage")
        .await
        .refused()
        .because("live in cluster b");
    // New copies are parked, too.
    story
        .a
        .create(&story.resource_group("other"))
        .await
        .admitted_silently();

    // Nobody asks about a change of the default: what it wakes is found, and shown.
    default(None).await;
    let both = "a/default-policy/ResourceGroup/rg, b/default-policy/ResourceGroup/rg";
    eventually("the conflict to show", async || {
        let claims = story.hub.claims().await?;
        let found = claims.iter().any(|claim| {
            (claim.text("/status/state"), claim.text("/status/holder")) == ("Conflict", both)
        });
        anyhow::ensure!(found, "{claims:?}");
        Ok(())
    })
    .await;
    // The one is looked at before the other.
    let other = story.resource_group("other");
    eventually_refused("live in cluster a", async || {
        story.b.dry_run().create(&other).await
    })
    .await;
}
