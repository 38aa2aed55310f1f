//! Expected IDs are written out by hand; UUIDs come from Python's `uuid.uuid5`.

use proptest::prelude::*;
use rstest::rstest;

use std::sync::Arc;

use super::super::chain::MAX_LINKS;
use super::*;
use crate::object::OwnerRef;

const NAMESPACE: &str = "team-a";
const SUB: &str = "sub-1";
const RG: &str = "resources.azure.com/ResourceGroup/rg";
const VNET: &str = "network.azure.com/VirtualNetwork/vnet";
const SUBNET: &str = "network.azure.com/VirtualNetworksSubnet/subnet";
const ALIAS: &str = "subscription.azure.com/Alias/dev";
const ASSIGNMENT: &str = "authorization.azure.com/RoleAssignment/reader";
const FAR: &str = "/subscriptions/sub-9/resourceGroups/far";
const FAR_VNET: &str =
    "/subscriptions/sub-9/resourceGroups/far/providers/Microsoft.Network/virtualNetworks/v";
const FAR_COSMOS: &str = "/subscriptions/sub-9/resourceGroups/far/providers/Microsoft.DocumentDB/databaseAccounts/cosmos";

fn key(path: &str) -> ObjectKey {
    let [group, kind, name] = path.splitn(3, '/').collect::<Vec<_>>()[..] else {
        panic!("group/kind/name, not {path}");
    };
    ObjectKey::new(group, kind, NAMESPACE, name)
}

/// An object without an owner.
fn root(path: &str) -> ObjectFacts {
    ObjectFacts::named(key(path))
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the fields it is for are optional"
)]
fn text(text: &str) -> Option<Box<str>> {
    Some(text.into())
}

fn with(path: &str, change: impl FnOnce(&mut ObjectFacts)) -> ObjectFacts {
    let mut object = root(path);
    change(&mut object);
    object
}

fn owner(name: &str) -> OwnerRef {
    OwnerRef {
        name: text(name),
        ..OwnerRef::default()
    }
}

fn arm_owner(id: &str) -> OwnerRef {
    OwnerRef {
        arm_id: text(id),
        ..OwnerRef::default()
    }
}

fn any_owner(path: &str) -> OwnerRef {
    let key = key(path);
    OwnerRef {
        group: text(&key.group),
        kind: text(&key.kind),
        name: text(&key.name),
        arm_id: None,
    }
}

/// An object with an owner of the kind that its own implies.
fn child(path: &str, of: &str) -> ObjectFacts {
    with(path, |object| object.owner = Some(owner(of)))
}

/// An object with an owner that is not in Kubernetes.
fn at(path: &str, id: &str) -> ObjectFacts {
    with(path, |object| object.owner = Some(arm_owner(id)))
}

/// An extension resource on an object.
fn on(path: &str, target: &str) -> ObjectFacts {
    with(path, |object| object.owner = Some(any_owner(target)))
}

/// What a caller does: looks owners up among `world` until the root.
fn owners(kinds: &Kinds, object: &ObjectFacts, world: &[ObjectFacts]) -> Vec<OwnerLink> {
    let mut found = Vec::new();
    let mut current = Arc::new(object.clone());
    while let Ok(NextOwner::Object(key)) = next_owner(kinds, &current) {
        if found.len() > MAX_LINKS {
            break;
        }
        let Some(owner) = world.iter().find(|object| object.key == key) else {
            found.push(OwnerLink::Missing(key));
            break;
        };
        current = Arc::new(owner.clone());
        found.push(OwnerLink::Found(Arc::clone(&current)));
    }
    found
}

fn resolve_in(world: &[ObjectFacts], object: &ObjectFacts) -> Result<Resolution, Unresolved> {
    let kinds = Kinds::builtin();
    let owners = owners(&kinds, object, world);
    resolve(&kinds, object, &owners, Some(SUB))
}

