//! What Kubernetes deletes along with an owner, and what an owner's change makes of its
//! children.

use std::time::Duration;

use aso_guard::claim::HistoryAction;
use aso_guard::registry::Registry as _;
use rstest::rstest;
use serde_json::{Value, json};

use super::object::{Object, account, dry, group, object, with};
use super::tampered::Trouble;
use super::world::{SETTINGS, SUBSCRIPTION, World, facts};

const OVERRIDE: &str = "asoguard.io/override";
const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net";

fn network() -> Object {
    let spec = json!({"azureName": "net", "owner": {"name": "rg"}});
    object("network.azure.com", "VirtualNetwork", "net", spec)
}

fn subnet() -> Object {
    let spec = json!({"azureName": "inner", "owner": {"name": "net"}});
    object("network.azure.com", "VirtualNetworksSubnet", "inner", spec)
}

/// The same DELETE, with these options.
fn options(review: Value, options: Value) -> Value {
    with(review, "/request/options", options)
}

/// A group that was moved from a to b, while its network was forgotten.
async fn forgotten(policy: &str) -> (World, Object) {
    let world = World::new();
    let parent = world.a.store(&group("rg").policy(policy)).await;
    world.a.create(&network()).await;
    if policy == "skip" {
        world.b.create(&group("rg")).await;
    }
    (world, parent)
}

#[rstest]
#[case::parked("skip")]
#[case::detached("detach-on-delete")]
#[tokio::test]
async fn a_forgotten_child_is_not_deleted_with_an_owner_that_leaves_azure_alone(
    #[case] policy: &str,
) {
    let (world, parent) = forgotten(policy).await;
    // The registry has no part in it.
    for trouble in [Trouble::None, Trouble::Unreachable, Trouble::Hangs] {
        world.registry.set(trouble);
        let answer = world.a.ask(&parent.delete()).await;
        let message = answer.refused(403, "TakesLiveChildren");
        for words in [
            "take its live children along, and delete them in Azure: team/VirtualNetwork/net is live",
            "  kubectl --context a -n team annotate --overwrite virtualnetwork.network.azure.com/net",
            "  kubectl --context a -n team delete --cascade=orphan resourcegroup.resources.azure.com/rg",
        ] {
            assert!(message.contains(words), "{message}");
        }
    }
    world.registry.set(Trouble::None);
    world.a.store(&network().policy("skip")).await;
    world.a.ask(&parent.delete()).await.admitted();
}

#[tokio::test]
async fn a_forgotten_grandchild_is_not_deleted_either() {
    let (world, parent) = forgotten("skip").await;
    world.a.store(&network().policy("skip")).await;
    world.a.ask(&parent.delete()).await.admitted();
    world.a.create(&subnet()).await;
    let answer = world.a.ask(&parent.delete()).await;
    let message = answer.refused(403, "TakesLiveChildren");
    assert!(message.contains("VirtualNetworksSubnet/inner"), "{message}");
}

#[rstest]
#[case::going_anyway(network().terminating())]
#[case::detached(network().policy("detach-on-delete"))]
#[tokio::test]
async fn a_child_that_loses_nothing_by_it_is_in_nobodys_way(#[case] child: Object) {
    let (world, parent) = forgotten("skip").await;
    world.a.store(&child).await;
    world.a.ask(&parent.delete()).await.admitted();
}

/// They go with the namespace, whichever goes first.
#[tokio::test]
async fn in_a_namespace_that_goes_itself_nothing_waits_for_its_children() {
    let (world, parent) = forgotten("skip").await;
    let terminating = |known: &mut aso_guard::cluster::NamespaceFacts| known.terminating = true;
    world.a.cluster.change_namespace("team", terminating);
    world.a.ask(&parent.delete()).await.admitted();
}

