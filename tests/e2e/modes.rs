//! The label `asoguard.io/mode`, who may set it, and what is exempt.

use crate::GUARD;
use crate::lab::guard;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::{eventually, eventually_refused};
use crate::lab::world::{Lab, Plan};
use crate::shared_lab;

const MODE: &str = "asoguard.io/mode";

#[tokio::test]
async fn a_namespace_is_not_taken_out_of_guard_by_just_anybody() {
    let story = Story::begin(shared_lab().await, "mode").await;
    let (namespace, group) = (Object::namespace("mode"), story.resource_group("rg"));
    story.a.create(&group).await.admitted_silently();
    let developer = story.developer(&story.b).await;
    for mode in ["off", "audit"] {
        // Empty or not: it can be filled afterwards.
        let refusal = developer
            .label(&namespace, MODE, Some(mode))
            .await
            .refused();
        refusal
            .because("would go from mode enforce to")
            .because("system:masters");
        let fresh = Object::namespace("mode-fresh").labelled(MODE, mode);
        developer.create(&fresh).await.refused();
    }
    // No mode at all: enforce stays, and it is told.
    let odd = developer
        .label(&namespace, MODE, Some("Off"))
        .await
        .admitted();
    odd.warning("\"Off\" is no mode, so enforce is in force");
    eventually("the namespace to be known with that mode", async || {
        let refusal = developer.create(&group).await.refused();
        let mut warnings = refusal.warnings.iter();
        anyhow::ensure!(
            warnings.any(|said| said.contains("is no mode")),
            "{refusal:?}"
        );
        Ok(())
    })
    .await;
    // A namespace without the label has nothing to do with the guard.
    developer
        .label(&namespace, "x", Some("y"))
        .await
        .admitted_silently();
    developer
        .label(&namespace, MODE, Some("enforce"))
        .await
        .admitted_silently();

    // With a reason, it goes through, and shows.
    let why = Object::namespace("mode-sandbox")
        .labelled(MODE, "off")
        .annotated("asoguard.io/override", "a sandbox");
    let made = developer.create(&why).await.admitted();
    made.warning("but dora overrides it: \"a sandbox\"");
}

#[tokio::test]
async fn audit_and_off_let_through_and_claim() {
    let story = Story::begin(shared_lab().await, "mode-loose").await;
    let (namespace, group) = (Object::namespace("mode-loose"), story.resource_group("rg"));
    story.a.create(&group).await.admitted_silently();
    story
        .b
        .label(&namespace, MODE, Some("audit"))
        .await
        .admitted();
    let twin = eventually("B's namespace to be known to audit", async || {
        story.b.create(&group).await.map_err(Into::into)
    })
    .await;
    twin.warning("aso-guard would refuse this: creating this copy live");
    // The second copy is in the claim before anybody else could have seen it.
    let third = story.namespace(&story.a, "mode-loose-other").await;
    story.a.set_policy(&group, "skip").await.admitted();
    story.a.delete(&group).await.admitted();
    for _ in 0..5 {
        third.create(&group).await.refused();
    }
    eventually("only B to be in the way", async || {
        match third.create(&group).await {
            Err(refusal) if refusal.message.contains("in cluster b as mode-loose") => Ok(()),
            Err(refusal) => anyhow::bail!("not yet: {refusal}"),
            Ok(_) => panic!("a third copy was let in"),
        }
    })
    .await;

    story
        .b
        .label(&namespace, MODE, Some("off"))
        .await
        .admitted();
    let silent = story.resource_group("silent");
    story.a.create(&silent).await.admitted_silently();
    eventually("B's namespace to be known to be off", async || {
        let answer = story.b.dry_run().create(&silent).await?;
        anyhow::ensure!(answer.warnings.is_empty(), "{:?}", answer.warnings);
        Ok(())
    })
    .await;
    story.b.create(&silent).await.admitted_silently();
    story
        .a
        .delete(&silent)
        .await
        .refused()
        .because("live in cluster b");
    // Guarded again by anybody.
    let developer = story.developer(&story.b).await;
    developer
        .label(&namespace, MODE, None)
        .await
        .admitted_silently();
    eventually_refused("in cluster a as", async || {
        story.b.dry_run().delete(&silent).await
    })
    .await;
}

#[tokio::test]
async fn what_is_exempt_is_let_through_and_found() {
    let flags = ["--exempt-namespace", "sandbox", "--exempt-user", "o'brien"].map(str::to_owned);
    let guard = guard::Plan {
        args: flags.to_vec(),
        webhook_args: flags.to_vec(),
        ..guard::Plan::enforce(GUARD)
    };
    let plan = Plan {
        guard: Some(guard),
        ..Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let story = Story::begin(&lab, "exempt").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();
    story.b.create(&group).await.refused();
    let sandbox = story.namespace(&story.b, "sandbox").await;
    sandbox.create(&group).await.admitted_silently();
    story.developer(&story.b).await;
    let user = story.b.in_the_name_of("o'brien", "developers");
    user.create(&group).await.admitted_silently();
    // The observer claims for them.
    eventually("three live copies to be known", async || {
        let claims = story.hub.claims().await?;
        let holder = claims
            .first()
            .map_or("", |claim| claim.text("/status/holder"));
        anyhow::ensure!(holder.split(", ").count() == 3, "{holder}");
        Ok(())
    })
    .await;
    story.b.delete(&group).await.refused();
    user.delete(&group).await.admitted_silently();
}