/// A network in a group, and a database server, as most tests have them.
fn world() -> Vec<ObjectFacts> {
    vec![
        root(RG),
        child(VNET, "rg"),
        child(SUBNET, "vnet"),
        child("sql.azure.com/Server/server", "rg"),
        child("sql.azure.com/ServersDatabase/db", "server"),
        child("dbforpostgresql.azure.com/FlexibleServer/pg", "rg"),
        child("documentdb.azure.com/DatabaseAccount/cosmos", "rg"),
        child("storage.azure.com/StorageAccount/store", "rg"),
        child(
            "storage.azure.com/StorageAccountsBlobService/blobs",
            "store",
        ),
        root(ALIAS),
        at("network.azure.com/VirtualNetwork/far", FAR),
    ]
}

#[rstest]
#[case::group(root(RG), "/subscriptions/sub-1/resourceGroups/rg")]
#[case::in_group(
    child(VNET, "rg"),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
)]
#[case::azure_name(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.azure_name = text("Net.01"); }),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/Net.01"
)]
#[case::no_azure_name(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.azure_name = text(""); }),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
)]
#[case::child(
    child(SUBNET, "vnet"),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/subnet"
)]
#[case::singleton(
    with("storage.azure.com/StorageAccountsBlobService/blobs", |blobs| {
        blobs.owner = Some(owner("store"));
        blobs.azure_name = text("ignored");
    }),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/store/blobServices/default"
)]
#[case::below_a_singleton(
    child("storage.azure.com/StorageAccountsBlobServicesContainer/logs", "blobs"),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/store/blobServices/default/containers/logs"
)]
#[case::singleton_administrator(
    child("sql.azure.com/ServersAdministrator/admin", "server"),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Sql/servers/server/administrators/ActiveDirectory"
)]
#[case::tenant(root(ALIAS), "/providers/Microsoft.Subscription/aliases/dev")]
#[case::on_a_group(
    on("insights.azure.com/DiagnosticSetting/logs", RG),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
#[case::on_a_child(
    on("insights.azure.com/DiagnosticSetting/logs", SUBNET),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet/subnets/subnet/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
#[case::on_the_tenant(
    on("insights.azure.com/DiagnosticSetting/logs", ALIAS),
    "/providers/Microsoft.Subscription/aliases/dev/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
#[case::in_a_far_group(
    at(VNET, "/subscriptions/sub-9/resourcegroups/far/"),
    "/subscriptions/sub-9/resourceGroups/far/providers/Microsoft.Network/virtualNetworks/vnet"
)]
#[case::below_a_far_resource(
    at(SUBNET, FAR_VNET),
    "/subscriptions/sub-9/resourceGroups/far/providers/Microsoft.Network/virtualNetworks/v/subnets/subnet"
)]
#[case::below_one_in_a_far_group(
    child(SUBNET, "far"),
    "/subscriptions/sub-9/resourceGroups/far/providers/Microsoft.Network/virtualNetworks/far/subnets/subnet"
)]
#[case::on_a_far_resource(
    at("insights.azure.com/DiagnosticSetting/logs", FAR_VNET),
    "/subscriptions/sub-9/resourceGroups/far/providers/Microsoft.Network/virtualNetworks/v/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
#[case::on_a_subscription(
    at("insights.azure.com/DiagnosticSetting/logs", "/subscriptions/sub-9"),
    "/subscriptions/sub-9/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
#[case::on_a_management_group(
    at(
        "insights.azure.com/DiagnosticSetting/logs",
        "/providers/Microsoft.Management/managementGroups/mg"
    ),
    "/providers/Microsoft.Management/managementGroups/mg/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
