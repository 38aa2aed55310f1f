//! Good reviews, changed here and there.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::fuzz::review::check;
use super::slips::{good, slip};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        "(/subscriptions/s)?(/resourceGroups/[a-z.#]{0,3})?(/providers/P/t/[a-z\u{0}/]{0,3})?"
            .prop_map(Value::from),
        select(vec![
            "manage", "skip", "Skip", "CREATE", "UPDATE", "DELETE", "stable"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map("[a-z]{1,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Every place in a JSON value, as pointers.
fn places(json: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let word = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match json {
        Value::Object(fields) => {
            for (key, value) in fields {
                places(value, &format!("{at}/{}", word(key)), found);
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                places(value, &format!("{at}/{number}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn slips_in_a_review_are_answered(good in good(), slips in vec(slip(), 1..5)) {
        let mut body = good.into_bytes();
        for slip in &slips {
            slip.apply(&mut body);
        }
        check(&body);
    }

    #[test]
    fn other_values_in_a_review_are_answered(
        good in good(),
        changes in vec((any::<Index>(), any_json()), 1..4),
    ) {
        let mut review: Value = serde_json::from_str(&good).unwrap();
        for (at, value) in changes {
            let mut found = Vec::new();
            places(&review, "", &mut found);
            let place = &found[at.index(found.len())];
            *review.pointer_mut(place).unwrap() = value;
        }
        check(review.to_string().as_bytes());
    }
}