#[rstest]
#[case::told(json!({"propagationPolicy": "Orphan"}), json!([]), true)]
#[case::told_the_old_way(json!({"orphanDependents": true}), json!([]), true)]
#[case::by_finalizer(json!({}), json!(["x", "orphan", "foregroundDeletion"]), true)]
#[case::without_options(Value::Null, json!(["orphan"]), true)]
#[case::told_otherwise(json!({"propagationPolicy": "Background"}), json!(["orphan"]), false)]
#[case::told_otherwise_the_old_way(json!({"orphanDependents": false}), json!(["orphan"]), false)]
#[case::foreground(json!({"propagationPolicy": "Foreground"}), json!([]), false)]
#[case::by_the_first_finalizer(json!({}), json!(["foregroundDeletion", "orphan"]), false)]
#[case::unreadable(json!([7]), json!({"orphan": 1}), false)]
#[tokio::test]
async fn what_kubernetes_leaves_where_it_is_is_in_nobodys_way(
    #[case] said: Value,
    #[case] finalizers: Value,
    #[case] orphans: bool,
) {
    let (world, parent) = forgotten("skip").await;
    let parent = parent.with("/metadata/finalizers", finalizers);
    let answer = world.a.ask(&options(parent.delete(), said)).await;
    if orphans {
        answer.admitted();
    } else {
        answer.refused(403, "TakesLiveChildren");
    }
}

/// A role on a group that says where its children are: elsewhere.
fn role(group: &str) -> Object {
    let name = "0c8f5c1e-2a52-4a69-a2c5-1d3f0b6f2d01";
    let owner = json!({"group": "resources.azure.com", "kind": "ResourceGroup", "name": group});
    let spec = json!({"azureName": name, "owner": owner});
    object("authorization.azure.com", "RoleAssignment", "reader", spec)
}

fn prefix(group: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}")
}

const CHILDREN_ARE_IN: &str = "serviceoperator.azure.com/child-resource-id-override";

#[tokio::test]
async fn a_live_owners_children_are_not_looked_at_where_they_stay() {
    let world = World::new();
    let parent = group("rg").annotated(CHILDREN_ARE_IN, &prefix("elsewhere"));
    let parent = world.a.create(&parent).await;
    world.a.create(&role("rg")).await;
    let twin = role("x").with("/spec/owner", json!({"armId": prefix("elsewhere")}));
    world.b.store(&twin.policy("skip")).await;
    let answer = world.a.ask(&parent.delete()).await;
    let message = answer.refused(403, "ChildRefused");
    assert!(
        message.contains("this also deletes team/RoleAssignment"),
        "{message}"
    );
    let orphan = options(parent.delete(), json!({"propagationPolicy": "Orphan"}));
    world.a.ask(&orphan).await.admitted();
}

#[tokio::test]
async fn a_reason_lets_them_go_and_their_claims_remember_it() {
    let (world, parent) = forgotten("skip").await;
    let armed = world
        .a
        .store(&parent.annotated(OVERRIDE, "all of it"))
        .await;
    let tried = world.a.ask(&dry(armed.delete())).await;
    tried.overridden("TakesLiveChildren", "all of it");
    assert!(world.record(NETWORK).await.unwrap().history.is_empty());

    let answer = world.a.ask(&armed.delete()).await;
    let words = answer.overridden("TakesLiveChildren", "all of it");
    assert!(words.contains("team/VirtualNetwork/net is live"), "{words}");
    for resource in ["/resourceGroups/rg", NETWORK] {
        let record = world.record(resource).await.unwrap();
        let [entry] = &record.history[..] else {
            panic!("{record:#?}");
        };
        assert_eq!(
            (entry.action, &*entry.refusal),
            (HistoryAction::Delete, "TakesLiveChildren")
        );
    }
}

#[tokio::test]
async fn a_reason_that_cannot_be_looked_up_lets_nothing_go() {
    let (world, parent) = forgotten("skip").await;
    let armed = world
        .a
        .store(&parent.annotated(OVERRIDE, "all of it"))
        .await;
    for review in [armed.delete(), dry(armed.delete())] {
        for trouble in [Trouble::Unreachable, Trouble::Hangs, Trouble::LosesAnswers] {
            if trouble == Trouble::LosesAnswers && review["request"]["dryRun"] == true {
                continue;
            }
            world.registry.set(trouble);
            let answer = world.a.ask_within("1s", &review).await;
            let message = answer.refused(503, "RegistryUnavailable");
            assert!(message.contains("cannot be looked up now"), "{message}");
        }
    }
    // Nor does one of which no claim can speak, for nobody knows the resource.
    world.registry.set(Trouble::None);
    let nameless = group("new")
        .with("/spec/azureName", json!(""))
        .with(
            "/spec/azureNameFromConfig",
            json!({"name": "c", "key": "k"}),
        )
        .policy("skip")
        .annotated(OVERRIDE, "all of it");
    let nameless = world.a.store(&nameless).await;
    world.a.store(&account("st", "new")).await;
    let answer = world.a.ask(&nameless.delete()).await;
    let message = answer.refused(403, "TakesLiveChildren");
    assert!(message.contains("cannot be looked up now"), "{message}");
}

