//! What came past the webhook is found, and from then on guarded like all else.

use crate::GUARD;
use crate::lab::guard;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::lab::world::{Lab, Plan};

#[tokio::test]
async fn twins_made_without_the_webhook_protect_each_other_from_deletion() {
    let guard = guard::Plan::enforce(GUARD);
    let plan = Plan {
        guard: Some(guard.clone()),
        ..Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let story = Story::begin(&lab, "bypass").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();

    let webhook = Object::new(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "aso-guard",
    );
    story.b.delete(&webhook).await.admitted();
    eventually("the API server to forget the webhook", async || {
        story.b.create(&group).await.map_err(Into::into)
    })
    .await;
    lab.b
        .guard()
        .register(&guard, &lab.b.control_plane)
        .await
        .unwrap();

    eventually("the conflict to show", async || {
        let claims = story.hub.claims().await?;
        let [claim] = claims.as_slice() else {
            anyhow::bail!("{} claims", claims.len());
        };
        anyhow::ensure!(
            claim.text("/status/state") == "Conflict",
            "not yet: {claim}"
        );
        let both = "a/bypass/ResourceGroup/rg, b/bypass/ResourceGroup/rg";
        anyhow::ensure!(claim.text("/status/holder") == both, "{claim}");
        Ok(())
    })
    .await;
    for (person, peer) in [(&story.a, "b"), (&story.b, "a")] {
        let refusal = person.delete(&group).await.refused();
        refusal.because(&format!(
            "live in cluster {peer} as bypass/ResourceGroup/rg"
        ));
    }
    // One of them steps back, and all is well.
    story.b.set_policy(&group, "skip").await.admitted();
    story.b.delete(&group).await.admitted();
    eventually("A to be alone", async || {
        story.a.delete(&group).await.map_err(Into::into)
    })
    .await;
}
