use std::collections::HashSet;

use proptest::prelude::*;
use rstest::rstest;

use super::super::id::tests::arm_id;
use super::*;

fn id(text: &str) -> Identity {
    Identity::parse(text).unwrap()
}

const SUBNET: &str =
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/n";

#[rstest]
#[case(SUBNET, &[
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v",
    "/subscriptions/s/resourceGroups/rg",
    "/subscriptions/s",
])]
#[case("/subscriptions/s/resourceGroups/rg/providers/P/t/n/providers/Q/e/x", &[
    "/subscriptions/s/resourceGroups/rg/providers/P/t/n",
    "/subscriptions/s/resourceGroups/rg",
    "/subscriptions/s",
])]
#[case("/subscriptions/s/resourceGroups/rg/providers/P/t/n#User/alice#EXT#", &[
    "/subscriptions/s/resourceGroups/rg/providers/P/t/n",
    "/subscriptions/s/resourceGroups/rg",
    "/subscriptions/s",
])]
#[case("/providers/Microsoft.Subscription/aliases/a", &[])]
#[case("/subscriptions/s", &[])]
fn knows_what_contains_it(#[case] text: &str, #[case] above: &[&str]) {
    let found = id(text).ancestors();
    assert_eq!(
        found.iter().map(Identity::as_str).collect::<Vec<_>>(),
        above
    );
}

#[rstest]
#[case(SUBNET, "/subscriptions/S/resourcegroups/RG", true)]
#[case(SUBNET, SUBNET, false)]
#[case(SUBNET, "/subscriptions/s/resourceGroups/r", false)]
#[case("/subscriptions/s/resourceGroups/r", SUBNET, false)]
#[case("/providers/P/t/n#User/a", "/providers/p/T/N", true)]
#[case("/providers/P/t/n#User/a", "/providers/P/t/nn", false)]
#[case("/providers/P/t/n#User/a#b", "/providers/P/t/n#User/a", false)]
fn knows_what_it_lies_in(#[case] inner: &str, #[case] outer: &str, #[case] expected: bool) {
    assert_eq!(id(inner).is_below(&id(outer)), expected);
}

#[rstest]
#[case(SUBNET, "n")]
#[case("/subscriptions/s/resourceGroups/rg/", "rg")]
#[case("/providers/P/t/n#User/a#b", "a#b")]
fn has_a_name(#[case] text: &str, #[case] name: &str) {
    assert_eq!(id(text).name(), name);
}

#[rstest]
#[case("#User/a", "it is empty")]
#[case(
    "/subscriptions/s#User",
    "\"/subscriptions/s#User\" is cut off: each type needs a name"
)]
#[case(
    "/subscriptions/s#/a",
    "\"/subscriptions/s#/a\": \"\" is not what comes next in an ARM ID"
)]
#[case(
    "/subscriptions/s#User/",
    "\"/subscriptions/s#User/\": a name is empty"
)]
#[case(
    "/subscriptions/s#User/a/b",
    "\"/subscriptions/s#User/a/b\": a name has '/' in it"
)]
#[case("/subscriptions/s/#User/a", "\"/subscriptions/s/\": a name is empty")]
fn refuses(#[case] text: &str, #[case] why: &str) {
    assert_eq!(Identity::parse(text).unwrap_err().to_string(), why);
}

