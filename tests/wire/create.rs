//! CREATE.

use aso_guard::claim::{ClaimState, Proof};
use aso_guard::resolve::{SecretFacts, SecretLookup};
use rstest::rstest;
use serde_json::{Value, json};

use super::object::{CREATE, Object, POLICY, RESOURCE_ID, account, group, object};
use super::world::{Member, SUBSCRIPTION, World};

#[tokio::test]
async fn what_an_api_server_sends_is_acquired() {
    let world = World::new();
    let review = serde_json::from_str(CREATE).unwrap();
    world.a.ask(&review).await.admitted();
    let record = world.record("/resourceGroups/rg-prod").await.unwrap();
    assert_eq!(record.state(), ClaimState::Pending);
    let (copy, held) = record.live().next().unwrap();
    assert_eq!(copy.to_string(), "a/team/ResourceGroup/rg-prod");
    assert_eq!(&*held.by, "alice");
    let uid = "0c8f5c1e-2a52-4a69-a2c5-1d3f0b6f2d01";
    assert_eq!(held.acquiring[0].proof, Proof::Uid(uid.into()));
}

#[tokio::test]
async fn a_parked_copy_is_welcome_wherever_the_live_one_is() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    let parked = group("rg").policy("skip");
    world.a.ask(&parked.create()).await.admitted();
}

#[tokio::test]
async fn a_live_twin_in_another_cluster_is_refused() {
    let world = World::new();
    world.b.create(&group("rg").named("rg-in-b")).await;
    let answer = world.a.ask(&group("rg").create()).await;
    let message = answer.refused(403, "LiveElsewhere");
    let words = "creating this copy live would have two ASOs write to resourceGroups/rg: \
                 it is live in cluster b as team/ResourceGroup/rg-in-b (since ";
    assert!(message.starts_with(words), "{message}");
    let command = format!(
        "kubectl --context b -n team annotate --overwrite \
         resourcegroup.resources.azure.com/rg-in-b {POLICY}=skip"
    );
    assert!(message.contains(&command), "{message}");
    let record = world.record("/resourceGroups/rg").await.unwrap();
    assert_eq!(record.copies.len(), 1, "what is refused leaves nothing");
}

#[rstest]
#[case::in_another_namespace(group("rg").in_namespace("other"))]
#[case::under_another_name(group("rg").named("other"))]
#[case::spelled_otherwise(group("RG").named("other"))]
#[tokio::test]
async fn a_live_twin_in_the_same_cluster_is_refused(#[case] twin: Object) {
    let world = World::new();
    world.a.create(&group("rg")).await;
    let answer = world.a.ask(&twin.create()).await;
    let message = answer.refused(403, "LiveElsewhere");
    assert!(
        message.contains("live in this cluster (a) as team/ResourceGroup/rg"),
        "{message}"
    );
    assert!(
        message.contains("  kubectl --context a -n team annotate"),
        "{message}"
    );
}

/// The API server may still store it.
#[tokio::test]
async fn a_twin_that_was_admitted_and_not_stored_yet_counts() {
    let world = World::new();
    world.b.ask(&group("rg").create()).await.admitted();
    let answer = world.a.ask(&group("rg").create()).await;
    let message = answer.refused(403, "LiveElsewhere");
    assert!(message.contains("going live in cluster b"), "{message}");
}

#[tokio::test]
async fn the_same_copy_may_try_again() {
    let world = World::new();
    world.a.ask(&group("rg").create()).await.admitted();
    world.a.ask(&group("rg").create()).await.admitted();
    let record = world.record("/resourceGroups/rg").await.unwrap();
    let held = record.copies.values().next().unwrap();
    assert_eq!(held.acquiring.len(), 2);
}

#[tokio::test]
async fn other_subscriptions_are_other_resources() {
    let world = World::new();
    world.b.create(&group("rg")).await;
    world.a.cluster.set_subscription("team", "another");
    world.a.ask(&group("rg").create()).await.admitted();
}

