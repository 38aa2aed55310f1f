use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn one(text: &str) -> YamlNode<'_> {
    let (mut found, error) = documents(text);
    assert_eq!(error, None, "{text}");
    assert_eq!(found.len(), 1, "{text}");
    found.remove(0)
}

fn mark(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn every_value_knows_where_it_stands() {
    let node = one("# a comment\nkind: X\nspec:\n  owner:\n    name: rg\n");
    assert_eq!(node.entry("kind").unwrap().at, mark(2, 1));
    assert_eq!(
        node.find(&["spec", "owner", "name"]).unwrap().at,
        mark(5, 11)
    );
    assert_eq!(
        node.find(&["spec", "owner", "name"]).unwrap().text(),
        Some("rg")
    );
}

#[test]
fn each_document_is_read_until_one_cannot_be() {
    let (found, error) = documents("a: 1\n---\nb: 2\n---\n{ c: 3\n");
    assert_eq!(found.len(), 2);
    let error = error.unwrap();
    assert!(error.at.line >= 5, "{error}");
    assert!(error.what.starts_with("this is not YAML: "), "{error}");
}

#[rstest]
#[case("~", YamlValue::Null)]
#[case("true", YamlValue::Bool(true))]
#[case("17", YamlValue::Number("17".into()))]
#[case("-1.5e3", YamlValue::Number("-1.5e3".into()))]
#[case("0x1F", YamlValue::Number("0x1F".into()))]
#[case("'17'", YamlValue::Text("17".into()))]
#[case("!!str 17", YamlValue::Text("17".into()))]
#[case("skip", YamlValue::Text("skip".into()))]
#[case("inf", YamlValue::Text("inf".into()))]
#[case("1.2.3", YamlValue::Text("1.2.3".into()))]
#[case("|\n  two\n  lines\n", YamlValue::Text("two\nlines\n".into()))]
fn scalars_are_what_the_api_server_takes_them_for(
    #[case] text: &str,
    #[case] value: YamlValue<'_>,
) {
    assert_eq!(one(text).value, value);
}

#[test]
fn json_is_read_too() {
    let node = one("{\n\t\"kind\": \"X\",\n\t\"items\": [1, null]\n}");
    assert_eq!(node.entry("items").unwrap().at, mark(3, 2));
    assert_eq!(
        node.to_json(),
        serde_json::json!({"kind": "X", "items": [1, null]})
    );
}

#[test]
fn texts_of_json_follow_each_other() {
    let (found, error) = documents("{\"a\": 1}{\"b\":\n2}\n{\"c\": 3}\n");
    assert_eq!(error, None);
    let marks: Vec<Position> = found.iter().map(|node| node.at).collect();
    assert_eq!(marks, [mark(1, 1), mark(1, 9), mark(3, 1)]);
    assert_eq!(found[1].get("b").unwrap().at, mark(2, 1));
    assert!(documents("{\"a\": 1}{\"b\"").1.is_some());
}

#[test]
fn anchors_and_merges_are_followed() {
    let node = one("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nagain: *b\n");
    assert_eq!(node.to_json()["use"], serde_json::json!({"x": 1, "y": 3}));
    assert_eq!(node.get("again").unwrap().at.line, 5);
}

#[rstest]
#[case::twice("a: 1\nb: 2\na: 3\n", 3, "the key \"a\" is here twice, first at 1:1")]
#[case::no_key("? [a]\n: b\n", 1, "a key has to be a text")]
#[case::circle("a: &a [*a]\n", 1, "an alias to a value that contains it")]
fn what_is_wrong_is_said_with_its_line(#[case] text: &str, #[case] line: u32, #[case] what: &str) {
    let error = documents(text).1.unwrap();
    assert_eq!((error.at.line, error.what.as_str()), (line, what));
}

#[test]
fn bombs_do_not_go_off() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        laughs += &format!("a{level}: &a{level} [{items}]\n");
    }
    let error = documents(&laughs).1.unwrap();
    assert!(error.what.contains("aliases repeat"), "{error}");
    let deep = "[".repeat(100_000);
    assert!(documents(&deep).1.is_some());
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let error = documents(&deep).1.unwrap();
    assert!(error.what.contains("nested more than"), "{error}");
    let deep = "- ".repeat(100_000);
    assert!(documents(&deep).1.is_some());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "([a-c:\\-\\[\\]{}&*!|>'\"#%?, \n\t]|<<|---|\\PC){0,60}") {
        let (found, _) = documents(&text);
        for node in &found {
            let _ = node.to_json();
        }
    }

    #[test]
    fn what_is_json_comes_out_as_it_went_in(keys in prop::collection::btree_map("[a-z]{1,6}", "\\PC{0,12}", 0..6)) {
        let json = serde_json::to_string_pretty(&keys).unwrap();
        prop_assert_eq!(one(&json).to_json(), serde_json::to_value(&keys).unwrap());
    }
}
