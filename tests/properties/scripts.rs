//! Objects and stories made of words that mean something.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::fuzz::{arm_id, learning, owners, story};

/// Texts with one of `words` after another.
fn of(words: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    vec(select(words), 0..most).prop_map(|words| words.concat())
}

fn object() -> impl Strategy<Value = String> {
    let kind = select(vec![
        "ResourceGroup",
        "StorageAccount",
        "StorageAccountsBlobService",
        "VirtualNetwork",
        "VirtualNetworksSubnet",
        "RoleAssignment",
        "SqlRoleAssignment",
        "DiagnosticSetting",
        "FlexibleServer",
        "User",
        "Alias",
        "SecurityGroup",
        "Thing",
    ]);
    let name = select(vec!["rg", "st", "net", "default"]);
    let field = select(vec![
        "azure=rg",
        "azure=st",
        "azure=X",
        "azure=a\\n",
        "owner=rg",
        "owner=rg",
        "owner=st",
        "owner=net",
        "owner=default",
        "owner-group=resources.azure.com",
        "owner-group=storage.azure.com",
        "owner-kind=ResourceGroup",
        "owner-kind=StorageAccount",
        "arm-id=/subscriptions/s1/resourceGroups/rg",
        "arm-id=/subscriptions/s2/resourceGroups/x",
        "arm-id=/subscriptions/s1/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/net",
        "config=c",
        "found=rg",
        "found=x",
        "convention=random",
        "policy=skip",
        "policy=skip",
        "policy=manage",
        "policy=detach-on-delete",
        "policy=",
        "policy=Skip",
        "id=/subscriptions/s1/resourceGroups/rg",
        "id=/subscriptions/s1/resourceGroups/x",
        "id=oops",
        "status=/subscriptions/s1/resourceGroups/rg",
        "override=/subscriptions/s2/resourceGroups/x",
        "busy=t",
        "tag=t",
        "slow=y",
    ]);
    (kind, name, vec(field, 0..4)).prop_map(|(kind, name, fields)| {
        let fields: Vec<String> = fields.iter().map(|field| format!(" | {field}")).collect();
        format!("{kind} {name}{}", fields.concat())
    })
}

fn scene() -> impl Strategy<Value = String> {
    let request = select(vec![
        "a create", "b create", "c create", "a update", "b update", "c update", "a delete",
        "b delete", "a lose", "b slip", "a crd",
    ]);
    prop_oneof![
        10 => (request, object()).prop_map(|(request, object)| format!("{request} {object}")),
        1 => select(vec![
            "a namespace | policy=skip",
            "a namespace | policy=",
            "b namespace | policy=detach-on-delete",
            "a remove-namespace",
            "c remove-namespace",
            "b operator | policy=skip",
            "b credential | id=s2",
        ])
        .prop_map(str::to_owned),
    ]
}

const ID_WORDS: [&str; 17] = [
    "/",
    "#",
    "\n",
    "/subscriptions/s",
    "/SUBSCRIPTIONS/S",
    "/resourceGroups/g",
    "/resourcegroups/G",
    "/providers/P",
    "/providers/Q",
    "/t/n",
    "/T/N",
    "/u/m",
    "#User/a",
    "#EXT#",
    "..",
    "%",
    "\u{e9}",
];

const CRD_WORDS: [&str; 17] = [
    "\n",
    "\n",
    "\n",
    "/subscriptions/{s}",
    "/resourceGroups/{g}",
    "/providers/M.Shop",
    "/providers/{p}",
    "/things/{t}",
    "/shops/{s}",
    "/things/default",
    "/{scope}",
    "a resources.azure.com/ResourceGroup",
    "an shop.azure.com/Shop",
    "a shop.azure.com/Thing",
    "azureName",
    "namingConvention",
    " ",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arm_ids_are_read_and_compared(text in of(&ID_WORDS, 12)) {
        arm_id::check(text.as_bytes());
    }

    #[test]
    fn kinds_are_learned(text in of(&CRD_WORDS, 14)) {
        learning::check(text.as_bytes());
    }

    #[test]
    fn owners_are_followed(objects in vec(object(), 1..8)) {
        owners::check(objects.join("\n").as_bytes());
    }

    #[test]
    fn the_promises_are_kept(scenes in vec(scene(), 1..14)) {
        story::check(scenes.join("\n").as_bytes());
    }
}
