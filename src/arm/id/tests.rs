use std::collections::HashSet;

use proptest::prelude::*;
use rstest::rstest;

use super::*;

#[rstest]
#[case(
    "/subscriptions/s",
    Some("s"),
    None,
    "Microsoft.Resources/subscriptions"
)]
#[case(
    "/SUBSCRIPTIONS/S/resourcegroups/Rg/",
    Some("S"),
    Some("Rg"),
    "Microsoft.Resources/resourceGroups"
)]
#[case("/subscriptions/s/providers/P.Q/t/n", Some("s"), None, "P.Q/t")]
#[case(
    "/subscriptions/s/resourceGroups/g/providers/P/t/n/u/m",
    Some("s"),
    Some("g"),
    "P/t/u"
)]
#[case(
    "/subscriptions/s/resourceGroups/g/providers/P/t/n/providers/Q/e/x",
    Some("s"),
    Some("g"),
    "Q/e"
)]
#[case(
    "/providers/Microsoft.Management/managementGroups/mg",
    None,
    None,
    "Microsoft.Management/managementGroups"
)]
#[case("/providers/P/subscriptions/n", None, None, "P/subscriptions")]
fn reads(
    #[case] text: &str,
    #[case] subscription: Option<&str>,
    #[case] group: Option<&str>,
    #[case] kind: &str,
) {
    let id = ArmId::parse(text).unwrap();
    assert_eq!(id.as_str(), text.trim_end_matches('/'));
    assert_eq!(id.subscription(), subscription);
    assert_eq!(id.resource_group(), group);
    assert_eq!(id.resource_type(), kind);
}

#[rstest]
#[case("", "it is empty")]
#[case("/", "it is empty")]
#[case("subscriptions/s", "\"subscriptions/s\" does not begin with a slash")]
#[case(
    "/subscriptions",
    "\"/subscriptions\" is cut off: each type needs a name"
)]
#[case(
    "/subscriptions//resourceGroups/g",
    "\"/subscriptions//resourceGroups/g\": a name is empty"
)]
#[case("/subscriptions/s//", "\"/subscriptions/s/\": a name is empty")]
#[case(
    "/subscriptions/s/t/n",
    "\"/subscriptions/s/t/n\": \"t\" is not what comes next in an ARM ID"
)]
#[case(
    "/resourceGroups/g",
    "\"/resourceGroups/g\": \"resourceGroups\" is not what comes next in an ARM ID"
)]
#[case(
    "/subscriptions/s/providers/P",
    "\"/subscriptions/s/providers/P\" is cut off: each type needs a name"
)]
#[case(
    "/providers/P/providers/Q",
    "\"/providers/P/providers/Q\": \"providers\" is not what comes next in an ARM ID"
)]
#[case(
    "/subscriptions/../providers/P/t/n",
    "\"/subscriptions/../providers/P/t/n\": `.` and `..` are not names"
)]
#[case(
    "/subscriptions/s ",
    "\"/subscriptions/s \": a name begins or ends with white space"
)]
#[case(
    "/subscriptions/a\nb",
    "\"/subscriptions/a\\nb\": a name has '\\n' in it"
)]
#[case(
    "/subscriptions/a%2fb",
    "\"/subscriptions/a%2fb\": a name has '%' in it"
)]
fn refuses(#[case] text: &str, #[case] why: &str) {
    assert_eq!(ArmId::parse(text).unwrap_err().to_string(), why);
}

#[test]
fn refuses_what_is_too_long_and_shows_little_of_what_is_long() {
    let long = format!("/subscriptions/{}", "s".repeat(MAX_LEN));
    assert_eq!(ArmId::parse(&long), Err(ArmIdError::TooLong(2063)));
    let message = ArmId::parse(&"x".repeat(1000)).unwrap_err().to_string();
    assert!(message.len() < 130, "{message}");
}

fn segment() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_.()-]{0,6}[a-zA-Z0-9]"
}

pub(in crate::arm) fn arm_id() -> impl Strategy<Value = String> {
    let block = (
        segment(),
        prop::collection::vec((segment(), segment()), 1..4),
    );
    let root = prop_oneof![
        Just(String::new()),
        segment().prop_map(|s| format!("/subscriptions/{s}")),
        (segment(), segment()).prop_map(|(s, g)| format!("/subscriptions/{s}/resourceGroups/{g}")),
    ];
    (root, prop::collection::vec(block, 0..3)).prop_filter_map("empty", |(mut id, blocks)| {
        for (namespace, pairs) in blocks {
            let pairs = pairs.iter().flat_map(|(word, name)| [&**word, name]);
            for segment in ["providers", &namespace].into_iter().chain(pairs) {
                id.push('/');
                id.push_str(segment);
            }
        }
        (!id.is_empty() && !id.to_ascii_lowercase().contains("/providers/providers")).then_some(id)
    })
}

proptest! {
    #[test]
    fn never_panics_and_keeps_the_spelling(text in "(/|[a-z]|subscriptions|providers|\\PC){0,40}") {
        if let Ok(id) = ArmId::parse(&text) {
            prop_assert_eq!(id.as_str(), without_last_slash(&text));
            prop_assert_eq!(id.to_string(), id.as_str());
        }
    }

    #[test]
    fn case_makes_no_difference(text in arm_id()) {
        let id = ArmId::parse(&text).unwrap();
        let shouted = ArmId::parse(&text.to_ascii_uppercase()).unwrap();
        prop_assert_eq!(&id, &shouted);
        prop_assert_eq!(id.cmp(&shouted), Ordering::Equal);
        prop_assert_eq!(id.key(), shouted.key());
        prop_assert!(HashSet::from([id]).contains(&shouted));
    }

    #[test]
    fn order_agrees_with_keys(a in arm_id(), b in arm_id()) {
        let (a, b) = (ArmId::parse(&a).unwrap(), ArmId::parse(&b).unwrap());
        prop_assert_eq!(a.cmp(&b), a.key().cmp(&b.key()));
    }
}