#[case::sql_user(
    with("sql.azure.com/User/alice", |user| { user.owner = Some(owner("db")); user.azure_name = text("Alice#EXT#@x"); }),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Sql/servers/server/databases/db#User/Alice#EXT#@x"
)]
#[case::postgres_user(
    child("dbforpostgresql.azure.com/User/alice", "pg"),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/pg#User/alice"
)]
#[case::far_sql_user(
    at(
        "sql.azure.com/User/alice",
        "/subscriptions/s/resourceGroups/g/providers/microsoft.sql/servers/x/databases/d"
    ),
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/x/databases/d#User/alice"
)]
#[case::owner_kind_said_again(
    with(VNET, |vnet| vnet.owner = Some(any_owner(RG))),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
)]
#[case::name_from_config(
    with(VNET, |vnet| {
        vnet.owner = Some(owner("rg"));
        vnet.azure_name = text("overridden");
        vnet.azure_name_from_config = true;
        vnet.annotations.azure_name_from_config = text("from-config");
    }),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/from-config"
)]
#[case::config_no_longer_asked(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.annotations.azure_name_from_config = text("old"); }),
    "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet"
)]
#[case::entra(
    with("entra.azure.com/SecurityGroup/admins", |group| {
        group.annotations.resource_id = text("11111111-2222-3333-4444-555555555555");
    }),
    "/providers/Microsoft.Graph/groups/11111111-2222-3333-4444-555555555555"
)]
fn resolves(#[case] object: ObjectFacts, #[case] expected: &str) {
    let found = resolve_in(&world(), &object).unwrap();
    let plain = Resolution {
        identity: Identity::parse(expected).unwrap(),
        assumed: false,
        witness: None,
        also: Vec::new(),
        stale_status: None,
        bad_annotation: None,
    };
    assert_eq!(found, plain);
    assert_eq!(found.identity.key(), expected.to_ascii_lowercase());
}

#[rstest]
#[case::stable(on(ASSIGNMENT, RG), "d9016c38-f539-591a-88a0-5cbfb5b933da", None)]
#[case::stable_by_name(
    with(ASSIGNMENT, |it| { it.owner = Some(any_owner(RG)); it.naming_convention = text("Stable"); }),
    "d9016c38-f539-591a-88a0-5cbfb5b933da",
    None
)]
#[case::named_by_a_uuid(
    on(
        "authorization.azure.com/RoleAssignment/00000000-0000-0000-0000-00000000000a",
        RG
    ),
    "00000000-0000-0000-0000-00000000000a",
    None
)]
#[case::stated(
    with(ASSIGNMENT, |it| { it.owner = Some(arm_owner(FAR)); it.azure_name = text("stated"); }),
    "stated",
    None
)]
#[case::by_arm_id(
    at(ASSIGNMENT, FAR),
    "4469ecd8-fd27-5e14-9213-fb24e67aab1e",
    Some("ff38fb53-c295-5ab9-a20a-82c9d250b915")
)]
#[case::definition(
    on("authorization.azure.com/RoleDefinition/auditor", RG),
    "f4ecf19a-0954-5893-b5c0-8d867faf6364",
    None
)]
#[case::definition_by_arm_id(
    at("authorization.azure.com/RoleDefinition/auditor", FAR),
    "ce3a4f3d-fe97-5e5c-99af-30a3f661fa88",
    None
)]
#[case::in_cosmos(
    child("documentdb.azure.com/SqlRoleAssignment/app", "cosmos"),
    "12b66615-19ce-55cc-8b93-36df69e56b71",
    None
)]
#[case::in_far_cosmos(
    at("documentdb.azure.com/SqlRoleAssignment/app", FAR_COSMOS),
    "c9173500-1fa3-5841-9c01-6afb15b19c85",
    Some("bfe2baf3-dd5c-5aad-93c7-824d1bdd8f4d")
)]
fn makes_up_names_as_aso_does(
    #[case] object: ObjectFacts,
    #[case] name: &str,
    #[case] other: Option<&str>,
) {
    let found = resolve_in(&world(), &object).unwrap();
    assert_eq!(found.identity.name(), name);
    let also: Vec<&str> = found.also.iter().map(Identity::name).collect();
    assert_eq!(also, Vec::from_iter(other));
    assert!(!found.assumed);
}

#[test]
fn a_role_assignment_lies_on_its_owner() {
    let found = resolve_in(&world(), &on(ASSIGNMENT, VNET)).unwrap();
    let (above, _) = found.identity.as_str().rsplit_once('/').unwrap();
    assert_eq!(
        above,
        "/subscriptions/sub-1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet\
         /providers/Microsoft.Authorization/roleAssignments"
    );
}

