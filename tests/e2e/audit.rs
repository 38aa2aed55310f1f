//! Audit mode: everything is let through, and the warnings say what enforce would have said.

use crate::GUARD;
use crate::lab::guard;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::eventually;
use crate::lab::world::{Lab, Plan};

#[tokio::test]
async fn mistakes_are_let_through_with_a_warning_registry_or_not() {
    let plan = Plan {
        guard: Some(guard::Plan::audit(GUARD)),
        ..Plan::default()
    };
    let lab = Lab::start(&plan).await.unwrap();
    let story = Story::begin(&lab, "audit").await;
    let group = story.resource_group("rg");
    story.a.create(&group).await.admitted_silently();

    let twin = story.b.create(&group).await.admitted();
    twin.warning("aso-guard would refuse this: creating this copy live would have two ASOs")
        .warning("in cluster a as audit/ResourceGroup/rg")
        .warning("kubectl --context a -n audit annotate");
    let delete = eventually("B's copy to be known", async || {
        let answer = story.a.dry_run().delete(&group).await?;
        anyhow::ensure!(!answer.warnings.is_empty(), "no warning yet");
        Ok(answer)
    })
    .await;
    delete
        .warning("aso-guard would refuse this: deleting this copy would delete")
        .warning("live in cluster b as audit/ResourceGroup/rg");

    // Audit never blocks, a broken registry included.
    lab.hub().stop();
    let other = story.resource_group("other");
    let answer = story.a.create(&other).await.admitted();
    answer.warning("cannot tell whether this is safe");
    story.a.set_policy(&other, "skip").await.admitted_silently();
    story.a.delete(&other).await.admitted();
}
