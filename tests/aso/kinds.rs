//! What a resource is, by ASO and by the guard: where ASO writes to is what is claimed.

use serde_json::json;

use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::wait::PATIENCE;
use crate::team;
use crate::world::{guarded, guarded_alone};

/// The role that every tenant has for those who only read.
const READER: &str = "/subscriptions/00000000-1111-2222-3333-444444444444/providers/\
    Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7";

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn an_owner_by_arm_id_makes_the_same_resource_as_one_by_name() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "armid").await;
    let resources = [story.resource_group("rg"), team::account(&story)];
    team::applied(&story.a, &resources).await;
    let mut twin = team::account(&story);
    twin.0["spec"]["owner"] = json!({"armId": story.resource_group_id("rg")});
    story.b.apply(&twin).await.refused();
    team::parked(&story.a, &resources).await;
    let twins = [story.resource_group("rg"), twin];
    team::taken_over(&story.b, &world.azure, &story, &twins).await;
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), 2);
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn an_older_version_is_the_same_resource_and_moves_into_a_newer_one() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "versions").await;
    let (group, newer) = (story.resource_group("rg"), team::account(&story));
    let older = newer.clone().version("v1api20230101");
    let resources = [group.clone(), older];
    team::applied(&story.a, &resources).await;
    story.b.apply(&group).await.refused();
    team::parked(&story.a, &resources).await;
    team::taken_over(&story.b, &world.azure, &story, &[group, newer]).await;
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), 2);
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn while_nobody_converts_the_guard_reads_what_is_stored_in_another_version() {
    let world = guarded_alone().await;
    let story = Story::begin(&world.lab, "stored").await;
    let older = team::account(&story).version("v1api20230101");
    let resources = [story.resource_group("rg"), older.clone()];
    team::applied(&story.a, &resources).await;
    team::parked(&story.a, &resources).await;
    team::taken_over(&story.b, &world.azure, &story, &resources).await;
    // With ASO its conversion goes: what it had to convert cannot be read, so it was stored in
    // another version than it was applied in.
    world.b[0].stop().await.unwrap();
    let unread = story.b.get(&older).await.unwrap_err();
    unread.because("conversion webhook");
    let stored = older.version("v20250601storage");
    story.b.get(&stored).await.admitted();
    // A guard that begins with this knows it all the same.
    let guard = &world.lab.b.guard().replicas()[0];
    guard.stop().await.unwrap();
    guard.start_again().await.unwrap();
    let refused = story.b.delete(&stored).await.refused();
    refused.because("still parked in cluster a");
    world.b[0].start_again().await.unwrap();
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn a_role_assignment_without_a_name_is_claimed_by_the_name_that_aso_makes_up() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "roles").await;
    let group = story.resource_group("rg");
    let mut role = Object::of("RoleAssignment", "reader")
        .extends(&group)
        .with("/spec/principalId", "00000000-1111-2222-3333-555555555555")
        .with("/spec/roleDefinitionReference/armId", READER);
    if let Some(spec) = role.0["spec"].as_object_mut() {
        spec.remove("location");
    }
    let resources = [group, role];
    team::applied(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-a"), 2);
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn detached_copies_are_deleted_and_azure_hears_nothing_of_it() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "detached").await;
    let detach = |one: Object| one.policy("detach-on-delete");
    let resources: Vec<Object> = team::resources(&story).into_iter().map(detach).collect();
    team::applied(&story.a, &resources).await;
    for one in resources.iter().rev() {
        story.a.delete(one).await.admitted();
    }
    for one in &resources {
        story.a.gone(one, PATIENCE).await.unwrap();
    }
    assert_eq!(world.diary(&story).of("DELETE").len(), 0);
    // What is in Azure is nobody's now, and whoever wants it takes it.
    team::taken_over(&story.b, &world.azure, &story, &team::resources(&story)).await;
    world.ends_well(&story, &[]).await;
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn a_namespace_that_is_set_to_skip_parks_all_of_its_copies() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "asleep").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    let namespace = Object::namespace(story.a.namespace());
    story.a.set_policy(&namespace, "skip").await.admitted();
    team::taken_over(&story.b, &world.azure, &story, &resources).await;
    // Waking all of them at once is the mistake, and is refused.
    story.a.clear_policy(&namespace).await.refused();
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn what_a_person_was_let_to_delete_is_deleted_in_azure_once() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "wanted").await;
    let resources = [story.resource_group("rg"), team::account(&story)];
    team::applied(&story.a, &resources).await;
    let account = world.azure.ids();
    let account = account
        .iter()
        .find(|id| id.ends_with("datawanted"))
        .unwrap();
    story.a.delete(&resources[1]).await.admitted();
    story.a.gone(&resources[1], PATIENCE).await.unwrap();
    assert_eq!(world.azure.get(account), None);
    world.ends_well(&story, &[account]).await;
    assert_eq!(world.diary(&story).of("DELETE").len(), 1);
}