#[rstest]
#[case::unknown_kind(
    root("network.azure.com/Bridge/b"),
    "aso-guard does not know what Bridge.network.azure.com is in Azure: its table lacks the kind, and \
     the installed CRD does not say; update aso-guard, or install ASO's CRD with its descriptions"
)]
#[case::no_owner(
    root(VNET),
    "team-a/VirtualNetwork/vnet has no spec.owner; set spec.owner.name to the ResourceGroup it belongs to, or spec.owner.armId"
)]
#[case::empty_owner(
    child(VNET, ""),
    "team-a/VirtualNetwork/vnet has no spec.owner; set spec.owner.name to the ResourceGroup it belongs to, or spec.owner.armId"
)]
#[case::no_owner_of_any_kind(
    root(ASSIGNMENT),
    "team-a/RoleAssignment/reader has no spec.owner; set spec.owner.name to the object it belongs to, or spec.owner.armId"
)]
#[case::both(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.owner.as_mut().unwrap().arm_id = text(FAR); }),
    "team-a/VirtualNetwork/vnet names its owner twice, in Kubernetes and by armId; keep one of the two in spec.owner"
)]
#[case::arm_id_and_kind(
    with(ASSIGNMENT, |it| { it.owner = Some(arm_owner(FAR)); it.owner.as_mut().unwrap().kind = text("ResourceGroup"); }),
    "team-a/RoleAssignment/reader names its owner twice, in Kubernetes and by armId; keep one of the two in spec.owner"
)]
#[case::no_group(
    with(ASSIGNMENT, |it| { it.owner = Some(any_owner(RG)); it.owner.as_mut().unwrap().group = None; }),
    "spec.owner of team-a/RoleAssignment/reader lacks its group; the owner of a RoleAssignment needs group, kind and name, or armId"
)]
#[case::no_kind(
    with(ASSIGNMENT, |it| { it.owner = Some(any_owner(RG)); it.owner.as_mut().unwrap().kind = None; }),
    "spec.owner of team-a/RoleAssignment/reader lacks its kind; the owner of a RoleAssignment needs group, kind and name, or armId"
)]
#[case::no_name(
    with(ASSIGNMENT, |it| { it.owner = Some(any_owner(RG)); it.owner.as_mut().unwrap().name = None; }),
    "spec.owner of team-a/RoleAssignment/reader lacks its name; the owner of a RoleAssignment needs group, kind and name, or armId"
)]
#[case::other_kind(
    with(SUBNET, |it| it.owner = Some(any_owner(RG))),
    "spec.owner of team-a/VirtualNetworksSubnet/subnet says ResourceGroup.resources.azure.com, and a VirtualNetworksSubnet \
     belongs to a VirtualNetwork.network.azure.com; leave group and kind out of spec.owner"
)]
#[case::missing(
    child(SUBNET, "elsewhere"),
    "team-a/VirtualNetworksSubnet/subnet belongs to team-a/VirtualNetwork/elsewhere, which is not there, so nobody can tell \
     where in Azure it lies; apply team-a/VirtualNetwork/elsewhere first"
)]
#[case::on_a_user(
    on(ASSIGNMENT, "sql.azure.com/User/alice"),
    "team-a/RoleAssignment/reader belongs to team-a/User/alice, which is not an Azure resource; choose an owner that is one"
)]
#[case::on_an_entra_object(
    on(ASSIGNMENT, "entra.azure.com/SecurityGroup/admins"),
    "team-a/RoleAssignment/reader belongs to team-a/SecurityGroup/admins, which is not an Azure resource; choose an owner that is one"
)]
#[case::bad_arm_id(
    at(VNET, "far"),
    "spec.owner.armId of team-a/VirtualNetwork/vnet is not an ARM ID: \"far\" does not begin with a slash"
)]
#[case::arm_id_of_a_subscription(
    at(VNET, "/subscriptions/sub-9"),
    "spec.owner.armId of team-a/VirtualNetwork/vnet is the ID of a Microsoft.Resources/subscriptions, and a VirtualNetwork \
     belongs to a Microsoft.Resources/resourceGroups"
)]
#[case::arm_id_of_a_group(
    at(SUBNET, FAR),
    "spec.owner.armId of team-a/VirtualNetworksSubnet/subnet is the ID of a Microsoft.Resources/resourceGroups, and a \
     VirtualNetworksSubnet belongs to a Microsoft.Network/virtualNetworks"
)]
#[case::arm_id_for_a_user(
    at("sql.azure.com/User/alice", FAR),
    "spec.owner.armId of team-a/User/alice is the ID of a Microsoft.Resources/resourceGroups, and a User belongs to a \
     Microsoft.Sql/servers/databases"
)]
#[case::random(
    with(ASSIGNMENT, |it| { it.owner = Some(any_owner(RG)); it.naming_convention = text("random"); }),
    "team-a/RoleAssignment/reader asks for a random name in Azure, and ASO's webhook has not filled in spec.azureName; \
     check that it runs"
)]
#[case::convention(
    with(ASSIGNMENT, |it| { it.owner = Some(any_owner(RG)); it.naming_convention = text("stabel"); }),
    "team-a/RoleAssignment/reader has the namingConvention \"stabel\", and ASO knows `stable` and `random`; correct it, \
     or set spec.azureName"
)]
#[case::from_config(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.azure_name = text("x"); vnet.azure_name_from_config = true; }),
    "team-a/VirtualNetwork/vnet takes its name in Azure from a ConfigMap (spec.azureNameFromConfig), and ASO has not read it yet"
)]
#[case::entra(
    root("entra.azure.com/SecurityGroup/admins"),
    "team-a/SecurityGroup/admins has no Entra object ID yet; ASO sets it once it has found or made the object"
)]
#[case::entra_slash(
    with("entra.azure.com/SecurityGroup/admins", |it| it.annotations.resource_id = text("a/b")),
    "the name of team-a/SecurityGroup/admins in Azure can't be \"a/b\": a name has '/' in it; correct spec.azureName"
)]
#[case::slash(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.azure_name = text("a/subnets/b"); }),
    "the name of team-a/VirtualNetwork/vnet in Azure can't be \"a/subnets/b\": a name has '/' in it; correct spec.azureName"
)]
#[case::control(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.azure_name = text("a\u{0}b"); }),
    "the name of team-a/VirtualNetwork/vnet in Azure can't be \"a\\0b\": a name has '\\0' in it; correct spec.azureName"
)]
#[case::climbing(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.azure_name = text(".."); }),
    "the name of team-a/VirtualNetwork/vnet in Azure can't be \"..\": `.` and `..` are not names; correct spec.azureName"
)]
#[case::hash(
    with(VNET, |vnet| { vnet.owner = Some(owner("rg")); vnet.azure_name = text("a#User"); }),
    "the name of team-a/VirtualNetwork/vnet in Azure can't be \"a#User\": a name has '#' in it; correct spec.azureName"
)]
#[case::user_with_slash(
    with("sql.azure.com/User/alice", |it| { it.owner = Some(owner("db")); it.azure_name = text("a/b"); }),
    "the name of team-a/User/alice in Azure can't be \"a/b\": a name has '/' in it; correct spec.azureName"
)]
fn says_why_not(#[case] object: ObjectFacts, #[case] expected: &str) {
    let mut world = world();
    world.push(child("sql.azure.com/User/alice", "db"));
    world.push(root("entra.azure.com/SecurityGroup/admins"));
    assert_eq!(
        resolve_in(&world, &object).unwrap_err().to_string(),
        expected
    );
}