#[rstest]
#[case("GRÜN", "grün", true)]
#[case("ДОМ", "дом", true)]
#[case("ᾳ", "ᾼ", true)]
#[case("ǆ", "ǅ", true)]
#[case("ⱥ", "Ⱥ", true)]
#[case("straße", "STRASSE", false)]
#[case("ﬁ", "FI", false)]
#[case("I", "ı", false)]
#[case("i", "İ", false)]
#[case("s", "ſ", false)]
#[case("k", "\u{212a}", false)]
fn names_are_compared_as_dotnet_does(#[case] a: &str, #[case] b: &str, #[case] same: bool) {
    let group = |name: &str| id(&format!("/subscriptions/s/resourceGroups/rg-{name}"));
    let (a, b) = (group(a), group(b));
    assert_eq!(a == b, same);
    assert_eq!(a.cmp(&b) == Ordering::Equal, same);
    assert_eq!(a.key() == b.key(), same);
    assert_eq!(HashSet::from([a.clone()]).contains(&b), same);
    let inside = id(&format!("{b}/providers/P/t/n"));
    assert_eq!(inside.is_below(&a), same);
    assert!(inside.is_below(&b) && inside.ancestors().contains(&b));
}

#[rstest]
#[case(
    SUBNET,
    "/subscriptions/S/resourcegroups/RG",
    "/subscriptions/t/resourceGroups/x",
    Some(
        "/subscriptions/t/resourceGroups/x/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
    )
)]
#[case(
    "/providers/P/t/n#User/a",
    "/providers/P/t/n",
    "/providers/P/t/m",
    Some("/providers/P/t/m#User/a")
)]
#[case(
    "/providers/P/t/n#User/a",
    "/providers/P/t/n",
    "/providers/P/t/m#User/b",
    None
)]
#[case(SUBNET, SUBNET, "/subscriptions/s", None)]
#[case(SUBNET, "/subscriptions/s/resourceGroups/r", "/subscriptions/s", None)]
fn moves_with_what_it_lies_in(
    #[case] text: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] then: Option<&str>,
) {
    let moved = id(text).moved(&id(from), &id(to));
    assert_eq!(moved.as_ref().map(Identity::as_str), then);
}

#[test]
fn renames_the_last() {
    assert_eq!(
        id("/providers/P/t/n").renamed("m").unwrap().as_str(),
        "/providers/P/t/m"
    );
    assert!(id("/providers/P/t/n").renamed("m/x").is_err());
}

#[test]
fn is_a_string_in_json() {
    let json = serde_json::to_string(&id(SUBNET)).unwrap();
    assert_eq!(json, format!("{SUBNET:?}"));
    assert_eq!(serde_json::from_str::<Identity>(&json).unwrap(), id(SUBNET));
    assert!(serde_json::from_str::<Identity>("\"/x\"").is_err());
}

fn identity() -> impl Strategy<Value = String> {
    let inside = prop::option::of(("[A-Z][a-z]{0,5}", "[a-z#@. ]{0,6}[a-z]"));
    (arm_id(), inside).prop_filter_map("a name with white space at an end", |(id, inside)| {
        match inside {
            Some((kind, name)) if name.trim() == name => Some(format!("{id}#{kind}/{name}")),
            Some(_) => None,
            None => Some(id),
        }
    })
}

proptest! {
    #[test]
    fn never_panics_and_round_trips(text in "(/|#|[a-z]|subscriptions|providers|\\PC){0,40}") {
        if let Ok(found) = text.parse::<Identity>() {
            let again = id(&found.to_string());
            prop_assert_eq!(again.as_str(), found.as_str());
            prop_assert!(!found.name().is_empty());
        }
    }

    #[test]
    fn case_makes_no_difference(text in identity()) {
        let shouted = id(&text.to_ascii_uppercase());
        prop_assert_eq!(&id(&text), &shouted);
        prop_assert_eq!(id(&text).key(), shouted.key());
        prop_assert!(HashSet::from([id(&text)]).contains(&shouted));
    }

    #[test]
    fn lies_in_exactly_its_ancestors(a in identity(), b in identity()) {
        let (a, b) = (id(&a), id(&b));
        prop_assert_eq!(a.is_below(&b), a.ancestors().contains(&b));
        for above in a.ancestors() {
            prop_assert!(a.is_below(&above) && !above.is_below(&a));
            prop_assert_eq!(&id(above.as_str()), &above);
            prop_assert_eq!(a.subscription(), above.subscription());
        }
    }
}