#[tokio::test]
async fn audit_mode_tells_of_it() {
    let world = World::in_audit_mode();
    let parent = world.a.store(&group("rg").policy("skip")).await;
    world.a.store(&account("st", "rg")).await;
    let words = world
        .a
        .ask(&parent.delete())
        .await
        .warned("TakesLiveChildren");
    assert!(words.contains("team/StorageAccount/st is live"), "{words}");
}

#[tokio::test]
async fn a_crd_goes_once_nothing_below_its_objects_is_live() {
    let (world, _) = forgotten("skip").await;
    let definition = Object(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "resourcegroups.resources.azure.com"},
        "spec": {"group": "resources.azure.com", "names": {"kind": "ResourceGroup"}},
    }));
    let answer = world.a.ask(&definition.delete()).await;
    let message = answer.refused(403, "KindInUse");
    assert!(message.contains("team/VirtualNetwork/net"), "{message}");
    world.a.store(&network().policy("skip")).await;
    world.a.ask(&definition.delete()).await.admitted();
}

#[tokio::test]
async fn a_prefix_for_its_children_that_a_live_owner_gets_is_acquired_for_them() {
    let world = World::new();
    let owner = world.a.create(&group("rg")).await;
    let role = world.a.create(&role("rg")).await;
    let named = owner
        .clone()
        .annotated(CHILDREN_ARE_IN, &prefix("elsewhere"));
    let twin = self::role("x").with("/spec/owner", json!({"armId": prefix("elsewhere")}));
    let peer = world.b.create(&twin).await;
    for to in [named.clone(), named.clone().policy("detach-on-delete")] {
        let answer = world.a.ask(&owner.update(&to)).await;
        let message = answer.refused(403, "WakesChild");
        let words = "this change renames its child team/RoleAssignment/reader, which would have two ASOs write to";
        assert!(message.starts_with(words), "{message}");
        assert!(message.contains("live in cluster b"), "{message}");
    }
    world.b.remove(&peer).await;
    world.a.ask(&owner.update(&named)).await.admitted();
    world
        .b
        .ask(&twin.create())
        .await
        .refused(403, "LiveElsewhere");
    // It stays so, and the old name becomes free.
    world.a.store(&named).await;
    world.a.store(&role).await;
    world
        .b
        .ask(&twin.create())
        .await
        .refused(403, "LiveElsewhere");
    let old = twin
        .again()
        .with("/spec/owner", json!({"armId": prefix("rg")}));
    world.b.ask(&old.create()).await.admitted();
}

/// Where the owner itself is not known, its children may be.
#[tokio::test]
async fn an_owner_that_nobody_knows_names_its_children_too() {
    let world = World::new();
    world.a.store(&role("rg")).await;
    let twin = role("x").with("/spec/owner", json!({"armId": prefix("elsewhere")}));
    let peer = world.b.create(&twin).await;
    let nameless = group("rg").with("/spec/azureName", json!("")).with(
        "/spec/azureNameFromConfig",
        json!({"name": "c", "key": "k"}),
    );
    let named = nameless
        .clone()
        .annotated(CHILDREN_ARE_IN, &prefix("elsewhere"));
    world
        .a
        .ask(&named.create())
        .await
        .refused(403, "WakesChild");
    let stored = world.a.store(&nameless).await;
    world
        .a
        .ask(&stored.update(&named))
        .await
        .refused(403, "WakesChild");
    world.b.remove(&peer).await;
    world
        .a
        .ask(&stored.update(&named))
        .await
        .warned("Unresolved");
    world
        .b
        .ask(&twin.create())
        .await
        .refused(403, "LiveElsewhere");
}