#[rstest]
#[case(
    None,
    "the Azure subscription of team-a/ResourceGroup/rg is not known; check that the secret with its \
              credential is there and has AZURE_SUBSCRIPTION_ID"
)]
#[case(
    Some(""),
    "the Azure subscription of team-a/ResourceGroup/rg is not known; check that the secret with its \
                  credential is there and has AZURE_SUBSCRIPTION_ID"
)]
#[case(
    Some("a/b"),
    "AZURE_SUBSCRIPTION_ID of the credential of team-a/ResourceGroup/rg is not a subscription: \
                     a name has '/' in it"
)]
fn needs_a_subscription(#[case] subscription: Option<&str>, #[case] expected: &str) {
    let error = resolve(&Kinds::builtin(), &root(RG), &[], subscription).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[rstest]
#[case(root(RG), true)]
#[case(child(SUBNET, "vnet"), true)]
#[case(child(SUBNET, "nowhere"), true)]
#[case(root(ALIAS), false)]
#[case(on(ASSIGNMENT, ALIAS), false)]
#[case(on(ASSIGNMENT, "subscription.azure.com/Alias/not-there"), false)]
#[case(at(ASSIGNMENT, "/subscriptions/sub-9"), false)]
#[case(child(SUBNET, "far"), false)]
fn asks_for_a_subscription_only_where_needed(#[case] object: ObjectFacts, #[case] needed: bool) {
    let kinds = Kinds::builtin();
    let owners = owners(&kinds, &object, &world());
    assert_eq!(needs_subscription(&kinds, &object, &owners), needed);
    let without = resolve(&kinds, &object, &owners, None);
    assert_eq!(without.is_err(), needed, "{without:?}");
}

#[rstest]
#[case(
    child(VNET, "new"),
    "/subscriptions/sub-1/resourceGroups/new/providers/Microsoft.Network/virtualNetworks/vnet"
)]
#[case(
    on(
        "insights.azure.com/DiagnosticSetting/logs",
        "subscription.azure.com/Alias/new"
    ),
    "/providers/Microsoft.Subscription/aliases/new/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
