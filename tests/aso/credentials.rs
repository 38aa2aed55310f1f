//! Which subscription a copy stands in: by the secret that ASO takes, and by the operator that is
//! responsible for it.

use tokio::sync::OnceCell;

use crate::lab::aso_controller::{Plan, made_crds};
use crate::lab::crds::{SUBSCRIPTION, TENANT};
use crate::lab::kubectl::Kubectl;
use crate::lab::object::Object;
use crate::lab::story::Story;
use crate::lab::verdict::Verdict;
use crate::lab::world::ASO_NAMESPACE;
use crate::team;
use crate::world::{GROUPS, Side, World, guarded, shared};

/// A subscription that is not that of the lab's global credential.
const OTHER: &str = "00000000-2222-3333-4444-555555555555";
/// By which an object names its own secret.
const CREDENTIAL_FROM: &str = "serviceoperator.azure.com/credential-from";

/// A secret by which ASO gets its tokens as with the global one.
fn secret(name: &str, subscription: &str) -> Object {
    Object::credential(name, subscription)
        .with("/stringData/AZURE_CLIENT_ID", TENANT)
        .with("/stringData/AUTH_MODE", "podidentity")
}

fn group_id(subscription: &str, name: &str) -> String {
    format!("/subscriptions/{subscription}/resourceGroups/{name}")
}

/// Applies it, and gives back where ASO wrote it.
async fn written(person: &Kubectl, object: &Object) -> String {
    person.apply(object).await.admitted();
    let ready = team::ready(person, object).await;
    ready.text("/status/id").to_owned()
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn the_same_name_with_another_credential_is_another_resource_and_with_the_same_is_refused() {
    let world = guarded().await;
    let story = Story::begin(&world.lab, "credentials").await;
    let (group, name) = (story.resource_group("rg"), story.azure_name("rg"));
    story
        .a
        .create(&secret("aso-credential", OTHER))
        .await
        .admitted();
    assert_eq!(written(&story.a, &group).await, group_id(OTHER, &name));
    // In b the global credential counts.
    assert_eq!(
        written(&story.b, &group).await,
        group_id(SUBSCRIPTION, &name)
    );
    // And one object may name a secret of its own; the guard may read those of this name.
    story
        .b
        .create(&secret("aso-controller-settings", OTHER))
        .await
        .admitted();
    let twin = Object::of("ResourceGroup", "twin").azure_name(&name);
    let twin = twin.annotated(CREDENTIAL_FROM, "aso-controller-settings");
    let refused = story.b.apply(&twin).await.refused();
    refused.because("cluster a").because(OTHER);
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-a"), 1);
    assert_eq!(world.written_by(&story, "aso-b"), 1);
}

/// A cluster with an operator for the webhooks, and one for each of two tenants.
async fn tenants() -> anyhow::Result<World> {
    let tenant = |name: &str, namespaces: &str, subscription: &str| {
        Plan::new(&format!("aso-a-{name}"), &format!("aso-{name}"))
            .env("AZURE_OPERATOR_MODE", "watchers")
            .env("AZURE_TARGET_NAMESPACES", namespaces)
            .env("AZURE_SUBSCRIPTION_ID", subscription)
    };
    let webhooks =
        Plan::new("aso-a-webhooks", ASO_NAMESPACE).env("AZURE_OPERATOR_MODE", "webhooks");
    let of_tenants = vec![
        webhooks,
        tenant("one", "tenants,tenants-too", SUBSCRIPTION),
        tenant("two", "tenants-two", OTHER),
    ];
    let sides = [
        Side {
            crds: made_crds(&GROUPS).await?,
            operators: of_tenants,
        },
        Side {
            crds: made_crds(&["resources"]).await?,
            operators: vec![Plan::new("aso-b", ASO_NAMESPACE)],
        },
    ];
    Box::pin(World::start("azure-tenants", true, sides)).await
}

#[tokio::test]
#[ignore = "tests/aso/run builds ASO for it, which takes twenty minutes"]
async fn each_of_several_operators_in_a_cluster_has_its_own_subscription() {
    static WORLD: OnceCell<Result<World, String>> = OnceCell::const_new();
    let world = shared(&WORLD, tenants).await;
    let story = Story::begin(&world.lab, "tenants").await;
    let too = story.namespace(&story.a, "tenants-too").await;
    let two = story.namespace(&story.a, "tenants-two").await;
    let resources = [story.resource_group("rg"), team::account(&story)];
    let name = story.azure_name("rg");
    // Each tenant writes by its own operator, into its own subscription.
    team::applied(&story.a, &resources).await;
    team::applied(&two, &resources).await;
    let of_two = team::ready(&two, &resources[0]).await;
    assert_eq!(of_two.text("/status/id"), group_id(OTHER, &name));
    assert_eq!(world.written_by(&story, "aso-a-one"), resources.len());
    assert_eq!(world.written_by(&story, "aso-a-two"), resources.len());
    // The first has a second namespace, where the same name is the same resource.
    let refused = too.apply(&resources[0]).await.refused();
    refused.because("tenants").because(SUBSCRIPTION);
    // So it is in another cluster, whose only operator has the first one's subscription.
    story.b.apply(&resources[0]).await.refused();
    // And from one namespace of an operator to the other it moves.
    team::parked(&story.a, &resources).await;
    team::taken_over(&too, &world.azure, &story, &resources).await;
    team::deleted(&story.a, &resources).await;
    world.ends_well(&story, &[]).await;
    assert_eq!(world.written_by(&story, "aso-a-one"), resources.len());
    assert_eq!(world.written_by(&story, "aso-a-two"), resources.len());
}
