use rstest::rstest;
use serde_json::json;

use super::*;

const IN_GROUP: &str = "/subscriptions/{s}/resourceGroups/{g}/providers/";

fn crd(uri: &str, owner: &str, azure_name: bool) -> CrdFacts {
    CrdFacts {
        group: "shop.azure.com".to_owned(),
        kind: "Thing".to_owned(),
        versions: vec![VersionFacts {
            description: Some(format!(
                "Generator information:\n- Generated from: /x.json\n- ARM URI: {uri}"
            )),
            owner_description: Some(format!(
                "Owner: The owner. Owner is expected to be a\nreference to {owner} resource"
            )),
            azure_name,
            naming_convention: false,
        }],
    }
}

fn child_of(group: &str, kind: &str) -> Scope {
    Scope::Child {
        group: group.into(),
        kind: kind.into(),
    }
}

#[rstest]
#[case(
    "M.Shop/things/{t}",
    "a resources.azure.com/ResourceGroup",
    true,
    "M.Shop/things",
    Scope::ResourceGroup,
    Naming::AzureName
)]
#[case(
    "M.Shop/shops/{s}/things/{t}",
    "a\nshop.azure.com/Shop",
    true,
    "M.Shop/shops/things",
    child_of("shop.azure.com", "Shop"),
    Naming::AzureName
)]
#[case("M.Shop/shops/{s}/things/default", "an shop.azure.com/Shop", false, "M.Shop/shops/things", child_of("shop.azure.com", "Shop"), Naming::Fixed("default".into()))]
fn learns_what_lies_in_a_resource_group(
    #[case] uri: &str,
    #[case] owner: &str,
    #[case] azure_name: bool,
    #[case] arm_type: &str,
    #[case] scope: Scope,
    #[case] naming: Naming,
) {
    let kind = learn(&crd(&format!("{IN_GROUP}{uri}"), owner, azure_name)).unwrap();
    assert_eq!(&*kind.arm_type, arm_type);
    assert_eq!(
        (kind.scope, kind.naming, kind.learned),
        (scope, naming, true)
    );
    assert_eq!((&*kind.group, &*kind.kind), ("shop.azure.com", "Thing"));
}

#[rstest]
#[case("/providers/M.Shop/things/{t}", "M.Shop/things", Scope::Tenant)]
#[case(
    "/subscriptions/{s}/providers/M.Shop/things/{t}",
    "M.Shop/things",
    Scope::Subscription
)]
#[case(
    "/subscriptions/{s}/resourcegroups/{g}",
    "Microsoft.Resources/resourceGroups",
    Scope::Subscription
)]
#[case(
    "/{scope}/providers/M.Shop/things/{t}",
    "M.Shop/things",
    Scope::Extension
)]
#[case(
    "/subscriptions/{s}/resourceGroups/{g}/providers/{p}/{t}/{n}/providers/M.Shop/things/{t}",
    "M.Shop/things",
    Scope::Extension
)]
fn learns_what_lies_elsewhere(#[case] uri: &str, #[case] arm_type: &str, #[case] scope: Scope) {
    let kind = learn(&crd(uri, "nothing", true)).unwrap();
    assert_eq!((&*kind.arm_type, kind.scope), (arm_type, scope));
}

#[rstest]
#[case("M.Shop/things/{t}", "a shop.azure.com/Shop")]
#[case("M.Shop/shops/{s}/things/{t}", "a resources.azure.com/ResourceGroup")]
fn an_owner_has_to_fit(#[case] uri: &str, #[case] owner: &str) {
    let error = learn(&crd(&format!("{IN_GROUP}{uri}"), owner, true)).unwrap_err();
    assert!(matches!(error, LearnError::OwnerMisfit { .. }), "{error}");
}

#[rstest]
#[case("")]
#[case("things")]
#[case("/")]
#[case("/subscriptions/{s}")]
#[case("/subscriptions/{s}/resourceGroups/{g}/providers/M.Shop")]
#[case("/subscriptions/{s}/resourceGroups/{g}/providers/M.Shop/things")]
#[case("/subscriptions/{s}/resourceGroups/{g}/providers/M.Shop/{type}/{t}")]
#[case("/subscriptions/{s}/resourceGroups/{g}/providers/{p}/things/{t}")]
#[case("/subscriptions/{s}/locations/{l}/providers/M.Shop/things/{t}")]
#[case("/providers/M.Shop//{t}")]
#[case("/providers//things/{t}")]
fn an_odd_uri_is_told(#[case] uri: &str) {
    let error = learn(&crd(uri, "a resources.azure.com/ResourceGroup", true)).unwrap_err();
    let expected = match uri {
        "" => LearnError::NoArmUri,
        _ => LearnError::Unreadable(uri.to_owned()),
    };
    assert_eq!(error, expected);
}

#[test]
fn says_what_is_missing() {
    let thing = format!("{IN_GROUP}M.Shop/things/{{t}}");
    let no_owner = crd(&thing, "nobody", true);
    assert_eq!(learn(&no_owner), Err(LearnError::NoOwner));
    let no_name = crd(&thing, "a resources.azure.com/ResourceGroup", false);
    assert_eq!(learn(&no_name), Err(LearnError::NameUnknown));
    assert_eq!(learn(&CrdFacts::default()), Err(LearnError::NoArmUri));
}

#[test]
fn versions_have_to_agree() {
    let group = "a resources.azure.com/ResourceGroup";
    let mut facts = crd(&format!("{IN_GROUP}M.Shop/things/{{t}}"), group, true);
    facts
        .versions
        .extend(crd(&format!("{IN_GROUP}m.shop/THINGS/{{x}}"), group, true).versions);
    assert!(learn(&facts).is_ok());
    facts
        .versions
        .extend(crd(&format!("{IN_GROUP}M.Shop/others/{{t}}"), group, true).versions);
    assert!(matches!(learn(&facts), Err(LearnError::Disagree(..))));
}

#[test]
fn reads_a_crd() {
    let facts: CrdFacts = serde_json::from_value(json!({
        "kind": "CustomResourceDefinition",
        "spec": {
            "group": "shop.azure.com",
            "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "schema": {"openAPIV3Schema": {
                "description": "ARM URI: /{scope}/providers/M.Shop/things/{t}",
                "properties": {"spec": {"properties": {
                    "azureName": {"type": "string"},
                    "operatorSpec": {"properties": {"namingConvention": {"type": "string"}}},
                    "owner": {"description": "any", "properties": {"armId": {"type": "string"}}},
                }}},
            }}}, {"name": "v2"}],
        },
    }))
    .unwrap();
    assert_eq!(facts.versions[0].owner_description.as_deref(), Some("any"));
    assert_eq!(facts.versions[1], VersionFacts::default());
    let naming = Naming::Uuid {
        arm_id_unsure: false,
    };
    assert_eq!(learn(&facts).unwrap().naming, naming);
}
