//! What a person sees of it, and what is let through.

use aso_guard::claim::Record;
use aso_guard::policy::Policy::{Manage, Skip};
use serde_json::json;

use crate::cases::{OVERRIDE, PROTECT, annotated, copy, group_id, stored};
use crate::lab::kubectl::Kubectl;
use crate::lab::object::{Object, POLICY};
use crate::lab::verdict::{Outcome, Refusal, Verdict as _};
use crate::line::{Line, settings};

fn group(name: &str) -> Object {
    Object::of("ResourceGroup", name).azure_name(name)
}

#[track_caller]
fn refused(outcome: Outcome) -> Refusal {
    let refusal = outcome.unwrap_err();
    assert!(refusal.is_by_policy(), "{refusal}");
    assert_eq!(refusal.code, 403, "{refusal}");
    refusal
}

/// A group in this cluster, live or `parked`, with a copy of the other kind in another one.
async fn shared(line: &Line, team: &Kubectl, object: &Object, parked: bool) {
    let id = group_id(object.name());
    let facts = line.store(team, object, &id).await;
    let mut record = Record::new(id);
    let own = copy("a", team.namespace(), "ResourceGroup", object.name());
    let (policy, other) = if parked {
        (Skip, Manage)
    } else {
        (Manage, Skip)
    };
    record.copies.insert(own, stored(&facts.uid, policy));
    let there = copy("b", "shop", "ResourceGroup", object.name());
    record.copies.insert(there, stored("u", other));
    line.claim(&record).await;
}

#[tokio::test]
async fn what_was_written_down_is_refused_and_the_safe_steps_are_not() {
    let line = Line::begin("rules", settings()).await;
    let team = &line.team("team").await;
    let free = line.team("free").await;
    let sleeping = line
        .namespace(&annotated(Object::namespace("sleeping"), POLICY, "skip"))
        .await;
    let calm = line
        .namespace(
            &Object::namespace("calm")
                .with("/metadata/labels", json!({"asoguard.io/mode": "audit"})),
        )
        .await;
    let (kept, held) = (group("kept"), group("held").policy("skip"));
    shared(&line, team, &kept, false).await;
    shared(&line, team, &held, true).await;
    shared(&line, &calm, &group("calm"), false).await;
    shared(&line, &sleeping, &group("sleeping"), true).await;
    let alone = group("alone");
    line.store(&free, &alone, &group_id("alone")).await;
    let namespaces = ["team", "free", "sleeping", "calm"].map(str::to_owned);
    line.write_down(&namespaces, async || team.dry_run().delete(&kept).await)
        .await;

    let refusal = refused(team.delete(&kept).await);
    for words in [
        "deleting this copy would delete resourceGroups/kept in Azure",
        "still parked in cluster b as shop/ResourceGroup/kept",
        "(written down by aso-guard of cluster a at 20",
        "asoguard.io/override: \"<why>\"",
    ] {
        assert!(refusal.message.contains(words), "{refusal}");
    }
    let refusal = refused(team.clear_policy(&held).await);
    assert!(
        refusal
            .message
            .contains("live in cluster b as shop/ResourceGroup/held"),
        "{refusal}"
    );

    // A namespace goes with all that is in it, or wakes all of it; in another one it is free.
    let the = Object::namespace;
    refused(line.person.dry_run().delete(&the("team")).await);
    refused(
        line.person
            .dry_run()
            .annotate(&the("sleeping"), POLICY, Some("manage"))
            .await,
    );
    line.person
        .dry_run()
        .delete(&the("sleeping"))
        .await
        .admitted();
    line.person.dry_run().delete(&the("free")).await.admitted();
    free.dry_run().delete(&alone).await.admitted();
    // Kinds that have live objects.
    let of_groups = Object::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "resourcegroups.resources.azure.com",
    );
    let refusal = refused(line.person.dry_run().delete(&of_groups).await);
    assert!(
        refusal.message.contains("deletes all its objects"),
        "{refusal}"
    );
    let of_disks = Object::new(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "storageaccounts.storage.azure.com",
    );
    line.person.dry_run().delete(&of_disks).await.admitted();

    // Where it only warns.
    let answer = calm.dry_run().delete(&group("calm")).await.admitted();
    answer.warning("deleting this copy would delete resourceGroups/calm in Azure");
    line.person.dry_run().delete(&the("calm")).await.admitted();
    // Nobody judges this user.
    let robot = team.in_the_name_of("robot", "system:masters");
    robot.dry_run().delete(&kept).await.admitted();
    // A reason overrides, and an empty one does not.
    team.annotate(&kept, OVERRIDE, Some(" ")).await.admitted();
    refused(team.dry_run().delete(&kept).await);
    team.annotate(&kept, OVERRIDE, Some("the hub burns"))
        .await
        .admitted();
    team.dry_run().delete(&kept).await.admitted();
    team.annotate(&kept, OVERRIDE, None).await.admitted();
    let woken = json!({"metadata": {"annotations": {POLICY: null, OVERRIDE: "the hub burns"}}});
    team.dry_run().patch(&held, woken).await.admitted();
    // Only some may loosen a namespace that has something to protect.
    let dora = line.person.in_the_name_of("dora", "system:masters");
    refused(
        dora.dry_run()
            .label(&the("team"), "asoguard.io/mode", Some("audit"))
            .await,
    );
    dora.dry_run()
        .label(&the("free"), "asoguard.io/mode", Some("off"))
        .await
        .admitted();

    // The four steps: parked, and deleted; what was parked is not in the way of a new name.
    team.patch_status(&held, json!({"conditions": []}))
        .await
        .ok();
    team.set_policy(&kept, "skip").await.admitted_silently();
    team.delete(&kept).await.admitted_silently();
    team.delete(&held).await.admitted_silently();
    // Another object of that name is another matter.
    team.create(&group("kept")).await.admitted_silently();
    team.dry_run()
        .delete(&group("kept"))
        .await
        .admitted_silently();
}