fn assumes_the_name_of_a_missing_root(#[case] object: ObjectFacts, #[case] expected: &str) {
    let found = resolve_in(&[], &object).unwrap();
    assert_eq!(found.identity.as_str(), expected);
    assert!(found.assumed);
    assert_eq!(found.witness, None);
}

#[test]
fn an_owner_that_arrives_with_another_name_changes_the_identity() {
    let group = with(RG, |group| group.azure_name = text("rg-prod"));
    let found = resolve_in(&[group], &child(VNET, "rg")).unwrap();
    assert_eq!(found.identity.resource_group(), Some("rg-prod"));
    assert!(!found.assumed);
}

#[test]
fn a_stale_annotation_counts_too() {
    let mut vnet = child(VNET, "rg");
    vnet.annotations.resource_id = text(FAR_VNET);
    vnet.status_id = text("/subscriptions/sub-8/resourceGroups/old");
    let found = resolve_in(&world(), &vnet).unwrap();
    assert_eq!(found.identity.name(), "vnet");
    assert_eq!(found.also, [Identity::parse(FAR_VNET).unwrap()]);
    assert_eq!(found.stale_status.unwrap().name(), "old");

    let same = found.identity.key();
    vnet.annotations.resource_id = Some(same.as_str().into());
    vnet.status_id = Some(same.as_str().into());
    let found = resolve_in(&world(), &vnet).unwrap();
    assert_eq!((found.also, found.stale_status), (Vec::new(), None));
}

#[test]
fn an_annotation_that_is_no_arm_id_is_told() {
    let mut vnet = child(VNET, "rg");
    vnet.annotations.resource_id = text("vnet");
    vnet.status_id = text("what is this");
    let found = resolve_in(&world(), &vnet).unwrap();
    assert_eq!((found.also, found.stale_status), (Vec::new(), None));
    assert_eq!(
        found.bad_annotation,
        Some(ArmIdError::NotAbsolute("\"vnet\"".to_owned()))
    );
}

#[test]
fn an_annotation_is_never_a_synthetic_key() {
    let mut vnet = child(VNET, "rg");
    vnet.annotations.resource_id = text("/subscriptions/s#User/alice");
    let found = resolve_in(&world(), &vnet).unwrap();
    assert_eq!(found.also, []);
    assert!(found.bad_annotation.is_some());
}