/// An account whose resource group is not in Kubernetes.
fn rooted_account(name: &str, group: &str) -> Object {
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}");
    account(name, group).with("/spec/owner", json!({"armId": id}))
}

#[tokio::test]
async fn what_is_being_deleted_takes_nothing_new() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world.a.ask(&stored.delete()).await.admitted();
    let inside = rooted_account("st", "rg");
    let answer = world.b.ask(&inside.create()).await;
    let message = answer.refused(403, "AncestorDeleting");
    assert!(message.contains("resourceGroups/rg"), "{message}");
    let id = "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st";
    assert_eq!(
        world.record(id).await,
        None,
        "what is refused leaves nothing"
    );
}

#[tokio::test]
async fn an_owner_that_is_not_there_is_guessed_at() {
    let world = World::new();
    let inside = account("st", "rg");
    let answer = world.a.ask(&inside.create()).await;
    assert!(answer.allowed);
    assert!(
        answer.warnings[0].contains("its owner is not there yet"),
        "{answer:?}"
    );
    let id = "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st";
    let record = world.record(id).await.unwrap();
    assert!(record.copies.values().all(|held| held.assumed));

    let twin = world.b.ask(&rooted_account("st", "rg").create()).await;
    let message = twin.refused(403, "LiveElsewhere");
    assert!(message.contains("An owner is not there yet"), "{message}");
}

#[tokio::test]
async fn an_owner_may_not_make_a_waiting_child_a_second_live_copy() {
    let world = World::new();
    world.b.create(&rooted_account("st", "in-azure")).await;
    world.a.store(&account("st", "here")).await;
    let owner = group("in-azure").named("here");
    let answer = world.a.ask(&owner.create()).await;
    let message = answer.refused(403, "WakesChild");
    assert!(message.contains("team/StorageAccount/st"), "{message}");
    assert_eq!(world.record("/resourceGroups/in-azure").await, None);
}

#[tokio::test]
async fn a_stale_annotation_that_names_somebody_elses_resource_is_refused() {
    let world = World::new();
    world.b.create(&group("theirs")).await;
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/theirs");
    let pasted = group("mine").annotated(RESOURCE_ID, &id);
    let answer = world.a.ask(&pasted.create()).await;
    let message = answer.refused(403, "ForeignResourceId");
    assert!(
        message.contains("resourceGroups/theirs is live in cluster b as team/"),
        "{message}"
    );
    assert_eq!(world.record("/resourceGroups/mine").await, None);

    // Where nobody has it, the copy holds both.
    let id = id.replace("theirs", "nobodys");
    let renamed = group("mine").annotated(RESOURCE_ID, &id);
    world.a.create(&renamed).await;
    for name in ["mine", "nobodys"] {
        let answer = world.b.ask(&group(name).create()).await;
        answer.refused(403, "LiveElsewhere");
    }
}

#[tokio::test]
async fn what_the_observer_saw_gone_is_free() {
    let world = World::new();
    let stored = world.a.create(&group("rg")).await;
    world
        .b
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    let parked = world
        .a
        .update(&stored, &stored.clone().policy("skip"))
        .await;
    world.b.create(&group("rg")).await;
    world.a.ask(&parked.delete()).await.admitted();
    world.a.remove(&parked).await;
    let record = world.record("/resourceGroups/rg").await.unwrap();
    let members: Vec<_> = record
        .copies
        .keys()
        .map(|copy| copy.member.as_str())
        .collect();
    assert_eq!(members, ["b"]);
}