/// An account in a group that is not in Kubernetes.
fn rooted_account(group: &str) -> Object {
    account("st", group).with("/spec/owner", json!({"armId": prefix(group)}))
}

#[tokio::test]
async fn another_name_of_a_parked_owner_is_acquired_for_its_live_children() {
    let world = World::new();
    let owner = world.a.create(&group("rg").policy("skip")).await;
    world.a.create(&account("st", "rg")).await;
    let peer = world.b.create(&rooted_account("new")).await;
    let renamed = owner.clone().with("/spec/azureName", json!("new"));
    let answer = world.a.ask(&owner.update(&renamed)).await;
    let message = answer.refused(403, "WakesChild");
    assert!(
        message.contains("this change renames its child"),
        "{message}"
    );
    let id = "/resourceGroups/new/providers/Microsoft.Storage/storageAccounts/st";
    let record = world.record(id).await.unwrap();
    assert_eq!(record.copies.len(), 1, "what is refused leaves nothing");

    world.b.remove(&peer).await;
    world.a.ask(&owner.update(&renamed)).await.admitted();
    let twin = rooted_account("new");
    world
        .b
        .ask(&twin.create())
        .await
        .refused(403, "LiveElsewhere");
    // What its children are not named by costs nothing.
    world.registry.calls();
    let other = owner.clone().with("/spec/location", json!("eastus"));
    world.a.ask(&owner.update(&other)).await.admitted();
    assert!(world.registry.calls().is_empty());
    // Where all are parked, those alone are looked for that are on their way.
    world.a.store(&account("st", "rg").policy("skip")).await;
    world.registry.calls();
    world.a.ask(&owner.update(&renamed)).await.admitted();
    assert_eq!(world.registry.calls(), ["claim", "put_claim", "claims"]);
}

#[tokio::test]
async fn a_childs_delete_under_way_is_not_pointed_at_another_resource() {
    let world = World::new();
    let owner = world.a.create(&group("rg").policy("skip")).await;
    let child = world.a.create(&account("st", "rg")).await;
    world.a.store(&child.terminating()).await;
    world.b.store(&rooted_account("new").policy("skip")).await;
    let renamed = owner.clone().with("/spec/azureName", json!("new"));
    let answer = world.a.ask(&owner.update(&renamed)).await;
    let message = answer.refused(403, "WakesChild");
    assert!(
        message.contains("its delete, which is under way"),
        "{message}"
    );
}