#[rstest]
#[case::missing_owner(child(SUBNET, "elsewhere"), "owner-missing")]
#[case::unknown_kind(root("network.azure.com/Bridge/b"), "unknown-kind")]
#[case::config(with(VNET, |it| { it.owner = Some(owner("rg")); it.azure_name_from_config = true; }), "name-pending")]
#[case::contradiction(at(VNET, "far"), "bad-owner")]
#[case::no_owner(root(VNET), "no-owner")]
fn the_annotation_or_the_status_speaks_where_nothing_else_does(
    #[case] mut object: ObjectFacts,
    #[case] why: &str,
) {
    assert_eq!(resolve_in(&world(), &object).unwrap_err().reason(), why);
    object.annotations.resource_id = text(FAR_VNET);
    let found = resolve_in(&world(), &object).unwrap();
    let told = |found: Resolution| {
        let (witness, unresolved) = found.witness.unwrap();
        assert_eq!(unresolved.reason(), why);
        (found.identity.as_str().to_owned(), witness)
    };
    assert!(!found.assumed);
    assert_eq!(
        told(found),
        (FAR_VNET.to_owned(), IdentitySource::ResourceId)
    );

    // A bad annotation names nothing that could be deleted.
    object.annotations.resource_id = text("vnet");
    object.status_id = text(FAR_VNET);
    let found = resolve_in(&world(), &object).unwrap();
    assert_eq!(told(found), (FAR_VNET.to_owned(), IdentitySource::StatusId));
}

const OVERRIDE: &str = "/subscriptions/made-by-the-alias";

fn overriding(mut object: ObjectFacts) -> ObjectFacts {
    object.annotations.child_resource_id_override = text(OVERRIDE);
    object
}

#[rstest]
#[case::itself(
    overriding(root(ALIAS)),
    "/providers/Microsoft.Subscription/aliases/dev"
)]
#[case::on_the_root(
    on("insights.azure.com/DiagnosticSetting/logs", ALIAS),
    "/subscriptions/made-by-the-alias/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
#[case::twice_removed(
    on(
        "insights.azure.com/DiagnosticSetting/logs",
        "quota.azure.com/Quota/cores"
    ),
    "/subscriptions/made-by-the-alias/providers/Microsoft.Quota/quotas/cores/providers/Microsoft.Insights/diagnosticSettings/logs"
)]
fn an_override_replaces_the_prefix(#[case] object: ObjectFacts, #[case] expected: &str) {
    let quota = overriding(on("quota.azure.com/Quota/cores", ALIAS));
    let world = [overriding(root(ALIAS)), quota];
    let found = resolve_in(&world, &object).unwrap();
    assert_eq!(found.identity.as_str(), expected);
    let kinds = Kinds::builtin();
    let owners = owners(&kinds, &object, &world);
    assert!(!needs_subscription(&kinds, &object, &owners));
}

#[rstest]
#[case::below_the_root(vec![root(RG), overriding(child(VNET, "rg"))], on(ASSIGNMENT, VNET))]
#[case::for_a_child(vec![overriding(root(RG))], child(VNET, "rg"))]
#[case::further_up(vec![overriding(root(RG)), child(VNET, "rg")], on(ASSIGNMENT, VNET))]
fn an_override_that_aso_cannot_follow_is_told(
    #[case] world: Vec<ObjectFacts>,
    #[case] object: ObjectFacts,
) {
    let error = resolve_in(&world, &object).unwrap_err();
    assert!(
        matches!(error, Unresolved::OverrideOutOfPlace { .. }),
        "{error}"
    );
}

#[test]
fn an_override_has_to_be_an_arm_id() {
    let mut alias = root(ALIAS);
    alias.annotations.child_resource_id_override = text("dev");
    let error = resolve_in(&[alias], &on(ASSIGNMENT, ALIAS)).unwrap_err();
    assert_eq!(error.reason(), "bad-override");
}

