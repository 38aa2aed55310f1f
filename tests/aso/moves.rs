//! The four steps of ASO's guide, with ASO.

use crate::lab::story::Story;
use crate::team;
use crate::world::guarded;

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn from_cluster_to_cluster_azure_sees_one_writer_at_a_time_and_no_delete() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "steps").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    assert_eq!(world.written_by(&story, "aso-a"), resources.len());
    team::parked(&story.a, &resources).await;
    team::taken_over(&story.b, &world.azure, &story, &resources).await;
    team::deleted(&story.a, &resources).await;
    assert_eq!(world.written_by(&story, "aso-b"), resources.len());
    world.ends_well(&story, &[]).await;
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn from_namespace_to_namespace_azure_sees_no_delete() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "spaces").await;
    let target = story.namespace(&story.a, "spaces-there").await;
    let resources = team::resources(&story);
    team::applied(&story.a, &resources).await;
    team::parked(&story.a, &resources).await;
    team::taken_over(&target, &world.azure, &story, &resources).await;
    team::deleted(&story.a, &resources).await;
    assert_eq!(world.written_by(&story, "aso-a"), resources.len());
    world.ends_well(&story, &[]).await;
}