/// So many accounts that wait for their group.
fn waiting(world: &World, count: usize) {
    for number in 0..count {
        let child = account(&format!("st{number}"), "here");
        world.a.cluster.store(facts(&child));
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_very_many_wait_for_is_admitted_in_time() {
    let world = World::new();
    waiting(&world, 1500);
    world.registry.set(Trouble::Slow(Duration::from_millis(5)));
    let owner = group("in-azure").named("here");
    world.a.ask(&owner.create()).await.admitted();
    let id = "/resourceGroups/in-azure/providers/Microsoft.Storage/storageAccounts/st1499";
    assert_eq!(world.record(id).await.unwrap().live().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn too_many_for_the_time_are_said_to_be_so() {
    let world = World::new();
    waiting(&world, 1500);
    world
        .registry
        .set(Trouble::Slow(Duration::from_millis(200)));
    let owner = group("in-azure").named("here");
    let answer = world.a.ask(&owner.create()).await;
    let message = answer.refused(503, "RegistryUnavailable");
    for words in [
        "of the 1500 objects that it is about",
        "Try again at once: the next try goes on from there",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert!(!message.contains("reaches the registry"), "{message}");
}

/// An owner that many wait for is tried again until it is admitted, or so often.
async fn tries(world: &World, owner: &Object, most: usize) -> usize {
    for tried in 1..=most {
        if world.a.ask(&owner.clone().again().create()).await.allowed {
            return tried;
        }
    }
    panic!("not admitted in {most} tries");
}

#[tokio::test(start_paused = true)]
async fn each_try_goes_on_where_the_one_before_it_was_cut_off() {
    let world = World::new();
    waiting(&world, 1500);
    let slow = Trouble::Slow(Duration::from_millis(200));
    world.registry.set(slow);
    let owner = group("in-azure").named("here");
    let tried = tries(&world, &owner, 8).await;
    assert!(tried > 2, "{tried}");
    let calls = world.registry.calls();
    let put = calls.iter().filter(|call| **call == "put_claim").count();
    assert!(put < 1500 + 8 * 16, "{put}");

    // What was claimed first lasts as long as what was claimed last may be under way.
    tokio::time::advance(SETTINGS.claim_deadline.mul_f32(0.98)).await;
    world.registry.set(Trouble::None);
    let id = "/resourceGroups/in-azure/providers/Microsoft.Storage/storageAccounts/st";
    for number in [0, 750, 1499] {
        let child = facts(&account(&format!("st{number}"), "here")).key;
        world.a.observer.look(&child).await.unwrap();
        let record = world.record(&format!("{id}{number}")).await.unwrap();
        assert_eq!(record.live().count(), 1, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_try_finds_what_is_not_so_any_more() {
    let world = World::new();
    waiting(&world, 600);
    let slow = Trouble::Slow(Duration::from_millis(200));
    world.registry.set(slow);
    let owner = group("in-azure").named("here");
    let cut_off = world.a.ask(&owner.create()).await;
    cut_off.refused(503, "RegistryUnavailable");
    // What was claimed is given free, and taken by somebody else.
    world.registry.set(Trouble::None);
    let id = "/resourceGroups/in-azure/providers/Microsoft.Storage/storageAccounts/st0";
    let claim = format!("/subscriptions/{SUBSCRIPTION}{id}")
        .parse()
        .unwrap();
    let known = world.registry.claim(&claim).await.unwrap().unwrap();
    let nothing = aso_guard::claim::Record::new(claim);
    let free = world.registry.put_claim(&nothing, Some(&known.version));
    free.await.unwrap();
    let taken = rooted_account("in-azure").with("/spec/azureName", json!("st0"));
    world.b.create(&taken).await;
    let answer = world.a.ask(&owner.clone().again().create()).await;
    answer.refused(403, "WakesChild");

    // And what contains them is looked at anew.
    world.b.remove(&taken).await;
    let twin = group("in-azure");
    world.b.store(&twin.clone().terminating()).await;
    let answer = world.a.ask(&owner.clone().again().create()).await;
    let message = answer.refused(403, "LiveElsewhere");
    assert!(message.contains("being deleted in cluster b"), "{message}");
}

#[tokio::test]
async fn of_many_that_wait_one_that_may_not_go_live_takes_all_back() {
    let world = World::new();
    waiting(&world, 100);
    let taken = rooted_account("in-azure").with("/spec/azureName", json!("st50"));
    world.b.create(&taken).await;
    let owner = group("in-azure").named("here");
    let answer = world.a.ask(&owner.create()).await;
    let message = answer.refused(403, "WakesChild");
    assert!(message.contains("team/StorageAccount/st50"), "{message}");
    for number in [0, 49, 51, 99] {
        let id = "/resourceGroups/in-azure/providers/Microsoft.Storage/storageAccounts/st";
        assert_eq!(world.record(&format!("{id}{number}")).await, None);
    }
}

/// Its owner was admitted, and never came: another webhook refused it.
#[tokio::test(start_paused = true)]
async fn a_name_that_an_owner_would_have_given_is_free_once_that_came_to_nothing() {
    let world = World::new();
    world.a.create(&group("rg")).await;
    world.a.store(&subnet()).await;
    world.a.ask(&network().create()).await.admitted();
    let inner = format!("{NETWORK}/subnets/inner");
    let key = facts(&subnet()).key;
    world.a.observer.look(&key).await.unwrap();
    assert_eq!(world.record(&inner).await.unwrap().live().count(), 1);
    let owner = json!({"armId": format!("/subscriptions/{SUBSCRIPTION}{NETWORK}")});
    let twin = subnet().with("/spec/owner", owner);
    world
        .b
        .ask(&twin.create())
        .await
        .refused(403, "LiveElsewhere");

    tokio::time::advance(SETTINGS.claim_deadline * 2 + Duration::from_secs(1)).await;
    world.a.observer.look(&key).await.unwrap();
    assert_eq!(world.record(&inner).await, None);
    world.b.create(&twin).await;
}