#[test]
fn a_cycle_of_owners_is_told() {
    let quota = on("quota.azure.com/Quota/cores", ASSIGNMENT);
    let assignment = on(ASSIGNMENT, "quota.azure.com/Quota/cores");
    let error = resolve_in(&[quota.clone(), assignment], &quota).unwrap_err();
    assert_eq!(
        error,
        Unresolved::Cycle {
            object: Box::new(quota.key)
        }
    );
    let itself = on(ASSIGNMENT, ASSIGNMENT);
    let error = resolve_in(std::slice::from_ref(&itself), &itself).unwrap_err();
    assert_eq!(error.reason(), "bad-owner");
}

#[test]
fn too_many_owners_are_told() {
    let quota = |n: usize| format!("quota.azure.com/Quota/q{n}");
    let tower = |height: usize| {
        let mut tower = vec![on(&quota(0), RG), root(RG)];
        tower.extend((1..height).map(|n| on(&quota(n), &quota(n - 1))));
        tower
    };
    let highest = tower(MAX_LINKS);
    let found = resolve_in(&highest, &highest[MAX_LINKS]).unwrap();
    assert_eq!(found.identity.ancestors().len(), MAX_LINKS + 1);
    let higher = tower(MAX_LINKS + 1);
    let error = resolve_in(&higher, &higher[MAX_LINKS + 1]).unwrap_err();
    assert!(
        matches!(error, Unresolved::TooManyOwners { limit: 16, .. }),
        "{error}"
    );
}

#[test]
fn an_owner_that_was_not_looked_up_is_told() {
    let kinds = Kinds::builtin();
    let vnet = child(VNET, "rg");
    let stranger = OwnerLink::Found(Arc::new(root("resources.azure.com/ResourceGroup/other")));
    for owners in [&[][..], &[stranger]] {
        let error = resolve(&kinds, &vnet, owners, Some(SUB)).unwrap_err();
        assert_eq!(error.reason(), "owner-not-read");
    }
}

#[test]
fn a_learned_kind_resolves_like_the_others() {
    let kinds = Kinds::builtin().with_learned(super::super::Kind {
        group: "network.azure.com".into(),
        kind: "SubnetGuest".into(),
        arm_type: "Microsoft.Network/virtualNetworks/subnets/guests".into(),
        scope: Scope::Child {
            group: "network.azure.com".into(),
            kind: "VirtualNetworksSubnet".into(),
        },
        naming: Naming::AzureName,
        learned: true,
    });
    let guest = child("network.azure.com/SubnetGuest/g", "subnet");
    let owners = owners(&kinds, &guest, &world());
    let found = resolve(&kinds, &guest, &owners, Some(SUB)).unwrap();
    assert!(
        found
            .identity
            .as_str()
            .ends_with("/virtualNetworks/vnet/subnets/subnet/guests/g")
    );
}

proptest! {
    /// Whatever is written into an object, there is an answer, and an ID has as
    /// many segments as its kind says.
    #[test]
    fn never_panics_and_never_adds_segments(
        name in "(\\PC|/|#){0,12}",
        azure_name in prop::option::of("(\\PC|/|\\.|%|#|\n){0,12}"),
        arm_id in prop::option::of("(/|subscriptions|providers|s|\\PC){0,12}"),
        group_name in "(\\PC|/){0,8}",
        subscription in prop::option::of("(\\PC|/){0,8}"),
    ) {
        let mut vnet = child(VNET, "rg");
        vnet.key = ObjectKey::new(&vnet.key.group, &vnet.key.kind, NAMESPACE, &name);
        vnet.azure_name = azure_name.map(Into::into);
        if let Some(id) = arm_id {
            vnet.owner = Some(arm_owner(&id));
        }
        let group = with(RG, |group| group.azure_name = Some(group_name.into()));
        let owners = [OwnerLink::Found(Arc::new(group))];
        let found = resolve(&Kinds::builtin(), &vnet, &owners, subscription.as_deref());
        if let Ok(found) = found {
            prop_assert_eq!(found.identity.as_str().split('/').count(), 9);
            prop_assert!(!found.identity.as_str().contains('#'));
        }
    }
}