/// Namespaces and ASO's own settings decide where the object says nothing.
#[rstest]
#[case::namespace(|member: &Member| member.cluster.set_namespace_policy("team", Some("skip")))]
#[case::operator(|member: &Member| member.cluster.set_operator_policy(Some("skip")))]
#[tokio::test]
async fn policies_from_further_away_count(#[case] park: fn(&Member)) {
    let world = World::new();
    world.b.create(&group("rg")).await;
    world
        .a
        .ask(&group("rg").create())
        .await
        .refused(403, "LiveElsewhere");
    park(&world.a);
    world.a.ask(&group("rg").create()).await.admitted();
    world
        .a
        .ask(&group("rg").policy("").create())
        .await
        .admitted();
    let live = group("rg").policy("manage");
    world
        .a
        .ask(&live.create())
        .await
        .refused(403, "LiveElsewhere");
    let live = group("rg").policy("detach-on-delete");
    world
        .a
        .ask(&live.create())
        .await
        .refused(403, "LiveElsewhere");
}

/// ASO writes on each object where it lives, and leaves alone what has another's.
#[rstest]
#[case::an_aso_elsewhere("capz-system", true)]
#[case::its_own("azureserviceoperator-system", false)]
#[case::one_with_other_namespaces("aso-other", true)]
#[case::one_that_takes_it("aso-team", false)]
#[tokio::test]
async fn a_copy_that_came_with_another_operators_name_is_warned_of(
    #[case] operator: &str,
    #[case] warned: bool,
    #[values("manage", "skip")] policy: &str,
) {
    let world = World::new();
    for (operator, targets) in [("aso-other", "other"), ("aso-team", "x,team")] {
        let settings = SecretLookup::Found(SecretFacts {
            subscription: Some(SUBSCRIPTION.into()),
            target_namespaces: Some(targets.into()),
            ..SecretFacts::default()
        });
        let cluster = &world.a.cluster;
        cluster.set_secret(operator, "aso-controller-settings", settings);
    }
    let annotation = "serviceoperator.azure.com/operator-namespace";
    let object = group("rg").policy(policy).annotated(annotation, operator);
    let answer = world.a.ask(&object.create()).await;
    assert!(answer.allowed, "{answer:#?}");
    let words = answer.warnings.join(" ");
    assert_eq!(
        words.contains("ASO will not reconcile it"),
        warned,
        "{words}"
    );
    assert_eq!(
        words.contains(&format!("an ASO in {operator}")),
        warned,
        "{words}"
    );
}

fn server() -> Object {
    let spec = json!({"owner": {"name": "rg"}});
    object("dbforpostgresql.azure.com", "FlexibleServer", "db", spec)
}

/// A database user has no ARM ID, and is one all the same.
#[tokio::test]
async fn a_user_in_a_database_server_has_one_live_copy_too() {
    let world = World::new();
    let user = |name: &str, owner: Value| {
        let spec = json!({"azureName": "alice#EXT#", "owner": owner});
        object("dbforpostgresql.azure.com", "User", name, spec)
    };
    let group = world.a.create(&group("rg")).await;
    let server = world.a.create(&server()).await;
    let ours = world.a.create(&user("u", json!({"name": "db"}))).await;
    let id = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/RG/providers/Microsoft.DBforPostgreSQL/flexibleServers/DB"
    );
    let twin = user("v", json!({"armId": id}));
    world
        .b
        .ask(&twin.create())
        .await
        .refused(403, "LiveElsewhere");

    // Parked there, it depends on the server and on the group.
    world.b.store(&twin.policy("skip")).await;
    world
        .a
        .ask(&ours.delete())
        .await
        .refused(403, "PeersDepend");
    for above in [server, group] {
        let answer = world.a.ask(&above.delete()).await;
        let message = answer.refused(403, "ChildrenDepend");
        assert!(message.contains("cluster b as team/User/v"), "{message}");
    }
}

/// A copy that is moved along with ASO's own annotation, which is right.
#[tokio::test]
async fn a_resource_id_that_says_the_same_is_no_trouble() {
    let world = World::new();
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourcegroups/RG");
    world
        .a
        .create(&group("rg").annotated(RESOURCE_ID, &id))
        .await;
}