#[tokio::test]
async fn what_is_protected_stays_until_that_is_taken_off() {
    let line = Line::begin("protected", settings()).await;
    let team = &line.team("team").await;
    let whole = line
        .namespace(&annotated(Object::namespace("whole"), PROTECT, "the shop"))
        .await;
    let marked = annotated(group("marked"), PROTECT, "production");
    line.store(team, &marked, &group_id("marked")).await;
    let inside = group("inside");
    line.store(&whole, &inside, &group_id("inside")).await;
    let namespaces = ["team", "whole"].map(str::to_owned);
    line.write_down(&namespaces, async || whole.dry_run().delete(&inside).await)
        .await;
    // The policy for namespaces takes note of it in its own time.
    let of_team = async || {
        let namespace = Object::namespace("team");
        line.person.dry_run().delete(&namespace).await
    };
    line.write_down(&namespaces, of_team).await;

    let refusal = refused(team.dry_run().delete(&marked).await);
    assert!(
        refusal
            .message
            .contains("asoguard.io/protect says: production"),
        "{refusal}"
    );
    refused(
        line.person
            .dry_run()
            .delete(&Object::namespace("team"))
            .await,
    );
    refused(
        line.person
            .dry_run()
            .delete(&Object::namespace("whole"))
            .await,
    );
    let refusal = refused(whole.dry_run().delete(&inside).await);
    assert!(
        refusal.message.contains("on the namespace says: the shop"),
        "{refusal}"
    );
    // A copy that is parked takes nothing along.
    whole.set_policy(&inside, "skip").await.admitted();
    whole.dry_run().delete(&inside).await.admitted_silently();
    team.annotate(&marked, PROTECT, None)
        .await
        .admitted_silently();
    team.dry_run().delete(&marked).await.admitted_silently();
}
